/* SPDX-License-Identifier: GPL-2.0-only */
/* The edge as a process: what it may do, what it says, and what becomes of it when either side misbehaves. */
#include "edge/edge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/clock.h"
#include "govern/facts.h"
#include "served.h"

/* Listens on 127.0.0.1; port 0: any. */
static int listen_on(uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	const int yes = 1;
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server, 64), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&address, &length), 0);
	*ret_port = ntohs(address.sin_port);
	return server;
}

static uint16_t free_port(void)
{
	uint16_t port;

	close(listen_on(0, &port));
	return port;
}

static struct edge_target target_at(uint16_t port)
{
	struct edge_target target = {
		.port = port, .probe = HEALTH_PROBE_TCP, .interval_ms = 50, .timeout_ms = 500, .rise = 2, .fall = 3};

	assert_int_equal(address_parse("127.0.0.1", &target.address), 0);
	return target;
}

static const char *ca_file; /* NULL: the host's */

static struct edge *started(uint16_t metrics)
{
	struct edge_options options = {.address = "127.0.0.1", .port = metrics, .ca_file = ca_file};
	struct problem problem = {0};
	struct edge *edge = NULL;

	if (!metrics)
		options.address[0] = '\0';
	assert_int_equal(edge_start(&options, &problem, &edge), 0);
	return edge;
}

static int watch(struct edge *edge, const struct edge_target *targets, uint32_t count, uint32_t round)
{
	const struct edge_list list = {.items[EDGE_TARGETS] = targets, .counts[EDGE_TARGETS] = count};

	return edge_watch(edge, &list, round);
}

/* Waits for a fact. Returns what edge_read does; -ETIME after `milliseconds`. */
static int wait_for_fact(struct edge *edge, int milliseconds, struct edge_fact *ret_fact)
{
	int64_t until = clock_monotonic() + milliseconds * CLOCK_MILLISECOND;

	while (clock_monotonic() < until) {
		struct pollfd file = {.fd = edge_fd(edge), .events = POLLIN};

		if (poll(&file, 1, 20) > 0) {
			int error = edge_read(edge, ret_fact);

			if (error != -EAGAIN)
				return error;
		}
	}
	return -ETIME;
}

static void wait_for_worker(struct edge *edge, pid_t other_than)
{
	struct edge_fact fact;

	for (int i = 0; i < 250 && (!edge_pid(edge) || edge_pid(edge) == other_than); i++)
		assert_int_equal(wait_for_fact(edge, 20, &fact), -ETIME);
	assert_true(edge_pid(edge) && edge_pid(edge) != other_than);
}

static void test_health_rises_and_falls(void **state)
{
	struct edge *edge = started(0);
	struct edge_target targets[2];
	struct edge_fact fact;
	uint16_t alive, dead = free_port();
	int server = listen_on(0, &alive);
	int seen = 0;

	(void)state;
	targets[0] = target_at(dead);
	targets[1] = target_at(alive);
	assert_int_equal(watch(edge, targets, 2, 7), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(wait_for_fact(edge, 3000, &fact), 0);
		assert_int_equal(fact.round, 7);
		assert_int_equal(fact.up, fact.target == 1);
		seen |= 1 << fact.target;
	}
	assert_int_equal(seen, 3);
	assert_int_equal(wait_for_fact(edge, 300, &fact), -ETIME); /* nothing new, nothing said */

	close(server);
	assert_int_equal(wait_for_fact(edge, 3000, &fact), 0);
	assert_int_equal(fact.target, 1);
	assert_int_equal(fact.up, 0);
	server = listen_on(alive, &alive);
	assert_int_equal(wait_for_fact(edge, 3000, &fact), 0);
	assert_int_equal(fact.target, 1);
	assert_int_equal(fact.up, 1);

	/* Another list: what is known is said again, under the new round and position. */
	assert_int_equal(watch(edge, &targets[1], 1, 8), 0);
	assert_int_equal(wait_for_fact(edge, 1000, &fact), 0);
	assert_int_equal(fact.round, 8);
	assert_int_equal(fact.target, 0);
	assert_int_equal(fact.up, 1);
	assert_int_equal(edge_watch(edge, &(struct edge_list){0}, 9), 0);
	assert_int_equal(wait_for_fact(edge, 300, &fact), -ETIME);
	close(server);
	edge_close(edge);
}

/* With the filter of system calls on, in a process that has never asked by HTTP before. */
static void test_health_by_http_and_https(void **state)
{
	enum { GOOD, BUSY, TLS, STRANGE, OPEN, TARGETS };
	static const struct cause wanted[TARGETS] = {
		[BUSY] = {CAUSE_STATUS, 503}, [STRANGE] = {CAUSE_CERTIFICATE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT}};
	struct identity known = identity_make("DNS:scorer.example.com", 100),
			strange = identity_make("IP:127.0.0.1", 100);
	struct served served[TARGETS] = {served_begin(behave_good, NULL), served_begin(behave_busy, NULL),
					 served_begin(behave_good, &known), served_begin(behave_good, &strange),
					 served_begin(behave_good, &strange)};
	struct edge_target targets[TARGETS];
	struct edge_fact fact;
	struct edge *edge;
	char path[64];
	int seen = 0;

	(void)state;
	identities_save(&known, 1, path);
	ca_file = path;
	edge = started(0);
	for (int i = 0; i < TARGETS; i++) {
		targets[i] = target_at(served[i].port);
		targets[i].probe = i >= TLS ? HEALTH_PROBE_HTTPS : HEALTH_PROBE_HTTP;
		targets[i].verify = i != OPEN;
		targets[i].timeout_ms = 2000;
		strcpy(targets[i].path, "/ready");
	}
	strcpy(targets[TLS].host, "scorer.example.com");
	assert_int_equal(watch(edge, targets, TARGETS, 1), 0);
	for (int i = 0; i < TARGETS; i++) {
		assert_int_equal(wait_for_fact(edge, 5000, &fact), 0);
		if (fact.cause != wanted[fact.target].kind || fact.number != wanted[fact.target].number)
			fail_msg("target %u: %s %d", fact.target, cause_words[fact.cause], fact.number);
		assert_int_equal(fact.up, fact.cause == CAUSE_NONE);
		seen |= 1 << fact.target;
	}
	assert_int_equal(seen, (1 << TARGETS) - 1);
	assert_int_equal(wait_for_fact(edge, 500, &fact), -ETIME);
	served_end(&served[TLS]);
	assert_int_equal(wait_for_fact(edge, 3000, &fact), 0);
	assert_int_equal(fact.target, TLS);
	assert_int_equal(fact.cause, CAUSE_REFUSED);
	edge_close(edge);
	ca_file = NULL;
	unlink(path);
	for (int i = 0; i < TARGETS; i++)
		if (i != TLS)
			served_end(&served[i]);
	identity_free(&known);
	identity_free(&strange);
}

static void status_of(pid_t pid, const char *key, char value[64])
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	value[0] = '\0';
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			sscanf(line + strlen(key) + 1, " %63s", value);
	fclose(file);
}

static void test_it_holds_no_right(void **state)
{
	struct edge *edge = started(0);
	char value[64];

	(void)state;
	wait_for_worker(edge, 0);
	status_of(edge_pid(edge), "CapEff", value);
	assert_string_equal(value, "0000000000000000");
	status_of(edge_pid(edge), "CapPrm", value);
	assert_string_equal(value, "0000000000000000");
	status_of(edge_pid(edge), "NoNewPrivs", value);
	assert_string_equal(value, "1");
	status_of(edge_pid(edge), "Seccomp", value);
	assert_string_equal(value, "2");
	status_of(edge_pid(edge), "Uid", value);
	assert_string_not_equal(value, "0");
	/* Its parent waits for it and does nothing else; it has no right either. */
	status_of(edge_pid(edge), "PPid", value);
	pid_t nursery = atoi(value);

	assert_int_not_equal(nursery, getpid());
	status_of(nursery, "CapEff", value);
	assert_string_equal(value, "0000000000000000");
	edge_close(edge);
}

static void test_a_dead_edge_is_replaced(void **state)
{
	struct edge *edge;
	struct edge_target target;
	struct edge_fact fact;
	uint16_t port;
	int server = listen_on(0, &port);
	pid_t first;

	(void)state;
	edge = started(0);
	target = target_at(port);
	assert_int_equal(watch(edge, &target, 1, 1), 0);
	assert_int_equal(wait_for_fact(edge, 3000, &fact), 0);
	first = edge_pid(edge);
	assert_int_equal(kill(first, SIGKILL), 0);
	close(server);
	/* The next one is handed the list, and finds out what has changed meanwhile. */
	assert_int_equal(wait_for_fact(edge, 5000, &fact), 0);
	assert_int_not_equal(edge_pid(edge), first);
	assert_int_equal(fact.round, 1);
	assert_int_equal(fact.up, 0);
	edge_close(edge);
}

/* An order as the core would send it, but for what it says. */
static void send_order(const struct edge *edge, struct edge_order order, off_t length)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {&order, sizeof(order)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
	struct cmsghdr *attached = CMSG_FIRSTHDR(&message);
	int file = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(ftruncate(file, length), 0);
	attached->cmsg_level = SOL_SOCKET;
	attached->cmsg_type = SCM_RIGHTS;
	attached->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(attached), &file, sizeof(file));
	assert_int_equal(sendmsg(edge_fd(edge), &message, 0), sizeof(order));
	close(file);
}

static void test_frames_that_are_none_are_refused(void **state)
{
	static const char garbage[100] = "garbage";
	struct edge *edge = started(0);
	struct edge_order order = {.round = 1, .counts[EDGE_TARGETS] = USHER_BACKENDS_MAX + 1};
	pid_t first;

	(void)state;
	wait_for_worker(edge, 0);
	/* An edge that is told what makes no sense does not go on as if it did: it ends, and another one follows. */
	first = edge_pid(edge);
	assert_int_equal(send(edge_fd(edge), garbage, sizeof(garbage), 0), sizeof(garbage));
	wait_for_worker(edge, first);
	first = edge_pid(edge);
	assert_int_equal(send(edge_fd(edge), &order, sizeof(order), 0), sizeof(order)); /* without its file */
	wait_for_worker(edge, first);
	first = edge_pid(edge);
	send_order(edge, order, (off_t)(order.counts[EDGE_TARGETS] * sizeof(struct edge_target))); /* too many */
	wait_for_worker(edge, first);
	first = edge_pid(edge);
	order.counts[EDGE_TARGETS] = 3;
	send_order(edge, order, 2 * sizeof(struct edge_target)); /* fewer than it says */
	wait_for_worker(edge, first);
	first = edge_pid(edge);
	send_order(edge, order, 3 * sizeof(struct edge_target)); /* that nobody can be asked by: zeroes */
	wait_for_worker(edge, first);
	edge_close(edge);
}

static void test_both_end_with_the_core(void **state)
{
	struct edge *edge = started(0);
	char path[64];
	pid_t worker;

	(void)state;
	wait_for_worker(edge, 0);
	worker = edge_pid(edge);
	edge_close(edge); /* waits for the nursery, which waits for the worker */
	snprintf(path, sizeof(path), "/proc/%d", worker);
	assert_int_not_equal(access(path, F_OK), 0);
}

static void fetch(uint16_t port, const char *request, char *answer, size_t room)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 5};
	size_t length = 0;
	ssize_t got;

	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(client, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	while (length < room - 1 && (got = recv(client, answer + length, room - 1 - length, 0)) > 0)
		length += (size_t)got;
	answer[length] = '\0';
	close(client);
}

static void test_metrics_are_what_the_core_wrote(void **state)
{
	static char answer[1 << 20];
	uint16_t port = free_port();
	struct edge *edge = started(port);
	struct edge_page *page = edge_page_begin(edge);

	(void)state;
	page->generation = 42;
	strcpy(page->services[3], "credit");
	page->counters.verdicts[3 * USHER_REASON_MAX + USHER_REASON_NO_ALLOW_RULE].packets = 17;
	strcpy(page->backends[5].name, "fra1");
	page->backends[5].health = HEALTH_UP;
	edge_page_end(edge);
	wait_for_worker(edge, 0);
	fetch(port, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, " 200 OK\r\n"));
	assert_non_null(strstr(answer, "\nusher_generation 42\n"));
	assert_non_null(strstr(answer, "{service=\"credit\",verdict=\"refuse\",reason=\"no-allow-rule\"} 17\n"));
	assert_non_null(strstr(answer, "\nusher_backend_up{backend=\"fra1\"} 1\n"));

	edge_page_begin(edge)->generation = 43;
	edge_page_end(edge);
	fetch(port, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, "\nusher_generation 43\n"));
	fetch(port, "GET /anything HTTP/1.0\r\n\r\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, " 404 "));
	fetch(port, "POST /metrics HTTP/1.0\r\nContent-Length: 0\r\n\r\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, " 404 "));

	/* Half a page is not served. */
	edge_page_begin(edge);
	fetch(port, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, " 503 "));
	edge_page_end(edge);

	/* And the next edge serves on the same port. */
	pid_t first = edge_pid(edge);

	assert_int_equal(kill(first, SIGKILL), 0);
	wait_for_worker(edge, first);
	fetch(port, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof(answer));
	assert_non_null(strstr(answer, "\nusher_generation 43\n"));
	edge_close(edge);
}

static void test_a_taken_port_does_not_stop_the_probes(void **state)
{
	struct edge_target target;
	struct edge_fact fact;
	struct edge *edge;
	uint16_t port;
	int server = listen_on(0, &port);

	(void)state;
	edge = started(port);
	target = target_at(port);
	assert_int_equal(watch(edge, &target, 1, 1), 0);
	assert_int_equal(wait_for_fact(edge, 3000, &fact), 0);
	assert_int_equal(fact.up, 1);
	close(server);
	edge_close(edge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health_rises_and_falls),
		cmocka_unit_test(test_health_by_http_and_https),
		cmocka_unit_test(test_it_holds_no_right),
		cmocka_unit_test(test_a_dead_edge_is_replaced),
		cmocka_unit_test(test_frames_that_are_none_are_refused),
		cmocka_unit_test(test_both_end_with_the_core),
		cmocka_unit_test(test_metrics_are_what_the_core_wrote),
		cmocka_unit_test(test_a_taken_port_does_not_stop_the_probes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
