/* SPDX-License-Identifier: GPL-2.0-only */
/* Histograms of latencies: bounds and shares. */
#include "kernel/latency.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void near(double value, double expected)
{
	if (!(fabs(value - expected) <= expected * 1e-9))
		fail_msg("%.12g is not %.12g", value, expected);
}

static void test_bounds_double(void **state)
{
	(void)state;
	near(latency_bound(0), 16.384e-6);
	near(latency_bound(1), 32.768e-6);
	near(latency_bound(USHER_LATENCY_BUCKETS - 2), 137.438953472);
	assert_true(isinf(latency_bound(USHER_LATENCY_BUCKETS - 1)));
}

static void test_nothing_has_no_share(void **state)
{
	const struct usher_latency none = {0};

	(void)state;
	assert_true(isnan(latency_quantile(&none, 0.5)));
	assert_int_equal(latency_total(&none), 0);
}

static void test_shares_lie_between_bounds(void **state)
{
	const struct usher_latency latency = {.units = 1000, .bucket = {[0] = 10, [3] = 80, [9] = 10}};

	(void)state;
	assert_int_equal(latency_total(&latency), 100);
	near(latency_sum(&latency), 1024e-6);
	near(latency_quantile(&latency, 0.05), latency_bound(0) / 2);
	near(latency_quantile(&latency, 0.1), latency_bound(0));
	near(latency_quantile(&latency, 0.5), (latency_bound(2) + latency_bound(3)) / 2);
	near(latency_quantile(&latency, 0.9), latency_bound(3));
	near(latency_quantile(&latency, 0.99), latency_bound(8) + (latency_bound(9) - latency_bound(8)) * 0.9);
	near(latency_quantile(&latency, 1), latency_bound(9));
}

static void test_beyond_the_last_bound_is_that(void **state)
{
	const struct usher_latency latency = {.bucket = {[2] = 1, [USHER_LATENCY_BUCKETS - 1] = 3}};

	(void)state;
	near(latency_quantile(&latency, 0.99), latency_bound(USHER_LATENCY_BUCKETS - 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds_double),
		cmocka_unit_test(test_nothing_has_no_share),
		cmocka_unit_test(test_shares_lie_between_bounds),
		cmocka_unit_test(test_beyond_the_last_bound_is_that),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
