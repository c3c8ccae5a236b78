// SPDX-License-Identifier: GPL-2.0-only
#include "govern/evidence.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS 1000

const char *const evidence_gap_names[EVIDENCE_GAPS] = {
	[EVIDENCE_WHOLE] = "whole", [EVIDENCE_MISSING] = "missing", [EVIDENCE_UNFIT] = "unfit",
	[EVIDENCE_APART] = "apart", [EVIDENCE_EARLIER] = "earlier",
};

int evidence_new(size_t series, struct evidence **ret_evidence)
{
	struct evidence *evidence = calloc(1, sizeof(*evidence));

	if (!evidence)
		return -ENOMEM;
	evidence->series = series;
	evidence->last = calloc(series + 1, sizeof(double));
	evidence->grown = calloc(series + 1, sizeof(double));
	evidence->points = calloc(EVIDENCE_POINTS * series + 1, sizeof(double));
	if (!evidence->last || !evidence->grown || !evidence->points) {
		evidence_free(evidence);
		return -ENOMEM;
	}
	*ret_evidence = evidence;
	return 0;
}

void evidence_free(struct evidence *evidence)
{
	if (!evidence)
		return;
	free(evidence->last);
	free(evidence->grown);
	free(evidence->points);
	free(evidence);
}

int evidence_copy(const struct evidence *evidence, struct evidence **ret_copy)
{
	struct evidence *copy = NULL;
	int error = evidence_new(evidence->series, &copy);
	size_t bytes = evidence->series * sizeof(double);
	double *last, *grown, *points;

	if (error)
		return error;
	last = copy->last;
	grown = copy->grown;
	points = copy->points;
	*copy = *evidence;
	copy->last = memcpy(last, evidence->last, bytes);
	copy->grown = memcpy(grown, evidence->grown, bytes);
	copy->points = memcpy(points, evidence->points, EVIDENCE_POINTS * bytes);
	*ret_copy = copy;
	return 0;
}

/* ---- readings ------------------------------------------------------------------------------------------------ */

/* Of a histogram that is compared with another: a series of its own, which nobody counts against it. */
static bool is_compared(const struct gate_policy *gate)
{
	return gate->figure == GATE_PROPORTION || gate->figure == GATE_DIFFERENCE || gate->figure == GATE_RATIO;
}

static enum evidence_gap gap_of(const struct evidence *evidence, const struct gate_policy *gate,
				const struct evidence_reading *readings, size_t *ret_series)
{
	int64_t oldest = INT64_MAX, newest = INT64_MIN;

	for (size_t i = 0; i < evidence->series; i++) {
		*ret_series = i;
		if (!isfinite(readings[i].value))
			return EVIDENCE_MISSING;
		if (readings[i].unfit)
			return EVIDENCE_UNFIT;
		oldest = readings[i].at < oldest ? readings[i].at : oldest;
		newest = readings[i].at > newest ? readings[i].at : newest;
	}
	*ret_series = 0;
	if (is_compared(gate) && newest - oldest > EVIDENCE_APART_MS)
		return EVIDENCE_APART;
	return evidence->read && oldest < evidence->measured_at ? EVIDENCE_EARLIER : EVIDENCE_WHOLE;
}

/* Adds what each series has grown by. Returns false if that cannot be told of one of them. */
static bool grow(struct evidence *evidence, const struct evidence_reading *readings)
{
	bool told = true;

	for (size_t i = 0; i < evidence->series; i++) {
		double value = readings[i].value;

		if (!evidence->read)
			evidence->grown[i] = 0;
		else if (value >= evidence->last[i])
			evidence->grown[i] += value - evidence->last[i];
		else if (!readings[i].sum)
			evidence->grown[i] += value;
		else
			told = false;
		evidence->last[i] = value;
	}
	return told;
}

static void drop_point(struct evidence *evidence, size_t index)
{
	size_t after = evidence->count - index - 1;

	memmove(&evidence->at[index], &evidence->at[index + 1], after * sizeof(*evidence->at));
	memmove(&evidence->points[index * evidence->series], &evidence->points[(index + 1) * evidence->series],
		after * evidence->series * sizeof(double));
	evidence->count--;
}

/* The newest moment stands alone until the one before it is far enough from it. */
static void add_point(struct evidence *evidence, int64_t window, int64_t at)
{
	int64_t apart = window / (EVIDENCE_POINTS - 3);
	size_t count = evidence->count;

	if (count > 1 && evidence->at[count - 1] - evidence->at[count - 2] < apart)
		drop_point(evidence, count - 1);
	while (evidence->count == EVIDENCE_POINTS)
		drop_point(evidence, 0);
	evidence->at[evidence->count] = at;
	memcpy(&evidence->points[evidence->count * evidence->series], evidence->grown,
	       evidence->series * sizeof(double));
	evidence->count++;
	/* The oldest is the last one that is not within the window. */
	while (evidence->count > 2 && evidence->at[1] <= at - window)
		drop_point(evidence, 0);
}

void evidence_take(struct evidence *evidence, const struct gate_policy *gate, const struct evidence_reading *readings)
{
	int64_t at = INT64_MAX;

	evidence->gap = (uint8_t)gap_of(evidence, gate, readings, &evidence->gap_series);
	if (evidence->gap != EVIDENCE_WHOLE)
		return;
	for (size_t i = 0; i < evidence->series; i++)
		at = readings[i].at < at ? readings[i].at : at;
	if (!grow(evidence, readings))
		evidence->count = 0;
	add_point(evidence, (int64_t)gate->window_s * SECOND_MS, at);
	evidence->measured_at = at;
	evidence->read = true;
}

/* ---- estimates ----------------------------------------------------------------------------------------------- */

/* By how much a series has grown within the window. */
static double growth(const struct evidence *evidence, size_t series)
{
	return evidence->points[(evidence->count - 1) * evidence->series + series] - evidence->points[series];
}

static struct proportion proportion_of(const struct evidence *evidence, size_t series)
{
	return (struct proportion){growth(evidence, series), growth(evidence, series + 1)};
}

static int stability(const struct evidence *evidence, const struct gate_policy *gate, struct interval *ret_interval)
{
	double actual[USHER_BUCKETS_MAX], expected[USHER_BUCKETS_MAX];
	size_t buckets = gate->bucket_count;
	int error;

	for (size_t i = 0; i < buckets; i++) {
		actual[i] = growth(evidence, i);
		expected[i] = gate->expected ? gate->expected[i] : evidence->last[buckets + i];
	}
	error = statistics_plain(actual, buckets);
	if (!error && !gate->expected)
		error = statistics_plain(expected, buckets);
	return error ? error : statistics_stability(expected, actual, buckets, STATISTICS_95, ret_interval);
}

static int interval_of(const struct evidence *evidence, const struct gate_policy *gate, struct interval *ret_interval)
{
	double value = evidence->last[0];

	switch (gate->figure) {
	case GATE_METRIC:
		*ret_interval = (struct interval){value, value, value, gate->series[1] ? evidence->last[1] : 0};
		return 0;
	case GATE_PROPORTION:
		return statistics_proportion(proportion_of(evidence, 0), STATISTICS_95, ret_interval);
	case GATE_DIFFERENCE:
		return statistics_difference(proportion_of(evidence, 0), proportion_of(evidence, 2), STATISTICS_95,
					     ret_interval);
	case GATE_RATIO:
		return statistics_ratio(proportion_of(evidence, 0), proportion_of(evidence, 2), STATISTICS_95,
					ret_interval);
	case GATE_STABILITY:
		return stability(evidence, gate, ret_interval);
	case GATE_FIGURES:
		break;
	}
	return -EDOM;
}

void evidence_estimate(const struct evidence *evidence, const struct gate_policy *gate,
		       struct gate_estimate *ret_estimate)
{
	int error;

	*ret_estimate = (struct gate_estimate){.observed_at = evidence->measured_at / SECOND_MS};
	if (!evidence->read)
		return;
	error = interval_of(evidence, gate, &ret_estimate->interval);
	ret_estimate->known = error != -ENODATA;
	if (error == -EDOM)
		ret_estimate->interval = (struct interval){NAN, NAN, NAN, NAN};
}
