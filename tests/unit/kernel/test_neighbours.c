/* SPDX-License-Identifier: GPL-2.0-only */
/* Next hops, against a neighbour in a network namespace of its own. */
#include "watched.h"

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
		cmocka_unit_test_setup_teardown(test_neighbours_and_gateways_resolve, begin_watch, end_watch),
		cmocka_unit_test_setup_teardown(test_who_is_not_there_does_not, begin_watch, end_watch),
		cmocka_unit_test_setup_teardown(test_a_new_address_of_a_neighbour_is_noticed, begin_watch, end_watch),
		cmocka_unit_test_setup_teardown(test_another_card_that_says_nothing_is_noticed, begin_watch, end_watch),
		cmocka_unit_test_setup_teardown(test_a_static_neighbour_is_left_alone, begin_watch, end_watch),
		cmocka_unit_test_setup_teardown(test_a_route_that_goes_takes_the_hop_along, begin_watch, end_watch),
		cmocka_unit_test_setup_teardown(test_a_route_to_another_router, begin_watch, end_watch),
		cmocka_unit_test_setup_teardown(test_a_link_that_goes_down, begin_watch, end_watch),
	};
	int failed;

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	move_peer();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	end_other();
	return failed;
}
