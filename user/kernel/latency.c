// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/latency.h"

#include <math.h>

#define LAST (USHER_LATENCY_BUCKETS - 1)

double latency_bound(size_t bucket)
{
	return bucket < LAST ? ldexp(1, (int)bucket + USHER_LATENCY_FIRST) / 1e9 : INFINITY;
}

uint64_t latency_total(const struct usher_latency *latency)
{
	uint64_t total = 0;

	for (size_t i = 0; i < USHER_LATENCY_BUCKETS; i++)
		total += latency->bucket[i];
	return total;
}

double latency_sum(const struct usher_latency *latency)
{
	return (double)latency->units * (1 << USHER_STAMP_SHIFT) / 1e9;
}

double latency_quantile(const struct usher_latency *latency, double share)
{
	double rank = share * (double)latency_total(latency), before = 0;

	if (!latency_total(latency))
		return NAN;
	for (size_t i = 0; i < LAST; i++) {
		double from = i ? latency_bound(i - 1) : 0, in = (double)latency->bucket[i];

		if (in > 0 && before + in >= rank)
			return from + (latency_bound(i) - from) * (rank - before) / in;
		before += in;
	}
	return latency_bound(LAST - 1);
}
