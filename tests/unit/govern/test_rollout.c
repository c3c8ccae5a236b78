// SPDX-License-Identifier: GPL-2.0-only
/* One roll-out, scene by scene. */
#include "govern/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000

static const struct rollout_settings plain = {
	.steps = {1, 5, 25, 100}, .step_count = 4, .every = 5, .min_flows = 20, .need_count = 2};

struct scene {
	struct rollout_settings settings;
	struct rollout rollout;
	struct rollout_need needs[USHER_ROLLOUT_NEEDS_MAX];
	struct rollout_outcome outcome;
	int64_t now;
	bool out_of_force;
};

static struct scene begin(void)
{
	return (struct scene){
		.settings = plain, .now = NOW, .needs = {{ROLLOUT_GOOD, .age = 0}, {ROLLOUT_GOOD, .age = 0}}};
}

/* After so many seconds, with so many flows. */
static void look(struct scene *scene, int64_t seconds, uint64_t flows)
{
	const struct rollout_evidence evidence = {!scene->out_of_force, flows, scene->needs};

	scene->now += seconds;
	rollout_look(&scene->settings, &scene->rollout, &evidence, scene->now, &scene->outcome);
}

static enum rollout_answer order(struct scene *scene, enum rollout_order what)
{
	return rollout_obey(&scene->settings, &scene->rollout, what, scene->needs);
}

static void stands(const struct scene *scene, enum rollout_state state, unsigned int share)
{
	assert_string_equal(rollout_state_names[scene->rollout.state], rollout_state_names[state]);
	assert_int_equal(rollout_share(&scene->settings, &scene->rollout), share);
}

static void test_steps_rest_on_time_and_flows(void **state)
{
	struct scene scene = begin();

	(void)state;
	look(&scene, 0, 1000);
	stands(&scene, ROLLOUT_RUNNING, 1);
	assert_int_equal(scene.outcome.next_share, 5);
	for (int i = 0; i < 4; i++)
		look(&scene, 1, 100);
	stands(&scene, ROLLOUT_RUNNING, 1);
	assert_int_equal(scene.outcome.time_left, 1);
	assert_int_equal(scene.outcome.flows_left, 0);
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_RUNNING, 5);
	assert_int_equal(scene.outcome.watched, 5);
	assert_int_equal(scene.outcome.flows, 400);
	assert_int_equal(scene.outcome.flows_left, 20); /* what was seen at 1 % says nothing of 5 % */
	for (int i = 0; i < 100; i++)
		look(&scene, 5, 0);
	stands(&scene, ROLLOUT_RUNNING, 5); /* nobody has tried it */
	look(&scene, 5, 19);
	stands(&scene, ROLLOUT_RUNNING, 5);
	look(&scene, 0, 1);
	stands(&scene, ROLLOUT_RUNNING, 25);
	look(&scene, 5, 20);
	stands(&scene, ROLLOUT_DONE, 100);
	look(&scene, 5, 1000);
	stands(&scene, ROLLOUT_DONE, 100);
	assert_int_equal(scene.outcome.next_share, 0);
}

static void test_unknown_is_not_good(void **state)
{
	struct scene scene = begin();

	(void)state;
	scene.needs[1] = (struct rollout_need){ROLLOUT_UNKNOWN, -1};
	for (int i = 0; i < 1000; i++)
		look(&scene, 5, 100);
	stands(&scene, ROLLOUT_WAITING, 0);
	assert_int_equal(scene.outcome.holds[0], ROLLOUT_HOLD_NOT);
	assert_int_equal(scene.outcome.holds[1], ROLLOUT_HOLD_UNKNOWN);
	scene.needs[1] = (struct rollout_need){ROLLOUT_GOOD, 7}; /* before there was traffic any measurement will do */
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_RUNNING, 1);
	for (int i = 0; i < 5; i++)
		look(&scene, 1, 100);
	stands(&scene, ROLLOUT_RUNNING, 1); /* 7 s ago the step had not begun */
	assert_int_equal(scene.outcome.holds[1], ROLLOUT_HOLD_EARLIER);
	scene.needs[1].age = -1;
	look(&scene, 1, 0);
	assert_int_equal(scene.outcome.holds[1], ROLLOUT_HOLD_UNKNOWN);
	scene.needs[1].age = 6;
	look(&scene, 0, 0);
	stands(&scene, ROLLOUT_RUNNING, 5);
}

static void test_breach_rolls_back_and_is_latched(void **state)
{
	struct scene scene = begin();

	(void)state;
	look(&scene, 0, 0);
	look(&scene, 5, 20);
	stands(&scene, ROLLOUT_RUNNING, 5);
	scene.needs[1].verdict = ROLLOUT_BAD;
	look(&scene, 1, 1);
	stands(&scene, ROLLOUT_ROLLED_BACK, 0);
	assert_true(scene.outcome.changed);
	assert_int_equal(scene.outcome.share_before, 5);
	assert_int_equal(scene.rollout.breach, 2);
	scene.needs[1].verdict = ROLLOUT_GOOD;
	for (int i = 0; i < 100; i++)
		look(&scene, 5, 100);
	stands(&scene, ROLLOUT_ROLLED_BACK, 0);
	assert_int_equal(order(&scene, ROLLOUT_PROMOTE), ROLLOUT_OVER);
	assert_int_equal(order(&scene, ROLLOUT_PAUSE), ROLLOUT_OVER);
	assert_int_equal(order(&scene, ROLLOUT_RESUME), ROLLOUT_OBEYED);
	stands(&scene, ROLLOUT_WAITING, 0);
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_RUNNING, 1); /* from the beginning */
}

static void test_breach_acts_while_paused_and_when_done(void **state)
{
	struct scene scene = begin();

	(void)state;
	look(&scene, 0, 0);
	assert_int_equal(order(&scene, ROLLOUT_PAUSE), ROLLOUT_OBEYED);
	assert_int_equal(order(&scene, ROLLOUT_PAUSE), ROLLOUT_NOTHING);
	scene.needs[0].verdict = ROLLOUT_BAD;
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_ROLLED_BACK, 0);
	scene = begin();
	for (int i = 0; i < 4; i++)
		assert_int_equal(order(&scene, ROLLOUT_PROMOTE), ROLLOUT_OBEYED);
	stands(&scene, ROLLOUT_DONE, 100);
	scene.needs[0].verdict = ROLLOUT_BAD;
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_ROLLED_BACK, 0);
}

static void test_breach_may_pause_instead(void **state)
{
	struct scene scene = begin();

	(void)state;
	scene.settings.on_breach = ROLLOUT_BREACH_PAUSE;
	look(&scene, 0, 0);
	scene.needs[0].verdict = ROLLOUT_BAD;
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_PAUSED, 1);
	assert_int_equal(scene.rollout.breach, 1);
	assert_int_equal(order(&scene, ROLLOUT_RESUME), ROLLOUT_BREACH);
	assert_int_equal(order(&scene, ROLLOUT_PROMOTE), ROLLOUT_BREACH);
	scene.needs[0].verdict = ROLLOUT_GOOD;
	for (int i = 0; i < 100; i++)
		look(&scene, 5, 100);
	stands(&scene, ROLLOUT_PAUSED, 1);
	assert_int_equal(order(&scene, ROLLOUT_RESUME), ROLLOUT_OBEYED);
	look(&scene, 5, 20);
	stands(&scene, ROLLOUT_RUNNING, 1); /* time and flows while it was paused do not count */
	look(&scene, 5, 20);
	stands(&scene, ROLLOUT_RUNNING, 5);
}

static void test_nothing_waits_for_a_breach_at_nothing(void **state)
{
	struct scene scene = begin();

	(void)state;
	scene.needs[0].verdict = ROLLOUT_BAD;
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_WAITING, 0);
	assert_int_equal(order(&scene, ROLLOUT_PROMOTE), ROLLOUT_BREACH);
	scene.needs[0].verdict = ROLLOUT_GOOD;
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_RUNNING, 1);
}

static void test_promote_and_abort(void **state)
{
	struct scene scene = begin();

	(void)state;
	scene.needs[0] = scene.needs[1] = (struct rollout_need){ROLLOUT_UNKNOWN, -1};
	assert_int_equal(order(&scene, ROLLOUT_PROMOTE), ROLLOUT_OBEYED);
	stands(&scene, ROLLOUT_RUNNING, 1);
	assert_int_equal(order(&scene, ROLLOUT_PAUSE), ROLLOUT_OBEYED);
	assert_int_equal(order(&scene, ROLLOUT_PROMOTE), ROLLOUT_OBEYED);
	stands(&scene, ROLLOUT_PAUSED, 5);
	assert_int_equal(order(&scene, ROLLOUT_ABORT), ROLLOUT_OBEYED);
	stands(&scene, ROLLOUT_ABORTED, 0);
	assert_int_equal(order(&scene, ROLLOUT_ABORT), ROLLOUT_NOTHING);
	assert_int_equal(order(&scene, ROLLOUT_RESUME), ROLLOUT_OBEYED);
	stands(&scene, ROLLOUT_WAITING, 0);
	assert_int_equal(order(&scene, ROLLOUT_PAUSE), ROLLOUT_OBEYED);
	scene.needs[0] = scene.needs[1] = (struct rollout_need){ROLLOUT_GOOD, 0};
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_PAUSED, 0); /* also before the first step */
	assert_int_equal(order(&scene, ROLLOUT_RESUME), ROLLOUT_OBEYED);
	look(&scene, 1, 0);
	stands(&scene, ROLLOUT_RUNNING, 1);
}

static void test_clocks_are_no_evidence(void **state)
{
	struct scene scene = begin();

	(void)state;
	scene.settings.every = 3600;
	look(&scene, 0, 0);
	look(&scene, 1000000, 100); /* set forward, or nobody looked */
	assert_int_equal(scene.rollout.watched, ROLLOUT_LOOKS_APART);
	look(&scene, -1000000, 0);
	look(&scene, 1, 0);
	assert_int_equal(scene.rollout.watched, ROLLOUT_LOOKS_APART + 1);
	rollout_wake(&scene.rollout);
	look(&scene, 5, 0);
	assert_int_equal(scene.rollout.watched, ROLLOUT_LOOKS_APART + 1);
	scene.out_of_force = true;
	look(&scene, 5, 100);
	assert_int_equal(scene.rollout.watched, ROLLOUT_LOOKS_APART + 1);
	assert_int_equal(scene.rollout.flows, 100);
	scene.out_of_force = false;
	scene.now = INT64_MAX;
	look(&scene, 0, UINT64_MAX);
	scene.now = INT64_MIN;
	look(&scene, 0, UINT64_MAX);
	assert_true(scene.rollout.flows == UINT64_MAX);
	stands(&scene, ROLLOUT_RUNNING, 1);
}

static void test_shares_that_are_not_in_force_go_no_further(void **state)
{
	struct scene scene = begin();

	(void)state;
	scene.out_of_force = true;
	for (int i = 0; i < 100; i++)
		look(&scene, 5, 100);
	stands(&scene, ROLLOUT_WAITING, 0);
}

static void test_bytes_that_are_none(void **state)
{
	struct rollout rollout = {0};

	(void)state;
	assert_true(rollout_is_sound(&plain, &rollout));
	rollout.step = 1;
	assert_false(rollout_is_sound(&plain, &rollout)); /* waiting, with a share */
	rollout.state = ROLLOUT_RUNNING;
	assert_true(rollout_is_sound(&plain, &rollout));
	rollout.step = 4;
	assert_false(rollout_is_sound(&plain, &rollout)); /* that would be done */
	rollout.state = ROLLOUT_DONE;
	assert_true(rollout_is_sound(&plain, &rollout));
	rollout.step = 5;
	assert_false(rollout_is_sound(&plain, &rollout));
	rollout = (struct rollout){.state = ROLLOUT_STATES};
	assert_false(rollout_is_sound(&plain, &rollout));
	rollout = (struct rollout){.breach = 3};
	assert_false(rollout_is_sound(&plain, &rollout));
	rollout = (struct rollout){.watched = -1};
	assert_false(rollout_is_sound(&plain, &rollout));
	rollout = (struct rollout){.padding = {1}};
	assert_false(rollout_is_sound(&plain, &rollout));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_rest_on_time_and_flows),
		cmocka_unit_test(test_unknown_is_not_good),
		cmocka_unit_test(test_breach_rolls_back_and_is_latched),
		cmocka_unit_test(test_breach_acts_while_paused_and_when_done),
		cmocka_unit_test(test_breach_may_pause_instead),
		cmocka_unit_test(test_nothing_waits_for_a_breach_at_nothing),
		cmocka_unit_test(test_promote_and_abort),
		cmocka_unit_test(test_clocks_are_no_evidence),
		cmocka_unit_test(test_shares_that_are_not_in_force_go_no_further),
		cmocka_unit_test(test_bytes_that_are_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
