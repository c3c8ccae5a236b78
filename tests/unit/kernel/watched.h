/* SPDX-License-Identifier: GPL-2.0-only */
/* A neighbour in a network namespace of its own, which is the router to others as well, and the watch on it. */
#ifndef USHER_TEST_WATCHED_H
#define USHER_TEST_WATCHED_H

#include "host.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "kernel/neighbours.h"

static struct neighbours *neighbours;
static pid_t other; /* whose namespace peer0 is in */

static inline void in_other(const char *command)
{
	char text[512];

	snprintf(text, sizeof(text), "nsenter -t %d -n %s", other, command);
	host_run(text);
}

static inline void live_elsewhere(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) || write(ready, "x", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

static inline void move_peer(void)
{
	char text[128], byte;
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	other = fork();
	assert_true(other >= 0);
	if (!other)
		live_elsewhere(ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	snprintf(text, sizeof(text), "ip link set peer0 netns %d", other);
	host_run(text);
	in_other("ip addr add 10.1.0.11/24 dev peer0");
	in_other("ip addr add 2001:db8:1::11/64 dev peer0 nodad");
	in_other("ip link set peer0 up");
	host_run("ip addr add fe80::1/64 dev gw0 nodad"); /* RFC 4861 speaks from link-local addresses */
	host_run("ip addr add 10.1.0.1/24 dev gw0");
	host_run("ip addr add 2001:db8:1::1/64 dev gw0 nodad");
	host_run("ip route add 10.2.0.0/16 via 10.1.0.11");
	host_run("ip route add 10.3.0.0/16 dev lo");
}

static inline void end_other(void)
{
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

static inline int begin_watch(void **state)
{
	(void)state;
	const struct interfaces gw0 = host_interfaces("gw0");

	return neighbours_open(&gw0, &neighbours);
}

static inline int end_watch(void **state)
{
	(void)state;
	neighbours_close(neighbours);
	return 0;
}

static inline struct usher_address address_of(const char *text)
{
	struct usher_address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static inline void watch(const char *const *texts, size_t count)
{
	struct usher_address addresses[8];

	for (size_t i = 0; i < count; i++)
		addresses[i] = address_of(texts[i]);
	assert_int_equal(neighbours_watch(neighbours, addresses, count), 0);
	neighbours_tick(neighbours, clock_monotonic());
}

static inline struct next_hop hop_to(const char *text)
{
	struct usher_address address = address_of(text);
	struct next_hop hop;

	neighbours_next_hop(neighbours, &address, &hop);
	return hop;
}

/* As the daemon does: reads news when there are some, ticks every second. True once the address is resolved (or is not). */
static inline bool becomes(const char *text, bool resolved, int seconds)
{
	int64_t until = clock_monotonic() + seconds * CLOCK_SECOND, tick = 0;

	while (hop_to(text).resolved != resolved && clock_monotonic() < until) {
		struct pollfd file = {.fd = neighbours_fd(neighbours), .events = POLLIN};

		if (poll(&file, 1, 20) > 0)
			neighbours_read(neighbours);
		if (clock_monotonic() < tick)
			continue;
		tick = clock_monotonic() + CLOCK_SECOND;
		neighbours_tick(neighbours, tick - CLOCK_SECOND);
	}
	return hop_to(text).resolved == resolved;
}

#endif
