// SPDX-License-Identifier: GPL-2.0-only
/* From readings to estimates: what counts, over which window, and what does not. */
#include "govern/evidence.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND 1000
#define START (1700000000LL * SECOND)

static struct gate_policy gate;
static struct evidence *evidence;
static struct gate_estimate estimate;

static void begin(enum gate_figure figure, size_t series, uint32_t window)
{
	evidence_free(evidence);
	gate = (struct gate_policy){.figure = figure, .window_s = window};
	assert_int_equal(evidence_new(series, &evidence), 0);
}

static int end(void **state)
{
	(void)state;
	evidence_free(evidence);
	evidence = NULL;
	return 0;
}

/* Values at one time; the estimate that comes of it. */
static void take(int64_t at, const double *values)
{
	struct evidence_reading readings[2 * USHER_BUCKETS_MAX];

	for (size_t i = 0; i < evidence->series; i++)
		readings[i] = (struct evidence_reading){.value = values[i], .at = START + at, .samples = 1};
	evidence_take(evidence, &gate, readings);
	evidence_estimate(evidence, &gate, &estimate);
}

static void test_what_was_counted_before_does_not_count(void **state)
{
	(void)state;
	begin(GATE_PROPORTION, 2, 60);
	evidence_estimate(evidence, &gate, &estimate);
	assert_false(estimate.known);
	take(0, (const double[]){900, 1000});
	assert_false(estimate.known); /* nothing has been counted yet */
	take(10 * SECOND, (const double[]){990, 1100});
	assert_true(estimate.known);
	assert_true(fabs(estimate.interval.point - 0.9) < 1e-12);
	assert_true(fabs(estimate.interval.samples - 100) < 1e-9);
	assert_true(estimate.interval.low < 0.9 && estimate.interval.high > 0.9);
	assert_int_equal(estimate.observed_at, START / SECOND + 10);
}

/* A hundred a second, of which none succeeds in the last half minute: the window sees only that. */
static void test_the_window_ends(void **state)
{
	double values[] = {0, 0};

	(void)state;
	begin(GATE_PROPORTION, 2, 60);
	for (int i = 0; i <= 600; i++) {
		take(i * SECOND, values);
		values[0] += i < 500 ? 100 : 0;
		values[1] += 100;
		assert_true(evidence->count <= EVIDENCE_POINTS);
		if (i == 490)
			assert_true(estimate.interval.point > 0.999);
	}
	assert_true(estimate.interval.point < 1e-9);
	assert_true(estimate.interval.samples >= 6000 && estimate.interval.samples <= 6200);
	/* An hour's silence, and then one reading: only what came since then counts. */
	take(4000 * SECOND, values);
	assert_false(estimate.known);
	values[0] += 100000; /* whatever was counted meanwhile */
	values[1] += 100000;
	take(8000 * SECOND, values);
	assert_false(estimate.known);
	take(8001 * SECOND, (const double[]){values[0] + 5, values[1] + 10});
	assert_true(fabs(estimate.interval.samples - 10) < 1e-9);
}

static void test_a_counter_that_begins_anew(void **state)
{
	struct evidence_reading readings[2];

	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	take(0, (const double[]){90, 100});
	take(SECOND, (const double[]){180, 200});
	take(2 * SECOND, (const double[]){18, 20}); /* from 0 */
	assert_true(fabs(estimate.interval.samples - 120) < 1e-9);
	assert_true(fabs(estimate.interval.point - 0.9) < 1e-12);
	/* Of a sum nobody knows who did: what was known before is forgotten. */
	for (int i = 0; i < 2; i++)
		readings[i] = (struct evidence_reading){.value = 10 + i, .at = START + 3 * SECOND, .samples = 2};
	evidence_take(evidence, &gate, readings);
	evidence_estimate(evidence, &gate, &estimate);
	assert_false(estimate.known);
	for (int i = 0; i < 2; i++)
		readings[i] = (struct evidence_reading){.value = i ? 21 : 15, .at = START + 4 * SECOND, .samples = 2};
	evidence_take(evidence, &gate, readings);
	evidence_estimate(evidence, &gate, &estimate);
	assert_true(fabs(estimate.interval.samples - 10) < 1e-9);
	assert_true(fabs(estimate.interval.point - 0.5) < 1e-12);
}

static void test_half_a_reading_is_none(void **state)
{
	struct evidence_reading readings[2] = {{.value = 200, .at = START + 2 * SECOND, .samples = 1},
					       {.value = 300, .at = START + 2 * SECOND, .samples = 1}};
	struct gate_estimate before;

	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	take(0, (const double[]){0, 0});
	take(SECOND, (const double[]){90, 100});
	before = estimate;
	take(2 * SECOND, (const double[]){95, NAN});
	assert_int_equal(evidence->gap, EVIDENCE_MISSING);
	assert_int_equal(evidence->gap_series, 1);
	assert_memory_equal(&estimate, &before, sizeof(estimate));
	readings[1].unfit = true;
	evidence_take(evidence, &gate, readings);
	assert_int_equal(evidence->gap, EVIDENCE_UNFIT);
	readings[1].unfit = false;
	readings[1].at += 15 * SECOND;
	evidence_take(evidence, &gate, readings);
	assert_int_equal(evidence->gap, EVIDENCE_APART);
	take(0, (const double[]){95, 105});
	assert_int_equal(evidence->gap, EVIDENCE_EARLIER);
	evidence_estimate(evidence, &gate, &estimate);
	assert_memory_equal(&estimate, &before, sizeof(estimate));
	take(3 * SECOND, (const double[]){180, 200});
	assert_int_equal(evidence->gap, EVIDENCE_WHOLE);
	assert_true(fabs(estimate.interval.samples - 200) < 1e-9);
}

static void test_more_successes_than_trials_are_no_figure(void **state)
{
	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	take(0, (const double[]){0, 0});
	take(SECOND, (const double[]){110, 100});
	assert_true(estimate.known);
	assert_true(isnan(estimate.interval.point)); /* which a gate calls invalid */
}

/* One of several goes, and comes back with all that it has ever counted. */
static void test_a_sum_of_others_is_another(void **state)
{
	struct evidence_reading readings[2];

	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	for (int round = 0; round < 3; round++) {
		double scale = round == 1 ? 1 : 2;

		for (int i = 0; i < 2; i++)
			readings[i] = (struct evidence_reading){.value = scale * (i ? 1000000 : 950000),
								.at = START + round * SECOND,
								.samples = (uint16_t)scale};
		evidence_take(evidence, &gate, readings);
		evidence_estimate(evidence, &gate, &estimate);
		assert_false(estimate.known);
	}
	/* A gauge is one, or none. */
	begin(GATE_METRIC, 1, 0);
	readings[0].samples = 2;
	evidence_take(evidence, &gate, readings);
	assert_int_equal(evidence->gap, EVIDENCE_SEVERAL);
}

static void test_one_absurd_reading_passes(void **state)
{
	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	take(0, (const double[]){0, 0});
	take(SECOND, (const double[]){1e300, 1e300});
	take(2 * SECOND, (const double[]){100, 100});
	take(3 * SECOND, (const double[]){190, 200});
	take(4 * SECOND, (const double[]){280, 300});
	assert_true(estimate.known && fabs(estimate.interval.point - 280.0 / 300) < 1e-12);
}

/* Whose successes have begun anew and whose trials have not. */
static void test_half_a_restart_tells_nothing(void **state)
{
	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	take(0, (const double[]){900, 1000});
	take(SECOND, (const double[]){905, 995});
	assert_false(estimate.known);
	take(2 * SECOND, (const double[]){995, 1095});
	assert_true(fabs(estimate.interval.point - 0.9) < 1e-12);
}

static void test_a_clock_set_back(void **state)
{
	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	take(1000000 * SECOND, (const double[]){0, 0});
	take(1000001 * SECOND, (const double[]){9, 10});
	evidence_set_back(evidence, START + 10 * SECOND);
	take(11 * SECOND, (const double[]){18, 20});
	assert_int_equal(evidence->gap, EVIDENCE_WHOLE);
	assert_true(fabs(estimate.interval.samples - 20) < 1e-9);
}

static void test_groups_and_metrics(void **state)
{
	(void)state;
	begin(GATE_RATIO, 4, 600);
	take(0, (const double[]){0, 0, 0, 0});
	take(SECOND, (const double[]){40, 100, 80, 100});
	assert_true(fabs(estimate.interval.point - 0.5) < 1e-12);
	begin(GATE_DIFFERENCE, 4, 600);
	take(0, (const double[]){0, 0, 0, 0});
	take(SECOND, (const double[]){40, 100, 80, 100});
	assert_true(fabs(estimate.interval.point + 0.4) < 1e-12);
	begin(GATE_METRIC, 2, 0);
	gate.series[1] = "samples";
	take(0, (const double[]){0.93, 1200});
	assert_true(estimate.known && fabs(estimate.interval.low - 0.93) < 1e-12 &&
		    fabs(estimate.interval.high - 0.93) < 1e-12 && fabs(estimate.interval.samples - 1200) < 1e-9);
	begin(GATE_METRIC, 1, 0);
	take(0, (const double[]){0.5});
	take(SECOND, (const double[]){0.25}); /* a gauge may fall */
	assert_true(estimate.known && fabs(estimate.interval.point - 0.25) < 1e-12);
}

static void test_drift(void **state)
{
	static const double buckets[] = {1, 2, INFINITY}, expected[] = {100, 200, 300};

	(void)state;
	begin(GATE_STABILITY, 3, 600);
	gate.buckets = buckets;
	gate.bucket_count = 3;
	gate.expected = expected;
	take(0, (const double[]){10, 10, 10}); /* cumulative */
	take(SECOND, (const double[]){110, 310, 610});
	assert_true(estimate.known && estimate.interval.point < 1e-9); /* the same shares */
	take(2 * SECOND, (const double[]){1110, 1310, 1610});
	assert_true(estimate.interval.low > 0.25);
	begin(GATE_STABILITY, 6, 600);
	gate.buckets = buckets;
	gate.bucket_count = 3;
	take(0, (const double[]){0, 0, 0, 100, 300, 600});
	take(SECOND, (const double[]){100, 300, 600, 100, 300, 600});
	assert_true(estimate.known && estimate.interval.point < 1e-9);
}

static void test_a_copy_is_one(void **state)
{
	struct evidence *copy;

	(void)state;
	begin(GATE_PROPORTION, 2, 600);
	take(0, (const double[]){0, 0});
	take(SECOND, (const double[]){90, 100});
	assert_int_equal(evidence_copy(evidence, &copy), 0);
	take(2 * SECOND, (const double[]){100, 200});
	evidence_estimate(copy, &gate, &estimate);
	assert_true(fabs(estimate.interval.samples - 100) < 1e-9);
	evidence_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_what_was_counted_before_does_not_count, end),
		cmocka_unit_test_teardown(test_the_window_ends, end),
		cmocka_unit_test_teardown(test_a_counter_that_begins_anew, end),
		cmocka_unit_test_teardown(test_half_a_reading_is_none, end),
		cmocka_unit_test_teardown(test_more_successes_than_trials_are_no_figure, end),
		cmocka_unit_test_teardown(test_a_sum_of_others_is_another, end),
		cmocka_unit_test_teardown(test_one_absurd_reading_passes, end),
		cmocka_unit_test_teardown(test_half_a_restart_tells_nothing, end),
		cmocka_unit_test_teardown(test_a_clock_set_back, end),
		cmocka_unit_test_teardown(test_groups_and_metrics, end),
		cmocka_unit_test_teardown(test_drift, end),
		cmocka_unit_test_teardown(test_a_copy_is_one, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
