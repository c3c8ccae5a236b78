// SPDX-License-Identifier: GPL-2.0-only
/* What facts and dates do to a policy: who may start flows, who may keep them, and until when that holds. */
#include "govern/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

#define DAY 86400
#define NOW (20000 * (int64_t)DAY) /* 2024-10-04 */

static const char text[] =
	"{\"apiVersion\": \"usher/v1\", \"services\": {}, \"rules\": [], \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
	"\"models\": {\"n\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}, \"m\": {\"versions\": {\"1\": "
	"{\"stage\": \"production\","
	"\"labels\": {\"gdpr\": {\"evidence\": \"e\", \"expires\": \"2024-10-10\"}, \"old\": {\"evidence\": \"e\", "
	"\"expires\": \"2024-10-03\"}},"
	"\"validation\": {\"score\": 0.9, \"samples\": 10, \"expires\": \"2024-10-07\"}}}}},"
	"\"backends\": {"
	"\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
	"\"b\": {\"address\": \"10.0.0.2:80\", \"serves\": \"n@1\", \"region\": \"DE\", \"health\": false},"
	"\"c\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@1\", \"region\": \"DE\"}}}";

static struct policy *policy;

static int begin(void **state)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	int error = policy_parse("test.json", text, strlen(text), NOW, &diagnostics, &policy);

	(void)state;
	if (error)
		diagnostics_print(&diagnostics, stderr);
	diagnostics_free(&diagnostics);
	return error;
}

static int end(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static struct effective *decided(const struct facts *facts, int64_t now)
{
	struct effective *effective = NULL;

	assert_int_equal(decide(policy, facts, now, &effective), 0);
	return effective;
}

static void test_without_facts_everybody_may_start(void **state)
{
	struct effective *effective = decided(NULL, NOW);

	(void)state;
	for (size_t b = 0; b < 3; b++) {
		assert_int_equal(effective->backends[b].start_reason, 0);
		assert_int_equal(effective->backends[b].constraint_reason, 0);
	}
	effective_free(effective);
}

static uint8_t start_of(size_t backend, struct backend_facts facts)
{
	struct backend_facts all[3] = {{0}};
	const struct facts known = {all, 3};
	struct effective *effective;
	uint8_t reason;

	all[backend] = facts;
	effective = decided(&known, NOW);
	reason = effective->backends[backend].start_reason;
	assert_int_equal(effective->backends[backend].constraint_reason, 0);
	effective_free(effective);
	return reason;
}

static void test_facts_decide_who_may_start_and_never_who_may_stay(void **state)
{
	const struct next_hop there = {.resolved = true};

	(void)state;
	assert_int_equal(start_of(0, (struct backend_facts){HEALTH_UP, false, there, 0}), 0);
	assert_int_equal(start_of(0, (struct backend_facts){HEALTH_DOWN, false, there, 0}), USHER_REASON_UNHEALTHY);
	assert_int_equal(start_of(0, (struct backend_facts){HEALTH_UNKNOWN, false, there, 0}), USHER_REASON_UNHEALTHY);
	assert_int_equal(start_of(0, (struct backend_facts){HEALTH_UP, true, there, 0}), USHER_REASON_DRAINING);
	assert_int_equal(start_of(0, (struct backend_facts){HEALTH_UP, false, {0}, 0}), USHER_REASON_UNREACHABLE);
	/* Without a probe nobody is unhealthy. */
	assert_int_equal(start_of(1, (struct backend_facts){HEALTH_UNKNOWN, false, there, 0}), 0);
	assert_int_equal(start_of(1, (struct backend_facts){HEALTH_DOWN, false, there, 0}), 0);
}

/* A backend that the facts do not reach is one that nothing is known of. */
static void test_no_fact_is_no_good_fact(void **state)
{
	struct backend_facts first = {HEALTH_UP, false, {.resolved = true}, 0};
	const struct facts facts = {&first, 1};
	struct effective *effective = decided(&facts, NOW);

	(void)state;
	assert_int_equal(effective->backends[0].start_reason, 0);
	assert_int_equal(effective->backends[1].start_reason, USHER_REASON_UNREACHABLE);
	assert_int_equal(effective->backends[2].start_reason, USHER_REASON_UNHEALTHY);
	effective_free(effective);
}

static uint64_t lapsed_of_m(const struct effective *effective)
{
	size_t version = policy->backends[0].version;

	return effective->lapsed_labels[version];
}

static void test_dates_take_labels_and_validation_away(void **state)
{
	struct effective *effective = decided(NULL, NOW);
	uint64_t at_first = lapsed_of_m(effective);

	(void)state;
	assert_int_equal(__builtin_popcountll(at_first), 1);	 /* "old" */
	assert_int_equal(effective->next_change, NOW + 4 * DAY); /* the day after 2024-10-07 begins */
	effective_free(effective);
	effective = decided(NULL, NOW + 4 * DAY - 1);
	assert_int_equal(effective->backends[0].constraint_reason, 0);
	effective_free(effective);
	effective = decided(NULL, NOW + 4 * DAY);
	assert_int_equal(effective->backends[0].constraint_reason, USHER_REASON_EVIDENCE_EXPIRED);
	assert_int_equal(effective->backends[2].constraint_reason, USHER_REASON_EVIDENCE_EXPIRED);
	assert_int_equal(effective->backends[1].constraint_reason, 0);
	assert_int_equal(effective->next_change, NOW + 7 * DAY);
	effective_free(effective);
	effective = decided(NULL, NOW + 7 * DAY);
	assert_int_equal(__builtin_popcountll(lapsed_of_m(effective)), 2);
	assert_true(effective->next_change == INT64_MAX);
	effective_free(effective);
}

static void test_backends_are_grouped_by_model(void **state)
{
	struct effective *effective = decided(NULL, NOW);

	(void)state;
	for (size_t m = 0, seen = 0; m < policy->model_count; m++) {
		assert_int_equal(effective->serving_first[m], seen);
		for (; seen < effective->serving_first[m + 1]; seen++)
			assert_int_equal(policy->versions[policy->backends[effective->serving[seen]].version].model, m);
	}
	assert_int_equal(effective->serving_first[policy->model_count], policy->backend_count);
	effective_free(effective);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_facts_everybody_may_start),
		cmocka_unit_test(test_facts_decide_who_may_start_and_never_who_may_stay),
		cmocka_unit_test(test_no_fact_is_no_good_fact),
		cmocka_unit_test(test_dates_take_labels_and_validation_away),
		cmocka_unit_test(test_backends_are_grouped_by_model),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
