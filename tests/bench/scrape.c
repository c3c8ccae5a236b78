// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to read many backends' metrics: the edge process as the daemon starts it, 1,000 endpoints of the loopback, each read
 * every second, against a server that is one process. Of the edge: user and system time (of the whole process, /proc), as a share of one core. Pages
 * count when the edge has told what they say, and nothing is missing.
 *
 * `scrape.bench [SECONDS [ENDPOINTS]]`; exit status 1: above the bar, a page was not read, or a connection was not kept.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "edge/edge.h"

#include "machine.h"

#define GOLDEN "tests/unit/edge/scrapes/vllm.prom"
#define PAGE_MAX 131072
#define LARGE 50000 /* bytes: vLLM's page after days, with all its histograms */
#define SETTLE 3    /* seconds, before which nothing is measured */
#define BAR 0.5	    /* of a core, with the golden page */

struct server {
	pid_t process;
	uint16_t port;
};

struct answer {
	char bytes[PAGE_MAX + 512];
	size_t length, page;
};

/* What the server has done, in memory that it shares. */
struct served {
	uint64_t connections, pages, bytes;
};

struct row {
	const char *name;
	size_t page; /* bytes at least; 0: as it is */
	bool keeps;  /* connections, between two pages */
	double bar;  /* 0: none */
};

static const struct row rows[] = {
	{"golden page", 0, true, BAR},
	{"the same, each on a new connection", 0, false, 0},
	{"a page of 50 kB", LARGE, true, 0},
};

static struct answer answer;
static struct served *served;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "scrape.bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the page ------------------------------------------------------------------------------------------------------ */

/* The golden scrape, then histograms as vLLM has them, until it is long enough. */
static void make_answer(const struct row *row)
{
	static char page[PAGE_MAX];
	FILE *file = fopen(GOLDEN, "r");
	size_t length;

	if (!file)
		die("run from the root of the tree: " GOLDEN);
	length = fread(page, 1, sizeof(page), file);
	fclose(file);
	for (unsigned int family = 0; length < row->page; family++) {
		length += (size_t)sprintf(page + length,
					  "# HELP vllm:a_%u_seconds Histogram of a time in seconds.\n"
					  "# TYPE vllm:a_%u_seconds histogram\n",
					  family, family);
		for (unsigned int bucket = 1; bucket <= 20; bucket++)
			length += (size_t)sprintf(page + length,
						  "vllm:a_%u_seconds_bucket{engine=\"0\",le=\"%u.0\",model_name="
						  "\"mistralai/Mistral-7B-Instruct-v0.3\"} %u.0\n",
						  family, bucket, 1000 * bucket + family);
	}
	answer.page = length;
	answer.length = (size_t)sprintf(answer.bytes,
					"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
					"Content-Length: %zu\r\n%s\r\n",
					length, row->keeps ? "" : "Connection: close\r\n");
	memcpy(answer.bytes + answer.length, page, length);
	answer.length += length;
}

/* ---- the server ---------------------------------------------------------------------------------------------------- */

static void take(int epoll, int listener)
{
	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct epoll_event event = {.events = EPOLLIN, .data.fd = client};

		if (client < 0)
			return;
		served->connections++;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event))
			die("epoll");
	}
}

/* A request comes in one piece, and there is one at a time. */
static void serve(int client, bool keeps)
{
	char request[4096];
	size_t sent = 0;

	if (recv(client, request, sizeof(request), 0) <= 0) {
		close(client);
		return;
	}
	while (sent < answer.length) {
		ssize_t part = send(client, answer.bytes + sent, answer.length - sent, MSG_NOSIGNAL);

		if (part < 0)
			break;
		sent += (size_t)part;
	}
	served->pages++;
	served->bytes += sent;
	if (!keeps)
		close(client);
}

static _Noreturn void run_server(int listener, bool keeps)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];

	struct rlimit files;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		die("epoll");
	for (;;) {
		int count = epoll_wait(epoll, events, ARRAY_COUNT(events), -1);

		for (int i = 0; i < count; i++)
			if (events[i].data.fd == listener)
				take(epoll, listener);
			else
				serve(events[i].data.fd, keeps);
	}
}

/* One socket for all of 127/8. */
static struct server start_server(bool keeps)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct server server;

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4096) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		die("cannot listen");
	server.port = ntohs(address.sin_port);
	server.process = fork();
	if (server.process < 0)
		die("fork");
	if (!server.process)
		run_server(listener, keeps);
	close(listener);
	return server;
}

/* ---- the edge ------------------------------------------------------------------------------------------------------ */

/* Endpoint i is 127.1.x.y. */
static void watch(struct edge *edge, const struct server *server, uint32_t count)
{
	struct edge_source *sources = calloc(count, sizeof(*sources));
	const struct edge_list list = {.items[EDGE_SOURCES] = sources, .counts[EDGE_SOURCES] = count};

	for (uint32_t i = 0; sources && i < count; i++) {
		sources[i] = (struct edge_source){.port = server->port,
						  .kind = EDGE_SOURCE_LOAD,
						  .server = LOAD_VLLM,
						  .every_ms = 1000,
						  .timeout_ms = 900,
						  .path = "/metrics"};
		address_from_bytes(AF_INET, (const uint8_t[]){127, 1, (uint8_t)(i >> 8), (uint8_t)i},
				   &sources[i].address);
	}
	if (!sources || edge_watch(edge, &list, 1))
		die("edge_watch");
	free(sources);
}

/* Seconds, user and system. */
static void cpu_of(pid_t process, double ret_seconds[2])
{
	unsigned long user = 0, system = 0;
	char path[64], line[1024], *rest;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", process);
	file = fopen(path, "r");
	if (!file || !fgets(line, sizeof(line), file))
		die(path);
	fclose(file);
	rest = strrchr(line, ')');
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		die(path);
	ret_seconds[0] = (double)user / (double)sysconf(_SC_CLK_TCK);
	ret_seconds[1] = (double)system / (double)sysconf(_SC_CLK_TCK);
}

struct told {
	uint64_t whole, failed;
	uint8_t *endpoints; /* which have been read */
	uint32_t distinct;
	uint32_t cause;
};

static void listen_to(struct edge *edge, double seconds, struct told *told)
{
	int64_t until = clock_monotonic() + (int64_t)(seconds * CLOCK_SECOND);
	struct edge_fact fact;

	while (clock_monotonic() < until) {
		struct pollfd file = {.fd = edge_fd(edge), .events = POLLIN};

		if (poll(&file, 1, 20) <= 0)
			continue;
		while (!edge_read(edge, &fact)) {
			bool whole = fact.kind == EDGE_FACT_LOAD && fact.up && !isnan(fact.load.figures[0]);

			told->whole += whole;
			told->failed += !whole;
			if (!whole)
				told->cause = fact.cause;
			else if (!told->endpoints[fact.target]) {
				told->endpoints[fact.target] = 1;
				told->distinct++;
			}
		}
	}
}

/* Returns whether the bar was kept, and every page read. */
static bool measure(const struct row *row, double seconds, uint32_t count)
{
	const struct edge_options options = {0};
	struct told before = {.endpoints = calloc(count, 1)}, told = {.endpoints = calloc(count, 1)};
	double from[2], to[2], share, begun, lasted;
	struct problem problem = {0};
	struct edge *edge = NULL;
	struct server server;
	struct served start;
	uint64_t opened;
	bool good;

	make_answer(row);
	if (edge_start(&options, &problem, &edge))
		die("edge_start");
	server = start_server(row->keeps);
	watch(edge, &server, count);
	listen_to(edge, SETTLE, &before);
	cpu_of(edge_pid(edge), from);
	start = *served;
	begun = (double)clock_monotonic();
	listen_to(edge, seconds, &told);
	cpu_of(edge_pid(edge), to);
	lasted = ((double)clock_monotonic() - begun) / CLOCK_SECOND;
	share = (to[0] - from[0] + to[1] - from[1]) / lasted;
	/* Moments are spread over the interval: one page of each endpoint may fall to either side. */
	opened = served->connections - start.connections;
	good = (row->bar <= 0 || share <= row->bar) && !told.failed && told.distinct == count &&
	       !(row->keeps && opened) && (double)told.whole >= (double)count * (lasted - 1);
	printf("  %-36s %6zu bytes: %.3f of a core (user %.3f, system %.3f), %.0f pages/s read of %u endpoints, %.1f "
	       "MB/s, "
	       "%.1f new connections/s, %llu failed%s\n",
	       row->name, answer.page, share, (to[0] - from[0]) / lasted, (to[1] - from[1]) / lasted,
	       (double)told.whole / lasted, told.distinct, (double)(served->bytes - start.bytes) / lasted / 1e6,
	       (double)opened / lasted, (unsigned long long)told.failed, good ? "" : "  MISSED");
	if (told.failed)
		printf("    the last cause: %s\n", cause_words[told.cause]);
	fflush(stdout);
	/* The server first: it has inherited the socket that the edge ends with. */
	kill(server.process, SIGKILL);
	waitpid(server.process, NULL, 0);
	edge_close(edge);
	free(before.endpoints);
	free(told.endpoints);
	return good;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 20;
	uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000;
	bool good = true;

	served = mmap(NULL, sizeof(*served), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (served == MAP_FAILED || !count || count > USHER_BACKENDS_MAX || !(seconds >= 1))
		die("usage: scrape.bench [SECONDS [ENDPOINTS]]");
	printf("the edge, %u endpoints, each read once a second, %.0f s a row (bar: %.1f of a core); ", count, seconds,
	       BAR);
	machine_print(stdout);
	printf("\n");
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		good &= measure(&rows[i], seconds, count);
	return !good;
}
