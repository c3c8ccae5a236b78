/* SPDX-License-Identifier: GPL-2.0-only */
/* The published vectors of the Community ID (corelight/community-id-spec, baseline_deflt.json), in both directions. */
#include "audit/community_id.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/address.h"

static const struct {
	uint8_t protocol;
	const char *source, *destination;
	uint16_t source_port, destination_port;
	const char *id;
} vectors[] = {
	{6, "128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	{17, "192.168.1.52", "8.8.8.8", 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
	{6, "2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a", 63943, 25,
	 "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
	{132, "192.168.170.8", "192.168.170.56", 7, 7, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
};

static void test_published_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		struct usher_address source, destination;
		struct community_end from = {&source, htons(vectors[i].source_port)};
		struct community_end to = {&destination, htons(vectors[i].destination_port)};
		char text[COMMUNITY_ID];

		assert_int_equal(address_parse(vectors[i].source, &source), 0);
		assert_int_equal(address_parse(vectors[i].destination, &destination), 0);
		assert_string_equal(community_id(from, to, vectors[i].protocol, text), vectors[i].id);
		assert_string_equal(community_id(to, from, vectors[i].protocol, text), vectors[i].id);
	}
}

/* Of two ports of one address the smaller one is first. */
static void test_one_address_at_both_ends(void **state)
{
	struct usher_address address;
	struct community_end one = {&address, htons(443)}, other = {&address, htons(50000)};
	char there[COMMUNITY_ID], back[COMMUNITY_ID];

	(void)state;
	assert_int_equal(address_parse("10.0.0.1", &address), 0);
	assert_string_equal(community_id(one, other, 6, there), community_id(other, one, 6, back));
	other.port_be = htons(50001);
	assert_string_not_equal(community_id(one, other, 6, there), back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_vectors),
		cmocka_unit_test(test_one_address_at_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
