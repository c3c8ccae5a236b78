// SPDX-License-Identifier: GPL-2.0-only
/* How a service gives way to load: rule by rule, and a fleet that follows what was decided. */
#include "govern/surge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"

#define NOW 1700000000

static const struct surge_settings two_tiers = {
	.open_at = 1, .close_at = 0.7, .open_for = 10, .close_for = 30, .dwell = 5, .tiers = 2, .sheds = 2, .steps = 1};

static struct surge_measure measure_of(double first, double second)
{
	return (struct surge_measure){.capacity = {100, 100}, .load = {first, second}, .known = 2, .backends = 2};
}

static void assert_near(double is, double should_be)
{
	if (!(fabs(is - should_be) < 1e-9))
		fail_msg("%g is not %g", is, should_be);
}

/* Every second from `from` to `to`; returns the last outcome, and how often it has changed. */
static struct surge_outcome hold(struct surge *surge, const struct surge_measure *measure, int64_t from, int64_t to,
				 size_t *ret_changes)
{
	struct surge_outcome outcome = {0};

	*ret_changes = 0;
	for (int64_t now = from; now <= to; now++) {
		surge_step(&two_tiers, surge, measure, NOW + now, &outcome);
		*ret_changes += outcome.changed;
		assert_true(surge_is_sound(surge));
	}
	return outcome;
}

static void who_is_not_known_has_the_median_of_the_others(void **state)
{
	const struct surge_backend backends[] = {
		{0, 10, 5}, {0, 20, 20}, {1, 10, 9}, {1, 40, NAN}, {0, 10, -1}, {2, 100, INFINITY},
	};
	struct surge_measure measure;

	(void)state;
	assert_int_equal(surge_measure(backends, ARRAY_COUNT(backends), INFINITY, &measure), 0);
	assert_int_equal(measure.known, 3);
	assert_int_equal(measure.backends, 6);
	assert_near(measure.capacity[0], 40);
	assert_near(measure.load[0], 5 + 20 + 9);
	assert_near(measure.load[1], 9 + 36);
	assert_near(measure.load[2], 90);
	assert_int_equal(surge_measure(backends + 3, 3, INFINITY, &measure), 0);
	assert_int_equal(measure.known, 0);
	for (size_t t = 0; t < SURGE_TIERS_MAX; t++)
		assert_true(isnan(measure.load[t]));
	assert_int_equal(surge_measure(NULL, 0, 2, &measure), 0);
	/* Of an even number, what lies between the middle two. */
	assert_int_equal(
		surge_measure((struct surge_backend[]){{0, 10, 2}, {0, 10, 4}, {1, 10, NAN}}, 3, INFINITY, &measure),
		0);
	assert_near(measure.load[1], 3);
}

static void one_that_says_something_absurd_does_not_speak_for_all(void **state)
{
	const struct surge_backend backends[] = {{0, 10, 2}, {0, 10, 1e300}, {0, 10, 3}, {0, 30, NAN}};
	struct surge_measure measure;

	(void)state;
	assert_int_equal(surge_measure(backends, ARRAY_COUNT(backends), 2, &measure), 0);
	assert_near(measure.load[0], 2 + 20 + 3 + 9);
}

static void it_climbs_rung_by_rung_each_after_its_hold(void **state)
{
	struct surge_measure measure = measure_of(100, 100);
	struct surge surge = {0};
	struct surge_outcome outcome;
	size_t changes;

	(void)state;
	outcome = hold(&surge, &measure, 0, 9, &changes);
	assert_int_equal(changes, 0);
	outcome = hold(&surge, &measure, 10, 10, &changes);
	assert_int_equal(outcome.open, 2);
	assert_int_equal(outcome.shed, 0);
	assert_int_equal(outcome.was_open, 1);
	/* Then 5 seconds to settle, and 10 that count. */
	outcome = hold(&surge, &measure, 11, 24, &changes);
	assert_int_equal(changes, 0);
	outcome = hold(&surge, &measure, 25, 25, &changes);
	assert_int_equal(outcome.shed, 1);
	outcome = hold(&surge, &measure, 26, 1000, &changes);
	assert_int_equal(changes, 1);
	assert_int_equal(outcome.shed, 2);
	assert_int_equal(outcome.verdict, SURGE_HIGH);
}

static void a_tier_stays_open_that_the_others_cannot_do_without(void **state)
{
	const struct surge_measure both = measure_of(60, 60), little = measure_of(35, 35);
	struct surge surge = {.stepped = 1, .stepped_at = NOW, .rung = 1};
	struct surge_outcome outcome;
	size_t changes;

	(void)state;
	outcome = hold(&surge, &both, 0, 5000, &changes);
	assert_int_equal(changes, 0);
	assert_near(outcome.ratio, 0.6);
	assert_near(outcome.without, 1.2);
	outcome = hold(&surge, &little, 5001, 5030, &changes);
	assert_int_equal(changes, 0);
	outcome = hold(&surge, &little, 5031, 5032, &changes);
	assert_int_equal(changes, 1);
	assert_int_equal(outcome.open, 1);
}

static void unknown_changes_nothing(void **state)
{
	const struct surge_measure busy = measure_of(150, 0), unknown = measure_of(NAN, NAN), idle = measure_of(0, 0);
	const struct surge_measure nobody = {.capacity = {0, 100}, .load = {0, 10}};
	struct surge surge = {0};
	struct surge_outcome outcome;
	size_t changes;

	(void)state;
	hold(&surge, &busy, 0, 9, &changes);
	outcome = hold(&surge, &unknown, 10, 5000, &changes);
	assert_int_equal(changes, 0);
	assert_int_equal(outcome.verdict, SURGE_UNKNOWN);
	/* What counted towards the way up still does. */
	hold(&surge, &busy, 5001, 5001, &changes);
	assert_int_equal(changes, 0);
	outcome = hold(&surge, &busy, 5002, 5002, &changes);
	assert_int_equal(outcome.open, 2);
	/* Towards the way down it does not. */
	hold(&surge, &idle, 5003, 5036, &changes);
	hold(&surge, &unknown, 5037, 5037, &changes);
	hold(&surge, &idle, 5038, 5067, &changes);
	assert_int_equal(changes, 0);
	hold(&surge, &idle, 5068, 5068, &changes);
	assert_int_equal(changes, 1);
	/* And towards tiers that have nobody, none closes. */
	surge = (struct surge){.stepped = 1, .stepped_at = NOW, .rung = 1};
	hold(&surge, &nobody, 0, 1000, &changes);
	assert_int_equal(changes, 0);
}

/* All of the first tier are gone: the second one answers, and it is too much for it. */
static void a_tier_that_stands_in_leads_on(void **state)
{
	const struct surge_measure full = {.capacity = {0, 100}, .load = {0, 150}};
	const struct surge_measure spare = {.capacity = {0, 100}, .load = {0, 50}};
	struct surge surge = {0};
	struct surge_outcome outcome;
	size_t changes;

	(void)state;
	outcome = hold(&surge, &spare, 0, 1000, &changes);
	assert_int_equal(changes, 0);
	assert_near(outcome.ratio, 0.5);
	outcome = hold(&surge, &full, 1001, 1200, &changes);
	assert_near(outcome.ratio, 1.5);
	assert_int_equal(outcome.open, 2);
	assert_int_equal(outcome.shed, 2);
	/* Who was shed is served again; the tier stays open as long as it stands in. */
	outcome = hold(&surge, &spare, 1201, 3000, &changes);
	assert_int_equal(outcome.shed, 0);
	assert_int_equal(outcome.open, 2);
}

static void rungs_of_other_settings_shed_nobody_by_themselves(void **state)
{
	struct surge_settings many = two_tiers, one = two_tiers;

	(void)state;
	many.tiers = 4;
	one.tiers = 1;
	assert_int_equal(surge_rung(&many, &two_tiers, 3), 1); /* three further tiers, and then the one that there is */
	assert_int_equal(surge_rung(&many, &two_tiers, 4), 2); /* one priority, as before */
	assert_int_equal(surge_rung(&many, &one, 3), 0);
	assert_int_equal(surge_rung(&many, &one, 5), 2);
	assert_int_equal(surge_rung(&two_tiers, &many, 3), 3); /* tiers first */
	assert_int_equal(surge_rung(&two_tiers, &two_tiers, 3), 3);
	one.sheds = 1;
	assert_int_equal(surge_rung(&two_tiers, &one, 3), 1);
}

static void a_pause_and_a_clock_that_is_set_back_take_no_time(void **state)
{
	const struct surge_measure busy = measure_of(150, 0);
	struct surge surge = {0}, copy;
	struct surge_outcome outcome;
	size_t changes;

	(void)state;
	hold(&surge, &busy, 0, 9, &changes);
	copy = surge;
	surge_step(&two_tiers, &copy, &busy, NOW + 9 + SURGE_PAUSE + 1, &outcome);
	assert_false(outcome.changed);
	surge_step(&two_tiers, &copy, &busy, NOW - 1000000, &outcome);
	assert_false(outcome.changed);
	surge_step(&two_tiers, &copy, &busy, INT64_MIN, &outcome);
	surge_step(&two_tiers, &copy, &busy, INT64_MAX, &outcome);
	assert_false(outcome.changed);
	surge_step(&two_tiers, &surge, &busy, NOW + 9 + SURGE_PAUSE, &outcome);
	assert_true(outcome.changed);
}

static void a_way_up_begins_anew_after_less(void **state)
{
	const struct surge_measure busy = measure_of(100, 0), less = measure_of(99, 0);
	struct surge surge = {0};
	size_t changes;

	(void)state;
	hold(&surge, &busy, 0, 9, &changes);
	hold(&surge, &less, 10, 10, &changes);
	hold(&surge, &busy, 11, 20, &changes);
	assert_int_equal(changes, 0);
	hold(&surge, &busy, 21, 21, &changes);
	assert_int_equal(changes, 1);
}

static void waits_that_have_doubled_do_not_stay_so(void **state)
{
	const struct surge_measure idle = measure_of(0, 0), busy = measure_of(150, 0);
	struct surge surge = {.stepped = 1, .stepped_at = NOW, .rung = 3, .strikes = 3, .fell = 1};
	struct surge_outcome outcome;
	size_t changes;

	(void)state;
	outcome = hold(&surge, &idle, 0, 4 + (30 << 3), &changes);
	assert_int_equal(changes, 0);
	outcome = hold(&surge, &idle, 5 + (30 << 3), 6 + (30 << 3), &changes);
	assert_int_equal(changes, 1);
	assert_int_equal(outcome.close_after, 30 << 2);
	hold(&surge, &idle, 7 + (30 << 3), 1000, &changes);
	assert_int_equal(surge.rung, 0);
	assert_int_equal(surge.strikes, 0);
	/* Nor does a surge that comes long after the last one find them. */
	surge = (struct surge){
		.stepped = 1, .stepped_at = NOW, .strikes = 3, .fell = 1, .fall_for = 4 * (30 << 3) + 16};
	hold(&surge, &busy, 1, 20, &changes);
	assert_int_equal(changes, 1);
	assert_int_equal(surge.strikes, 0);
}

static void fewer_rungs_end_on_the_last_one(void **state)
{
	const struct surge_measure busy = measure_of(150, 150);
	struct surge_settings fewer = two_tiers;
	struct surge surge = {.stepped = 1, .stepped_at = NOW, .rung = 3};
	struct surge_outcome outcome;

	(void)state;
	fewer.sheds = 0;
	surge_step(&fewer, &surge, &busy, NOW + 1, &outcome);
	assert_int_equal(outcome.open, 2);
	assert_int_equal(outcome.shed, 0);
}

static void the_highest_priority_is_never_shed(void **state)
{
	static const uint32_t priorities[] = {10, 100, 1, 10, 100, UINT32_MAX};

	(void)state;
	assert_int_equal(surge_sheds(priorities, ARRAY_COUNT(priorities)), 3);
	assert_int_equal(surge_floor(priorities, ARRAY_COUNT(priorities), 0), 1);
	assert_int_equal(surge_floor(priorities, ARRAY_COUNT(priorities), 1), 10);
	assert_int_equal(surge_floor(priorities, ARRAY_COUNT(priorities), 2), 100);
	assert_true(surge_floor(priorities, ARRAY_COUNT(priorities), 3) == UINT32_MAX);
	assert_true(surge_floor(priorities, ARRAY_COUNT(priorities), 99) == UINT32_MAX);
	assert_int_equal(surge_sheds(priorities, 1), 0);
	assert_int_equal(surge_sheds(NULL, 0), 0);
	assert_int_equal(surge_floor(NULL, 0, 1), 0);
}

static void settings_that_cannot_be_are_named(void **state)
{
	struct surge_settings settings = two_tiers;

	(void)state;
	assert_null(surge_fault(&settings));
	settings.close_at = 1;
	assert_string_equal(surge_fault(&settings), "closes where it opens");
	settings.close_at = 0;
	assert_string_equal(surge_fault(&settings), "nothing is low enough to close");
	settings.close_at = NAN;
	assert_string_equal(surge_fault(&settings), "a limit is no number");
	settings = two_tiers;
	settings.tiers = SURGE_TIERS_MAX + 1;
	assert_string_equal(surge_fault(&settings), "no such number of tiers");
}

static void what_was_never_written_is_not_sound(void **state)
{
	struct surge surge;

	(void)state;
	memset(&surge, 0xff, sizeof(surge));
	assert_false(surge_is_sound(&surge));
	assert_true(surge_is_sound(&(struct surge){0}));
	assert_false(surge_is_sound(&(struct surge){.stepped = 1, .strikes = SURGE_STRIKES_MAX + 1}));
	assert_false(surge_is_sound(&(struct surge){.stepped = 1, .high_for = -1}));
}

/* ---- a fleet that follows ------------------------------------------------------------------------------------ */

/* Three priorities offer a third of the demand each; flows last about ten seconds, and new ones go where it is open. */
struct fleet {
	struct surge surge;
	struct surge_outcome outcome;
	double load[2];
	size_t changes;
	uint32_t most_open, most_shed;
};

static void run(struct fleet *fleet, double demand, int64_t now)
{
	uint32_t open = fleet->outcome.open ? fleet->outcome.open : 1;
	double admitted = demand * (3 - fleet->outcome.shed) / 3;
	struct surge_measure measure;

	for (uint32_t t = 0; t < 2; t++)
		fleet->load[t] += ((t < open ? admitted / open : 0) - fleet->load[t]) / 10;
	measure = measure_of(fleet->load[0], fleet->load[1]);
	surge_step(&two_tiers, &fleet->surge, &measure, NOW + now, &fleet->outcome);
	fleet->changes += fleet->outcome.changed;
	if (fleet->outcome.open > fleet->most_open)
		fleet->most_open = fleet->outcome.open;
	if (fleet->outcome.shed > fleet->most_shed)
		fleet->most_shed = fleet->outcome.shed;
}

static void a_step_of_five_times_goes_up_and_comes_back(void **state)
{
	struct fleet fleet = {0};
	size_t up;

	(void)state;
	for (int64_t now = 0; now < 600; now++)
		run(&fleet, now < 100 ? 90 : 450, now);
	assert_int_equal(fleet.outcome.open, 2);
	assert_int_equal(fleet.outcome.shed, 2);
	up = fleet.changes;
	assert_int_equal(up, 3);
	for (int64_t now = 600; now < 2000; now++)
		run(&fleet, 60, now);
	assert_int_equal(fleet.outcome.open, 1);
	assert_int_equal(fleet.outcome.shed, 0);
	assert_int_equal(fleet.changes, 2 * up);
}

static void a_ramp_takes_each_rung_once(void **state)
{
	struct fleet fleet = {0};

	(void)state;
	for (int64_t now = 0; now < 20000; now++)
		run(&fleet, 50 + 100.0 * (double)(now < 10000 ? now : 20000 - now) / 10000, now);
	assert_int_equal(fleet.most_open, 2);
	assert_int_equal(fleet.most_shed, 0);
	assert_int_equal(fleet.changes, 2);
}

/* xorshift: the same noise in every run. */
static double noise(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (double)(*seed >> 11) / (double)(1ULL << 53) * 2 - 1;
}

static void noise_at_the_threshold_opens_at_most_once(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct fleet fleet = {0};

		for (int64_t now = 0; now < 7200; now++)
			run(&fleet, 100 + 60 * noise(&seed), now);
		assert_in_range(fleet.changes, 0, 1);
		assert_int_equal(fleet.most_shed, 0);
	}
}

/* Shed it is low, served it is high: what no hysteresis can tell. The waits double, so a day has few changes. */
static void a_surge_that_stays_is_tried_ever_more_seldom(void **state)
{
	struct fleet fleet = {0};
	size_t hour;

	(void)state;
	for (int64_t now = 0; now < 3600; now++)
		run(&fleet, 201, now);
	hour = fleet.changes;
	assert_in_range(hour, 4, 14);
	for (int64_t now = 3600; now < 86400; now++)
		run(&fleet, 201, now);
	assert_in_range(fleet.changes - hour, 2, 2 * 82800 / (30 << SURGE_STRIKES_MAX) + 2);
	assert_int_equal(fleet.surge.strikes, SURGE_STRIKES_MAX);
	/* When it is over, it does come back. */
	for (int64_t now = 86400; now < 86400 + 3 * (30 << SURGE_STRIKES_MAX); now++)
		run(&fleet, 10, now);
	assert_int_equal(fleet.outcome.open, 1);
	assert_int_equal(fleet.outcome.shed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_not_known_has_the_median_of_the_others),
		cmocka_unit_test(one_that_says_something_absurd_does_not_speak_for_all),
		cmocka_unit_test(it_climbs_rung_by_rung_each_after_its_hold),
		cmocka_unit_test(a_tier_stays_open_that_the_others_cannot_do_without),
		cmocka_unit_test(unknown_changes_nothing),
		cmocka_unit_test(a_tier_that_stands_in_leads_on),
		cmocka_unit_test(rungs_of_other_settings_shed_nobody_by_themselves),
		cmocka_unit_test(a_pause_and_a_clock_that_is_set_back_take_no_time),
		cmocka_unit_test(a_way_up_begins_anew_after_less),
		cmocka_unit_test(waits_that_have_doubled_do_not_stay_so),
		cmocka_unit_test(fewer_rungs_end_on_the_last_one),
		cmocka_unit_test(the_highest_priority_is_never_shed),
		cmocka_unit_test(settings_that_cannot_be_are_named),
		cmocka_unit_test(what_was_never_written_is_not_sound),
		cmocka_unit_test(a_step_of_five_times_goes_up_and_comes_back),
		cmocka_unit_test(a_ramp_takes_each_rung_once),
		cmocka_unit_test(noise_at_the_threshold_opens_at_most_once),
		cmocka_unit_test(a_surge_that_stays_is_tried_ever_more_seldom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
