/* SPDX-License-Identifier: GPL-2.0-only */
/* Next hops, against a neighbour in a network namespace of its own. */
#include "host.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "kernel/neighbours.h"

static struct neighbours *neighbours;
static pid_t other; /* whose namespace peer0 is in */

static void in_other(const char *command)
{
	char text[512];

	snprintf(text, sizeof(text), "nsenter -t %d -n %s", other, command);
	host_run(text);
}

static void live_elsewhere(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) || write(ready, "x", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

static void move_peer(void)
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

static int begin(void **state)
{
	(void)state;
	const struct interfaces gw0 = host_interfaces("gw0");

	return neighbours_open(&gw0, &neighbours);
}

static int end(void **state)
{
	(void)state;
	neighbours_close(neighbours);
	return 0;
}

static struct usher_address address_of(const char *text)
{
	struct usher_address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static void watch(const char *const *texts, size_t count)
{
	struct usher_address addresses[8];

	for (size_t i = 0; i < count; i++)
		addresses[i] = address_of(texts[i]);
	assert_int_equal(neighbours_watch(neighbours, addresses, count), 0);
	neighbours_tick(neighbours, clock_monotonic());
}

static struct next_hop hop_to(const char *text)
{
	struct usher_address address = address_of(text);
	struct next_hop hop;

	neighbours_next_hop(neighbours, &address, &hop);
	return hop;
}

/* As the daemon does: reads news when there are some, ticks every second. True once the address is resolved (or is not). */
static bool becomes(const char *text, bool resolved, int seconds)
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

static void expect_hop(const char *text)
{
	struct next_hop hop = hop_to(text);

	assert_memory_equal(hop.mac, host_backend_mac, 6);
	assert_memory_equal(hop.own_mac, host_own_mac, 6);
	assert_int_equal(hop.interface, if_nametoindex("gw0"));
}

static void test_neighbours_and_gateways_resolve(void **state)
{
	static const char *const texts[] = {"10.1.0.11", "2001:db8:1::11", "10.2.3.4"};

	(void)state;
	watch(texts, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(becomes(texts[i], true, 5));
		expect_hop(texts[i]);
	}
	assert_true(neighbours_changed(neighbours));
	assert_false(neighbours_changed(neighbours));
}

static void test_who_is_not_there_does_not(void **state)
{
	static const char *const texts[] = {"10.1.0.99", "10.3.0.1", "10.1.0.11"};
	struct usher_address absent = address_of("10.1.0.99");

	(void)state;
	watch(texts, 3);
	assert_false(neighbours_settled(neighbours, &absent));
	assert_true(becomes("10.1.0.11", true, 5));
	assert_false(becomes("10.1.0.99", true, 3));
	assert_true(neighbours_settled(neighbours, &absent)); /* asked for long enough */
	assert_false(hop_to("10.3.0.1").resolved);	      /* its route leaves by another interface */
	assert_false(hop_to("10.1.0.77").resolved);	      /* nobody watches it */
}

static void test_a_new_address_of_a_neighbour_is_noticed(void **state)
{
	static const char *const texts[] = {"10.1.0.11"};
	static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x77};

	(void)state;
	watch(texts, 1);
	assert_true(becomes(texts[0], true, 5));
	neighbours_changed(neighbours);
	host_run("ip neigh replace 10.1.0.11 lladdr 02:00:00:00:00:77 dev gw0");
	neighbours_read(neighbours);
	assert_true(neighbours_changed(neighbours));
	assert_memory_equal(hop_to(texts[0]).mac, other_mac, 6);
	host_run("ip neigh del 10.1.0.11 dev gw0");
	neighbours_read(neighbours);
	assert_true(becomes(texts[0], true, 5));
	expect_hop(texts[0]);
}

/* Neither an ARP of its own nor anything that the kernel itself would send there tells. */
static void test_another_card_that_says_nothing_is_noticed(void **state)
{
	static const char *const texts[] = {"10.1.0.11"};
	static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x78};
	int64_t until = clock_monotonic() + 20 * CLOCK_SECOND;

	(void)state;
	watch(texts, 1);
	assert_true(becomes(texts[0], true, 5));
	in_other("ip link set peer0 address 02:00:00:00:00:78");
	while (memcmp(hop_to(texts[0]).mac, other_mac, 6) && clock_monotonic() < until)
		becomes(texts[0], !hop_to(texts[0]).resolved, 1);
	assert_memory_equal(hop_to(texts[0]).mac, other_mac, 6);
	in_other("ip link set peer0 address 02:00:00:00:00:0b"); /* host_backend_mac */
	host_run("ip neigh flush dev gw0");
	assert_true(becomes(texts[0], false, 3) || becomes(texts[0], true, 5));
}

static void test_a_static_neighbour_is_left_alone(void **state)
{
	static const char *const texts[] = {"10.1.0.11"};

	(void)state;
	host_run("ip neigh replace 10.1.0.11 lladdr 02:00:00:00:00:79 dev gw0 nud permanent");
	watch(texts, 1);
	assert_true(becomes(texts[0], true, 5));
	assert_false(becomes(texts[0], false, 12));
	host_run("ip neigh show 10.1.0.11 dev gw0 | grep -q PERMANENT");
	host_run("ip neigh del 10.1.0.11 dev gw0");
}

static void test_a_route_that_goes_takes_the_hop_along(void **state)
{
	static const char *const texts[] = {"10.2.3.4"};

	(void)state;
	watch(texts, 1);
	assert_true(becomes(texts[0], true, 5));
	host_run("ip route del 10.2.0.0/16");
	assert_true(becomes(texts[0], false, 3));
	host_run("ip route add 10.2.0.0/16 via 10.1.0.11");
	assert_true(becomes(texts[0], true, 3));
}

/* What was known of the router before says nothing of the one that follows. */
static void test_a_route_to_another_router(void **state)
{
	static const char *const texts[] = {"10.2.3.4", "2001:db8:2::1"};

	(void)state;
	host_run("ip -6 route add 2001:db8:2::/48 via 2001:db8:1::11");
	in_other("ip addr add 10.1.0.12/24 dev peer0");
	in_other("ip addr add 2001:db8:1::12/64 dev peer0 nodad");
	watch(texts, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(becomes(texts[i], true, 5));
	host_run("ip route replace 10.2.0.0/16 via 10.1.0.12");
	host_run("ip -6 route replace 2001:db8:2::/48 via 2001:db8:1::12");
	for (size_t i = 0; i < 2; i++) {
		becomes(texts[i], false, 2);
		assert_true(becomes(texts[i], true, 5));
		expect_hop(texts[i]);
	}
	host_run("ip route replace 10.2.0.0/16 via 10.1.0.11");
}

static void test_a_link_that_goes_down(void **state)
{
	static const char *const texts[] = {"10.1.0.11"};

	(void)state;
	watch(texts, 1);
	assert_true(becomes(texts[0], true, 5));
	host_run("ip link set gw0 down");
	assert_true(becomes(texts[0], false, 3));
	host_run("ip link set gw0 up");
	assert_true(becomes(texts[0], true, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_neighbours_and_gateways_resolve, begin, end),
		cmocka_unit_test_setup_teardown(test_who_is_not_there_does_not, begin, end),
		cmocka_unit_test_setup_teardown(test_a_new_address_of_a_neighbour_is_noticed, begin, end),
		cmocka_unit_test_setup_teardown(test_another_card_that_says_nothing_is_noticed, begin, end),
		cmocka_unit_test_setup_teardown(test_a_static_neighbour_is_left_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_a_route_that_goes_takes_the_hop_along, begin, end),
		cmocka_unit_test_setup_teardown(test_a_route_to_another_router, begin, end),
		cmocka_unit_test_setup_teardown(test_a_link_that_goes_down, begin, end),
	};
	int failed;

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	move_peer();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	return failed;
}
