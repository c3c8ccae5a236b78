// SPDX-License-Identifier: GPL-2.0-only
/* Intervals: against published figures, at their edges, and how often they hold the true figure. Counters and their
 * resets. */
#include "govern/statistics.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"

#include "../../model/random.h"

#define Z STATISTICS_95

static void assert_near(double got, double wanted, double tolerance, const char *what)
{
	if (got == wanted || fabs(got - wanted) <= tolerance)
		return;
	fail_msg("%s: %.6f, not %.6f", what, got, wanted);
}

static void assert_interval(const struct interval *got, double low, double high, double tolerance)
{
	assert_near(got->low, low, tolerance, "low");
	assert_near(got->high, high, tolerance, "high");
	assert_true(got->low <= got->point && got->point <= got->high);
}

/* ---- published figures --------------------------------------------------------------------------------------- */

/* Newcombe, Statist. Med. 17, 857-872 (1998), table I, method 3. */
static void test_wilson_as_published(void **state)
{
	static const struct {
		double successes, trials, low, high;
	} table[] = {
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0.0000, 0.1611},
		{1, 29, 0.0061, 0.1718},
	};
	struct interval interval;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct proportion of = {table[i].successes, table[i].trials};

		assert_int_equal(statistics_proportion(of, Z, &interval), 0);
		assert_interval(&interval, table[i].low, table[i].high, 0.00005);
		assert_true(interval.point == of.successes / of.trials && interval.samples == of.trials);
	}
}

/* Newcombe, Statist. Med. 17, 873-890 (1998), table II, method 10. */
static void test_newcombe_as_published(void **state)
{
	static const struct {
		struct proportion a, b;
		double low, high;
	} table[] = {
		{{56, 70}, {48, 80}, 0.0524, 0.3339}, {{9, 10}, {3, 10}, 0.1705, 0.8090},
		{{6, 7}, {2, 7}, 0.0582, 0.8062},     {{5, 56}, {0, 29}, -0.0381, 0.1926},
		{{0, 10}, {0, 20}, -0.1611, 0.2775},  {{0, 10}, {0, 10}, -0.2775, 0.2775},
		{{10, 10}, {0, 20}, 0.6791, 1.0000},  {{10, 10}, {0, 10}, 0.6075, 1.0000},
	};
	struct interval interval, turned;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		assert_int_equal(statistics_difference(table[i].a, table[i].b, Z, &interval), 0);
		assert_interval(&interval, table[i].low, table[i].high, 0.00005);
		assert_true(interval.samples == fmin(table[i].a.trials, table[i].b.trials));
		assert_int_equal(statistics_difference(table[i].b, table[i].a, Z, &turned), 0);
		assert_interval(&turned, -interval.high, -interval.low, 1e-12);
	}
}

/* Fagerland, Lydersen and Laake's example (Perondi et al., 2004: 7 of 34 and 1 of 34), as their own package
 * `contingencytables` has it. */
static void test_mover_r_as_published(void **state)
{
	struct interval interval;

	(void)state;
	assert_int_equal(statistics_ratio((struct proportion){7, 34}, (struct proportion){1, 34}, Z, &interval), 0);
	assert_interval(&interval, 1.1537, 41.9763, 0.0002);
	assert_near(interval.point, 7, 1e-9, "point");
}

/* By hand: shares 0.5, 0.3, 0.2 against 0.4, 0.35, 0.25. */
static void test_stability_is_the_sum_it_says(void **state)
{
	static const double expected[] = {5e9, 3e9, 2e9}, actual[] = {4e9, 3.5e9, 2.5e9};
	struct interval interval;
	double by_hand = (0.4 - 0.5) * log(0.4 / 0.5) + (0.35 - 0.3) * log(0.35 / 0.3) + (0.25 - 0.2) * log(0.25 / 0.2);

	(void)state;
	assert_int_equal(statistics_stability(expected, actual, 3, Z, &interval), 0);
	assert_near(interval.point, by_hand, 1e-8, "point");
	assert_interval(&interval, by_hand, by_hand, 1e-4);
	assert_true(interval.samples == 1e10);
}

/* Upper points of chi-square, from the tables: the lower end leaves 0 where the point has that many units. The
 * approximation is 2 % off with one degree of freedom and better than that with more. */
static void test_low_leaves_zero_where_chance_ends(void **state)
{
	static const struct {
		size_t buckets;
		double z, quantile;
	} table[] = {
		{2, Z, 5.0239},	  {3, Z, 7.3778},   {5, Z, 11.1433},
		{10, Z, 19.0228}, {20, Z, 32.8523}, {10, 1.644853627, 16.9190},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		double expected[20], actual[20], below = 0, above = 1;
		struct interval interval;

		/* How much of the first bucket has to move to the second until it shows? */
		for (int step = 0; step < 60; step++) {
			double part = (below + above) / 2;

			for (size_t b = 0; b < table[i].buckets; b++)
				expected[b] = actual[b] = 1e9;
			actual[0] += part * 1e9;
			actual[1] -= part * 1e9;
			assert_int_equal(
				statistics_stability(expected, actual, table[i].buckets, table[i].z, &interval), 0);
			if (interval.low > 0)
				above = part;
			else
				below = part;
		}
		assert_near(interval.point * 1e9 * (double)table[i].buckets / 2 / table[i].quantile, 1,
			    table[i].buckets == 2 ? 0.02 : 0.01, "quantile");
	}
}

/* ---- edges --------------------------------------------------------------------------------------------------- */

static void test_unknown_is_no_number(void **state)
{
	static const struct {
		struct proportion of;
		int error;
	} table[] = {
		{{0, 0}, -ENODATA},	 {{1, 0}, -EDOM},	 {{-1, 10}, -EDOM},	 {{1, -10}, -EDOM},
		{{-2, -1}, -EDOM},	 {{11, 10}, -EDOM},	 {{NAN, 10}, -EDOM},	 {{1, NAN}, -EDOM},
		{{INFINITY, 10}, -EDOM}, {{1, INFINITY}, -EDOM}, {{10.0001, 10}, -EDOM},
	};
	static const double no_quantiles[] = {-1, NAN, INFINITY};
	const struct interval untouched = {1, 2, 3, 4};
	struct interval interval = untouched;
	const struct proportion fine = {3, 10};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct proportion of = table[i].of;

		assert_int_equal(statistics_proportion(of, Z, &interval), table[i].error);
		assert_int_equal(statistics_difference(of, fine, Z, &interval), table[i].error);
		assert_int_equal(statistics_difference(fine, of, Z, &interval), table[i].error);
		assert_int_equal(statistics_ratio(of, fine, Z, &interval), table[i].error);
		assert_int_equal(statistics_ratio(fine, of, Z, &interval), table[i].error);
	}
	for (size_t i = 0; i < ARRAY_COUNT(no_quantiles); i++) {
		assert_int_equal(statistics_proportion(fine, no_quantiles[i], &interval), -EDOM);
		assert_int_equal(statistics_ratio(fine, fine, no_quantiles[i], &interval), -EDOM);
		assert_int_equal(
			statistics_stability((double[]){1, 2}, (double[]){2, 1}, 2, no_quantiles[i], &interval), -EDOM);
	}
	assert_int_equal(statistics_difference((struct proportion){0, 0}, (struct proportion){NAN, 1}, Z, &interval),
			 -EDOM);
	assert_memory_equal(&interval, &untouched, sizeof(interval));
}

static void test_ratio_with_no_successes(void **state)
{
	const struct proportion none = {0, 100}, some = {10, 100}, all = {100, 100};
	struct interval interval = {.low = -1};

	(void)state;
	assert_int_equal(statistics_ratio(none, none, Z, &interval), -ENODATA);
	assert_true(interval.low == -1);
	assert_int_equal(statistics_ratio(none, some, Z, &interval), 0);
	assert_true(interval.low == 0 && interval.point == 0 && interval.high > 0.2 && interval.high < 0.8);
	assert_int_equal(statistics_ratio(some, none, Z, &interval), 0);
	assert_true(interval.point == INFINITY && interval.high == INFINITY && interval.low > 1 && interval.low < 5);
	assert_int_equal(statistics_ratio(all, all, Z, &interval), 0);
	assert_interval(&interval, 0.96, 1.04, 0.005);
}

/* Where the usual form of the lower end is 0 / 0: the upper limit of b is twice its point. */
static void test_ratio_has_no_hole(void **state)
{
	const struct proportion a = {10, 100};
	double below = 1, above = 20;
	struct interval of_a, of_b, interval;

	(void)state;
	assert_int_equal(statistics_proportion(a, Z, &of_a), 0);
	for (int step = 0; step < 100; step++) {
		double middle = (below + above) / 2, limit;

		assert_int_equal(statistics_proportion((struct proportion){middle, 100}, Z, &of_b), 0);
		assert_int_equal(statistics_ratio(a, (struct proportion){middle, 100}, Z, &interval), 0);
		limit = of_a.low * (2 * of_a.point - of_a.low) / (2 * of_a.point * of_b.point);
		if (step > 50)
			assert_near(interval.low, limit, 1e-12, "low");
		if (2 * of_b.point < of_b.high)
			below = middle;
		else
			above = middle;
	}
	assert_near(2 * of_b.point, of_b.high, 1e-12, "where it is");
}

static void test_empty_buckets_are_finite(void **state)
{
	static const struct {
		double expected[4], actual[4];
		int error;
	} table[] = {
		{{10, 10, 10, 0}, {10, 10, 0, 10}, 0},
		{{10, 0, 0, 0}, {0, 0, 0, 10}, 0},
		{{1e300, 0, 0, 0}, {0, 0, 0, 1e-300}, 0},
		{{1000, 1000, 1000, 1000}, {1001, 999, 1000, 1000}, 0}, /* less than even chance would make */
		{{10, 0, 0, 0}, {10, 0, 0, 0}, -ENODATA},		/* one bucket can show nothing */
		{{0, 0, 0, 0}, {10, 10, 0, 0}, -ENODATA},
		{{10, 10, 0, 0}, {0, 0, 0, 0}, -ENODATA},
		{{10, 10, -1, 0}, {10, 10, 0, 0}, -EDOM},
		{{10, 10, 0, 0}, {10, NAN, 0, 0}, -EDOM},
		{{1e308, 1e308, 0, 0}, {10, 10, 0, 0}, -EDOM},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		struct interval interval = {.low = -1};

		assert_int_equal(statistics_stability(table[i].expected, table[i].actual, 4, Z, &interval),
				 table[i].error);
		if (table[i].error) {
			assert_true(interval.low == -1);
			continue;
		}
		assert_true(isfinite(interval.low) && isfinite(interval.point) && isfinite(interval.high));
		assert_true(interval.low >= 0 && interval.low <= interval.point && interval.point <= interval.high);
	}
}

/* By hand: 30 samples each, 4 buckets in use, so 2 more; what the two differ in is 10 1/3 against 1/3 of 32, and the reverse. */
static void test_an_empty_bucket_counts(void **state)
{
	static const double expected[] = {10, 10, 10, 0}, actual[] = {10, 10, 0, 10};
	struct interval interval;

	(void)state;
	assert_int_equal(statistics_stability(expected, actual, 4, Z, &interval), 0);
	assert_near(interval.point, 2 * (10.0 / 32) * log(31), 1e-12, "point");
}

/* Buckets that nobody uses change nothing; nor does the order of the two histograms. */
static void test_unused_buckets_change_nothing(void **state)
{
	static const double expected[] = {100, 0, 300, 0, 50, 0}, actual[] = {10, 0, 20, 0, 30, 0};
	static const double short_expected[] = {100, 300, 50}, short_actual[] = {10, 20, 30};
	struct interval with, without, turned;

	(void)state;
	assert_int_equal(statistics_stability(expected, actual, 6, Z, &with), 0);
	assert_int_equal(statistics_stability(short_expected, short_actual, 3, Z, &without), 0);
	assert_int_equal(statistics_stability(actual, expected, 6, Z, &turned), 0);
	assert_memory_equal(&with, &without, sizeof(with));
	assert_near(turned.point, with.point, 1e-12, "turned");
	assert_true(with.low > 0.1 && with.samples == 60);
}

/* ---- monotony ------------------------------------------------------------------------------------------------ */

static void test_more_successes_never_lower_an_end(void **state)
{
	static const double trials[] = {1, 2, 10, 37, 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(trials); i++) {
		struct interval before = {0}, now;
		struct interval difference_before = {-2, -2, -2, 0}, ratio_before = {0};

		for (double x = 0; x <= trials[i]; x++) {
			struct proportion of = {x, trials[i]}, other = {7, 20};

			assert_int_equal(statistics_proportion(of, Z, &now), 0);
			assert_true(now.low >= before.low && now.high >= before.high);
			assert_true(now.low >= 0 && now.high <= 1 && now.low < now.high);
			before = now;
			assert_int_equal(statistics_difference(of, other, Z, &now), 0);
			assert_true(now.low >= difference_before.low - 1e-12 &&
				    now.high >= difference_before.high - 1e-12);
			difference_before = now;
			assert_int_equal(statistics_ratio(of, other, Z, &now), 0);
			assert_true(now.low >= ratio_before.low - 1e-12 && now.high >= ratio_before.high - 1e-12);
			ratio_before = now;
		}
	}
}

static double width(const struct interval *interval)
{
	return interval->high - interval->low;
}

/* Ten times the samples of the same shares: every interval is narrower. More confidence: wider. */
static void test_samples_narrow_and_confidence_widens(void **state)
{
	struct interval few[4], many[4], sure[4];
	struct interval *const sets[] = {few, many, sure};
	static const double factors[] = {1, 10, 1}, quantiles[] = {Z, Z, 2.576};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		double f = factors[i];
		struct proportion a = {30 * f, 200 * f}, b = {40 * f, 180 * f};
		double expected[] = {100 * f, 200 * f, 300 * f}, actual[] = {200 * f, 200 * f, 200 * f};

		assert_int_equal(statistics_proportion(a, quantiles[i], &sets[i][0]), 0);
		assert_int_equal(statistics_difference(a, b, quantiles[i], &sets[i][1]), 0);
		assert_int_equal(statistics_ratio(a, b, quantiles[i], &sets[i][2]), 0);
		assert_int_equal(statistics_stability(expected, actual, 3, quantiles[i], &sets[i][3]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_true(width(&many[i]) < width(&few[i]) / 2);
		assert_true(width(&sure[i]) > width(&few[i]) * 1.1);
	}
}

/* ---- coverage ------------------------------------------------------------------------------------------------ */

static double uniform(struct random *random)
{
	return (double)(random_next(random) >> 11) * 0x1p-53;
}

static double binomial(struct random *random, int trials, double p)
{
	int successes = 0;

	for (int i = 0; i < trials; i++)
		successes += uniform(random) < p;
	return successes;
}

static void test_proportions_are_covered(void **state)
{
	static const double rates[] = {0.02, 0.1, 0.3, 0.5, 0.9};
	static const int trials[] = {20, 200, 1000};
	struct random random = {1};
	double sum = 0;
	int cells = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rates); i++)
		for (size_t n = 0; n < ARRAY_COUNT(trials); n++) {
			int held = 0;

			for (int round = 0; round < 4000; round++) {
				struct interval interval;

				statistics_proportion(
					(struct proportion){binomial(&random, trials[n], rates[i]), trials[n]}, Z,
					&interval);
				held += interval.low <= rates[i] && rates[i] <= interval.high;
			}
			assert_in_range(held, 4000 * 92 / 100, 4000 * 99 / 100);
			sum += held / 4000.0;
			cells++;
		}
	print_message("# Wilson holds the true rate in %.1f %% on the average\n", 100 * sum / cells);
	assert_near(sum / cells, 0.95, 0.01, "average");
}

static void test_differences_and_ratios_are_covered(void **state)
{
	static const double rates[][2] = {{0.1, 0.1}, {0.06, 0.1}, {0.02, 0.03}, {0.5, 0.4}, {0.95, 0.9}};
	static const int trials[][2] = {{30, 50}, {200, 200}, {100, 1000}};
	struct random random = {2};
	double difference_sum = 0, ratio_sum = 0;
	int cells = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rates); i++)
		for (size_t n = 0; n < ARRAY_COUNT(trials); n++) {
			double p = rates[i][0], q = rates[i][1];
			int difference_held = 0, ratio_held = 0, known = 0;

			for (int round = 0; round < 4000; round++) {
				struct proportion a = {binomial(&random, trials[n][0], p), trials[n][0]};
				struct proportion b = {binomial(&random, trials[n][1], q), trials[n][1]};
				struct interval interval;

				statistics_difference(a, b, Z, &interval);
				difference_held += interval.low <= p - q && p - q <= interval.high;
				if (statistics_ratio(a, b, Z, &interval))
					continue;
				known++;
				ratio_held += interval.low <= p / q && p / q <= interval.high;
			}
			assert_in_range(difference_held, 4000 * 93 / 100, 4000);
			assert_in_range(ratio_held, known * 93 / 100, known);
			difference_sum += difference_held / 4000.0;
			ratio_sum += (double)ratio_held / known;
			cells++;
		}
	print_message(
		"# Newcombe holds the true difference in %.1f %%, MOVER-R the true ratio in %.1f %% on the average\n",
		100 * difference_sum / cells, 100 * ratio_sum / cells);
	assert_in_range(1000 * difference_sum / cells, 945, 975);
	assert_in_range(1000 * ratio_sum / cells, 945, 975);
}

static void draw(struct random *random, const double *shares, size_t buckets, int samples, double *ret_counts)
{
	memset(ret_counts, 0, buckets * sizeof(*ret_counts));
	for (int i = 0; i < samples; i++) {
		double at = uniform(random);
		size_t b = 0;

		while (b + 1 < buckets && at >= shares[b])
			at -= shares[b++];
		ret_counts[b]++;
	}
}

/* Even; a little off; far off; and one bucket that hardly anybody is in, of whose few samples chance makes more than
 * chi-square has. */
static const double shapes[][5] = {
	{0.2, 0.2, 0.2, 0.2, 0.2},
	{0.25, 0.25, 0.2, 0.15, 0.15},
	{0.4, 0.2, 0.2, 0.1, 0.1},
	{0.22, 0.22, 0.21, 0.345, 0.005},
};
enum { EVEN, LITTLE, FAR, RARE };

static double index_of(const double *e, const double *a)
{
	double sum = 0;

	for (size_t b = 0; b < 5; b++)
		sum += (a[b] - e[b]) * log(a[b] / e[b]);
	return sum;
}

static void test_stability_is_covered(void **state)
{
	static const struct {
		int expected, actual;
		int n, m;
		int held, above; /* of 1,000: at least, at most */
	} table[] = {
		{EVEN, EVEN, 500, 500, 950, 40},     {EVEN, EVEN, 10000, 200, 950, 40},
		{EVEN, EVEN, 5000, 2000, 950, 40},   {RARE, RARE, 500, 500, 890, 110},
		{RARE, RARE, 5000, 2000, 940, 60},   {EVEN, LITTLE, 500, 500, 930, 40},
		{EVEN, LITTLE, 10000, 200, 930, 40}, {EVEN, LITTLE, 5000, 2000, 930, 40},
		{EVEN, FAR, 500, 500, 930, 40},	     {EVEN, FAR, 10000, 200, 930, 40},
		{LITTLE, FAR, 500, 500, 930, 40},    {LITTLE, FAR, 10000, 200, 930, 40},
	};
	struct random random = {3};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		const double *e = shapes[table[i].expected], *a = shapes[table[i].actual];
		int held = 0, above = 0;

		for (int round = 0; round < 2000; round++) {
			double expected[5], actual[5];
			struct interval interval;

			draw(&random, e, 5, table[i].n, expected);
			draw(&random, a, 5, table[i].m, actual);
			assert_int_equal(statistics_stability(expected, actual, 5, Z, &interval), 0);
			held += interval.low <= index_of(e, a) && index_of(e, a) <= interval.high;
			above += interval.low > index_of(e, a);
		}
		print_message("# true index %.3f, %d and %d samples: held in %.1f %%, low above it in %.1f %%\n",
			      index_of(e, a), table[i].n, table[i].m, held / 20.0, above / 20.0);
		assert_in_range(held, 2 * table[i].held, 2000);
		assert_in_range(above, 0, 2 * table[i].above);
	}
}

/* ---- counters ------------------------------------------------------------------------------------------------ */

static void test_counters_and_their_resets(void **state)
{
	static const struct {
		double values[6];
		size_t count;
		int error;
		double increase;
	} table[] = {
		{{10, 20, 35}, 3, 0, 25},
		{{10, 10, 10}, 3, 0, 0},
		{{100, 110, 5, 7}, 4, 0, 17},	    /* began anew, and had 5 when it was next seen */
		{{100, 0, 100, 0, 100}, 5, 0, 200}, /* twice */
		{{1e15, 1e15 + 1}, 2, 0, 1},
		{{5}, 1, -ENODATA, 0},
		{{0}, 0, -ENODATA, 0},
		{{NAN}, 1, -EDOM, 0},
		{{1, NAN, 3}, 3, -EDOM, 0},
		{{1, -2, 3}, 3, -EDOM, 0},
		{{1, INFINITY}, 2, -EDOM, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		double increase = -1;

		assert_int_equal(statistics_increase(table[i].values, table[i].count, &increase), table[i].error);
		assert_true(increase == (table[i].error ? -1 : table[i].increase));
	}
}

static void test_cumulative_buckets_become_plain(void **state)
{
	double counts[] = {3, 3, 10, 12}, falling[] = {3, 2, 10}, broken[] = {3, NAN};

	(void)state;
	assert_int_equal(statistics_plain(counts, 4), 0);
	assert_true(counts[0] == 3 && counts[1] == 0 && counts[2] == 7 && counts[3] == 2);
	assert_int_equal(statistics_plain(falling, 3), -EDOM);
	assert_true(falling[0] == 3 && falling[1] == 2 && falling[2] == 10);
	assert_int_equal(statistics_plain(broken, 2), -EDOM);
	assert_int_equal(statistics_plain(counts, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wilson_as_published),
		cmocka_unit_test(test_newcombe_as_published),
		cmocka_unit_test(test_mover_r_as_published),
		cmocka_unit_test(test_stability_is_the_sum_it_says),
		cmocka_unit_test(test_low_leaves_zero_where_chance_ends),
		cmocka_unit_test(test_unknown_is_no_number),
		cmocka_unit_test(test_ratio_with_no_successes),
		cmocka_unit_test(test_ratio_has_no_hole),
		cmocka_unit_test(test_empty_buckets_are_finite),
		cmocka_unit_test(test_an_empty_bucket_counts),
		cmocka_unit_test(test_unused_buckets_change_nothing),
		cmocka_unit_test(test_more_successes_never_lower_an_end),
		cmocka_unit_test(test_samples_narrow_and_confidence_widens),
		cmocka_unit_test(test_proportions_are_covered),
		cmocka_unit_test(test_differences_and_ratios_are_covered),
		cmocka_unit_test(test_stability_is_covered),
		cmocka_unit_test(test_counters_and_their_resets),
		cmocka_unit_test(test_cumulative_buckets_become_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
