// SPDX-License-Identifier: GPL-2.0-only
/*
 * Roll-outs under random histories of gates, traffic, clocks, restarts and operators. Of each look is asked what holds
 * whatever happens; apart from that, two copies of the same history end in the same bytes, one of them read back from its
 * bytes every now and then.
 *
 * GOVERN_STEPS: how many looks (a million).
 */
#include "govern/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000
#define LOOKS 500 /* of one history */

static uint64_t seed;
static unsigned long forward, back; /* steps that the histories have had */

static uint32_t roll(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

static struct rollout_settings random_settings(void)
{
	struct rollout_settings settings = {.step_count = 1 + roll(5),
					    .every = 1 + roll(20),
					    .min_flows = roll(3) ? roll(50) : 0,
					    .need_count = roll(4),
					    .on_breach = roll(4) ? ROLLOUT_BREACH_ROLLBACK : ROLLOUT_BREACH_PAUSE};
	uint32_t share = 0;

	for (size_t i = 0; i < settings.step_count; i++)
		settings.steps[i] = (uint8_t)(share += 1 + roll(19));
	return settings;
}

/* What this test knows of a step by itself, without asking: the whole truth, kept apart from the roll-out's memory. */
struct truth {
	int64_t real; /* seconds of real time in which this step was in force, watched, and not paused */
	uint64_t flows;
};

static bool all_good(const struct rollout_settings *settings, const struct rollout_need *needs)
{
	for (size_t i = 0; i < settings->need_count; i++)
		if (needs[i].verdict != ROLLOUT_GOOD || needs[i].age < 0)
			return false;
	return true;
}

static bool any_bad(const struct rollout_settings *settings, const struct rollout_need *needs)
{
	for (size_t i = 0; i < settings->need_count; i++)
		if (needs[i].verdict == ROLLOUT_BAD)
			return true;
	return false;
}

static void check_look(const struct rollout_settings *settings, const struct rollout *before,
		       const struct rollout *after, const struct rollout_evidence *evidence, const struct truth *truth)
{
	bool bad = any_bad(settings, evidence->needs);

	assert_true(rollout_is_sound(settings, after));
	assert_true(after->step <= before->step + 1);
	if (after->step > before->step) {
		assert_true(all_good(settings, evidence->needs));
		assert_true(before->state == ROLLOUT_WAITING || before->state == ROLLOUT_RUNNING);
		assert_true(evidence->in_force);
		for (size_t n = 0; before->step && n < settings->need_count; n++)
			assert_true(evidence->needs[n].age <= truth->real);
		assert_true(before->step == 0 ||
			    (truth->real >= settings->every && truth->flows >= settings->min_flows));
		assert_true(!after->watched && !after->flows);
	}
	if (after->step < before->step)
		assert_true(bad && !after->step && after->state == ROLLOUT_ROLLED_BACK);
	if (bad && before->step)
		assert_true(after->state ==
			    (settings->on_breach == ROLLOUT_BREACH_PAUSE ? ROLLOUT_PAUSED : ROLLOUT_ROLLED_BACK));
	if (before->state == ROLLOUT_ROLLED_BACK || before->state == ROLLOUT_ABORTED)
		assert_int_equal(after->state, before->state);
	/* What could speak for a step is never more than there was. */
	assert_true(after->watched <= truth->real && after->flows <= truth->flows);
}

static void live(uint32_t looks)
{
	const struct rollout_settings settings = random_settings();
	struct rollout rollout = {0}, twin = {0};
	struct rollout_need needs[USHER_ROLLOUT_NEEDS_MAX] = {{0}};
	struct truth truth = {0};
	int64_t clock = NOW;
	bool watching = false;

	for (uint32_t i = 0; i < looks; i++) {
		struct rollout_evidence evidence = {.in_force = roll(20), .flows = roll(12), .needs = needs};
		struct rollout before, saved;
		struct rollout_outcome outcome, twins;
		int64_t passed = roll(10) ? roll(3) : roll(ROLLOUT_LOOKS_APART), seems = passed;

		for (size_t n = 0; n < settings.need_count; n++)
			if (!roll(4))
				needs[n] = (struct rollout_need){!roll(60) ? ROLLOUT_BAD
								 : roll(8) ? ROLLOUT_GOOD
									   : ROLLOUT_UNKNOWN,
								 (int64_t)roll(8) - 1};
		clock += passed;
		if (!roll(50)) { /* somebody sets it: at most what counts of one look can come of that */
			clock += (int64_t)roll(2000000) - 1000000;
			seems = ROLLOUT_LOOKS_APART;
		}
		if (!roll(40)) { /* a restart */
			saved = rollout;
			memset(&rollout, 0xa5, sizeof(rollout));
			memcpy(&rollout, &saved, sizeof(rollout));
			rollout_wake(&rollout);
			rollout_wake(&twin);
			watching = false;
		}
		if (!roll(30)) {
			enum rollout_answer answer;
			enum rollout_order order = roll(10) ? roll(2) : roll(ROLLOUT_ORDERS);

			before = rollout;
			answer = rollout_obey(&settings, &rollout, order, needs);
			assert_int_equal(rollout_obey(&settings, &twin, order, needs), answer);
			if (answer == ROLLOUT_OBEYED && (order == ROLLOUT_RESUME || order == ROLLOUT_PROMOTE))
				watching = false;
			assert_true(rollout_is_sound(&settings, &rollout));
			if (rollout.step != before.step || before.state == ROLLOUT_ROLLED_BACK ||
			    before.state == ROLLOUT_ABORTED)
				truth = (struct truth){0};
		}
		if (evidence.in_force && rollout.state == ROLLOUT_RUNNING) {
			truth.real += watching ? seems : 0;
			truth.flows += watching ? evidence.flows : 0;
		}
		watching = true;
		before = rollout;
		rollout_look(&settings, &rollout, &evidence, clock, &outcome);
		rollout_look(&settings, &twin, &evidence, clock, &twins);
		assert_memory_equal(&rollout, &twin, sizeof(rollout));
		check_look(&settings, &before, &rollout, &evidence, &truth);
		assert_int_equal(outcome.changed, before.step != rollout.step || before.state != rollout.state);
		if (before.step != rollout.step)
			truth = (struct truth){0};
		forward += rollout.step > before.step;
		back += rollout.step < before.step;
	}
}

static void test_histories(void **state)
{
	const char *text = getenv("GOVERN_STEPS");
	uint64_t histories = (text ? strtoull(text, NULL, 10) : 1000000) / LOOKS;

	(void)state;
	for (uint64_t s = 1; s <= histories; s++) {
		seed = s;
		live(LOOKS);
	}
	print_message("# %llu looks: %lu steps forward, %lu back\n", (unsigned long long)(histories * LOOKS), forward,
		      back);
	assert_true(forward > histories && back > histories / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
