// SPDX-License-Identifier: GPL-2.0-only
/* The moment named as the next change is the next one: until then nothing is different, and then something is. */
#include "govern/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/date.h"
#include "policy/policy.h"

#define DAY 86400
#define START (20000 * (int64_t)DAY) /* 2024-10-04 */
#define BACKENDS 12
#define LABELS 4

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

/* Nothing, or a date within some days of START, on either side. */
static void write_expiry(FILE *to, uint64_t *random)
{
	char text[DATE_TEXT];

	if (next_random(random) % 4 == 0)
		return;
	date_print(START + (int64_t)(next_random(random) % 30) * DAY - 5 * DAY, text);
	fprintf(to, ", \"expires\": \"%s\"", text);
}

/* A version of its own for every backend; some of them with labels, some validated. */
static struct policy *random_policy(uint64_t *random)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	fprintf(to, "{\"apiVersion\": \"usher/v1\", \"services\": {}, \"rules\": [], \"nat\": {\"addresses\": "
		    "[\"10.255.0.1\"]}, \"models\": {\"m\": {\"versions\": {");
	for (int v = 0; v < BACKENDS; v++) {
		fprintf(to, "%s\"v%d\": {\"stage\": \"production\", \"labels\": {", v ? ", " : "", v);
		for (int l = 0, count = (int)(next_random(random) % LABELS); l < count; l++) {
			fprintf(to, "%s\"l%d\": {\"evidence\": \"e\"", l ? ", " : "", l);
			write_expiry(to, random);
			fprintf(to, "}");
		}
		fprintf(to, "}");
		if (next_random(random) % 2) {
			fprintf(to, ", \"validation\": {\"score\": 0.9, \"samples\": 10");
			write_expiry(to, random);
			fprintf(to, "}");
		}
		fprintf(to, "}");
	}
	fprintf(to, "}}}, \"backends\": {");
	for (int b = 0; b < BACKENDS; b++)
		fprintf(to, "%s\"b%d\": {\"address\": \"10.0.0.%d:80\", \"serves\": \"m@v%d\", \"region\": \"DE\"}",
			b ? ", " : "", b, b + 1, b);
	fprintf(to, "}}");
	fclose(to);
	if (policy_parse("test.json", text, length, START, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail_msg("this is no policy: %s", text);
	}
	diagnostics_free(&diagnostics);
	free(text);
	return policy;
}

/* Everything that dates alone decide. */
struct outcome {
	uint64_t labels[BACKENDS];
	uint8_t reasons[BACKENDS];
	int64_t next_change;
};

static struct outcome outcome_at(const struct policy *policy, int64_t now)
{
	struct effective *effective = NULL;
	struct outcome outcome = {.next_change = 0};

	assert_int_equal(decide(policy, NULL, now, &effective), 0);
	for (size_t b = 0; b < BACKENDS; b++) {
		outcome.labels[b] = effective->lapsed_labels[policy->backends[b].version];
		outcome.reasons[b] = effective->backends[b].constraint_reason;
		assert_int_equal(effective->backends[b].start_reason, 0);
	}
	outcome.next_change = effective->next_change;
	effective_free(effective);
	return outcome;
}

static bool same(const struct outcome *one, const struct outcome *other)
{
	return !memcmp(one->labels, other->labels, sizeof(one->labels)) &&
	       !memcmp(one->reasons, other->reasons, sizeof(one->reasons));
}

/* By the dates of the policy itself. */
static void check_outcome(const struct policy *policy, int64_t now, const struct outcome *outcome)
{
	for (size_t b = 0; b < BACKENDS; b++) {
		const struct version *version = &policy->versions[policy->backends[b].version];
		int64_t until = version->validation_expires;

		assert_int_equal(outcome->reasons[b],
				 version->validated && until && now > until ? USHER_REASON_EVIDENCE_EXPIRED : 0);
		for (size_t l = 0; l < version->label_count; l++) {
			until = version->labels[l].expires;
			assert_int_equal(outcome->labels[b] >> l & 1, until && now > until);
		}
		assert_int_equal(outcome->labels[b] >> version->label_count, 0);
	}
}

static void test_the_next_change_is_the_next_one(void **state)
{
	uint64_t random = 1;
	size_t changes = 0;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct policy *policy = random_policy(&random);
		struct outcome now = outcome_at(policy, START);

		check_outcome(policy, START, &now);
		for (int64_t at = START; now.next_change != INT64_MAX; changes++) {
			struct outcome before, then;
			int64_t change = now.next_change;

			assert_true(change > at);
			before = outcome_at(policy, change - 1);
			then = outcome_at(policy, change);
			assert_true(same(&before, &now));
			assert_int_equal(before.next_change, change);
			assert_false(same(&then, &now));
			check_outcome(policy, change, &then);
			at = change;
			now = then;
		}
		/* And nothing comes after the last one. */
		struct outcome late = outcome_at(policy, START + 10000 * (int64_t)DAY);

		assert_true(same(&late, &now));
		policy_free(policy);
	}
	print_message("# %zu changes by dates\n", changes);
	assert_true(changes > 1000);
}

static void test_facts_change_no_date_and_dates_no_start(void **state)
{
	uint64_t random = 2;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct policy *policy = random_policy(&random);
		struct backend_facts backends[BACKENDS] = {{0}};
		const struct facts facts = {.backends = backends, .backend_count = BACKENDS};
		struct outcome alone = outcome_at(policy, START);
		struct effective *effective = NULL;

		for (size_t b = 0; b < BACKENDS; b++) {
			backends[b].health = (enum health_state)(next_random(&random) % 3);
			backends[b].draining = next_random(&random) % 2;
			backends[b].next_hop.resolved = next_random(&random) % 2;
			backends[b].next_hop.interface = (uint32_t)b + 1;
			memset(backends[b].next_hop.mac, (int)b + 1, 6);
		}
		assert_int_equal(decide(policy, &facts, START, &effective), 0);
		assert_int_equal(effective->next_change, alone.next_change);
		for (size_t b = 0; b < BACKENDS; b++) {
			const struct effective_backend *is = &effective->backends[b];
			/* The first that holds. */
			uint8_t reason = backends[b].draining		   ? USHER_REASON_DRAINING
					 : backends[b].health != HEALTH_UP ? USHER_REASON_UNHEALTHY
					 : !backends[b].next_hop.resolved  ? USHER_REASON_UNREACHABLE
									   : 0;

			assert_int_equal(is->start_reason, reason);
			assert_int_equal(is->constraint_reason, alone.reasons[b]);
			assert_int_equal(is->next_hop.interface, b + 1);
			assert_memory_equal(is->next_hop.mac, backends[b].next_hop.mac, 6);
		}
		effective_free(effective);
		policy_free(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_next_change_is_the_next_one),
		cmocka_unit_test(test_facts_change_no_date_and_dates_no_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
