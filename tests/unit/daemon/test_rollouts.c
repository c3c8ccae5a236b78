// SPDX-License-Identifier: GPL-2.0-only
/* The roll-outs of a policy: what outlives another policy and a restart, and what of the kernel's counters is evidence. */
#include "daemon/rollouts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

struct wanted {
	const char *digest, *to, *rollout; /* of version 2; NULL: as it is */
};

static struct policy *policy_of(struct wanted wanted)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	char *text;

	if (asprintf(&text,
		     "{\"apiVersion\": \"usher/v1\", \"rules\": [], \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
		     "\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}, \"2\": {\"stage\": "
		     "\"canary\", "
		     "\"digest\": \"sha256:%064d\"}, \"3\": {\"stage\": \"canary\"}}}},"
		     "\"backends\": {\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
		     "\"b\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@2\", \"region\": \"DE\"}},"
		     "\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
		     "\"telemetry\": {\"e\": {\"url\": \"http://10.9.0.5:80/metrics\"}},"
		     "\"gates\": {\"g\": {\"on\": \"version\", \"source\": \"e\", \"metric\": \"x\", \"breach\": "
		     "{\"below\": 1},"
		     "\"on_breach\": \"alert\"}},"
		     "\"rollouts\": {\"r\": {\"service\": \"s\", \"from\": \"1\", \"to\": \"%s\", %s}}}",
		     wanted.digest ? atoi(wanted.digest) : 1, wanted.to ? wanted.to : "2",
		     wanted.rollout ? wanted.rollout
				    : "\"steps\": [5, 50, 100], \"every\": \"1h\", \"needs\": [\"g\"]") < 0)
		abort();
	if (policy_parse("test.json", text, strlen(text), 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	free(text);
	return policy;
}

static struct rollouts *rollouts_of(const struct policy *policy, const struct rollouts *before)
{
	struct rollouts *rollouts = NULL;

	assert_int_equal(rollouts_new(policy, before, &rollouts), 0);
	return rollouts;
}

/* In the middle of its second step. */
static struct rollouts *under_way(const struct policy *policy)
{
	struct rollouts *rollouts = rollouts_of(policy, NULL);

	rollouts->items[0].state =
		(struct rollout){.state = ROLLOUT_RUNNING, .step = 2, .watched = 100, .flows = 7, .breach = 0};
	rollouts->items[0].since = 12345;
	rollouts->items[0].word = (struct rollout_word){true, 1000, "olga",
							"ticket 4712: gepr\xc3\xbc"
							"ft"};
	return rollouts;
}

static void expect(struct wanted wanted, unsigned int step, int64_t watched)
{
	struct policy *policy = policy_of((struct wanted){0}), *other = policy_of(wanted);
	struct rollouts *before = under_way(policy), *after = rollouts_of(other, before);

	assert_int_equal(after->items[0].state.step, step);
	assert_int_equal(after->items[0].state.watched, watched);
	assert_int_equal(after->items[0].state.state, step ? ROLLOUT_RUNNING : ROLLOUT_WAITING);
	rollouts_free(before);
	rollouts_free(after);
	policy_free(policy);
	policy_free(other);
}

static void test_what_another_policy_leaves(void **state)
{
	(void)state;
	expect((struct wanted){0}, 2, 100);
	/* What a step rests on: the step stays, its evidence does not. */
	expect((struct wanted){.rollout = "\"steps\": [5, 50, 100], \"every\": \"2h\", \"needs\": [\"g\"]"}, 2, 0);
	expect((struct wanted){.rollout = "\"steps\": [5, 50, 100], \"every\": \"1h\""}, 2, 0);
	expect(
		(struct wanted){
			.rollout = "\"steps\": [5, 50, 100], \"every\": \"1h\", \"needs\": [\"g\"], \"min_flows\": 1"},
		2, 0);
	expect((struct wanted){.rollout = "\"steps\": [5, 50, 100], \"every\": \"1h\", \"needs\": [\"g\"], "
					  "\"on_breach\": \"pause\""},
	       2, 0);
	/* What is rolled out: it begins anew. */
	expect((struct wanted){.rollout = "\"steps\": [5, 60, 100], \"every\": \"1h\", \"needs\": [\"g\"]"}, 0, 0);
	expect((struct wanted){.to = "3"}, 0, 0);
	expect((struct wanted){.digest = "2"}, 0, 0); /* another artefact under the same name */
}

/* A policy without it is tried, or one that rolls out something else, and taken back: with another daemon in between, or without. */
static void stop_outlives(enum rollout_state stop, bool other_daemon)
{
	struct policy *policy = policy_of((struct wanted){0}), *tried = policy_of((struct wanted){.digest = "2"});
	struct rollouts *before = under_way(policy), *meanwhile, *after;

	before->items[0].state.state = (uint8_t)stop;
	before->items[0].state.step = stop == ROLLOUT_PAUSED || stop == ROLLOUT_RUNNING ? 2 : 0;
	before->items[0].state.breach = stop == ROLLOUT_ROLLED_BACK;
	meanwhile = rollouts_of(tried, before);
	assert_int_equal(meanwhile->items[0].state.state, ROLLOUT_WAITING);
	if (other_daemon) {
		struct json text = {0};
		struct rollouts *read = NULL;

		rollouts_print(&text, meanwhile);
		assert_int_equal(rollouts_parse(text.bytes, text.length, &read), 0);
		rollouts_free(meanwhile);
		meanwhile = read;
		json_free(&text);
	}
	after = rollouts_of(policy, meanwhile);
	assert_int_equal(after->items[0].state.step, 0);
	if (stop == ROLLOUT_RUNNING) {
		assert_int_equal(after->items[0].state.state, ROLLOUT_WAITING);
		assert_int_equal(meanwhile->kept_count, 0);
	} else {
		assert_int_equal(after->items[0].state.state, stop);
		assert_int_equal(after->items[0].state.breach, stop == ROLLOUT_ROLLED_BACK);
		assert_string_equal(after->items[0].word.user, "olga");
		assert_int_equal(after->kept_count, 0);
	}
	rollouts_free(before);
	rollouts_free(meanwhile);
	rollouts_free(after);
	policy_free(policy);
	policy_free(tried);
}

static void test_a_policy_that_is_tried_ends_no_stop(void **state)
{
	static const enum rollout_state stops[] = {ROLLOUT_ROLLED_BACK, ROLLOUT_ABORTED, ROLLOUT_PAUSED,
						   ROLLOUT_RUNNING};

	(void)state;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		stop_outlives(stops[i], false);
		stop_outlives(stops[i], true);
	}
}

static struct rollouts *read_back(const char *text, int wanted)
{
	struct rollouts *rollouts = NULL;

	assert_int_equal(rollouts_parse(text, strlen(text), &rollouts), wanted);
	return rollouts;
}

static void test_it_survives_as_text(void **state)
{
	struct policy *policy = policy_of((struct wanted){0});
	struct rollouts *before = under_way(policy), *read, *after;
	struct json text = {0};
	char *copy;

	(void)state;
	rollouts_print(&text, before);
	copy = strndup(text.bytes, text.length);
	read = read_back(copy, 0);
	after = rollouts_of(policy, read);
	assert_memory_equal(&after->items[0].state, &before->items[0].state, sizeof(struct rollout));
	assert_memory_equal(&after->items[0].word, &before->items[0].word, sizeof(struct rollout_word));
	assert_int_equal(after->items[0].since, 12345);
	/* Every text that is cut off is none; nothing leaks, nothing is read beyond it. */
	for (size_t length = 0; length < text.length; length++) {
		struct rollouts *none = NULL;

		assert_int_equal(rollouts_parse(copy, length, &none), -EINVAL);
		assert_null(none);
	}
	free(copy);
	json_free(&text);
	rollouts_free(before);
	rollouts_free(read);
	rollouts_free(after);
	policy_free(policy);
}

/* Where they stood cannot be read: nothing for the new version, until somebody says so, through restarts and policies. */
static void test_what_is_lost_stands_still(void **state)
{
	struct policy *policy = policy_of((struct wanted){0}), *other = policy_of((struct wanted){.to = "3"});
	struct rollouts lost = {.lost = true};
	struct rollouts *held = rollouts_of(policy, &lost), *read = NULL, *after, *anew;
	struct rollout_need need = {.verdict = ROLLOUT_GOOD};
	struct rollout_evidence evidence = {.in_force = true, .flows = 1000, .needs = &need};
	struct rollout_instance *instance;
	struct json text = {0};

	(void)state;
	rollouts_print(&text, held);
	assert_int_equal(rollouts_parse(text.bytes, text.length, &read), 0);
	after = rollouts_of(policy, read);
	instance = &after->items[0];
	assert_true(instance->lost);
	assert_int_equal(instance->state.state, ROLLOUT_PAUSED);
	for (int64_t now = 0; now < 100000; now += 10)
		rollout_look(&policy->rollouts[0].settings, &instance->state, &evidence, now, &instance->outcome);
	assert_int_equal(rollout_share(&policy->rollouts[0].settings, &instance->state), 0);
	/* One that nobody knew of begins as ever, once it is known which ones there were. */
	anew = rollouts_of(other, after);
	assert_int_equal(anew->items[0].state.state, ROLLOUT_WAITING);
	assert_false(anew->items[0].lost);
	assert_int_equal(rollout_obey(&policy->rollouts[0].settings, &instance->state, ROLLOUT_RESUME, &need),
			 ROLLOUT_OBEYED);
	rollout_look(&policy->rollouts[0].settings, &instance->state, &evidence, 100000, &instance->outcome);
	assert_int_equal(instance->state.step, 1);
	json_free(&text);
	rollouts_free(held);
	rollouts_free(read);
	rollouts_free(after);
	rollouts_free(anew);
	policy_free(policy);
	policy_free(other);
}

#define TEXT(state, step, watched, why)                                                                                \
	"[{\"rollout\":\"r\",\"what\":\"\",\"terms\":\"\",\"state\":\"" state "\",\"step\":" step                      \
	",\"breach\":0,\"watched\":" watched                                                                           \
	",\"flows\":0,\"since\":0,\"word\":{\"uid\":0,\"user\":\"\",\"why\":\"" why "\"}}]"

static void test_texts_that_are_none(void **state)
{
	(void)state;
	rollouts_free(read_back(TEXT("running", "1", "0", "x"), 0));
	read_back(TEXT("going", "1", "0", "x"), -EINVAL);
	read_back(TEXT("running", "33", "0", "x"), -EINVAL);
	read_back(TEXT("running", "-1", "0", "x"), -EINVAL);
	read_back(TEXT("running", "1", "-5", "x"), -EINVAL);
	read_back(TEXT("running", "1", "\"0\"", "x"), -EINVAL);
	read_back(TEXT("running", "1", "0", ""), -EINVAL);
	read_back(TEXT("running", "1", "0", "a\\u001bb"), -EINVAL);
	read_back("{}", -EINVAL);
	read_back("[1]", -EINVAL);
	rollouts_free(read_back("[]", 0));
}

/* Sound by itself, and not of these settings: a share that it has never had. */
static void test_a_state_that_cannot_be_begins_anew(void **state)
{
	struct policy *policy = policy_of((struct wanted){0});
	struct rollouts *before = under_way(policy), *after;

	(void)state;
	before->items[0].state.step = 4;
	after = rollouts_of(policy, before);
	assert_int_equal(after->items[0].state.step, 0);
	assert_int_equal(after->items[0].state.state, ROLLOUT_WAITING);
	rollouts_free(before);
	rollouts_free(after);
	policy_free(policy);
}

static uint64_t counted(struct rollouts *rollouts, const struct policy *policy, const struct catalog *catalog,
			struct counters *counters, uint64_t flows)
{
	counters->backends[7].flows = flows;
	rollouts_count(rollouts, catalog, counters);
	return rollouts_flows(rollouts, policy, catalog, 1);
}

static void test_only_growth_between_two_looks_counts(void **state)
{
	struct policy *policy = policy_of((struct wanted){0});
	struct rollouts *rollouts = rollouts_of(policy, NULL);
	struct counters *counters = calloc(1, sizeof(*counters));
	struct catalog_backend *backends = calloc(USHER_BACKENDS_MAX, sizeof(*backends));
	struct catalog catalog = {.backends = backends};

	(void)state;
	backends[3] = (struct catalog_backend){.name = "a", .model = "m", .version = "1", .incarnation = 1};
	backends[7] = (struct catalog_backend){.name = "b", .model = "m", .version = "2", .incarnation = 1};
	backends[8] = (struct catalog_backend){.name = "c", .model = "n", .version = "2", .incarnation = 1};
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 1000), 0); /* of before */
	counters->backends[3].flows = counters->backends[8].flows = 500;	  /* another version, another model */
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 1010), 10);
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 1010), 0);
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 5), 0); /* began to count from 0 */
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 6), 1);
	backends[7].incarnation = 2; /* another backend under the number */
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 100), 0);
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 103), 3);
	rollouts_count_nothing(rollouts);
	assert_int_equal(rollouts_flows(rollouts, policy, &catalog, 1), 0);
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 150), 0); /* of while nobody looked */
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 152), 2);
	backends[7].name = NULL;
	assert_int_equal(counted(rollouts, policy, &catalog, counters, 200), 0);
	free(backends);
	free(counters);
	rollouts_free(rollouts);
	policy_free(policy);
}

static enum rollout_verdict verdict(const struct policy *policy, struct gates *gates, enum gate_state gate,
				    bool stepped, enum gate_verdict of)
{
	struct rollout_need need;

	for (size_t i = 0; i < gates->count; i++) {
		gates->items[i].state.state = (uint8_t)gate;
		gates->items[i].state.verdict = (uint8_t)of;
		gates->items[i].stepped = stepped;
		gates->items[i].outcome.age = 5;
	}
	rollouts_needs(policy, gates, &policy->rollouts[0], &need);
	return need.verdict;
}

static void test_what_gates_say(void **state)
{
	struct policy *policy = policy_of((struct wanted){0});
	struct gates *gates = NULL;
	struct rollout_need need;

	(void)state;
	assert_int_equal(gates_new(policy, NULL, &gates), 0);
	assert_int_equal(verdict(policy, gates, GATE_OK, true, GATE_GOOD), ROLLOUT_GOOD);
	assert_int_equal(verdict(policy, gates, GATE_OK, false, GATE_GOOD),
			 ROLLOUT_UNKNOWN); /* an earlier daemon's word */
	assert_int_equal(verdict(policy, gates, GATE_OK, true, GATE_UNKNOWN), ROLLOUT_UNKNOWN);
	assert_int_equal(verdict(policy, gates, GATE_OK, true, GATE_BETWEEN), ROLLOUT_UNKNOWN);
	assert_int_equal(verdict(policy, gates, GATE_OK, true, GATE_BAD), ROLLOUT_UNKNOWN); /* not for long enough */
	assert_int_equal(verdict(policy, gates, GATE_NO_DATA, true, GATE_GOOD), ROLLOUT_UNKNOWN);
	for (int of = 0; of < GATE_VERDICTS; of++)
		assert_int_equal(verdict(policy, gates, GATE_BREACHED, of % 2, (enum gate_verdict)of), ROLLOUT_BAD);
	rollouts_needs(policy, NULL, &policy->rollouts[0], &need);
	assert_int_equal(need.verdict, ROLLOUT_UNKNOWN);
	gates_free(gates);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_another_policy_leaves),
		cmocka_unit_test(test_a_policy_that_is_tried_ends_no_stop),
		cmocka_unit_test(test_it_survives_as_text),
		cmocka_unit_test(test_what_is_lost_stands_still),
		cmocka_unit_test(test_texts_that_are_none),
		cmocka_unit_test(test_a_state_that_cannot_be_begins_anew),
		cmocka_unit_test(test_only_growth_between_two_looks_counts),
		cmocka_unit_test(test_what_gates_say),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
