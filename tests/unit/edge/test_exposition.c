/* SPDX-License-Identifier: GPL-2.0-only */
/* The reader of metrics pages: what it takes, what it refuses and with which words, and that pieces make no difference. */
#include "edge/exposition.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "scrapes.h"

static struct exposition *exposition;
static char *text; /* what was read of a page */
static size_t text_length;
static FILE *to;
static size_t asked; /* how often was the consumer asked? */

static int begin(void **state)
{
	(void)state;
	asked = 0;
	return exposition_new(&exposition);
}

static int end(void **state)
{
	(void)state;
	exposition_free(exposition);
	free(text);
	text = NULL;
	return 0;
}

static const char *const type_names[] = {"unknown", "counter",	      "gauge", "histogram",
					 "summary", "gaugehistogram", "info",  "stateset"};

/* One a line: name, type, labels, value, timestamp. */
static void print(void *context, const struct exposition_sample *sample)
{
	(void)context;
	fprintf(to, "%.*s %s {", (int)sample->name_length, sample->name, type_names[sample->type]);
	for (size_t i = 0; i < sample->label_count; i++) {
		const struct exposition_label *label = &sample->labels[i];

		fprintf(to, "%s%.*s=", i ? "," : "", (int)label->name_length, label->name);
		fwrite(label->value, 1, label->value_length, to);
	}
	fprintf(to, "} %.17g", sample->value);
	if (sample->has_timestamp)
		fprintf(to, " @%lld", (long long)sample->timestamp_ms);
	fputc('\n', to);
}

static int read_pieces(enum exposition_format format, const char *bytes, size_t length, size_t step, unsigned int *seed,
		       bool (*wants)(void *context, const char *name, size_t length))
{
	const struct exposition_consumer consumer = {.wants = wants, .take = print};
	int error;

	free(text);
	to = open_memstream(&text, &text_length);
	assert_non_null(to);
	exposition_begin(exposition, format, &consumer);
	error = feed_in_pieces(exposition, bytes, length, step, seed);
	fclose(to);
	return error;
}

static int read_page(enum exposition_format format, const char *page)
{
	return read_pieces(format, page, strlen(page), SIZE_MAX, NULL, NULL);
}

static const char *complaint(void)
{
	static char line[256];
	const struct exposition_error *error = exposition_error(exposition);

	snprintf(line, sizeof(line), "%u:%u: %s", error->line, error->column, error->text);
	return line;
}

static void expect(enum exposition_format format, const char *page, const char *samples)
{
	if (read_page(format, page))
		fail_msg("%s: %s", page, complaint());
	assert_string_equal(text, samples);
}

/* ---- what is read ------------------------------------------------------------------------------------------ */

static void test_everything_the_text_format_allows(void **state)
{
	size_t length;
	char *bytes = read_scrape("strange", &length), *nul;
	static const char samples[] =
		"strange_total counter {path=C:\\DIR\\\"x\"\n\\q,empty=} 0.5 @-3982045\n"
		"strange_total counter {text=gr\303\274\303\237e \342\202\254 \360\237\232\200 ?\r} 1\n"
		"strange_total counter {} 42 @1395066363000\n"
		"strange_total counter {} 1.0000000000000001e-05\n"
		"weird_value unknown {a=1} inf\n"
		"weird_value unknown {a=2} -inf\n"
		"weird_value unknown {a=3} nan\n"
		"weird_value unknown {a=4} 1.2345678901234568e+29\n"
		"weird_value unknown {a=5} 4.9406564584124654e-324\n"
		"weird_value unknown {a=6} 1000\n"
		"weird_value unknown {a=7} 0\n"
		"_:under:colon_9 unknown {} -0\n"
		"told summary {quantile=0.5} 4773\n"
		"told_sum summary {} 17560473\n"
		"told_count summary {} 2693\n"
		"told_bucket unknown {} 1\n" /* no summary has buckets */
		"told_total unknown {} 1\n";

	(void)state;
	assert_int_equal(read_pieces(EXPOSITION_PROMETHEUS, bytes, length, SIZE_MAX, NULL, NULL), 0);
	nul = memchr(text, '\0', text_length);
	assert_non_null(nul);
	*nul = '?';
	assert_string_equal(text, samples);
	free(bytes);
}

static void test_openmetrics(void **state)
{
	(void)state;
	expect(EXPOSITION_OPENMETRICS,
	       "# TYPE foo_seconds counter\n"
	       "# UNIT foo_seconds seconds\n"
	       "# HELP foo_seconds Some text and \\n some \\\" escaping\n"
	       "foo_seconds_total{a=\"b\\\\\\\"\\n\\a\"} 17.0 1520879607.789 # {trace_id=\"oHg5\",x=\"\\n\"} 9.8 "
	       "1520879607.7\n"
	       "foo_seconds_created 1520430000.123\n"
	       "foo_seconds_sum 1\n" /* no counter has one */
	       "# TYPE bar histogram\n"
	       "# UNIT bar \n"
	       "# HELP bar \n"
	       "# HELP baz\n"
	       "bar_bucket{le=\"+Inf\"} 8 # {} 0.054\n"
	       "bar_count 8\n"
	       "bar_created 1\n"
	       "# TYPE g gaugehistogram\n"
	       "g_gcount 1\n"
	       "g_gsum -1e3 -1.5\n"
	       "g_bucket{le=\"+Inf\"} 1\n"
	       "# TYPE target info\n"
	       "target_info{env=\"prod\"} 1\n"
	       "# TYPE state stateset\n"
	       "state{state=\"a\"} 0\n"
	       "# TYPE what unknown\n"
	       "what{} NaN\n"
	       "# EOF",
	       "foo_seconds_total counter {a=b\\\"\n\\a} 17 @1520879607789\n"
	       "foo_seconds_created counter {} 1520430000.1229999\n"
	       "foo_seconds_sum unknown {} 1\n"
	       "bar_bucket histogram {le=+Inf} 8\n"
	       "bar_count histogram {} 8\n"
	       "bar_created histogram {} 1\n"
	       "g_gcount gaugehistogram {} 1\n"
	       "g_gsum gaugehistogram {} -1000 @-1500\n"
	       "g_bucket gaugehistogram {le=+Inf} 1\n"
	       "target_info info {env=prod} 1\n"
	       "state stateset {state=a} 0\n"
	       "what unknown {} nan\n");
	expect(EXPOSITION_OPENMETRICS, "# EOF\n", "");
}

/* Nothing is no page of OpenMetrics, but it is one of the text format. */
static void test_an_empty_page(void **state)
{
	(void)state;
	expect(EXPOSITION_PROMETHEUS, "", "");
	expect(EXPOSITION_PROMETHEUS, "\n \t\n", "");
	assert_int_equal(read_page(EXPOSITION_OPENMETRICS, ""), -EINVAL);
	assert_string_equal(complaint(), "1:1: the page ends without # EOF");
}

/* Types that are declared all at once, as old versions of dcgm-exporter do, and again, as in pages that are put together. */
static void test_types_are_remembered(void **state)
{
	(void)state;
	expect(EXPOSITION_PROMETHEUS,
	       "early 1\n"
	       "# TYPE early gauge\n"
	       "early 2\n"
	       "# TYPE a gauge\n"
	       "# TYPE b counter\n"
	       "# TYPE a_sum counter\n"
	       "# TYPE h histogram\n"
	       "a 1\n"
	       "b 2\n"
	       "h_bucket 3\n"
	       "a_sum 4\n"
	       "early 5\n"
	       "# TYPE a gauge\n"
	       "a 6\n"
	       "ab 7\n",
	       "early unknown {} 1\n"
	       "early gauge {} 2\n"
	       "a gauge {} 1\n"
	       "b counter {} 2\n"
	       "h_bucket histogram {} 3\n"
	       "a_sum counter {} 4\n"
	       "early gauge {} 5\n"
	       "a gauge {} 6\n"
	       "ab unknown {} 7\n");
	/* For one page. */
	expect(EXPOSITION_PROMETHEUS, "a 1\nh_bucket 2\n", "a unknown {} 1\nh_bucket unknown {} 2\n");
}

/* Of more families than are remembered, each still counts for the samples that follow it. */
static void test_more_families_than_are_remembered(void **state)
{
	char *page;
	size_t length;
	FILE *file = open_memstream(&page, &length);
	unsigned int gauges = 0;

	(void)state;
	for (unsigned int i = 0; i < 2 * EXPOSITION_FAMILIES_MAX; i++)
		fprintf(file, "# TYPE family_%u gauge\nfamily_%u 1\n", i, i);
	fprintf(file, "family_0 1\n");
	fclose(file);
	assert_int_equal(read_page(EXPOSITION_PROMETHEUS, page), 0);
	for (const char *at = text; (at = strstr(at, " gauge {} 1\n")); at++)
		gauges++;
	assert_int_equal(gauges, 2 * EXPOSITION_FAMILIES_MAX + 1);
	free(page);
}

static bool wants_b(void *context, const char *name, size_t length)
{
	(void)context;
	asked++;
	return length == 1 && *name == 'b';
}

/* What nobody wants is not handed out, but it is checked. */
static void test_only_what_is_wanted(void **state)
{
	static const char page[] = "a{x=\"1\"} 1\na 2\nb 3\nb{x=\"\\\\\"} 0.1\na 4\nbb 5\n";
	static const char broken[] = "b 1\na{x=\"1\"} 1e999\n";

	(void)state;
	assert_int_equal(read_pieces(EXPOSITION_PROMETHEUS, page, strlen(page), SIZE_MAX, NULL, wants_b), 0);
	assert_string_equal(text, "b unknown {} 3\nb unknown {x=\\} 0.10000000000000001\n");
	assert_int_equal(asked, 4); /* once for samples in a row */
	assert_int_equal(read_pieces(EXPOSITION_PROMETHEUS, broken, strlen(broken), SIZE_MAX, NULL, wants_b), -EINVAL);
	assert_string_equal(complaint(), "2:10: a value too large for a double");
}

/* ---- pieces ------------------------------------------------------------------------------------------------ */

static void expect_the_same(enum exposition_format format, const char *bytes, size_t length)
{
	unsigned int seed = 1;
	int error = read_pieces(format, bytes, length, SIZE_MAX, NULL, NULL);
	char *whole = strdup(complaint()), *samples = malloc(text_length + 1);
	size_t samples_length = text_length;

	memcpy(samples, text, text_length + 1);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(read_pieces(format, bytes, length, i == 0 ? 1 : 0, &seed, NULL), error);
		assert_string_equal(complaint(), whole);
		assert_int_equal(text_length, samples_length);
		assert_memory_equal(text, samples, samples_length);
	}
	free(whole);
	free(samples);
}

static void test_pieces_make_no_difference(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCRAPES; i++) {
		size_t length;
		char *bytes = read_scrape(scrapes[i].name, &length);

		if (read_pieces(scrapes[i].format, bytes, length, SIZE_MAX, NULL, NULL))
			fail_msg("%s: %s", scrapes[i].name, complaint());
		assert_true(text_length > 0);
		expect_the_same(scrapes[i].format, bytes, length);
		/* The page as the other format, which it mostly is not, cut short, and damaged. */
		expect_the_same(scrapes[i].format == EXPOSITION_PROMETHEUS ? EXPOSITION_OPENMETRICS
									   : EXPOSITION_PROMETHEUS,
				bytes, length);
		expect_the_same(scrapes[i].format, bytes, length - 7);
		bytes[length / 2] ^= 0x15;
		expect_the_same(scrapes[i].format, bytes, length);
		free(bytes);
	}
}

/* ---- what is refused --------------------------------------------------------------------------------------- */

static void refuse(enum exposition_format format, const char *page, const char *expected)
{
	if (read_page(format, page) != -EINVAL)
		fail_msg("taken: %s", page);
	assert_string_equal(complaint(), expected);
	expect_the_same(format, page, strlen(page));
}

static void test_lines_that_are_none(void **state)
{
	(void)state;
	refuse(EXPOSITION_PROMETHEUS, "ok 1\n-a 1\n", "2:1: expected a metric name or '#', got '-'");
	refuse(EXPOSITION_PROMETHEUS, "9a 1\n", "1:1: expected a metric name or '#', got '9'");
	refuse(EXPOSITION_PROMETHEUS,
	       "\xef\xbb\xbf"
	       "a 1\n",
	       "1:1: expected a metric name or '#', got byte 0xef");
	refuse(EXPOSITION_PROMETHEUS, "\"# HELP a\\n", "1:12: the page ends inside a line");
	refuse(EXPOSITION_PROMETHEUS, "[{\"a\": 1}]\n", "1:1: expected a metric name or '#', got '['");
	refuse(EXPOSITION_PROMETHEUS, "{\"a.b\"} 1\n", "1:1: expected a metric name or '#', got '{'");
	refuse(EXPOSITION_PROMETHEUS, "a\n",
	       "1:2: expected a label list or a value after the metric name, got the end of the line");
	refuse(EXPOSITION_PROMETHEUS, "a-b 1\n",
	       "1:2: expected a label list or a value after the metric name, got '-'");
	refuse(EXPOSITION_PROMETHEUS, "a  \n", "1:4: expected a value, got the end of the line");
	refuse(EXPOSITION_PROMETHEUS, "a{}\n", "1:4: expected a value, got the end of the line");
	refuse(EXPOSITION_OPENMETRICS, " a 1\n# EOF\n", "1:1: expected a metric name or '#', got byte 0x20");
	refuse(EXPOSITION_OPENMETRICS, "\n# EOF\n", "1:1: expected a metric name or '#', got the end of the line");
	refuse(EXPOSITION_OPENMETRICS, "a\t1\n# EOF\n",
	       "1:2: expected a label list or a value after the metric name, got byte 0x09");
	refuse(EXPOSITION_OPENMETRICS, "a{}1\n# EOF\n", "1:4: expected a space before the value, got '1'");
	refuse(EXPOSITION_OPENMETRICS, "a  1\n# EOF\n", "1:3: expected a value, got byte 0x20");
}

static void test_labels_that_are_none(void **state)
{
	(void)state;
	refuse(EXPOSITION_PROMETHEUS, "a{,} 1\n", "1:3: expected a label name, got ','");
	refuse(EXPOSITION_PROMETHEUS, "a{b:c=\"\"} 1\n", "1:4: expected '=' after the label name, got ':'");
	refuse(EXPOSITION_PROMETHEUS, "a{b 1\n", "1:5: expected '=' after the label name, got '1'");
	refuse(EXPOSITION_PROMETHEUS, "a{b=1} 1\n", "1:5: expected '\"' before the label value, got '1'");
	refuse(EXPOSITION_PROMETHEUS, "a{b=\"1} 1\n", "1:10: the label value has no closing quote");
	refuse(EXPOSITION_PROMETHEUS, "a{b=\"1\\\"} 1\n", "1:12: the label value has no closing quote");
	refuse(EXPOSITION_PROMETHEUS, "a{b=\"1\\\n", "1:8: the label value has no closing quote");
	refuse(EXPOSITION_PROMETHEUS, "a{b=\"1\"c=\"2\"} 1\n",
	       "1:8: expected ',' or '}' after the label value, got 'c'");
	refuse(EXPOSITION_PROMETHEUS, "a{b=\"1\"\n",
	       "1:8: expected ',' or '}' after the label value, got the end of the line");
	refuse(EXPOSITION_PROMETHEUS, "a{b=\"1\",c=\"\",b=\"2\"} 1\n", "1:14: the label b is there twice");
	refuse(EXPOSITION_OPENMETRICS, "a{b=\"1\",} 1\n# EOF\n", "1:9: expected a label name, got '}'");
	refuse(EXPOSITION_OPENMETRICS, "a{b=\"1\", c=\"1\"} 1\n# EOF\n", "1:9: expected a label name, got byte 0x20");
	refuse(EXPOSITION_OPENMETRICS, "a{ } 1\n# EOF\n", "1:3: expected a label name, got byte 0x20");
}

/* RFC 3629: overlong forms, surrogates, what is beyond U+10FFFF, and what is cut short. */
static void test_text_that_is_not_utf8(void **state)
{
	static const char *const bad[] = {"\x80",	  "\xc0\x80",	      "\xc1\xbf",	  "\xc3",
					  "\xe0\x9f\xbf", "\xed\xa0\x80",     "\xe2\x82",	  "\xf0\x8f\xbf\xbf",
					  "\xf0\x9f\x9a", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
					  "a\xc3(",	  "\xe2(\xac",	      "\xe2\x82("};
	static const char *const good[] = {"\xc2\x80",	   "\xdf\xbf",	       "\xe0\xa0\x80",	  "\xed\x9f\xbf",
					   "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	char page[64], expected[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(page, sizeof(page), "a{b=\"%s\"} 1\n", bad[i]);
		snprintf(expected, sizeof(expected), "1:%zu: the label value is not UTF-8", 6 + strlen(bad[i]));
		refuse(EXPOSITION_PROMETHEUS, page, expected);
		/* Behind an escape it is looked at as well. */
		snprintf(page, sizeof(page), "a{b=\"\\n%s\"} 1\n", bad[i]);
		snprintf(expected, sizeof(expected), "1:%zu: the label value is not UTF-8", 8 + strlen(bad[i]));
		refuse(EXPOSITION_PROMETHEUS, page, expected);
		snprintf(page, sizeof(page), "# HELP a %s\n", bad[i]);
		refuse(EXPOSITION_PROMETHEUS, page, "1:10: the help text is not UTF-8");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(page, sizeof(page), "a{b=\"%s\"} 1\n", good[i]);
		assert_int_equal(read_page(EXPOSITION_PROMETHEUS, page), 0);
	}
}

static void test_values_that_are_none(void **state)
{
	(void)state;
	refuse(EXPOSITION_PROMETHEUS, "a 1.2.3\n", "1:3: expected a value, and this is not a number");
	refuse(EXPOSITION_PROMETHEUS, "a 1\r\n", "1:3: expected a value, and this is not a number");
	refuse(EXPOSITION_PROMETHEUS, "a 1e999\n", "1:3: a value too large for a double");
	refuse(EXPOSITION_PROMETHEUS, "a 1 1.5\n",
	       "1:5: expected a timestamp, which is a whole number of milliseconds");
	refuse(EXPOSITION_PROMETHEUS, "a 1 -\n", "1:5: expected a timestamp, which is a whole number of milliseconds");
	refuse(EXPOSITION_PROMETHEUS, "a 1 9223372036854775808\n", "1:5: the timestamp is too large for 64 bits");
	refuse(EXPOSITION_PROMETHEUS, "a 1 -9223372036854775809\n", "1:5: the timestamp is too large for 64 bits");
	refuse(EXPOSITION_PROMETHEUS, "a 1 2 3\n", "1:7: expected the end of the line, got '3'");
	refuse(EXPOSITION_PROMETHEUS, "a 1 2 # {} 3\n", "1:7: expected the end of the line, got '#'");
	expect(EXPOSITION_PROMETHEUS, "a 1 9223372036854775807\na 1 -9223372036854775808\n",
	       "a unknown {} 1 @9223372036854775807\na unknown {} 1 @-9223372036854775808\n");
	refuse(EXPOSITION_OPENMETRICS, "a 1\t2\n# EOF\n", "1:3: expected a value, and this is not a number");
	refuse(EXPOSITION_OPENMETRICS, "a 1 \n# EOF\n", "1:5: expected a timestamp, got the end of the line");
	refuse(EXPOSITION_OPENMETRICS, "a 1 x\n# EOF\n", "1:5: expected a timestamp, and this is not a number");
	refuse(EXPOSITION_OPENMETRICS, "a 1 nan\n# EOF\n", "1:5: the timestamp is no time");
	refuse(EXPOSITION_OPENMETRICS, "a 1 1e17\n# EOF\n", "1:5: the timestamp is no time");
}

static void test_exemplars_that_are_none(void **state)
{
	(void)state;
	refuse(EXPOSITION_OPENMETRICS, "a 1 2 3\n# EOF\n", "1:7: expected '#' of an exemplar, got '3'");
	refuse(EXPOSITION_OPENMETRICS, "a 1 #{} 1\n# EOF\n",
	       "1:6: expected a space before the exemplar's labels, got '{'");
	refuse(EXPOSITION_OPENMETRICS, "a 1 # 1\n# EOF\n", "1:7: expected '{' of the exemplar's labels, got '1'");
	refuse(EXPOSITION_OPENMETRICS, "a 1 # {b} 1\n# EOF\n", "1:9: expected '=' after the label name, got '}'");
	refuse(EXPOSITION_OPENMETRICS, "a 1 # {}1\n# EOF\n",
	       "1:9: expected a space before the exemplar's value, got '1'");
	refuse(EXPOSITION_OPENMETRICS, "a 1 # {} x\n# EOF\n",
	       "1:10: expected the exemplar's value, and this is not a number");
	refuse(EXPOSITION_OPENMETRICS, "a 1 # {} 1e999\n# EOF\n", "1:10: the exemplar's value too large for a double");
	refuse(EXPOSITION_OPENMETRICS, "a 1 # {} 1 x\n# EOF\n", "1:12: expected a timestamp, and this is not a number");
	refuse(EXPOSITION_OPENMETRICS, "a 1 # {} 1 2 3\n# EOF\n", "1:13: expected the end of the line, got byte 0x20");
}

static void test_comments_that_are_none(void **state)
{
	(void)state;
	refuse(EXPOSITION_PROMETHEUS, "# TYPE 9 gauge\n", "1:8: expected the name of a family, got '9'");
	refuse(EXPOSITION_PROMETHEUS, "# HELP \n", "1:8: expected the name of a family, got the end of the line");
	refuse(EXPOSITION_PROMETHEUS, "# TYPE a-b gauge\n",
	       "1:9: expected a space after the name of the family, got '-'");
	refuse(EXPOSITION_PROMETHEUS, "# TYPE a\n", "1:9: expected a type that the format has");
	refuse(EXPOSITION_PROMETHEUS, "# TYPE a info\n", "1:10: expected a type that the format has");
	refuse(EXPOSITION_PROMETHEUS, "# TYPE a gauge b\n", "1:16: expected the end of the line, got 'b'");
	refuse(EXPOSITION_PROMETHEUS, "# TYPE a gauge\na 1\n# TYPE a counter\n",
	       "3:10: the family has another type already");
	refuse(EXPOSITION_OPENMETRICS, "# TYPE a untyped\n# EOF\n", "1:10: expected a type that the format has");
	refuse(EXPOSITION_OPENMETRICS, "# TYPE a gauge \n# EOF\n", "1:15: expected the end of the line, got byte 0x20");
	refuse(EXPOSITION_OPENMETRICS, "# a comment\n# EOF\n",
	       "1:2: expected ' HELP', ' TYPE', ' UNIT' or ' EOF' after '#'");
	refuse(EXPOSITION_OPENMETRICS, "#EOF\n", "1:2: expected ' HELP', ' TYPE', ' UNIT' or ' EOF' after '#'");
	refuse(EXPOSITION_OPENMETRICS, "# EOF \n", "1:2: expected ' HELP', ' TYPE', ' UNIT' or ' EOF' after '#'");
	refuse(EXPOSITION_OPENMETRICS, "# UNIT a_seconds bytes\n# EOF\n",
	       "1:18: the name of the family does not end in '_' and this unit");
	refuse(EXPOSITION_OPENMETRICS, "# UNIT aseconds seconds\n# EOF\n",
	       "1:17: the name of the family does not end in '_' and this unit");
	refuse(EXPOSITION_OPENMETRICS, "# UNIT seconds seconds\n# EOF\n",
	       "1:16: the name of the family does not end in '_' and this unit");
}

/* Half a page may say half the load. */
static void test_pages_that_are_cut_short(void **state)
{
	(void)state;
	refuse(EXPOSITION_PROMETHEUS, "a 1\nb 12", "2:5: the page ends inside a line");
	refuse(EXPOSITION_OPENMETRICS, "a 1\n", "2:1: the page ends without # EOF");
	refuse(EXPOSITION_OPENMETRICS, "a 1\n# EO", "2:5: the page ends inside a line");
	refuse(EXPOSITION_OPENMETRICS, "# EOF\n\n", "2:1: the page goes on after # EOF");
	refuse(EXPOSITION_OPENMETRICS, "# EOF\n# EOF\n", "2:1: the page goes on after # EOF");
}

static void test_an_error_stays(void **state)
{
	const struct exposition_consumer consumer = {.take = print};

	(void)state;
	free(text);
	to = open_memstream(&text, &text_length);
	exposition_begin(exposition, EXPOSITION_PROMETHEUS, &consumer);
	assert_int_equal(exposition_error(exposition)->line, 0);
	assert_int_equal(exposition_feed(exposition, "a 1\n?\nb 1\n", 10), -EINVAL);
	assert_int_equal(exposition_feed(exposition, "c 1\n", 4), -EINVAL);
	assert_int_equal(exposition_end(exposition), -EINVAL);
	fclose(to);
	assert_string_equal(text, "a unknown {} 1\n");
	assert_string_equal(complaint(), "2:1: expected a metric name or '#', got '?'");
	/* And goes with the next page. */
	expect(EXPOSITION_PROMETHEUS, "c 1\n", "c unknown {} 1\n");
	assert_int_equal(exposition_error(exposition)->line, 0);
}

/* ---- bounds ------------------------------------------------------------------------------------------------ */

static void test_lines_are_bounded(void **state)
{
	static char page[EXPOSITION_LINE_MAX + 8];

	(void)state;
	memset(page, 'a', sizeof(page));
	memcpy(page + EXPOSITION_LINE_MAX - 2, " 1\n", 4);
	assert_int_equal(read_page(EXPOSITION_PROMETHEUS, page), 0);
	expect_the_same(EXPOSITION_PROMETHEUS, page, strlen(page));
	memset(page, 'a', sizeof(page));
	memcpy(page + EXPOSITION_LINE_MAX - 1, " 1\n", 4);
	assert_int_equal(read_page(EXPOSITION_PROMETHEUS, page), -EMSGSIZE);
	assert_string_equal(complaint(), "1:16385: the line is too long");
	expect_the_same(EXPOSITION_PROMETHEUS, page, strlen(page));
	/* A value that is all backslashes needs as much room again. */
	memset(page, '\\', sizeof(page));
	memcpy(page, "a{b=\"", 5);
	memcpy(page + EXPOSITION_LINE_MAX - 5, "\"} 1\n", 6);
	if (page[EXPOSITION_LINE_MAX - 6] == '\\' && (EXPOSITION_LINE_MAX - 10) % 2)
		page[EXPOSITION_LINE_MAX - 6] = 'x';
	assert_int_equal(read_page(EXPOSITION_PROMETHEUS, page), 0);
}

static void test_labels_are_bounded(void **state)
{
	char *page;
	size_t length;

	(void)state;
	for (unsigned int count = EXPOSITION_LABELS_MAX; count <= EXPOSITION_LABELS_MAX + 1; count++) {
		FILE *file = open_memstream(&page, &length);

		fprintf(file, "a{");
		for (unsigned int i = 0; i < count; i++)
			fprintf(file, "%sl%u=\"\"", i ? "," : "", i);
		fprintf(file, "} 1\n");
		fclose(file);
		assert_int_equal(read_page(EXPOSITION_PROMETHEUS, page), count > EXPOSITION_LABELS_MAX ? -EMSGSIZE : 0);
		free(page);
	}
	assert_string_equal(complaint(), "1:441: more than 64 labels");
}

static void test_pages_are_bounded(void **state)
{
	const struct exposition_consumer consumer = {.take = print};
	char *page = malloc(EXPOSITION_PAGE_MAX + 1);

	(void)state;
	memset(page, '\n', EXPOSITION_PAGE_MAX + 1);
	for (size_t last = 0; last < 2; last++) {
		exposition_begin(exposition, EXPOSITION_PROMETHEUS, &consumer);
		assert_int_equal(exposition_feed(exposition, page, EXPOSITION_PAGE_MAX - last), 0);
		assert_int_equal(exposition_feed(exposition, page, 1 + last), -EMSGSIZE);
		assert_string_equal(complaint(), "8388609:1: the page is too long");
	}
	exposition_begin(exposition, EXPOSITION_PROMETHEUS, &consumer);
	assert_int_equal(exposition_feed(exposition, page, EXPOSITION_PAGE_MAX + 1), -EMSGSIZE);
	assert_string_equal(complaint(), "8388609:1: the page is too long");
	free(page);
}

static void test_the_content_type_tells_the_format(void **state)
{
	enum exposition_format format = EXPOSITION_OPENMETRICS;

	(void)state;
	assert_int_equal(exposition_format_of(NULL, &format), 0);
	assert_int_equal(format, EXPOSITION_PROMETHEUS);
	assert_int_equal(exposition_format_of("application/openmetrics-text; version=1.0.0; charset=utf-8", &format),
			 0);
	assert_int_equal(format, EXPOSITION_OPENMETRICS);
	assert_int_equal(exposition_format_of(" Text/Plain;version=0.0.4", &format), 0);
	assert_int_equal(format, EXPOSITION_PROMETHEUS);
	assert_int_equal(exposition_format_of("application/json", &format), -EINVAL);
	assert_int_equal(exposition_format_of("text/html", &format), -EINVAL);
	assert_int_equal(exposition_format_of("text/plainer", &format), -EINVAL);
	assert_int_equal(exposition_format_of("text/", &format), -EINVAL);
	assert_int_equal(exposition_format_of("; charset=utf-8", &format), -EINVAL);
	assert_int_equal(exposition_format_of("application/openmetrics-text", &format), 0);
	assert_int_equal(format, EXPOSITION_OPENMETRICS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_everything_the_text_format_allows),
		TEST(test_openmetrics),
		TEST(test_an_empty_page),
		TEST(test_types_are_remembered),
		TEST(test_more_families_than_are_remembered),
		TEST(test_only_what_is_wanted),
		TEST(test_pieces_make_no_difference),
		TEST(test_lines_that_are_none),
		TEST(test_labels_that_are_none),
		TEST(test_text_that_is_not_utf8),
		TEST(test_values_that_are_none),
		TEST(test_exemplars_that_are_none),
		TEST(test_comments_that_are_none),
		TEST(test_pages_that_are_cut_short),
		TEST(test_an_error_stays),
		TEST(test_lines_are_bounded),
		TEST(test_labels_are_bounded),
		TEST(test_pages_are_bounded),
		TEST(test_the_content_type_tells_the_format),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
