/* SPDX-License-Identifier: GPL-2.0-only */
#include "host.h"

#include "kernel/addresses.h"

static struct addresses *addresses;

static int begin(void **state)
{
	(void)state;
	const struct interfaces gw0 = host_interfaces("gw0");

	return addresses_open(&gw0, &addresses);
}

static int end(void **state)
{
	(void)state;
	addresses_close(addresses);
	return 0;
}

static struct usher_address address_of(const char *text)
{
	struct usher_address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static void test_both_families_come_and_go(void **state)
{
	static const char *const texts[] = {"198.51.100.10", "2001:db8:100::10"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct usher_address address = address_of(texts[i]);

		assert_int_equal(addresses_owned(addresses, &address), 0);
		assert_int_equal(addresses_add(addresses, &address), 0);
		assert_int_equal(addresses_owned(addresses, &address), 1);
		assert_int_equal(addresses_add(addresses, &address), 0); /* it is there: that is all that is wanted */
	}
	host_run("ip -4 addr show dev gw0 | grep -q 'inet 198.51.100.10/32 '");
	host_run("ip -6 addr show dev gw0 | grep 'inet6 2001:db8:100::10/128 ' | grep -qv tentative");
	for (size_t i = 0; i < 2; i++) {
		struct usher_address address = address_of(texts[i]);

		assert_int_equal(addresses_remove(addresses, &address), 0);
		assert_int_equal(addresses_owned(addresses, &address), 0);
		assert_int_equal(addresses_remove(addresses, &address), 0);
	}
}

static void test_other_interfaces_count_as_well(void **state)
{
	struct usher_address loopback = address_of("127.0.0.1"), other = address_of("192.0.2.77");

	(void)state;
	assert_int_equal(addresses_owned(addresses, &loopback), 1);
	host_run("ip addr add 192.0.2.77/24 dev peer0");
	assert_int_equal(addresses_owned(addresses, &other), 1);
	host_run("ip addr del 192.0.2.77/24 dev peer0");
}

/* Somebody else's address with its own prefix length is neither doubled nor taken away. */
static void test_an_address_of_the_host_stays(void **state)
{
	struct usher_address address = address_of("10.0.0.2");

	(void)state;
	assert_int_equal(addresses_add(addresses, &address), 0);
	assert_int_equal(addresses_in_network(addresses, &address), 0);
	assert_int_equal(addresses_remove(addresses, &address), 0);
	host_run("ip addr add 10.0.0.2/24 dev gw0");
	assert_int_equal(addresses_owned(addresses, &address), 1);
	assert_int_equal(addresses_in_network(addresses, &address), 1);
	assert_int_equal(addresses_remove(addresses, &address), 0);
	assert_int_equal(addresses_owned(addresses, &address), 1);
	host_run("ip addr del 10.0.0.2/24 dev gw0");
}

static void test_an_interface_that_has_gone(void **state)
{
	struct usher_address address = address_of("198.51.100.10");
	const struct interfaces nowhere = {.count = 1, .items[0].index = 4242};
	struct addresses *gone;

	(void)state;
	assert_int_equal(addresses_open(&nowhere, &gone), 0);
	assert_int_equal(addresses_add(gone, &address), -ENODEV);
	addresses_close(gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_families_come_and_go, begin, end),
		cmocka_unit_test_setup_teardown(test_other_interfaces_count_as_well, begin, end),
		cmocka_unit_test_setup_teardown(test_an_address_of_the_host_stays, begin, end),
		cmocka_unit_test_setup_teardown(test_an_interface_that_has_gone, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
