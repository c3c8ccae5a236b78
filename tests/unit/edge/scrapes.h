/* SPDX-License-Identifier: GPL-2.0-only */
/* Golden scrapes, and feeding them in pieces. They are written from what the servers document, not copied from any. */
#ifndef USHER_TESTS_SCRAPES_H
#define USHER_TESTS_SCRAPES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge/exposition.h"

static const struct {
	const char *name;
	enum exposition_format format;
} scrapes[] = {
	{"vllm", EXPOSITION_PROMETHEUS},
	{"vllm-engines", EXPOSITION_PROMETHEUS},
	{"vllm-drifted", EXPOSITION_PROMETHEUS},
	{"vllm-nan", EXPOSITION_PROMETHEUS},
	{"vllm-openmetrics", EXPOSITION_OPENMETRICS},
	{"sglang", EXPOSITION_PROMETHEUS},
	{"sglang-ranks", EXPOSITION_PROMETHEUS},
	{"sglang-underscores", EXPOSITION_PROMETHEUS},
	{"tensorrt-llm", EXPOSITION_PROMETHEUS},
	{"triton", EXPOSITION_PROMETHEUS},
	{"triton-tensorrt-llm", EXPOSITION_PROMETHEUS},
	{"tgi", EXPOSITION_PROMETHEUS},
	{"llama.cpp", EXPOSITION_PROMETHEUS},
	{"dcgm", EXPOSITION_PROMETHEUS},
	{"dcgm-sentinel", EXPOSITION_PROMETHEUS},
	{"strange", EXPOSITION_PROMETHEUS},
};

#define SCRAPES (sizeof(scrapes) / sizeof(scrapes[0]))

/* Freed by the caller. */
static char *read_scrape(const char *name, size_t *ret_length)
{
	char path[256], *bytes = malloc(1 << 16);
	FILE *file;

	snprintf(path, sizeof(path), "tests/unit/edge/scrapes/%s.prom", name);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(bytes);
	*ret_length = fread(bytes, 1, 1 << 16, file);
	assert_in_range(*ret_length, 1, (1 << 16) - 1);
	fclose(file);
	return bytes;
}

/* step: bytes of each piece; 0: pieces of any size, drawn from *seed. Returns what exposition_end() does. */
static int feed_in_pieces(struct exposition *exposition, const char *bytes, size_t length, size_t step,
			  unsigned int *seed)
{
	for (size_t at = 0; at < length;) {
		size_t piece = step ? step : (size_t)rand_r(seed) % 100;
		char *copy;

		piece = piece < length - at ? piece : length - at;
		/* In a block of its own, so that nothing behind it is read unseen, and nothing of it kept. */
		copy = malloc(piece + 1);
		assert_non_null(copy);
		memcpy(copy, bytes + at, piece);
		copy[piece] = '"';
		if (exposition_feed(exposition, copy, piece))
			at = length;
		memset(copy, '#', piece);
		free(copy);
		at += piece;
	}
	return exposition_end(exposition);
}

#endif
