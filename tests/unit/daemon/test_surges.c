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

#define SHED "{\"shed\": \"lowest-priority\", \"steps\": 1}"
#define SHED_IN(steps) "{\"shed\": \"lowest-priority\", \"steps\": " steps "}"
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

static void filled(const struct surges *surges, uint32_t open, uint32_t shed, uint32_t part)
{
	struct service_facts service = {.open = 9, .shed = 9, .shed_part = 9};
	struct facts facts = {.services = &service, .service_count = 1};

	surges_fill(surges, &facts);
	assert_int_equal(service.open, open);
	assert_int_equal(service.shed, shed);
	assert_int_equal(service.shed_part, part);
}

/* A tier, and three quarters of the lowest priority; other steps have the like of that, and nobody is shed who was not. */
static void test_a_priority_is_shed_in_steps(void **state)
{
	struct surges *before = surges_of(", \"overflow\": [" TIER("FR") SHED_IN("4") "]", NULL), *after;

	(void)state;
	assert_int_equal(before->items[0].settings.sheds, 8);
	filled(before, 0, 0, 0);
	before->items[0].state = (struct surge){.stepped = 1, .rung = 4};
	filled(before, 1, 0, 75);
	before->items[0].state.rung = 6;
	filled(before, 1, 1, 25);
	before->items[0].state.rung = 9;
	filled(before, 1, 2, 0);
	before->items[0].state.rung = 4;
	before = written_and_read(before, 0);
	after = surges_of(", \"overflow\": [" TIER("FR") SHED_IN("2") "]", before);
	filled(after, 1, 0, 50);
	surges_free(after);
	after = surges_of(", \"overflow\": [" TIER("FR") SHED "]", before);
	filled(after, 1, 0, 0);
	surges_free(after);
	after = surges_of(", \"overflow\": [" TIER("FR") SHED_IN("8") "]", before);
	filled(after, 1, 0, 75);
	surges_free(after);
	after = surges_of(", \"overflow\": [{\"region\": [\"FR\"]}]", before);
	filled(after, 1, 0, 0);
	surges_free(after);
	surges_free(before);
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
		cmocka_unit_test(test_a_priority_is_shed_in_steps),
		cmocka_unit_test(test_what_cannot_be_is_none),
	};

	return cmocka_run_group_tests_name("surges", tests, NULL, NULL);
}
