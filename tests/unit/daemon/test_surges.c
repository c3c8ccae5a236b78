// SPDX-License-Identifier: GPL-2.0-only
/* How far services give way to load: what outlives another policy and a restart. */
#include "daemon/surges.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

static struct policy *policy_of(const char *overflow)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	char *text;

	if (asprintf(&text,
		     "{\"apiVersion\": \"usher/v1\", \"rules\": [], \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
		     "\"tenants\": {\"a\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"DE\"}], "
		     "\"priority\": 10},"
		     "\"b\": {\"sources\": [{\"prefix\": \"198.51.100.0/24\", \"region\": \"DE\"}], \"priority\": "
		     "20}},"
		     "\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"
		     "\"backends\": {\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"}},"
		     "\"services\": {\"s\": {\"address\": \"203.0.113.1:443\", \"protocol\": \"tcp\", \"model\": \"m\""
		     "%s}}}",
		     overflow) < 0)
		abort();
	assert_int_equal(policy_parse("test.json", text, strlen(text), 0, &diagnostics, &policy), 0);
	diagnostics_free(&diagnostics);
	free(text);
	return policy;
}

#define SHED "{\"shed\": \"lowest-priority\"}"
#define TIER(region) "{\"region\": [\"" region "\"]}, "

static struct surges *surges_of(const char *overflow, const struct surges *before)
{
	struct policy *policy = policy_of(overflow);
	struct surges *surges = NULL;

	assert_int_equal(surges_new(policy, before, &surges), 0);
	policy_free(policy);
	return surges;
}

static struct surges *written_and_read(struct surges *surges, int wanted)
{
	struct surges *read = NULL;
	struct json text = {0};

	surges_print(&text, surges);
	assert_int_equal(surges_parse(text.bytes, text.length, &read), wanted);
	json_free(&text);
	surges_free(surges);
	return read;
}

/* Two further tiers are open, nobody is shed; the next policy has none of them. */
static void test_fewer_tiers_shed_nobody(void **state)
{
	struct surges *many = surges_of(", \"overflow\": [" TIER("FR") TIER("IE") SHED "]", NULL), *few;

	(void)state;
	many->items[0].state = (struct surge){.stepped = 1, .rung = 2};
	few = surges_of(", \"overflow\": [" SHED "]", many);
	assert_int_equal(few->items[0].state.rung, 0);
	surges_free(few);
	/* The same if it is another daemon that has it. */
	many = written_and_read(many, 0);
	few = surges_of(", \"overflow\": [" TIER("FR") SHED "]", many);
	assert_int_equal(few->items[0].state.rung, 1);
	surges_free(few);
	surges_free(many);
}

static void test_the_same_policy_goes_on(void **state)
{
	const char *overflow = ", \"overflow\": [" TIER("FR") SHED "]";
	struct surges *before = surges_of(overflow, NULL), *after;

	(void)state;
	before->items[0].state = (struct surge){.stepped = 1, .rung = 3, .strikes = 2};
	before = written_and_read(before, 0);
	after = surges_of(overflow, before);
	assert_int_equal(after->items[0].state.rung, 3);
	assert_int_equal(after->items[0].state.strikes, 2);
	surges_free(before);
	surges_free(after);
}

static void test_what_cannot_be_is_none(void **state)
{
	struct surges *surges = surges_of(", \"overflow\": [" TIER("FR") SHED "]", NULL);

	(void)state;
	surges->items[0].state = (struct surge){.stepped = 1, .rung = 4}; /* a tier and two priorities */
	assert_null(written_and_read(surges, -EINVAL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fewer_tiers_shed_nobody),
		cmocka_unit_test(test_the_same_policy_goes_on),
		cmocka_unit_test(test_what_cannot_be_is_none),
	};

	return cmocka_run_group_tests_name("surges", tests, NULL, NULL);
}
