/* SPDX-License-Identifier: GPL-2.0-only */
/* Repeated measurements of one thing: median and quartiles. */
#ifndef USHER_BENCH_SAMPLE_H
#define USHER_BENCH_SAMPLE_H

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_MAX 64

struct sample {
	double value[SAMPLE_MAX];
	size_t count;
};

struct quartiles {
	double low, median, high; /* NAN if nothing was measured */
};

/* NAN and what there is no room for are left out. */
static inline void sample_add(struct sample *sample, double value)
{
	if (!isnan(value) && sample->count < SAMPLE_MAX)
		sample->value[sample->count++] = value;
}

static inline int sample_compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static inline struct quartiles sample_quartiles(const struct sample *sample)
{
	double sorted[SAMPLE_MAX];

	if (!sample->count)
		return (struct quartiles){NAN, NAN, NAN};
	memcpy(sorted, sample->value, sample->count * sizeof(*sorted));
	qsort(sorted, sample->count, sizeof(*sorted), sample_compare);
	return (struct quartiles){sorted[sample->count / 4], sorted[sample->count / 2], sorted[3 * sample->count / 4]};
}

#endif
