// SPDX-License-Identifier: GPL-2.0-only
/* What a Prometheus server is asked and replies. The replies are written from what it documents, not copied from one. */
#include "edge/promreply.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/array.h"
#include "evaluated.h"

#define NOW 1700000010000

static struct edge_value values[16];

static int take_bytes(const struct edge_series *series, uint32_t count, const char *reply, size_t length)
{
	/* In a block of its own, so that nothing behind it is read unseen. */
	char *copy = malloc(length + 1);
	struct series_set *set;
	int error;

	assert_non_null(copy);
	memcpy(copy, reply, length);
	copy[length] = '}';
	assert_int_equal(series_new(series, count, &set), 0);
	error = promreply_take(copy, length, set, series, 0, count);
	series_end(set, NOW, values);
	series_free(set);
	free(copy);
	return error;
}

static int take(const struct edge_series *series, uint32_t count, const char *reply)
{
	return take_bytes(series, count, reply, strlen(reply));
}

#define REPLY(rows) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" rows "]}}"
#define ROW(labels, values) "{\"metric\":{\"__name__\":\"a\"" labels "},\"values\":[" values "]}"

static void test_a_query_is_written(void **state)
{
	const struct edge_series series[] = {
		SERIES("up"),
		SERIES("a:b", "model", "chat", "version", "v \"2\"\\\n+&#\xc3\xa9{}"),
		BUCKET("t_bucket", 0.5, "m", "x"),
	};
	char path[PROMREPLY_PATH];

	(void)state;
	promreply_path(&series[0], "", 60, path);
	assert_string_equal(path, "/api/v1/query?query=up%7B%7D%5B60s%5D");
	promreply_path(&series[1], "/prom", 604800, path);
	assert_string_equal(path, "/prom/api/v1/query?query=a%3Ab%7Bmodel%3D%22chat%22%2Cversion%3D%22v%20%5C%222%5C%22"
				  "%5C%5C%5Cn%2B%26%23%C3%A9%7B%7D%22%7D%5B604800s%5D");
	promreply_path(&series[2], "", 0, path);
	assert_string_equal(path, "/api/v1/query?query=t_bucket%7Bm%3D%22x%22%7D%5B1s%5D");
}

/* The longest that there can be has its end. */
static void test_the_longest_query_has_its_end(void **state)
{
	struct edge_series series;
	char path[PROMREPLY_PATH], base[USHER_HEALTH_PATH_MAX + 1];

	(void)state;
	memset(&series, 0, sizeof(series));
	memset(series.name, ':', USHER_METRIC_NAME_MAX);
	memset(base, 'b', sizeof(base) - 1);
	base[sizeof(base) - 1] = '\0';
	series.label_count = USHER_SERIES_LABELS_MAX;
	for (size_t i = 0; i < USHER_SERIES_LABELS_MAX; i++) {
		memset(series.labels[i].name, 'l', USHER_NAME_MAX);
		memset(series.labels[i].value, '"', USHER_LABEL_VALUE_MAX);
	}
	promreply_path(&series, base, 604800, path);
	assert_string_equal(path + strlen(path) - strlen("%22%7D%5B604800s%5D"), "%22%7D%5B604800s%5D");
}

static void test_buckets_are_asked_for_together(void **state)
{
	const struct edge_series series[] = {BUCKET("t", 1, "m", "a"),
					     BUCKET("t", 2, "m", "a"),
					     BUCKET("t", 2, "m", "b"),
					     SERIES("t", "m", "b"),
					     SERIES("t", "m", "b"),
					     BUCKET("u", 1),
					     BUCKET("v", 1)};

	(void)state;
	assert_int_equal(promreply_together(series, 7), 2);
	assert_int_equal(promreply_together(series, 1), 1);
	assert_int_equal(promreply_together(series + 2, 5), 1);
	assert_int_equal(promreply_together(series + 3, 4), 1);
	assert_int_equal(promreply_together(series + 5, 2), 1);
}

static void test_last_samples_are_summed(void **state)
{
	const struct edge_series series = SERIES("a");

	(void)state;
	assert_int_equal(take(&series, 1,
			      REPLY(ROW(",\"pod\":\"0\"", "[1700000001.5,\"7\"],[1700000006.781,\"1.5\"]") "," ROW(
				      ",\"pod\":\"1\"", "[1700000008,\"2\"]"))),
			 0);
	assert_true(values[0].value == 3.5);
	assert_int_equal(values[0].samples, 2);
	assert_int_equal(values[0].age_ms, 3219);
	/* The server's clock is ahead. */
	assert_int_equal(take(&series, 1, REPLY(ROW("", "[1700000099,\"2\"]"))), 0);
	assert_int_equal(values[0].age_ms, 0);
	assert_int_equal(take(&series, 1, REPLY("")), 0);
	assert_true(isnan(values[0].value));
	assert_int_equal(take(&series, 1, REPLY(ROW("", "[1700000001,\"1\"],[1700000002,\"NaN\"]"))), 0);
	assert_true(isnan(values[0].value));
	assert_int_equal(values[0].samples, 1);
	assert_int_equal(take(&series, 1, REPLY(ROW("", "[1700000001,\"+Inf\"]") "," ROW("", "[1700000002,\"1\"]"))),
			 0);
	assert_true(isnan(values[0].value));
}

static void test_buckets_are_told_apart(void **state)
{
	const struct edge_series series[] = {BUCKET("a", 0.5), BUCKET("a", INFINITY), BUCKET("a", 7)};

	(void)state;
	assert_int_equal(
		take(series, 3,
		     REPLY(ROW(",\"le\":\"0.5\"", "[1700000001,\"1\"]") "," ROW(
			     ",\"le\":\"0.50\"",
			     "[1700000001,"
			     "\"2\"]") "," ROW(",\"le\":\"+Inf\"",
					       "[1700000001,\"4\"]") "," ROW("",
									     "[1700000001,\"8\"]") "," ROW(",\"le\":"
													   "\"x\"",
													   "[1700000001"
													   ",\"16\""
													   "]"))),
		0);
	assert_true(values[0].value == 3);
	assert_true(values[1].value == 4);
	assert_true(isnan(values[2].value));
}

static void test_members_that_do_no_harm(void **state)
{
	static const char *const good[] = {
		("{\"status\":\"success\",\"warnings\":[],\"infos\":[\"x\"],\"data\":{\"resultType\":\"matrix\","
		 "\"result\":[]}}"),
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[],\"stats\":{}}}\n",
		" {\"data\":{\"result\":[],\"resultType\":\"matrix\"},\"status\":\"success\"} ",
	};
	const struct edge_series series = SERIES("a");

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		assert_int_equal(take(&series, 1, good[i]), 0);
}

static void test_what_is_no_reply(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"null",
		"7",
		"[]",
		"{}",
		"<html>",
		"{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}",
		"{\"status\":\"error\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
		"{\"status\":1,\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
		"{\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":{}}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\"}}",
		"{\"status\":\"success\",\"data\":[]}",
		"{\"status\":\"success\",\"warnings\":[\"a store is "
		"away\"],\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
		"{\"status\":\"success\",\"warnings\":\"x\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
		REPLY("") "x",
		REPLY("") "{}",
		REPLY("7"),
		REPLY("[]"),
		REPLY("{}"),
		REPLY("{\"metric\":{},\"values\":[]}"),
		REPLY("{\"metric\":{},\"value\":[1700000001,\"1\"]}"),
		REPLY("{\"metric\":[],\"values\":[[1700000001,\"1\"]]}"),
		REPLY("{\"metric\":{},\"histograms\":[[1700000001,{}]]}"),
		REPLY(ROW("", "[1700000001,\"1\"],7")),
		REPLY(ROW("", "[]")),
		REPLY(ROW("", "[1700000001]")),
		REPLY(ROW("", "[1700000001,1]")),
		REPLY(ROW("", "[\"1700000001\",\"1\"]")),
		REPLY(ROW("", "[1700000001,\"1\",2]")),
		REPLY(ROW("", "[1700000001,\"\"]")),
		REPLY(ROW("", "[1700000001,\"one\"]")),
		REPLY(ROW("", "[1700000001,\"1\\u0000\"]")),
		REPLY(ROW("", "[1700000001,\"1e999\"]")),
		REPLY(ROW("", "[0,\"1\"]")),
		REPLY(ROW("", "[-5,\"1\"]")),
		REPLY(ROW("", "[1e300,\"1\"]")),
		REPLY(ROW("", "[1e999,\"1\"]")),
		REPLY(ROW("", "[NaN,\"1\"]")),
		REPLY(ROW("", "[1700000001,\"1\"]") "," ROW("", "[1700000001,\"x\"]")),
		REPLY(ROW(",\"l\":\"\xff\"", "[1700000001,\"1\"]")),
		REPLY("[[[[[[[[[[]]]]]]]]]]"),
		"{\"x\":[[[[[[[[[[]]]]]]]]]],\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}"
		"}",
	};
	const struct edge_series series = SERIES("a");

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (take(&series, 1, bad[i]) != -EPROTO)
			fail_msg("taken for a reply: %s", bad[i]);
	assert_int_equal(take_bytes(&series, 1, REPLY("") "\0x", sizeof(REPLY("")) + 1), -EPROTO);
}

/* Wherever a reply ends too early. */
static void test_a_reply_that_is_cut_is_none(void **state)
{
	static const char whole[] = REPLY(ROW(",\"pod\":\"0\"", "[1700000001.5,\"7\"]"));
	const struct edge_series series = SERIES("a");

	(void)state;
	for (size_t length = 0; length < sizeof(whole) - 1; length++)
		assert_int_equal(take_bytes(&series, 1, whole, length), -EPROTO);
	assert_int_equal(take_bytes(&series, 1, whole, sizeof(whole) - 1), 0);
}

/* A few megabytes of what costs a parser most do not take hundreds. */
static void test_memory_is_bounded(void **state)
{
	static const struct {
		const char *piece;
		size_t most;
	} cases[] = {{"{},", SIZE_MAX}, {"[],", SIZE_MAX},   {"{\"a\":{\"a\":0}},", SIZE_MAX},
		     {"0,", SIZE_MAX},	{"\"\",", SIZE_MAX}, {"[],", 260000},
		     {"{},", 32700},	{"0,", 524000}};
	const struct edge_series series = SERIES("a");
	char *reply = malloc(PROMREPLY_MAX + 1);
	struct rusage usage;

	(void)state;
	assert_non_null(reply);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		size_t length = 1;

		reply[0] = '[';
		for (size_t n = 0; n < cases[i].most && length + 16 < PROMREPLY_MAX; n++) {
			memcpy(reply + length, cases[i].piece, strlen(cases[i].piece));
			length += strlen(cases[i].piece);
		}
		memcpy(reply + length, "0]", 2);
		assert_int_equal(take_bytes(&series, 1, reply, length + 2), -EPROTO);
	}
	memset(reply, ' ', PROMREPLY_MAX + 1);
	memcpy(reply, REPLY(""), sizeof(REPLY("")) - 1);
	assert_int_equal(take_bytes(&series, 1, reply, PROMREPLY_MAX), 0);
	assert_int_equal(take_bytes(&series, 1, reply, PROMREPLY_MAX + 1), -EPROTO);
	free(reply);
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	printf("# %ld MB at most\n", usage.ru_maxrss >> 10);
	assert_in_range(usage.ru_maxrss, 1, 200 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_query_is_written),
		cmocka_unit_test(test_the_longest_query_has_its_end),
		cmocka_unit_test(test_buckets_are_asked_for_together),
		cmocka_unit_test(test_last_samples_are_summed),
		cmocka_unit_test(test_buckets_are_told_apart),
		cmocka_unit_test(test_members_that_do_no_harm),
		cmocka_unit_test(test_what_is_no_reply),
		cmocka_unit_test(test_a_reply_that_is_cut_is_none),
		cmocka_unit_test(test_memory_is_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
