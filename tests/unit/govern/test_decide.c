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
	const struct facts known = {.backends = all, .backend_count = 3};
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
	const struct backend_facts good = {.health = HEALTH_UP, .next_hop = there};
	struct backend_facts facts;

	(void)state;
	assert_int_equal(start_of(0, good), 0);
	facts = good;
	facts.health = HEALTH_DOWN;
	assert_int_equal(start_of(0, facts), USHER_REASON_UNHEALTHY);
	facts.health = HEALTH_UNKNOWN;
	assert_int_equal(start_of(0, facts), USHER_REASON_UNHEALTHY);
	facts = good;
	facts.draining = true;
	assert_int_equal(start_of(0, facts), USHER_REASON_DRAINING);
	facts = good;
	facts.next_hop.resolved = false;
	assert_int_equal(start_of(0, facts), USHER_REASON_UNREACHABLE);
	/* Without a probe nobody is unhealthy. */
	facts = good;
	facts.health = HEALTH_UNKNOWN;
	assert_int_equal(start_of(1, facts), 0);
	facts.health = HEALTH_DOWN;
	assert_int_equal(start_of(1, facts), 0);
}

/* A backend that the facts do not reach is one that nothing is known of. */
static void test_no_fact_is_no_good_fact(void **state)
{
	struct backend_facts first = {.health = HEALTH_UP, .next_hop.resolved = true};
	const struct facts facts = {.backends = &first, .backend_count = 1};
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

static struct effective *with_quarantine(size_t backend, size_t version, int64_t now)
{
	struct backend_facts backends[3];
	struct version_facts versions[2] = {{0}};
	const struct facts facts = {.backends = backends, .backend_count = 3, .versions = versions, .version_count = 2};

	for (size_t b = 0; b < 3; b++)
		backends[b] = (struct backend_facts){
			.health = HEALTH_UP, .quarantined = b == backend, .next_hop.resolved = true, .able_since = 7};
	if (version < 2)
		versions[version].quarantined = true;
	for (size_t b = 0; b < 3; b++)
		assert_int_equal(facts_quarantined(&facts, policy, b),
				 b == backend || policy->backends[b].version == version);
	return decided(&facts, now);
}

/* What a quarantine takes out may not stay either; in the design's order it comes after what has lapsed. */
static void test_a_quarantine_takes_out_a_version_or_a_backend(void **state)
{
	size_t version = policy->backends[0].version; /* of the first and the third */
	struct effective *effective = with_quarantine(POLICY_NONE, version, NOW);

	(void)state;
	assert_int_equal(policy->version_count, 2);
	assert_int_equal(effective->backends[0].constraint_reason, USHER_REASON_QUARANTINED);
	assert_int_equal(effective->backends[1].constraint_reason, 0);
	assert_int_equal(effective->backends[2].constraint_reason, USHER_REASON_QUARANTINED);
	assert_int_equal(effective->backends[0].start_reason, 0);
	assert_int_equal(effective->backends[0].able_since, 0); /* when it comes back it is new */
	assert_int_equal(effective->backends[1].able_since, 7);
	effective_free(effective);
	effective = with_quarantine(2, POLICY_NONE, NOW);
	assert_int_equal(effective->backends[0].constraint_reason, 0);
	assert_int_equal(effective->backends[2].constraint_reason, USHER_REASON_QUARANTINED);
	effective_free(effective);
	effective = with_quarantine(0, version, NOW + 4 * DAY);
	assert_int_equal(effective->backends[0].constraint_reason, USHER_REASON_EVIDENCE_EXPIRED);
	assert_int_equal(effective->next_change, NOW + 7 * DAY);
	effective_free(effective);
}

/* What a gate takes out is out as by a quarantine, which comes first; what it takes weight of is not. */
static void test_gates_take_out_or_lessen(void **state)
{
	struct backend_facts backends[3];
	struct version_facts versions[2] = {{0}};
	const struct facts facts = {.backends = backends, .backend_count = 3, .versions = versions, .version_count = 2};
	size_t version = policy->backends[0].version; /* of the first and the third */
	struct effective *effective;

	(void)state;
	for (size_t b = 0; b < 3; b++)
		backends[b] = (struct backend_facts){.health = HEALTH_UP, .next_hop.resolved = true};
	versions[version].gated = true;
	backends[1].share = 40;
	backends[2].quarantined = true;
	effective = decided(&facts, NOW);
	assert_int_equal(effective->backends[0].constraint_reason, USHER_REASON_GATE_BREACHED);
	assert_int_equal(effective->backends[1].constraint_reason, 0);
	assert_int_equal(effective->backends[2].constraint_reason, USHER_REASON_QUARANTINED);
	assert_int_equal(effective->backends[1].share, 40);
	effective_free(effective);
	versions[version] = (struct version_facts){.share = 30};
	backends[0].share = 50;
	effective = decided(&facts, NOW);
	assert_int_equal(effective->backends[0].constraint_reason, 0);
	assert_int_equal(effective->backends[0].share, 15);
	assert_int_equal(effective->version_shares[version], 30);
	assert_int_equal(effective->version_shares[1 - version], 100);
	effective_free(effective);
	effective = decided(NULL, NOW);
	assert_int_equal(effective->backends[0].share, 100);
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
		cmocka_unit_test(test_gates_take_out_or_lessen),
		cmocka_unit_test(test_a_quarantine_takes_out_a_version_or_a_backend),
		cmocka_unit_test(test_backends_are_grouped_by_model),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
