// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to read a scrape: a page like vLLM's (200 kB, a dozen engines) through the exposition's reader into telemetry, in pieces
 * of 16 kB as libcurl hands them over; beside it the same page with every sample handed out, and the C library finding its line ends
 * (memchr), which is the least that any reader does. One run, the ways in turn; medians, with quartiles in brackets, of one core.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "edge/telemetry.h"

#include "machine.h"

#define ROUNDS 31
#define PAGES 20 /* a round */
#define PIECE 16384
#define PAGE_BYTES 200000

enum way { LINE_ENDS, TELEMETRY, EVERYTHING, WAYS };

static const char *const names[WAYS] = {"line ends", "telemetry", "every sample"};

static char page[PAGE_BYTES + 65536];
static size_t page_length, samples;

static size_t add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static size_t add(const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(page + page_length, sizeof(page) - page_length, format, arguments);
	va_end(arguments);
	return page_length += (size_t)length;
}

/* The gauges, then histograms up to the size. */
static void write_page(void)
{
	static const char *const gauges[] = {"num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"};

	add("# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.\n"
	    "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.76403218412e+09\n");
	for (size_t g = 0; g < sizeof(gauges) / sizeof(*gauges); g++) {
		add("# HELP vllm:%s What it says.\n# TYPE vllm:%s gauge\n", gauges[g], gauges[g]);
		for (int engine = 0; engine < 12; engine++)
			add("vllm:%s{engine=\"%d\",model_name=\"mistralai/Mistral-7B-Instruct-v0.3\"} 0.%d\n",
			    gauges[g], engine, engine);
	}
	for (int family = 0; page_length < PAGE_BYTES; family++) {
		add("# HELP vllm:time_%d_seconds Histogram of a time in seconds.\n# TYPE vllm:time_%d_seconds "
		    "histogram\n",
		    family, family);
		for (int engine = 0; engine < 12 && page_length < PAGE_BYTES; engine++) {
			for (int bucket = 0; bucket < 20; bucket++)
				add("vllm:time_%d_seconds_bucket{engine=\"%d\",le=\"%d.5\",model_name=\"mistralai/"
				    "Mistral-7B-Instruct-v0.3\"} %d.0\n",
				    family, engine, bucket, bucket * 4099);
			add("vllm:time_%d_seconds_sum{engine=\"%d\",model_name=\"mistralai/Mistral-7B-Instruct-v0.3\"} "
			    "391.55182337760925\n",
			    family, engine);
		}
	}
}

static void count(void *context, const struct exposition_sample *sample)
{
	(void)context;
	samples += sample->label_count > 0;
}

static void read_page(enum way way, struct exposition *exposition, struct telemetry *telemetry)
{
	struct exposition_consumer consumer = {.take = count};
	struct telemetry_reading reading;

	if (way == LINE_ENDS) {
		for (const char *at = page; (at = memchr(at, '\n', (size_t)(page + page_length - at))); at++)
			samples++;
		return;
	}
	if (way == TELEMETRY) {
		telemetry_begin_any(telemetry);
		consumer = telemetry_consumer(telemetry);
	}
	exposition_begin(exposition, EXPOSITION_PROMETHEUS, &consumer);
	for (size_t at = 0; at < page_length; at += PIECE)
		exposition_feed(exposition, page + at, page_length - at < PIECE ? page_length - at : PIECE);
	if (exposition_end(exposition)) {
		fprintf(stderr, "bench: %s\n", exposition_error(exposition)->text);
		exit(EXIT_FAILURE);
	}
	if (way == TELEMETRY && (!telemetry_end(telemetry, &reading, NULL) || !reading.waiting.known))
		exit(EXIT_FAILURE);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Microseconds a page. */
static double cost_of(enum way way, struct exposition *exposition, struct telemetry *telemetry)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (int i = 0; i < PAGES; i++)
		read_page(way, exposition, telemetry);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	return ((double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) / 1e3) / PAGES;
}

int main(void)
{
	struct exposition *exposition;
	struct telemetry *telemetry;
	double cost[WAYS][ROUNDS];

	if (exposition_new(&exposition) || telemetry_new(&telemetry))
		return EXIT_FAILURE;
	write_page();
	for (int round = 0; round < ROUNDS; round++)
		for (enum way way = 0; way < WAYS; way++)
			cost[way][round] = cost_of(way, exposition, telemetry);
	printf("a page of %zu bytes; ", page_length);
	machine_print(stdout);
	printf("\n%-14s %24s %10s %12s\n", "", "microseconds a page", "MB/s", "line ends");
	for (enum way way = 0; way < WAYS; way++)
		qsort(cost[way], ROUNDS, sizeof(cost[way][0]), compare);
	for (enum way way = 0; way < WAYS; way++)
		printf("%-14s %8.1f [%6.1f %6.1f] %10.0f %11.1fx\n", names[way], cost[way][ROUNDS / 2],
		       cost[way][ROUNDS / 4], cost[way][3 * ROUNDS / 4], (double)page_length / cost[way][ROUNDS / 2],
		       cost[way][ROUNDS / 2] / cost[LINE_ENDS][ROUNDS / 2]);
	telemetry_free(telemetry);
	exposition_free(exposition);
	return EXIT_SUCCESS;
}
