// SPDX-License-Identifier: GPL-2.0-only
/*
 * load OPTION...: asks `serve`, or what stands before it, from one thread, and says in one line of JSON what came of it.
 *
 * Closed loop: each of --connections asks again as soon as it was answered. With --rate, questions are due at even distances whatever
 * the answers do, and a latency runs from when its question was due: a stall counts for all that it held up. With --close, each question
 * has a connection of its own, opened for it and closed by us. Only what was asked after --warm-up seconds is counted, except in
 * `all_count` and `all_bytes`: what the gateway has done in all.
 */
#include "latency.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define BACKENDS_MAX 1024
#define ERRORS_MAX 100	       /* then it asks no more */
#define PATIENCE 5000000000ull /* ns without an answer: an error */
#define LATE 180000000ull      /* ns: longer than any queue here, so something was sent again */

struct connection {
	int fd;
	bool is_busy, is_writing;
	uint64_t due;	/* the next question's, with a rate */
	uint64_t begun; /* when the question was due or asked */
	uint64_t head, up, got, down;
	struct wire_question question;
	struct wire_answer answer;
};

static struct {
	struct in_addr from, to;
	unsigned int sources, targets, port, connections;
	double seconds, warm_up, rate;
	uint64_t upload, download;
	bool closes;
} option = {.sources = 1, .targets = 1, .connections = 1, .seconds = 1};

static struct {
	uint64_t count, bytes, all_count, all_bytes, late, errors, last;
	char error[128];
	bool seen[BACKENDS_MAX];
} outcome;

static unsigned char pattern[2 * WIRE_PERIOD];
static struct connection connections[CONNECTIONS_MAX];
static uint64_t start, measured_from, end;
static uint32_t asked;
static int poll_fd;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Between two questions of one connection, with a rate. */
static uint64_t interval(void)
{
	return option.rate > 0 ? (uint64_t)(1e9 * option.connections / option.rate) : 0;
}

static void fail(struct connection *connection, const char *what, int error)
{
	if (!outcome.errors++)
		snprintf(outcome.error, sizeof(outcome.error), "%s%s%s", what, error ? ": " : "",
			 error ? strerror(error) : "");
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	connection->is_busy = false;
	connection->due += interval();
}

static struct in_addr nth(struct in_addr first, uint32_t n)
{
	return (struct in_addr){htonl(ntohl(first.s_addr) + n)};
}

/* Connects; the connection is watched for room to write, and the question goes out when there is some. */
static bool open_to(struct connection *connection, uint32_t number)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = nth(option.from, number % option.sources)};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr = nth(option.to, number % option.targets),
				 .sin_port = htons((uint16_t)option.port)};
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
	int yes = 1;

	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0) {
		fail(connection, "socket", errno);
		return false;
	}
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	if (option.from.s_addr && bind(connection->fd, (struct sockaddr *)&own, sizeof(own))) {
		fail(connection, "bind", errno);
		return false;
	}
	if (connect(connection->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) {
		fail(connection, "connect", errno);
		return false;
	}
	connection->is_writing = true;
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, connection->fd, &event)) {
		fail(connection, "epoll_ctl", errno);
		return false;
	}
	return true;
}

static void watch(struct connection *connection, bool is_writing)
{
	struct epoll_event event = {.events = is_writing ? EPOLLOUT : EPOLLIN, .data.ptr = connection};

	if (connection->is_writing == is_writing)
		return;
	connection->is_writing = is_writing;
	if (epoll_ctl(poll_fd, EPOLL_CTL_MOD, connection->fd, &event))
		fail(connection, "epoll_ctl", errno);
}

/* Sends what is left of the question. */
static void say(struct connection *connection)
{
	const struct wire_question *question = &connection->question;
	ssize_t n;

	while (connection->head < sizeof(*question) || connection->up < question->upload) {
		if (connection->head < sizeof(*question)) {
			n = send(connection->fd, (const unsigned char *)question + connection->head,
				 sizeof(*question) - connection->head,
				 MSG_NOSIGNAL | (question->upload ? MSG_MORE : 0));
			connection->head += n > 0 ? (uint64_t)n : 0;
		} else {
			uint64_t left = question->upload - connection->up;

			n = send(connection->fd, pattern + connection->up % WIRE_PERIOD,
				 left < WIRE_PERIOD ? left : WIRE_PERIOD, MSG_NOSIGNAL);
			connection->up += n > 0 ? (uint64_t)n : 0;
		}
		if (n < 0) {
			if (errno == EAGAIN)
				watch(connection, true);
			else
				fail(connection, "send", errno);
			return;
		}
	}
	watch(connection, false);
}

static void ask(struct connection *connection, uint64_t when)
{
	connection->begun = when;
	connection->is_busy = true;
	connection->head = connection->up = connection->got = connection->down = 0;
	connection->question = (struct wire_question){
		.kind = WIRE_QUESTION, .number = asked++, .upload = option.upload, .download = option.download};
	if (connection->fd >= 0)
		say(connection);
	else
		open_to(connection, connection->question.number);
}

static void answered(struct connection *connection, uint64_t now)
{
	const struct wire_answer *answer = &connection->answer;
	uint64_t took = now - connection->begun;

	connection->is_busy = false;
	outcome.seen[answer->backend] = true;
	outcome.all_count++;
	outcome.all_bytes += option.upload + option.download;
	outcome.last = now;
	if (connection->begun >= measured_from) {
		outcome.count++;
		outcome.bytes += option.upload + option.download;
		outcome.late += took > LATE;
		latency_add(took);
	}
	if (option.closes) {
		close(connection->fd);
		connection->fd = -1;
	}
	if (option.rate <= 0) {
		/* A machine that has no time for us must not leave a window with nothing in it. */
		if (now < end || outcome.count < option.connections)
			ask(connection, now);
	} else {
		connection->due += interval();
		if (connection->due <= now && connection->due < end)
			ask(connection, connection->due);
	}
}

static const char *wrong(const struct connection *connection)
{
	const struct wire_answer *answer = &connection->answer;

	if (answer->kind != WIRE_ANSWER || answer->number != connection->question.number ||
	    answer->download != connection->question.download)
		return "an answer that is not the one to the question";
	if (answer->backend == WIRE_WRONG)
		return "what came up is not what was sent";
	return answer->backend >= BACKENDS_MAX ? "no such backend" : NULL;
}

static void hear(struct connection *connection)
{
	static unsigned char body[4 * WIRE_PERIOD];
	ssize_t n;

	for (;;) {
		bool is_head = connection->got < sizeof(connection->answer);
		uint64_t left = is_head ? sizeof(connection->answer) - connection->got
					: connection->answer.download - connection->down;

		n = recv(connection->fd, is_head ? (unsigned char *)&connection->answer + connection->got : body,
			 is_head || left < sizeof(body) ? left : sizeof(body), 0);
		if (n <= 0) {
			if (n == 0)
				fail(connection, "closed before the answer", 0);
			else if (errno != EAGAIN)
				fail(connection, "receive", errno);
			return;
		}
		if (is_head)
			connection->got += (uint64_t)n;
		for (size_t done = 0; !is_head && done < (size_t)n;) {
			size_t part = (size_t)n - done < WIRE_PERIOD ? (size_t)n - done : WIRE_PERIOD;

			if (memcmp(body + done, pattern + (connection->down + done) % WIRE_PERIOD, part)) {
				fail(connection, "what came down is not what was sent", 0);
				return;
			}
			done += part;
		}
		if (!is_head)
			connection->down += (uint64_t)n;
		if (connection->got < sizeof(connection->answer))
			continue;
		if (is_head && wrong(connection)) {
			fail(connection, wrong(connection), 0);
			return;
		}
		if (connection->down == connection->answer.download) {
			answered(connection, now_ns());
			return;
		}
	}
}

/* Asks what is due; returns when the next thing is to be looked at. */
static uint64_t ask_due(uint64_t now)
{
	uint64_t next = now + 50000000;

	for (unsigned int i = 0; i < option.connections; i++) {
		struct connection *connection = &connections[i];

		if (connection->is_busy) {
			if (now > end && now > connection->begun + PATIENCE)
				fail(connection, "no answer for 5 s", 0);
			continue;
		}
		if (option.rate <= 0 || connection->due >= end || outcome.errors >= ERRORS_MAX)
			continue;
		if (connection->due <= now)
			ask(connection, connection->due);
		else if (connection->due < next)
			next = connection->due;
	}
	return next;
}

static bool is_over(uint64_t now)
{
	if (now < end && outcome.errors < ERRORS_MAX)
		return false;
	for (unsigned int i = 0; i < option.connections; i++)
		if (connections[i].is_busy)
			return false;
	return true;
}

static void run(void)
{
	struct epoll_event events[CONNECTIONS_MAX];

	start = now_ns();
	measured_from = start + (uint64_t)(option.warm_up * 1e9);
	end = measured_from + (uint64_t)(option.seconds * 1e9);
	for (unsigned int i = 0; i < option.connections; i++) {
		connections[i].fd = -1;
		connections[i].due = start + (uint64_t)(1e9 * i / (option.rate > 0 ? option.rate : 1));
		if (option.rate <= 0)
			ask(&connections[i], start);
	}
	for (;;) {
		uint64_t now = now_ns(), next = ask_due(now), wait = next > now ? next - now : 0;
		struct timespec pause = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
		int count;

		if (is_over(now))
			break;
		count = epoll_pwait2(poll_fd, events, CONNECTIONS_MAX, &pause, NULL);
		for (int i = 0; i < count; i++) {
			struct connection *connection = events[i].data.ptr;

			if (connection->fd < 0)
				continue;
			if (connection->is_writing && connection->is_busy &&
			    !(events[i].events & (EPOLLERR | EPOLLHUP)))
				say(connection);
			else if (connection->is_busy)
				hear(connection);
			else
				fail(connection, "closed while idle", 0);
		}
	}
	for (unsigned int i = 0; i < option.connections; i++)
		if (connections[i].fd >= 0)
			close(connections[i].fd);
}

static void report(void)
{
	unsigned int backends = 0;
	double seconds = outcome.last > measured_from ? (double)(outcome.last - measured_from) * 1e-9 : 0;

	for (int i = 0; i < BACKENDS_MAX; i++)
		backends += outcome.seen[i];
	latency_sort();
	printf("{\"count\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"all_count\": %llu, \"all_bytes\": %llu, "
	       "\"backends\": %u, ",
	       (unsigned long long)outcome.count, (unsigned long long)outcome.bytes, seconds,
	       (unsigned long long)outcome.all_count, (unsigned long long)outcome.all_bytes, backends);
	printf("\"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, \"late\": %llu, \"errors\": %llu, \"error\": "
	       "\"%s\"}\n",
	       latency_percentile(0.5), latency_percentile(0.99), latency_percentile(1),
	       (unsigned long long)outcome.late, (unsigned long long)outcome.errors, outcome.error);
}

/* ADDRESS or ADDRESS+COUNT: that many addresses, one after the other. */
static bool addresses(char *text, struct in_addr *ret_first, unsigned int *ret_count)
{
	char *plus = strchr(text, '+');

	if (plus) {
		*plus = 0;
		*ret_count = (unsigned int)atoi(plus + 1);
	}
	return inet_pton(AF_INET, text, ret_first) == 1 && *ret_count > 0;
}

static bool options(int argc, char **argv)
{
	static const struct option names[] = {
		{"from", 1, NULL, 'f'},	       {"to", 1, NULL, 't'},	  {"port", 1, NULL, 'p'},
		{"connections", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'}, {"rate", 1, NULL, 'r'},
		{"up", 1, NULL, 'u'},	       {"down", 1, NULL, 'd'},	  {"close", 0, NULL, 'x'},
		{"warm-up", 1, NULL, 'w'},     {NULL, 0, NULL, 0},
	};
	bool is_right = true;
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) >= 0)
		switch (name) {
		case 'f':
			is_right &= addresses(optarg, &option.from, &option.sources);
			break;
		case 't':
			is_right &= addresses(optarg, &option.to, &option.targets);
			break;
		case 'p':
			option.port = (unsigned int)atoi(optarg);
			break;
		case 'c':
			option.connections = (unsigned int)atoi(optarg);
			break;
		case 's':
			option.seconds = atof(optarg);
			break;
		case 'w':
			option.warm_up = atof(optarg);
			break;
		case 'r':
			option.rate = atof(optarg);
			break;
		case 'u':
			option.upload = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			option.download = strtoull(optarg, NULL, 10);
			break;
		case 'x':
			option.closes = true;
			break;
		default:
			return false;
		}
	return is_right && optind == argc && option.to.s_addr && option.port && option.port < 65536 &&
	       option.connections && option.connections <= CONNECTIONS_MAX;
}

int main(int argc, char **argv)
{
	struct rlimit files;

	if (!options(argc, argv)) {
		fprintf(stderr,
			"usage: load --to ADDRESS[+COUNT] --port PORT [--from ADDRESS[+COUNT]] [--connections N] "
			"[--close]\n"
			"            [--rate PER_SECOND] [--up BYTES] [--down BYTES] [--seconds S] [--warm-up S]\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	prctl(PR_SET_TIMERSLACK, 1000);
	wire_pattern(pattern);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	run();
	report();
	return outcome.errors != 0;
}
