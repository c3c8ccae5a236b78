/* SPDX-License-Identifier: GPL-2.0-only */
/* Load figures out of the servers' own pages, and what is said when a page does not give them. */
#include "edge/telemetry.h"

#include <errno.h>
#include <stdint.h>

#include "scrapes.h"

static struct exposition *exposition;
static struct telemetry *telemetry;
static struct telemetry_reading reading;
static struct telemetry_findings findings;
static const struct telemetry_preset *found;

static int begin(void **state)
{
	(void)state;
	return exposition_new(&exposition) || telemetry_new(&telemetry);
}

static int end(void **state)
{
	(void)state;
	telemetry_free(telemetry);
	exposition_free(exposition);
	return 0;
}

/* All that came of a page, as text: figures, preset, findings. */
static const char *outcome(void)
{
	static const char *const names[] = {"waiting", "running", "use", "start"};
#define TELEMETRY_FINDING(code, text) #code,
	static const char *const codes[] = {TELEMETRY_FINDINGS(TELEMETRY_FINDING)};
#undef TELEMETRY_FINDING
	static char text[4096];
	size_t length = (size_t)snprintf(text, sizeof(text), "%s:", found ? found->name : "-");

	for (size_t i = 0; i < TELEMETRY_QUANTITIES; i++)
		if (reading.figures[i].known)
			length += (size_t)snprintf(text + length, sizeof(text) - length, " %s %.15g", names[i],
						   reading.figures[i].value);
		else
			assert_true(reading.figures[i].value == 0);
	for (size_t i = 0; i < findings.count; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "; %s %s",
					   codes[findings.items[i].code], findings.items[i].name);
	return text;
}

static void read_pieces(enum exposition_format format, const char *bytes, size_t length, size_t step,
			unsigned int *seed)
{
	struct exposition_consumer consumer = telemetry_consumer(telemetry);

	exposition_begin(exposition, format, &consumer);
	if (feed_in_pieces(exposition, bytes, length, step, seed))
		fail_msg("%u: %s", exposition_error(exposition)->line, exposition_error(exposition)->text);
	found = telemetry_end(telemetry, &reading, &findings);
}

static void expect_page(const char *page, const char *expected)
{
	telemetry_begin_any(telemetry);
	read_pieces(EXPOSITION_PROMETHEUS, page, strlen(page), SIZE_MAX, NULL);
	assert_string_equal(outcome(), expected);
}

static void expect_preset(const char *preset, const char *page, const char *expected)
{
	const struct telemetry_preset *asked = telemetry_preset(preset);

	assert_non_null(asked);
	assert_int_equal(telemetry_begin(telemetry, asked->series, asked->count), 0);
	read_pieces(EXPOSITION_PROMETHEUS, page, strlen(page), SIZE_MAX, NULL);
	assert_string_equal(outcome(), expected);
}

static const struct {
	const char *scrape, *expected;
} golden[SCRAPES] = {
	{"vllm", "vllm: waiting 3 running 12 use 0.4375 start 1764032184.12"},
	{"vllm-engines", "vllm: waiting 9 running 29 use 0.875"},
	{"vllm-drifted", "vllm: waiting 1 running 4 use 0.5; DRIFTED vllm:gpu_cache_usage_perc"},
	{"vllm-nan", "vllm:; NO_VALUE vllm:num_requests_waiting; NO_VALUE vllm:num_requests_running; "
		     "PERCENTAGE vllm:kv_cache_usage_perc"},
	{"vllm-openmetrics", "vllm: waiting 7 running 2 use 0.75 start 1764032184.12"},
	{"sglang", "sglang: waiting 4 running 11 use 0.31"},
	{"sglang-ranks", "sglang: waiting 10 running 9 use 0.5"},
	{"sglang-underscores", "sglang: waiting 4 running 11 use 0.31; DRIFTED sglang_num_queue_reqs; "
			       "DRIFTED sglang_num_running_reqs; DRIFTED sglang_token_usage"},
	{"tensorrt-llm", "tensorrt-llm: waiting 5 running 20 use 0.625"},
	{"triton", "triton: waiting 14 use 0.61"},
	{"triton-tensorrt-llm", "triton-tensorrt-llm: waiting 3 running 4 use 0.375"},
	{"tgi", "tgi: waiting 6 running 24"},
	{"llama.cpp", "llama.cpp: waiting 1 running 2"},
	{"dcgm", "dcgm: use 0.97"},
	{"dcgm-sentinel", "dcgm:; NO_VALUE DCGM_FI_DEV_GPU_UTIL"},
	{"strange", "-:; NO_PRESET "},
};

static void test_golden_scrapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCRAPES; i++) {
		unsigned int seed = 3;
		size_t length;
		char *bytes = read_scrape(scrapes[i].name, &length);

		assert_string_equal(golden[i].scrape, scrapes[i].name);
		for (size_t run = 0; run < 20; run++) {
			telemetry_begin_any(telemetry);
			read_pieces(scrapes[i].format, bytes, length, run == 0 ? SIZE_MAX : run == 1, &seed);
			if (strcmp(outcome(), golden[i].expected) != 0)
				fail_msg("%s: %s", scrapes[i].name, outcome());
		}
		free(bytes);
	}
}

/* Who names the preset gets the same, and does not get a page of another server read. */
static void test_a_preset_by_name(void **state)
{
	size_t length;
	char *bytes = read_scrape("vllm", &length);
	const struct telemetry_preset *preset;

	(void)state;
	bytes[length] = '\0';
	expect_preset("vllm", bytes, "-: waiting 3 running 12 use 0.4375 start 1764032184.12");
	expect_preset("tgi", bytes, "-: start 1764032184.12; MISSING tgi_queue_size; MISSING tgi_batch_current_size");
	free(bytes);
	assert_null(telemetry_preset("vLLM"));
	assert_null(telemetry_preset(""));
	for (size_t i = 0; (preset = telemetry_preset_at(i)); i++) {
		assert_ptr_equal(telemetry_preset(preset->name), preset);
		assert_int_equal(telemetry_begin(telemetry, preset->series, preset->count), 0);
	}
}

/* A figure that is not there is missing, and said: as 0 it would draw all the load. */
static void test_what_is_missing_is_not_idle(void **state)
{
	(void)state;
	expect_page("# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 4\n",
		    "vllm: running 4; MISSING vllm:num_requests_waiting; MISSING vllm:kv_cache_usage_perc");
	/* A prefix is not the name. */
	expect_page("vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 4\nvllm:num_requests_runnin 1\n",
		    "-:; NO_PRESET ");
	/* Nor is a family without samples anything. */
	expect_page("# TYPE tgi_queue_size gauge\n", "-:; NO_PRESET ");
	/* What a server may leave out is not missed. */
	expect_page("nv_inference_pending_request_count 1\n", "triton: waiting 1");
	expect_page("llamacpp:requests_deferred 0\nllamacpp:requests_processing 1\nllamacpp:kv_cache_usage_ratio 0.5\n",
		    "llama.cpp: waiting 0 running 1 use 0.5");
}

static void test_types_are_checked(void **state)
{
	(void)state;
	expect_page("# TYPE tgi_queue_size counter\ntgi_queue_size 6\n# TYPE tgi_batch_current_size untyped\n"
		    "tgi_batch_current_size 2\n",
		    "tgi: running 2; NOT_A_GAUGE tgi_queue_size");
	expect_page("# TYPE tgi_queue_size histogram\ntgi_queue_size 6\n",
		    "tgi:; NOT_A_GAUGE tgi_queue_size; MISSING tgi_batch_current_size");
	expect_page("# TYPE process_start_time_seconds counter\nprocess_start_time_seconds 5\n",
		    "-:; NO_PRESET ; NOT_A_GAUGE process_start_time_seconds");
}

static void test_values_that_cannot_be(void **state)
{
	static const char *const bad[] = {"NaN",  "+Inf", "-Inf", "-1", "-0.5", "2147483632", "140737488355328",
					  "1e300"};
	char page[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(page, sizeof(page), "tgi_queue_size %s\ntgi_batch_current_size 1\n", bad[i]);
		expect_page(page, "tgi: running 1; NO_VALUE tgi_queue_size");
		/* One of several is enough, first or last. */
		snprintf(page, sizeof(page),
			 "tgi_queue_size{a=\"1\"} 1\ntgi_queue_size{a=\"2\"} %s\ntgi_batch_current_size 1\n", bad[i]);
		expect_page(page, "tgi: running 1; NO_VALUE tgi_queue_size");
		snprintf(page, sizeof(page), "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} %s\nDCGM_FI_DEV_GPU_UTIL{gpu=\"1\"} 5\n",
			 bad[i]);
		expect_page(page, "dcgm:; NO_VALUE DCGM_FI_DEV_GPU_UTIL");
	}
	expect_page("tgi_queue_size 2147483631\ntgi_batch_current_size -0\n", "tgi: waiting 2147483631 running 0");
	expect_page("process_start_time_seconds 1764032184120\n", "-: start 1764032184120; NO_PRESET ");
	expect_page("process_start_time_seconds -1\n", "-:; NO_PRESET ; NO_VALUE process_start_time_seconds");
}

static void test_percentages(void **state)
{
	(void)state;
	expect_page("DCGM_FI_DEV_GPU_UTIL 100\n", "dcgm: use 1");
	expect_page("DCGM_FI_DEV_GPU_UTIL 101\n", "dcgm:; NO_VALUE DCGM_FI_DEV_GPU_UTIL");
	expect_page("nv_gpu_utilization 1\nnv_inference_pending_request_count 0\n", "triton: waiting 0 use 1");
	expect_page("nv_gpu_utilization 78\nnv_inference_pending_request_count 0\n",
		    "triton: waiting 0; PERCENTAGE nv_gpu_utilization");
	expect_page("nv_gpu_utilization 1.01\nnv_inference_pending_request_count 0\n",
		    "triton: waiting 0; PERCENTAGE nv_gpu_utilization");
}

/* The name of today goes first, whatever the former one says. */
static void test_names_that_have_drifted(void **state)
{
	(void)state;
	expect_page("vllm:gpu_cache_usage_perc NaN\nvllm:kv_cache_usage_perc 0.5\nvllm:num_requests_waiting "
		    "0\nvllm:num_requests_running 0\n",
		    "vllm: waiting 0 running 0 use 0.5");
	expect_page("trtllm:num_requests_waiting 1\ntrtllm:num_requests_running 2\ntrtllm:kv_cache_utilization 0.5\n",
		    "tensorrt-llm: waiting 1 running 2 use 0.5; DRIFTED trtllm:num_requests_waiting; "
		    "DRIFTED trtllm:num_requests_running; DRIFTED trtllm:kv_cache_utilization");
	expect_page("# TYPE vllm_num_requests_waiting counter\nvllm_num_requests_waiting 1\n",
		    "vllm:; DRIFTED vllm_num_requests_waiting; NOT_A_GAUGE vllm_num_requests_waiting; "
		    "MISSING vllm:num_requests_running; MISSING vllm:kv_cache_usage_perc");
}

static void test_an_operators_own_series(void **state)
{
	static const struct telemetry_series own[] = {
		{.name = "queue", .quantity = TELEMETRY_WAITING, .label = "state", .equals = "queued"},
		{.name = "queue", .quantity = TELEMETRY_RUNNING, .label = "state", .equals = ""},
		{.name = "cache_percent", .quantity = TELEMETRY_USE, .kind = TELEMETRY_PERCENT},
		{.name = "prefill_queue", .quantity = TELEMETRY_WAITING},
	};
	static struct telemetry_series many[TELEMETRY_SERIES_MAX];
	static const char page[] = "queue{state=\"queued\",model=\"a\"} 2\nqueue{model=\"b\",state=\"queued\"} 3\n"
				   "queue{state=\"queued \"} 50\nqueue{state=\"\"} 7\nqueue 1\n"
				   "queue_by_kind{state=\"queued\"} 100\n" /* as long as prefill_queue */

				   "prefill_queue 10\ncache_percent 50\nvllm:num_requests_waiting 99\n";

	(void)state;
	assert_int_equal(telemetry_begin(telemetry, own, 4), 0);
	read_pieces(EXPOSITION_PROMETHEUS, page, strlen(page), SIZE_MAX, NULL);
	assert_string_equal(outcome(), "-: waiting 15 running 8 use 0.5");
	/* Two series of one quantity are one figure, and half of it is none. */
	assert_int_equal(telemetry_begin(telemetry, own, 4), 0);
	read_pieces(EXPOSITION_PROMETHEUS, "queue{state=\"queued\"} 2\n", 24, SIZE_MAX, NULL);
	assert_string_equal(outcome(), "-:; MISSING prefill_queue; MISSING queue; MISSING cache_percent");
	/* A counter of Triton's, which looks like a load. */
	assert_int_equal(telemetry_begin(telemetry,
					 &(struct telemetry_series){.name = "nv_inference_exec_count",
								    .quantity = TELEMETRY_RUNNING},
					 1),
			 0);
	read_pieces(EXPOSITION_PROMETHEUS, "# TYPE nv_inference_exec_count counter\nnv_inference_exec_count 2100\n", 68,
		    SIZE_MAX, NULL);
	assert_string_equal(outcome(), "-:; NOT_A_GAUGE nv_inference_exec_count");
	for (size_t i = 0; i < TELEMETRY_SERIES_MAX; i++)
		many[i] = own[0];
	assert_int_equal(telemetry_begin(telemetry, many, TELEMETRY_SERIES_MAX), -E2BIG);
	assert_int_equal(telemetry_begin(telemetry, many, TELEMETRY_SERIES_MAX - 1), 0);
}

/* Ranks are told apart up to a bound; beyond it the sum is not known. */
static void test_more_ranks_than_are_told_apart(void **state)
{
	char *page;
	size_t length;

	(void)state;
	for (unsigned int ranks = TELEMETRY_GROUPS_MAX; ranks <= TELEMETRY_GROUPS_MAX + 1; ranks++) {
		FILE *file = open_memstream(&page, &length);

		for (unsigned int i = 0; i < 3 * ranks; i++)
			fprintf(file, "sglang:num_queue_reqs{dp_rank=\"%u\",tp_rank=\"%u\"} %u\n", i % ranks, i,
				i / ranks);
		fclose(file);
		expect_page(
			page,
			ranks > TELEMETRY_GROUPS_MAX
				? "sglang:; TOO_MANY sglang:num_queue_reqs; MISSING sglang:num_running_reqs; MISSING "
				  "sglang:token_usage"
				: "sglang: waiting 256; MISSING sglang:num_running_reqs; MISSING sglang:token_usage");
		free(page);
	}
}

static void test_each_finding_has_a_text(void **state)
{
	(void)state;
	assert_string_equal(telemetry_finding_text(TELEMETRY_NO_PRESET), "no preset knows this page");
	assert_string_equal(telemetry_finding_text(TELEMETRY_TOO_MANY), "comes from more engines than are told apart");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_golden_scrapes),
		TEST(test_a_preset_by_name),
		TEST(test_what_is_missing_is_not_idle),
		TEST(test_types_are_checked),
		TEST(test_values_that_cannot_be),
		TEST(test_percentages),
		TEST(test_names_that_have_drifted),
		TEST(test_an_operators_own_series),
		TEST(test_more_ranks_than_are_told_apart),
		TEST(test_each_finding_has_a_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
