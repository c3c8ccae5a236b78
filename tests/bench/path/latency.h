/* SPDX-License-Identifier: GPL-2.0-only */
/* How long answers took: all of them are kept, so that a percentile is one that was seen. */
#ifndef USHER_BENCH_PATH_LATENCY_H
#define USHER_BENCH_PATH_LATENCY_H

#include <stdint.h>
#include <stdlib.h>

#define LATENCIES_MAX (1u << 22)
#define LATENCY_UNIT 16 /* ns */

static uint32_t latencies[LATENCIES_MAX];
static uint64_t latency_count;

/* What there is no room for is left out. */
static inline void latency_add(uint64_t ns)
{
	uint64_t units = ns / LATENCY_UNIT;

	if (latency_count < LATENCIES_MAX)
		latencies[latency_count++] = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
}

static inline int latency_compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

/* To be called before percentiles are asked for. */
static inline void latency_sort(void)
{
	qsort(latencies, latency_count, sizeof(*latencies), latency_compare);
}

/* In µs; 0 if there was nothing. */
static inline double latency_percentile(double share)
{
	if (!latency_count)
		return 0;
	return latencies[(uint64_t)((double)(latency_count - 1) * share)] * (LATENCY_UNIT / 1e3);
}

#endif
