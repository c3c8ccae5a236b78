// SPDX-License-Identifier: GPL-2.0-only
/* The series that gates want, among the samples of a page. */
#include "edge/series.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/array.h"
#include "evaluated.h"

#define NOW 1700000000000
#define MANY 16384

static struct edge_value values[MANY];

static void end_page(struct series_set *set, enum exposition_format format, const char *page)
{
	struct exposition_consumer consumer = series_consumer(set);
	struct exposition *exposition;

	assert_int_equal(exposition_new(&exposition), 0);
	series_begin(set);
	exposition_begin(exposition, format, &consumer);
	assert_int_equal(exposition_feed(exposition, page, strlen(page)), 0);
	assert_int_equal(exposition_end(exposition), 0);
	exposition_free(exposition);
	series_end(set, NOW, values);
}

static void read_page(const struct edge_series *series, uint32_t count, const char *page)
{
	struct series_set *set;

	assert_int_equal(series_new(series, count, &set), 0);
	memset(values, 0xaa, count * sizeof(*values));
	end_page(set, EXPOSITION_PROMETHEUS, page);
	series_free(set);
}

static void test_a_series_is_the_sum_of_what_matches(void **state)
{
	const struct edge_series series[] = {
		SERIES("quality"),
		SERIES("quality", "model", "chat"),
		SERIES("quality", "model", "chat", "version", "v2"),
		SERIES("quality", "version", "v2", "model", "chat"),
		SERIES("quality", "model", "cha"),
		SERIES("quality", "tenant", "a"),
		SERIES("qualit"),
		SERIES("quality_"),
		SERIES("quality", "model", ""),
	};

	(void)state;
	read_page(series, ARRAY_COUNT(series),
		  "# TYPE quality gauge\nquality{model=\"chat\",version=\"v1\"} 1\n"
		  "quality{version=\"v2\",model=\"chat\",pod=\"0\"} "
		  "2\nquality{pod=\"1\",model=\"chat\",version=\"v2\"} 4\n"
		  "quality{model=\"chatter\",version=\"v2\"} 8\n");
	assert_true(values[0].value == 15);
	assert_int_equal(values[0].samples, 4);
	assert_int_equal(values[0].type, EXPOSITION_GAUGE);
	assert_int_equal(values[0].age_ms, 0);
	assert_true(values[1].value == 7);
	assert_true(values[2].value == 6);
	assert_int_equal(values[2].samples, 2);
	assert_true(values[3].value == 6);
	for (size_t i = 4; i < ARRAY_COUNT(series); i++) {
		assert_true(isnan(values[i].value));
		assert_int_equal(values[i].samples, 0);
		assert_int_equal(values[i].type, EXPOSITION_UNKNOWN);
	}
}

/* Two gates may want the same, and one page may say it once. */
static void test_the_same_series_twice(void **state)
{
	const struct edge_series series[] = {SERIES("a", "l", "x"), SERIES("b"), SERIES("a", "l", "x")};

	(void)state;
	read_page(series, 3, "a{l=\"x\"} 3\n");
	assert_true(values[0].value == 3);
	assert_true(isnan(values[1].value));
	assert_true(values[2].value == 3);
}

static void test_what_is_not_a_number_spoils_its_sum(void **state)
{
	static const char *const odd[] = {"NaN", "+Inf", "-Inf"};
	const struct edge_series series[] = {SERIES("a", "l", "x"), SERIES("a", "l", "y"), SERIES("a")};
	char page[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(odd); i++) {
		snprintf(page, sizeof(page),
			 "a{l=\"x\"} 1\na{l=\"x\",p=\"1\"} %s\na{l=\"x\",p=\"2\"} 1\na{l=\"y\"} 2\n", odd[i]);
		read_page(series, 3, page);
		assert_true(isnan(values[0].value));
		assert_int_equal(values[0].samples, 3);
		assert_true(values[1].value == 2);
		assert_true(isnan(values[2].value));
	}
	/* Infinities that cancel each other, and a sum that is too large. */
	read_page(series, 3, "a{l=\"x\"} +Inf\na{l=\"x\"} -Inf\na{l=\"y\"} 1.7e308\na{l=\"y\"} 1.7e308\n");
	assert_true(isnan(values[0].value));
	assert_true(isnan(values[1].value));
}

/* Among so many others that numbers that are equal and look different would not meet by chance. */
static void test_bounds_are_numbers(void **state)
{
	struct edge_series series[1000] = {
		BUCKET("t_bucket", 0.5), BUCKET("t_bucket", 1), BUCKET("t_bucket", INFINITY),	BUCKET("t_bucket", 0),
		BUCKET("t_bucket", 2),	 SERIES("t_bucket"),	BUCKET("t_bucket", 1, "m", "a")};

	(void)state;
	for (size_t n = 7; n < ARRAY_COUNT(series); n++)
		series[n] = BUCKET("other", (double)n);
	read_page(series, ARRAY_COUNT(series),
		  "# TYPE t histogram\nt_bucket{le=\"-0\"} 1\nt_bucket{le=\"5e-1\"} 2\nt_bucket{le=\"1.0\",m=\"a\"} 4\n"
		  "t_bucket{m=\"b\",le=\"1\"} 8\nt_bucket{le=\"+Inf\"} 16\nt_bucket{le=\"NaN\"} 32\n"
		  "t_bucket{le=\"two\"} 64\nt_bucket 128\nt_count 16\nt_sum 1\n");
	assert_true(values[0].value == 2);
	assert_true(values[1].value == 12);
	assert_true(values[2].value == 16);
	assert_true(values[3].value == 1);
	assert_true(isnan(values[4].value));
	assert_true(values[5].value == 255);
	assert_true(values[6].value == 4);
	assert_int_equal(values[0].type, EXPOSITION_HISTOGRAM);
}

static void test_the_oldest_timestamp_counts(void **state)
{
	const struct edge_series series[] = {SERIES("old"), SERIES("mixed"), SERIES("ahead"), SERIES("ancient"),
					     SERIES("before")};

	(void)state;
	read_page(
		series, ARRAY_COUNT(series),
		"old{p=\"0\"} 1 1699999998000\nold{p=\"1\"} 1 1699999999000\nmixed{p=\"0\"} 1\n"
		"mixed{p=\"1\"} 1 1699999999500\nahead 1 1800000000000\nancient 1 1\nbefore 1 -9223372036854775808\n");
	assert_int_equal(values[0].age_ms, 2000);
	assert_int_equal(values[1].age_ms, 500);
	assert_int_equal(values[2].age_ms, 0);
	assert_int_equal(values[3].age_ms, UINT32_MAX);
	assert_int_equal(values[4].age_ms, UINT32_MAX);
}

static void test_nothing_stays_of_the_page_before(void **state)
{
	const struct edge_series series[] = {SERIES("a"), SERIES("b")};
	struct series_set *set;

	(void)state;
	assert_int_equal(series_new(series, 2, &set), 0);
	end_page(set, EXPOSITION_PROMETHEUS, "# TYPE a counter\na 1 1\nb NaN\n");
	assert_true(values[0].value == 1);
	end_page(set, EXPOSITION_OPENMETRICS, "b 2\n# EOF\n");
	assert_true(isnan(values[0].value));
	assert_int_equal(values[0].samples, 0);
	assert_int_equal(values[0].age_ms, 0);
	assert_int_equal(values[0].type, EXPOSITION_UNKNOWN);
	assert_true(values[1].value == 2);
	series_free(set);
}

static void test_names_that_nobody_wants_are_not_asked_for(void **state)
{
	const struct edge_series series[] = {SERIES("abc"), SERIES("abc", "x", "y")};
	struct series_set *set;
	struct exposition_consumer consumer;

	(void)state;
	assert_int_equal(series_new(series, 2, &set), 0);
	consumer = series_consumer(set);
	assert_true(consumer.wants(consumer.context, "abc", 3));
	assert_false(consumer.wants(consumer.context, "abd", 3));
	assert_false(consumer.wants(consumer.context, "ab", 2));
	assert_false(consumer.wants(consumer.context, "abcd", 4));
	series_free(set);
	assert_int_equal(series_new(NULL, 0, &set), 0);
	consumer = series_consumer(set);
	assert_false(consumer.wants(consumer.context, "abc", 3));
	series_free(set);
}

static void test_samples_are_counted_up_to_their_bound(void **state)
{
	const struct edge_series series = SERIES("a");
	struct series_set *set;

	(void)state;
	assert_int_equal(series_new(&series, 1, &set), 0);
	for (int i = 0; i < 70000; i++)
		series_add(set, 0, 1, i ? 0 : NOW - 5);
	series_end(set, NOW, values);
	assert_true(values[0].value == 70000);
	assert_int_equal(values[0].samples, UINT16_MAX);
	assert_int_equal(values[0].age_ms, 5);
	series_free(set);
}

/* As many as there may be, of 64 gates that want 4 series each of 64 subjects, and a page of the greatest size that repeats them. A walk
 * over all series for each sample would take minutes. */
static void test_many_of_a_large_page(void **state)
{
	struct edge_series *series = calloc(MANY, sizeof(*series));
	char *page = malloc(EXPOSITION_PAGE_MAX), name[32], subject[16];
	size_t length = 0, lines = 0;
	struct series_set *set;
	clock_t begun;

	(void)state;
	assert_non_null(series);
	assert_non_null(page);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "metric_%03d", i % 256);
		snprintf(subject, sizeof(subject), "v%d", i / 256);
		series[i] = SERIES(name, "version", subject);
	}
	while (length + 64 < EXPOSITION_PAGE_MAX) {
		length += (size_t)snprintf(page + length, 64, "metric_%03zu{version=\"v%zu\"} 1\n", lines % 256,
					   lines / 256 % 64);
		lines++;
	}
	begun = clock();
	assert_int_equal(series_new(series, MANY, &set), 0);
	end_page(set, EXPOSITION_PROMETHEUS, page);
	assert_true(clock() - begun < 10 * CLOCKS_PER_SEC);
	printf("# %zu samples for %d series: %.0f ms\n", lines, MANY,
	       (double)(clock() - begun) * 1000 / (double)CLOCKS_PER_SEC);
	for (size_t i = 0, sum = 0; i < MANY; i++) {
		sum += (size_t)values[i].value;
		assert_true(i < MANY - 1 || sum == lines);
	}
	series_free(set);
	free(series);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_series_is_the_sum_of_what_matches),
		cmocka_unit_test(test_the_same_series_twice),
		cmocka_unit_test(test_what_is_not_a_number_spoils_its_sum),
		cmocka_unit_test(test_bounds_are_numbers),
		cmocka_unit_test(test_the_oldest_timestamp_counts),
		cmocka_unit_test(test_nothing_stays_of_the_page_before),
		cmocka_unit_test(test_names_that_nobody_wants_are_not_asked_for),
		cmocka_unit_test(test_samples_are_counted_up_to_their_bound),
		cmocka_unit_test(test_many_of_a_large_page),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
