// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel is told of loads: one's own, the peers' median, or nothing; and how a load goes on after it was observed. */
#include "govern/least_load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

#define ONE (1u << USHER_LOAD_SHIFT)
#define START (1000 * CLOCK_SECOND)

static void assert_near(double value, double expected, double off)
{
	if (!(fabs(value - expected) <= off))
		fail_msg("%g, expected %g within %g", value, expected, off);
}

static void test_share_of_capacity(void **state)
{
	static const struct {
		double waiting, running, use, share;
	} cases[] = {
		{NAN, NAN, NAN, NAN}, {0, 0, NAN, 0},	    {NAN, 30, NAN, 0.3}, {20, 30, 0.9, 0.5},
		{20, NAN, 0.9, 1.1},  {NAN, NAN, 0.4, 0.4}, {500, NAN, NAN, 5},	 {NAN, 0, 0.7, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct load_facts facts = {
			.waiting = cases[i].waiting, .running = cases[i].running, .use = cases[i].use};
		double share = least_load_share(&facts, 100);

		if (isnan(cases[i].share))
			assert_true(isnan(share));
		else
			assert_near(share, cases[i].share, 1e-12);
	}
}

static void test_cost_is_never_nothing(void **state)
{
	(void)state;
	assert_int_equal(least_load_cost(1), ONE);
	for (uint32_t capacity = 1; capacity <= USHER_WEIGHT_MAX; capacity++) {
		assert_true(least_load_cost(capacity) > 0);
		assert_near((double)least_load_cost(capacity) * capacity / ONE, 1, 0.005);
	}
}

/* In the kernel, too, though counts wrap. */
static void test_load_now_counts_on_through_the_wrap(void **state)
{
	struct usher_load load = {.told = USHER_LOAD_TELL(ONE / 2, UINT32_MAX - 1), .opened = UINT32_MAX, .cost = 10};

	(void)state;
	assert_int_equal(usher_load_now(&load), ONE / 2 + 10);
	load.opened = 3;
	assert_int_equal(usher_load_now(&load), ONE / 2 + 50);
	load.told = USHER_LOAD_TELL(UINT32_MAX, 4);
	load.cost = UINT32_MAX;
	assert_true(usher_load_now(&load) > UINT32_MAX);
}

static void test_own_missing_and_nobody(void **state)
{
	const struct load_view views[] = {
		{.model = 0, .capacity = 100, .starts = true, .share = 0.2, .opened = 7, .mark = 1},
		{.model = 0, .capacity = 100, .starts = true, .share = NAN, .opened = 9, .mark = 2},
		{.model = 1, .capacity = 50, .starts = true, .share = NAN, .opened = 11, .mark = 3},
		{.model = 0, .capacity = 10, .starts = true, .share = 0.6, .opened = 13, .mark = 4},
		{.model = 0, .capacity = 10, .starts = true, .share = 5000, .opened = 15, .mark = 5},
	};
	struct load_telling tellings[5];

	(void)state;
	assert_int_equal(least_load_judge(views, 5, tellings), 0);
	assert_int_equal(tellings[0].basis, LOAD_BASIS_OWN);
	assert_near(tellings[0].share, 0.2 * ONE, 1);
	assert_int_equal(tellings[0].opened, 7);
	assert_int_equal(tellings[1].basis, LOAD_BASIS_PEERS);
	assert_near(tellings[1].share, 0.6 * ONE, 1);
	assert_int_equal(tellings[1].opened, 9);
	assert_int_equal(tellings[2].basis, LOAD_BASIS_OPENED);
	assert_int_equal(tellings[2].share, 0);
	assert_int_equal(tellings[2].opened, 3);
	assert_int_equal(tellings[2].cost, least_load_cost(50));
	assert_int_equal(tellings[4].share, UINT32_MAX);
}

static void test_median_is_of_those_that_may_start(void **state)
{
	struct load_view views[] = {
		{.capacity = 1, .starts = true, .share = 0.1},	{.capacity = 1, .starts = true, .share = 0.3},
		{.capacity = 1, .starts = false, .share = 0.9}, {.capacity = 1, .starts = false, .share = 0.9},
		{.capacity = 1, .starts = true, .share = NAN},
	};
	struct load_telling tellings[5];

	(void)state;
	assert_int_equal(least_load_judge(views, 5, tellings), 0);
	assert_near(tellings[4].share, 0.2 * ONE, 2);
	views[0].starts = views[1].starts = false;
	assert_int_equal(least_load_judge(views, 5, tellings), 0);
	assert_near(tellings[4].share, 0.6 * ONE, 2);
	assert_int_equal(least_load_judge(NULL, 0, tellings), 0);
}

/* Nothing is known of how long connections last: they are added up. */
static void test_at_first_what_is_opened_is_added(void **state)
{
	struct load_track track = {0};

	(void)state;
	least_load_observe(&track, 0.5, 1000, START, 100);
	assert_near(least_load_go_on(&track, 1000, START + 3 * CLOCK_SECOND, 100), 0.5, 1e-9);
	assert_near(least_load_go_on(&track, 1020, START + 4 * CLOCK_SECOND, 100), 0.7, 1e-9);
	assert_near(least_load_go_on(&track, 1020, START, 100), 0.7, 1e-9); /* a clock that went back */
}

/* Opened at a steady rate, and each of them lasting as long as the others: what goes on stays where the observations are. */
static void test_steady_traffic_keeps_its_load(void **state)
{
	static const double lasts[] = {0.5, 2, 20, 200};

	(void)state;
	for (size_t i = 0; i < sizeof(lasts) / sizeof(*lasts); i++) {
		double load = 50 * lasts[i] / 1000; /* 50 a second, a capacity of 1000 */
		struct load_track track = {0};
		uint32_t opened = UINT32_MAX - 900; /* and it wraps */

		for (int scrape = 0; scrape < 10; scrape++) {
			int64_t at = START + scrape * 5 * CLOCK_SECOND;

			least_load_observe(&track, load, opened, at, 1000);
			for (int step = 1; step <= 25; step++) {
				double now;

				opened += 10;
				now = least_load_go_on(&track, opened, at + step * CLOCK_SECOND / 5, 1000);
				if (scrape > 1)
					assert_near(now, load, load * 0.03);
			}
		}
	}
}

/* Nobody comes any more: it runs empty. It works half as fast: what it is given stays for twice as long. */
static void test_load_follows_what_comes(void **state)
{
	struct load_track track = {0}, slow = {0};
	double fast_now, slow_now;

	(void)state;
	for (int scrape = 0; scrape < 5; scrape++) {
		least_load_observe(&track, 0.1, (uint32_t)scrape * 250, START + scrape * 5 * CLOCK_SECOND, 1000);
		least_load_observe(&slow, 0.2, (uint32_t)scrape * 250, START + scrape * 5 * CLOCK_SECOND, 1000);
	}
	fast_now = least_load_go_on(&track, 1000, START + 22 * CLOCK_SECOND, 1000); /* 2 s: one lifetime */
	slow_now = least_load_go_on(&slow, 1000, START + 22 * CLOCK_SECOND, 1000);  /* half of one */
	assert_near(fast_now, 0.1 * exp(-1), 0.001);
	assert_near(slow_now, 0.2 * exp(-0.5), 0.001);
}

/* An idle one whose connections are too short to be seen does not come to look busy; and nothing becomes negative or infinite. */
static void test_short_connections_leave_nothing(void **state)
{
	struct load_track track = {0};
	double now = NAN;

	(void)state;
	for (int scrape = 0; scrape < 5; scrape++) {
		least_load_observe(&track, 0, (uint32_t)scrape * 5000, START + scrape * 5 * CLOCK_SECOND, 100);
		now = least_load_go_on(&track, (uint32_t)scrape * 5000 + 1000,
				       START + scrape * 5 * CLOCK_SECOND + CLOCK_SECOND, 100);
	}
	assert_near(now, 0, 0.01);
	least_load_observe(&track, 0.3, 25000, START, 100); /* of before: no time has passed */
	assert_true(isfinite(least_load_go_on(&track, 25000, START + CLOCK_SECOND, 100)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share_of_capacity),
		cmocka_unit_test(test_cost_is_never_nothing),
		cmocka_unit_test(test_load_now_counts_on_through_the_wrap),
		cmocka_unit_test(test_own_missing_and_nobody),
		cmocka_unit_test(test_median_is_of_those_that_may_start),
		cmocka_unit_test(test_at_first_what_is_opened_is_added),
		cmocka_unit_test(test_steady_traffic_keeps_its_load),
		cmocka_unit_test(test_load_follows_what_comes),
		cmocka_unit_test(test_short_connections_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
