// SPDX-License-Identifier: GPL-2.0-only
/* When a syslog server is taken to have taken a line: its kernel has, and the connection has stood since. Servers that do not read, or go. */
#include "ship/outlet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define A_TURN 512
#define LINE "{\"time\":\"2026-03-01T12:00:00.123Z\",\"type\":\"decision\"}"

static struct clock_times times;
static struct window window;
static struct destination to;
static struct outlet_setup setup;
static struct problem problem, note;
static struct outlet *outlet;
static int listener, server;

static int begin(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	const int small = 4096;
	char text[64];

	(void)state;
	memset(&window, 0, sizeof(window));
	problem = note = (struct problem){{0}};
	times = (struct clock_times){.monotonic = CLOCK_SECOND, .realtime = 1767225600 * CLOCK_SECOND};
	clock_fake(&times);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		return -1;
	snprintf(text, sizeof(text), "syslog+tcp://localhost:%d", ntohs(address.sin_port));
	assert_int_equal(destination_parse(text, &to), 0);
	setup = (struct outlet_setup){
		.destination = &to, .sender = {.facility = 16, .host = "gw", .pid = 1}, .window = &window};
	assert_int_equal(outlet_syslog.open(&setup, &problem, &outlet), 0);
	server = accept(listener, NULL, NULL);
	return server < 0;
}

static int end(void **state)
{
	(void)state;
	outlet_syslog.close(outlet);
	outlet = NULL;
	if (server >= 0)
		close(server);
	close(listener);
	clock_fake(NULL);
	return 0;
}

static int work(void)
{
	return outlet_syslog.work(outlet, 1, &note, &problem);
}

/* As the sender does. 0 or what put says. */
static int put(void)
{
	struct consignment consignment;
	int error;

	consignment_read(LINE, strlen(LINE), &consignment);
	error = outlet_syslog.put(outlet, &consignment, window_number(&window, outlet_syslog.parcel), &problem);
	if (!error)
		window_add(&window, outlet_syslog.parcel, &(struct cursor){.offset = window.next + 1}, 0,
			   strlen(LINE) + 1);
	return error;
}

/* The kernels of a host settle among themselves in no time; that is waited for as they have it, not by the clock. */
static void settle(void)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(work(), 0);
}

static void read_all(void)
{
	static char bytes[1 << 16];

	while (poll(&(struct pollfd){.fd = server, .events = POLLIN}, 1, 20) > 0 &&
	       recv(server, bytes, sizeof(bytes), 0) > 0)
		;
}

static void taken_after_a_while(void **state)
{
	struct window_parcel sum;
	char bytes[256];
	ssize_t got;

	(void)state;
	assert_int_equal(put(), 0);
	settle();
	got = recv(server, bytes, sizeof(bytes), 0);
	assert_true(got > 0 && memmem(bytes, (size_t)got, LINE, strlen(LINE)));
	assert_false(window_advance(&window, &sum));
	times.monotonic += OUTLET_HOLD - 1;
	settle();
	assert_false(window_advance(&window, &sum));
	times.monotonic += 1;
	settle();
	assert_true(window_advance(&window, &sum));
	assert_int_equal(sum.lines, 1);
}

/* It had the line in its hands, and died with it. */
static void what_a_server_dies_with_is_not_taken(void **state)
{
	struct window_parcel sum;

	(void)state;
	assert_int_equal(put(), 0);
	settle();
	read_all();
	close(server);
	server = -1;
	times.monotonic += OUTLET_HOLD;
	while (!work())
		;
	assert_non_null(strstr(problem.text, "the other side has closed it"));
	assert_false(window_advance(&window, &sum));
}

static void a_reset_is_named(void **state)
{
	const struct linger now = {.l_onoff = 1};

	(void)state;
	setsockopt(server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(server);
	server = -1;
	while (!work())
		;
	assert_non_null(strstr(problem.text, "Connection reset by peer"));
}

/* Nothing that it has not read is taken, there is an end to what is kept for it, and to patience. */
static void who_reads_nothing(void **state)
{
	struct window_parcel sum;
	int lines = 0, idle = 0, unread = 0;

	(void)state;
	while (idle < 20) {
		int before = lines;

		for (int i = 0; i < A_TURN && !put(); i++)
			lines++;
		window_close(&window);
		idle = lines == before ? idle + 1 : 0;
		assert_int_equal(work(), 0);
	}
	times.monotonic += OUTLET_HOLD;
	settle();
	times.monotonic += OUTLET_HOLD;
	settle();
	/* No more than what its kernel has for it to read. */
	assert_int_equal(ioctl(server, FIONREAD, &unread), 0);
	if (window_advance(&window, &sum))
		assert_true(sum.lines * strlen(LINE) <= (size_t)unread);
	assert_false(window_is_empty(&window));
	times.monotonic += OUTLET_STALL;
	while (!work())
		;
	assert_string_equal(problem.text, "it has taken nothing for 30 s");
}

/* But one that is slow is not given up. */
static void who_reads_slowly(void **state)
{
	int lines = 0;

	(void)state;
	for (int round = 0; round < 5; round++) {
		for (int before = -1; before != lines;) {
			before = lines;
			for (int i = 0; i < A_TURN && window_has_room(&window, outlet_syslog.parcel) && !put(); i++)
				lines++;
			window_close(&window);
			assert_int_equal(work(), 0);
		}
		times.monotonic += OUTLET_STALL - CLOCK_SECOND;
		read_all();
		settle();
		read_all();
		settle();
	}
}

/* What it answers counts for nothing. */
static void who_talks(void **state)
{
	static char much[100000];

	(void)state;
	fcntl(server, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 20; i++) {
		if (send(server, much, sizeof(much), MSG_NOSIGNAL) < 0)
			assert_int_equal(errno, EAGAIN);
		assert_int_equal(work(), 0);
	}
}

static void nobody_is_there(void **state)
{
	struct outlet *other = NULL;

	(void)state;
	close(listener);
	assert_int_equal(outlet_syslog.open(&setup, &problem, &other), -ECONNREFUSED);
	assert_non_null(strstr(problem.text, "no connection to localhost port "));
	assert_non_null(strstr(problem.text, "Connection refused"));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(taken_after_a_while, begin, end),
		cmocka_unit_test_setup_teardown(what_a_server_dies_with_is_not_taken, begin, end),
		cmocka_unit_test_setup_teardown(a_reset_is_named, begin, end),
		cmocka_unit_test_setup_teardown(who_reads_nothing, begin, end),
		cmocka_unit_test_setup_teardown(who_reads_slowly, begin, end),
		cmocka_unit_test_setup_teardown(who_talks, begin, end),
		cmocka_unit_test_setup_teardown(nobody_is_there, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
