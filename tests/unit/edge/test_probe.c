/* SPDX-License-Identifier: GPL-2.0-only */
/* Rise, fall, time-outs and changes of the list. Time is an argument; the connections are real, on the loopback. */
#include "edge/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/clock.h"

#define MS CLOCK_MILLISECOND

static struct probes *probes;
static int epoll, reports, last_target, last_up;
static struct cause last;
static bool deaf; /* the core does not listen */
static int64_t now;

static bool report(void *context, uint32_t target, struct cause cause)
{
	(void)context;
	if (deaf)
		return false;
	reports++;
	last_target = (int)target;
	last_up = cause.kind == CAUSE_NONE;
	last = cause;
	return true;
}

static int begin(void **state)
{
	(void)state;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	reports = 0;
	deaf = false;
	now = 1000 * CLOCK_SECOND;
	return probes_new(epoll, NULL, report, NULL, &probes);
}

static int end(void **state)
{
	(void)state;
	probes_free(probes);
	close(epoll);
	return 0;
}

static int listen_at(uint16_t port, int backlog, uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	const int yes = 1;
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server, backlog), 0);
	getsockname(server, (struct sockaddr *)&address, &length);
	*ret_port = ntohs(address.sin_port);
	return server;
}

static struct edge_target target_at(uint16_t port)
{
	struct edge_target target = {
		.port = port, .probe = HEALTH_PROBE_TCP, .interval_ms = 1000, .timeout_ms = 300, .rise = 2, .fall = 3};

	address_parse("127.0.0.1", &target.address);
	return target;
}

/* A probe of each target that is due, to its end. */
static void probe_once(void)
{
	struct epoll_event events[8];
	int count;

	probes_run(probes, now);
	while ((count = epoll_wait(epoll, events, 8, 20)) > 0)
		for (int i = 0; i < count; i++)
			probes_ready(probes, (uint32_t)events[i].data.u64, now);
}

static void later(int64_t milliseconds)
{
	now += milliseconds * MS;
}

static void test_it_takes_so_many_to_rise_and_to_fall(void **state)
{
	struct edge_target target;
	uint16_t port;
	int server = listen_at(0, 8, &port);

	(void)state;
	target = target_at(port);
	assert_int_equal(probes_watch(probes, &target, 1, now), 0);
	probe_once();
	assert_int_equal(reports, 1); /* of whom nothing is known, the first one decides */
	assert_int_equal(last_up, 1);
	later(999);
	close(server);
	probe_once(); /* not due yet */
	for (int i = 0; i < 2; i++) {
		later(1000);
		probe_once();
		assert_int_equal(reports, 1);
	}
	later(1000);
	probe_once();
	assert_int_equal(reports, 2);
	assert_int_equal(last_up, 0);
	server = listen_at(port, 8, &port);
	later(1000);
	probe_once();
	assert_int_equal(reports, 2);
	later(1000);
	probe_once();
	assert_int_equal(reports, 3);
	assert_int_equal(last_up, 1);
	close(server);
}

static void test_only_failures_in_a_row_count(void **state)
{
	struct edge_target target;
	uint16_t port;
	int server = listen_at(0, 8, &port);

	(void)state;
	target = target_at(port);
	probes_watch(probes, &target, 1, now);
	probe_once();
	for (int i = 0; i < 4; i++) {
		close(server);
		for (int k = 0; k < 2; k++) {
			later(1000);
			probe_once();
		}
		server = listen_at(port, 8, &port);
		later(1000);
		probe_once();
	}
	assert_int_equal(reports, 1);
	close(server);
}

/* A server that hangs: its backlog is full, so that SYNs are dropped. */
struct hung {
	int server, fillers[8];
	uint16_t port;
};

static struct hung hang_at(in_addr_t at)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = at};
	socklen_t length = sizeof(address);
	struct hung hung = {.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	assert_int_equal(bind(hung.server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(hung.server, 0), 0);
	getsockname(hung.server, (struct sockaddr *)&address, &length);
	hung.port = ntohs(address.sin_port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 8; i++) {
		hung.fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(hung.fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
	return hung;
}

static void let_go(const struct hung *hung)
{
	for (int i = 0; i < 8; i++)
		close(hung->fillers[i]);
	close(hung->server);
}

static void test_one_that_hangs_is_given_up(void **state)
{
	struct hung hung = hang_at(htonl(INADDR_LOOPBACK));
	struct edge_target target = target_at(hung.port);

	(void)state;
	probes_watch(probes, &target, 1, now);
	probe_once();
	assert_int_equal(reports, 0);
	assert_int_equal(probes_run(probes, now), now + 300 * MS); /* when to come again */
	later(299);
	probe_once();
	assert_int_equal(reports, 0);
	later(1);
	probe_once();
	assert_int_equal(reports, 1);
	assert_int_equal(last.kind, CAUSE_TIMEOUT);
	assert_int_equal(last.number, 300);
	let_go(&hung);
}

static void test_a_new_list_keeps_what_is_known(void **state)
{
	struct edge_target targets[2];
	uint16_t port, dead;
	int server = listen_at(0, 8, &port);

	(void)state;
	close(listen_at(0, 8, &dead));
	targets[0] = target_at(port);
	probes_watch(probes, targets, 1, now);
	probe_once();
	assert_int_equal(reports, 1);
	close(server);
	later(1000);
	probe_once(); /* one failure */
	targets[1] = targets[0];
	targets[0] = target_at(dead);
	assert_int_equal(probes_watch(probes, targets, 2, now), 0);
	reports = 0;
	probe_once();
	assert_int_equal(reports, 2); /* what was known of the one, under its new number; what is new of the other */
	later(1000);
	probe_once();
	assert_int_equal(reports, 2);
	later(1000);
	probe_once(); /* the third failure in a row, the change of the list in between */
	assert_int_equal(reports, 3);
	assert_int_equal(last_target, 1);
	assert_int_equal(last_up, 0);
}

static void test_a_verdict_is_kept_until_it_is_heard(void **state)
{
	struct edge_target target;
	uint16_t port;
	int server = listen_at(0, 8, &port);

	(void)state;
	target = target_at(port);
	deaf = true;
	probes_watch(probes, &target, 1, now);
	probe_once();
	assert_int_equal(reports, 0);
	deaf = false;
	later(100);
	probes_run(probes, now);
	assert_int_equal(reports, 1);
	probes_run(probes, now);
	assert_int_equal(reports, 1);
	close(server);
}

/* What we ourselves lack is no verdict on a backend. */
static void test_without_descriptors_nobody_is_called_dead(void **state)
{
	struct rlimit before, none;
	struct edge_target target;
	uint16_t port;
	int server = listen_at(0, 8, &port);

	(void)state;
	target = target_at(port);
	probes_watch(probes, &target, 1, now);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 10; i++) {
		probes_run(probes, now);
		later(1000);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(reports, 0);
	probe_once();
	assert_int_equal(reports, 1);
	assert_int_equal(last_up, 1);
	close(server);
}

static size_t open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += dup2(fd, fd) == fd;
	return count;
}

static void test_many_targets_take_turns(void **state)
{
	static struct edge_target targets[USHER_BACKENDS_MAX];
	struct hung hung = hang_at(htonl(INADDR_ANY));
	uint16_t port = hung.port;
	size_t before = open_descriptors();
	int64_t next;
	int rounds = 0;

	(void)state;
	/* Backends that hang: of all of 127.0.0.0/8, at a port whose backlog is full. */
	for (size_t i = 0; i < USHER_BACKENDS_MAX; i++) {
		targets[i] = target_at(port);
		targets[i].address.words[3] = htonl((uint32_t)(0x7f010000 + i));
		targets[i].timeout_ms = 100;
		targets[i].interval_ms = 100000;
	}
	assert_int_equal(probes_watch(probes, targets, USHER_BACKENDS_MAX, now), 0);
	later(100);
	while (reports < USHER_BACKENDS_MAX && rounds++ < 1000) {
		next = probes_run(probes, now);
		assert_true(open_descriptors() <= before + 256);
		now = next > now ? next : now + MS;
	}
	assert_int_equal(reports, USHER_BACKENDS_MAX);
	assert_int_equal(last_up, 0);
	assert_int_equal(probes_watch(probes, NULL, 0, now), 0);
	assert_int_equal(open_descriptors(), before);
	let_go(&hung);
}

/* However many hang, one that answers is asked in time, and is found out when it does not answer any more. */
static void test_those_that_hang_keep_nobody(void **state)
{
	static struct edge_target targets[2001];
	struct hung hung = hang_at(htonl(INADDR_ANY));
	uint16_t port;
	int server = listen_at(0, 8, &port);
	int64_t until;

	(void)state;
	for (size_t i = 0; i < 2000; i++) {
		targets[i] = target_at(hung.port);
		targets[i].address.words[3] = htonl((uint32_t)(0x7f010000 + i));
		targets[i].interval_ms = 300;
	}
	targets[2000] = target_at(port);
	targets[2000].interval_ms = 300;
	assert_int_equal(probes_watch(probes, targets, 2001, now), 0);
	for (until = now + 10 * CLOCK_SECOND; reports < 2001 && now < until; later(20))
		probe_once();
	assert_int_equal(reports, 2001);
	close(server);
	for (until = now + 3 * (300 + 50) * MS; reports < 2002 && now < until; later(10))
		probe_once();
	assert_int_equal(reports, 2002);
	assert_int_equal(last_target, 2000);
	assert_int_equal(last.kind, CAUSE_REFUSED);
	let_go(&hung);
}

/* And of those that hang each gets its turn: one that answers again is found, wherever it stands in the list. */
static void test_those_that_hang_take_turns(void **state)
{
	static struct edge_target targets[1001];
	struct hung hung = hang_at(htonl(INADDR_ANY));
	uint16_t port;
	int server = listen_at(0, 8, &port);
	int64_t until;

	(void)state;
	close(server);
	for (size_t i = 0; i < 1001; i++) {
		targets[i] = target_at(hung.port);
		targets[i].address.words[3] = htonl((uint32_t)(0x7f010000 + i));
		targets[i].interval_ms = 100;
		targets[i].timeout_ms = 100;
	}
	targets[1000] = target_at(port);
	targets[1000].interval_ms = 100;
	assert_int_equal(probes_watch(probes, targets, 1001, now), 0);
	for (until = now + 10 * CLOCK_SECOND; reports < 1001 && now < until; later(20))
		probe_once();
	assert_int_equal(reports, 1001);
	server = listen_at(port, 8, &port);
	/* 1,000 by 128, each for 100 ms: a round of 0.8 s, and it takes two. */
	for (until = now + 2 * CLOCK_SECOND; reports < 1002 && now < until; later(10))
		probe_once();
	assert_int_equal(reports, 1002);
	assert_int_equal(last_target, 1000);
	assert_int_equal(last_up, 1);
	close(server);
	let_go(&hung);
}

/* How long the only target waits between the last probe and the next one, which is made: ms. */
static int64_t next_wait(int server)
{
	int64_t began = now;
	int client;

	do {
		struct epoll_event event;
		int64_t next = probes_run(probes, now);

		if (epoll_wait(epoll, &event, 1, 0) > 0)
			probes_ready(probes, (uint32_t)event.data.u64, now);
		client = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client < 0)
			now = next > now ? next : now + MS;
	} while (client < 0 && now - began < 10 * CLOCK_SECOND);
	close(client);
	return (now - began) / MS;
}

static void test_jitter_is_bounded(void **state)
{
	struct edge_target target;
	int64_t least = INT64_MAX, most = 0, sum = 0;
	uint16_t port;
	int server = listen_at(0, 8, &port);

	(void)state;
	fcntl(server, F_SETFL, O_NONBLOCK);
	target = target_at(port);
	target.jitter = 500;
	probes_watch(probes, &target, 1, now);
	next_wait(server);
	assert_in_range(next_wait(server), 500, 1001); /* the first wait: earlier, if anything */
	for (int i = 0; i < 300; i++) {
		int64_t wait = next_wait(server);

		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		sum += wait;
	}
	assert_in_range(least, 500, 550);
	assert_in_range(most, 1450, 1501);
	assert_in_range(sum / 300, 930, 1070); /* four standard deviations */
	/* Without jitter they are all the same. */
	target.jitter = 0;
	probes_watch(probes, &target, 1, now);
	next_wait(server);
	for (int i = 0; i < 5; i++)
		assert_in_range(next_wait(server), 1000, 1001);
	close(server);
}

/* Always the same for one, and not the same for all. */
static void test_first_waits_are_the_targets_own(void **state)
{
	int64_t waits[2][4];
	uint16_t port;
	int server = listen_at(0, 8, &port);
	int different = 0;

	(void)state;
	close(server);
	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(bind(server, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(server, 8), 0);
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 4; i++) {
			struct edge_target target = target_at(port);

			target.jitter = 500;
			target.address.words[3] = htonl(0x7f010000 + i);
			probes_watch(probes, NULL, 0, now);
			probes_watch(probes, &target, 1, now);
			next_wait(server);
			waits[round][i] = next_wait(server);
		}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(waits[0][i], waits[1][i]);
		different += waits[0][i] != waits[0][0];
	}
	assert_true(different >= 2);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_takes_so_many_to_rise_and_to_fall, begin, end),
		cmocka_unit_test_setup_teardown(test_only_failures_in_a_row_count, begin, end),
		cmocka_unit_test_setup_teardown(test_one_that_hangs_is_given_up, begin, end),
		cmocka_unit_test_setup_teardown(test_a_new_list_keeps_what_is_known, begin, end),
		cmocka_unit_test_setup_teardown(test_a_verdict_is_kept_until_it_is_heard, begin, end),
		cmocka_unit_test_setup_teardown(test_without_descriptors_nobody_is_called_dead, begin, end),
		cmocka_unit_test_setup_teardown(test_many_targets_take_turns, begin, end),
		cmocka_unit_test_setup_teardown(test_those_that_hang_keep_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_those_that_hang_take_turns, begin, end),
		cmocka_unit_test_setup_teardown(test_jitter_is_bounded, begin, end),
		cmocka_unit_test_setup_teardown(test_first_waits_are_the_targets_own, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
