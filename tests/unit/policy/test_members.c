// SPDX-License-Identifier: GPL-2.0-only
/* Members of pools: what a source may say, whatever bytes come as a file, and what becomes of them among the backends of a policy. */
#include "policy/members.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usher/flow_hash.h"

#include "base/address.h"
#include "base/array.h"
#include "policy/policy.h"

#define POLICY                                                                                                         \
	"{\"apiVersion\": \"usher/v1\", \"nat\": {\"addresses\": [\"10.1.0.2\", \"2001:db8::2\"]},"                    \
	"\"regions\": {\"TWO\": {\"countries\": [\"DE\", \"FR\"]}},"                                                   \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {\"a\": {\"address\": \"10.1.0.9:8000\", \"serves\": \"m@1\", \"region\": \"DE\"},"             \
	"\"z\": {\"address\": \"10.2.0.9:8000\", \"serves\": \"m@1\", \"region\": \"DE\"}},"                           \
	"\"pools\": {"                                                                                                 \
	"\"p\": {\"file\": \"p\", \"serves\": \"m@1\", \"region\": [\"TWO\"], \"port\": [8000, 8001], \"most\": 3,"    \
	"\"within\": [\"10.1.0.0/17\", \"2001:db8:1::/48\"], \"capacity\": 7, \"health\": {\"http\": \"/ready\"}},"    \
	"\"q\": {\"dns\": \"q.example\", \"serves\": \"m@1\", \"region\": \"DE-HE\", \"port\": 8000, \"most\": 4,"     \
	"\"within\": [\"10.1.0.0/16\", \"2001:db8:1::/48\"]}},"                                                        \
	"\"services\": {\"s\": {\"address\": \"10.1.0.3:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"             \
	"\"rules\": [{\"id\": \"all\", \"allow\": true},"                                                              \
	"{\"id\": \"not-z\", \"deny\": {\"backend\": [\"z\"]}}],"                                                      \
	"\"telemetry\": {\"e\": {\"url\": \"http://10.9.0.5:80/metrics\"}},"                                           \
	"\"gates\": {\"every\": {\"on\": \"backend\", \"source\": \"e\", \"metric\": \"x\", \"breach\": {\"below\": "  \
	"1}, \"on_breach\": \"alert\"},"                                                                               \
	"\"one\": {\"on\": \"backend\", \"of\": [\"z\"], \"source\": \"e\", \"metric\": \"x\", \"breach\": "           \
	"{\"below\": 1}, \"on_breach\": \"alert\"}}}"

static struct policy *policy_of(void)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;

	if (policy_parse("test.json", POLICY, strlen(POLICY), 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	return policy;
}

/* What is wrong with it, the first of all; "": nothing. */
static void expect(const struct policy *policy, const char *text, const char *wrong)
{
	struct diagnostics diagnostics = {.file = "p"};
	struct member_list list = {0};
	int error = members_read(policy, &policy->pools[0], text, strlen(text), &diagnostics, &list);

	if (*wrong) {
		assert_int_equal(error, -EINVAL);
		assert_true(diagnostics.count && diagnostics.items[0].line);
		if (!strstr(diagnostics.items[0].text, wrong))
			fail_msg("%s: %s, and not %s", text, diagnostics.items[0].text, wrong);
		assert_null(list.items);
	} else if (error) {
		fail_msg("%s: %s", text, diagnostics.items[0].text);
	}
	member_list_free(&list);
	diagnostics_free(&diagnostics);
}

static void test_what_a_file_may_say(void **state)
{
	struct policy *policy = policy_of();

	(void)state;
#define ONE(member) "{\"members\": {\"one\": {" member "}}}"
	expect(policy, "{\"members\": {}}", "");
	expect(policy, ONE("\"address\": \"10.1.0.11\", \"port\": 8001, \"region\": \"DE-HE\", \"capacity\": 1"), "");
	expect(policy, ONE("\"address\": \"2001:db8:1::1\", \"port\": 8000, \"region\": \"FR\""), "");
	expect(policy, ONE("\"address\": \"10.1.127.255\", \"port\": 8000, \"region\": \"FR\""), "");
	expect(policy, ONE("\"address\": \"10.1.128.0\", \"port\": 8000, \"region\": \"FR\""), "none of the prefixes");
	expect(policy, ONE("\"address\": \"10.0.255.255\", \"port\": 8000, \"region\": \"FR\""),
	       "none of the prefixes");
	expect(policy, ONE("\"address\": \"2001:db8:2::\", \"port\": 8000, \"region\": \"FR\""),
	       "none of the prefixes");
	expect(policy, ONE("\"address\": \"10.1.0.11\", \"port\": 8002, \"region\": \"DE\""), "port 8002");
	expect(policy, ONE("\"address\": \"10.1.0.11\", \"region\": \"DE\""), "\"port\" is missing");
	expect(policy, ONE("\"address\": \"10.1.0.11\", \"port\": 8000"), "\"region\" is missing");
	expect(policy, ONE("\"address\": \"10.1.0.11\", \"port\": 8000, \"region\": \"US\""), "outside the regions");
	expect(policy, ONE("\"address\": \"10.1.0.2\", \"port\": 8000, \"region\": \"DE\""), ".nat.addresses");
	expect(policy, ONE("\"address\": \"10.1.0.3\", \"port\": 8000, \"region\": \"DE\""), "service \"s\"");
	expect(policy, ONE("\"address\": \"10.1.0.9\", \"port\": 8000, \"region\": \"DE\""), "backend \"a\" already");
	expect(policy, ONE("\"address\": \"127.0.0.1\", \"port\": 8000, \"region\": \"DE\""), "cannot have");
	expect(policy, ONE("\"address\": \"10.1.0.11\", \"port\": 8000, \"region\": \"DE\", \"serves\": \"m@1\""),
	       "unknown key");
	expect(policy, ONE("\"address\": \"10.1.0.11\", \"port\": \"8000\", \"region\": \"DE\""),
	       "the string \"8000\"");
#define TWO(a, b)                                                                                                      \
	"{\"members\": {\"" a "\": {\"address\": \"10.1.0.11\", \"port\": 8000, \"region\": \"DE\"}, \"" b             \
	"\": {\"address\": \"10.1.0.11\", \"port\": 8000, \"region\": \"DE\"}}}"
	expect(policy, TWO("a", "b"), "address and port of \"a\"");
	expect(policy, TWO("a", "a"), "already");
	expect(policy, TWO("a", "B"), "must match");
	expect(policy,
	       "{\"members\": {\"123456789012345678901234567890123456789012345678901234567890123\": {\"address\": "
	       "\"10.1.0.11\", \"port\": 8000, \"region\": \"DE\"}}}",
	       "more than 63");
	expect(policy, "{\"members\": {\"a\": {}, \"b\": {}, \"c\": {}, \"d\": {}}}", "there are 4; at most 3");
	policy_free(policy);
}

/* Whatever comes: members that are all within bounds, or a place where something is wrong. */
static void try_bytes(const struct policy *policy, const char *bytes, size_t length, size_t *ret_good)
{
	struct diagnostics diagnostics = {.file = "p"};
	struct member_list list = {0};
	char text[MEMBER_SENTENCE];

	if (members_read(policy, &policy->pools[0], bytes, length, &diagnostics, &list)) {
		assert_true(diagnostics.errors && diagnostics.items[0].line && *diagnostics.items[0].text);
		assert_null(list.items);
	} else {
		assert_true(list.count <= policy->pools[0].most);
		for (size_t i = 0; i < list.count; i++)
			assert_null(member_refusal(policy, &policy->pools[0], &list.items[i], text));
		(*ret_good)++;
	}
	member_list_free(&list);
	diagnostics_free(&diagnostics);
}

static void test_damaged_files(void **state)
{
	static const char good[] =
		"{\"members\": {\"one\": {\"address\": \"10.1.0.11\", \"port\": 8000, \"region\": \"DE\"},"
		"\"two\": {\"address\": \"10.1.0.12\", \"port\": 8001, \"region\": \"FR-75\", "
		"\"capacity\": 3}}}";
	struct policy *policy = policy_of();
	uint64_t random = 1;
	size_t whole = 0, part = 0;
	char bytes[sizeof(good)];

	(void)state;
	for (size_t length = 0; length < sizeof(good) - 1; length++)
		try_bytes(policy, good, length, &part);
	assert_int_equal(part, 0); /* half of a file is none */
	try_bytes(policy, good, sizeof(good) - 1, &whole);
	assert_int_equal(whole, 1);
	for (int i = 0; i < 20000; i++) {
		memcpy(bytes, good, sizeof(good));
		for (int n = 0; n < 1 + i % 3; n++) {
			random = usher_mix64(random + 1);
			bytes[random % (sizeof(good) - 1)] = (char)(random >> 32);
		}
		try_bytes(policy, bytes, sizeof(good) - 1, &whole);
	}
	policy_free(policy);
}

/* ---- of addresses -------------------------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
	static const char *const texts[] = {"10.1.0.12", "2001:db8:1::1", "10.1.0.11", "10.1.0.12"};
	struct usher_address addresses[5];
	struct policy *policy = policy_of();
	char sentence[MEMBER_SENTENCE] = "";
	struct member_list list = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_int_equal(address_parse(texts[i], &addresses[i]), 0);
	assert_int_equal(members_of_addresses(policy, &policy->pools[1], addresses, 4, sentence, &list), 0);
	assert_int_equal(list.count, 3); /* one of them is there twice */
	assert_string_equal(list.items[0].name, "q.10.1.0.11-8000");
	assert_string_equal(list.items[1].name, "q.10.1.0.12-8000");
	assert_string_equal(list.items[2].name, "q.2001-db8-1--1-8000");
	member_list_free(&list);
	assert_int_equal(address_parse("10.2.0.1", &addresses[4]), 0);
	assert_int_equal(members_of_addresses(policy, &policy->pools[1], addresses, 5, sentence, &list), -EINVAL);
	assert_non_null(strstr(sentence, "none of the prefixes"));
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(address_parse("10.1.1.0", &addresses[i]), 0);
		addresses[i].bytes[15] = (uint8_t)(i + 1);
	}
	assert_int_equal(members_of_addresses(policy, &policy->pools[1], addresses, 5, sentence, &list), -EINVAL);
	assert_non_null(strstr(sentence, "there are 5 addresses; at most 4"));
	policy_free(policy);
}

/* ---- among the backends -------------------------------------------------------------------------------------- */

static size_t index_of(const struct policy *policy, const char *name)
{
	for (size_t b = 0; b < policy->backend_count; b++)
		if (!strcmp(policy->backends[b].name, name))
			return b;
	fail_msg("there is no %s", name);
	return 0;
}

static void test_they_become_backends(void **state)
{
	static const char text[] = "{\"members\": {\"two\": {\"address\": \"10.1.0.12\", \"port\": 8001, \"region\": "
				   "\"FR\", \"capacity\": 3},"
				   "\"one\": {\"address\": \"10.1.0.11\", \"port\": 8000, \"region\": \"DE\"}}}";
	struct diagnostics diagnostics = {.file = "p"};
	struct member_list lists[2] = {0};
	struct policy *policy = policy_of();
	const struct backend *backend;
	char digest[65];

	(void)state;
	memcpy(digest, policy->digest, sizeof(digest));
	assert_int_equal(policy->backend_count, 2);
	assert_int_equal(members_read(policy, &policy->pools[0], text, strlen(text), &diagnostics, &lists[0]), 0);
	lists[0].items[1].leave_by = 5;
	policy_add_members(policy, lists);
	assert_int_equal(policy->backend_count, 4);
	for (size_t b = 1; b < policy->backend_count; b++)
		assert_true(strcmp(policy->backends[b - 1].name, policy->backends[b].name) < 0);
	backend = &policy->backends[index_of(policy, "p.one")];
	assert_int_equal(backend->capacity, 7);
	assert_int_equal(backend->pool, 1);
	assert_string_equal(backend->health.path, "/ready");
	assert_false(backend->leaving);
	backend = &policy->backends[index_of(policy, "p.two")];
	assert_int_equal(backend->capacity, 3);
	assert_int_equal(backend->port, 8001);
	assert_string_equal(backend->region.country, "FR");
	assert_true(backend->leaving);
	/* What named a backend names it still; what is about all of them is about these as well. */
	assert_int_equal(policy->rules[1].match.backends.count, 1);
	assert_int_equal(policy->rules[1].match.backends.items[0], index_of(policy, "z"));
	assert_int_equal(policy->gates[0].subjects.count, 4);
	assert_int_equal(policy->gates[1].subjects.count, 1);
	assert_int_equal(policy->gates[1].subjects.items[0], index_of(policy, "z"));
	assert_string_equal(policy->digest, digest);
	member_list_free(&lists[0]);
	diagnostics_free(&diagnostics);
	policy_free(policy);
}

static void test_those_that_are_assumed(void **state)
{
	struct policy *policy = policy_of();

	(void)state;
	policy_assume_members(policy);
	/* Of p, which may have 3, two regions in two families; of q one in two. */
	assert_int_equal(policy->backend_count, 2 + 3 + 2);
	index_of(policy, "p.any-de");
	index_of(policy, "p.any-fr");
	index_of(policy, "p.any-de-ipv6");
	index_of(policy, "q.any");
	index_of(policy, "q.any-ipv6");
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_file_may_say),
		cmocka_unit_test(test_damaged_files),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_they_become_backends),
		cmocka_unit_test(test_those_that_are_assumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
