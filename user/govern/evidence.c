// SPDX-License-Identifier: GPL-2.0-only
#include "govern/evidence.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS 1000
#define COUNT_MAX 9007199254740992.0 /* 2^53: beyond it a sample more is no other number */

const char *const evidence_gap_names[EVIDENCE_GAPS] = {
	[EVIDENCE_WHOLE] = "whole",	[EVIDENCE_MISSING] = "missing", [EVIDENCE_UNFIT] = "unfit",
	[EVIDENCE_SEVERAL] = "several", [EVIDENCE_APART] = "apart",	[EVIDENCE_EARLIER] = "earlier",
};

int evidence_new(size_t series, struct evidence **ret_evidence)
{
	struct evidence *evidence = calloc(1, sizeof(*evidence));

	if (!evidence)
		return -ENOMEM;
	evidence->series = series;
	evidence->members = calloc(series + 1, sizeof(*evidence->members));
	evidence->last = calloc(series + 1, sizeof(double));
	evidence->grown = calloc(series + 1, sizeof(double));
	evidence->points = calloc(EVIDENCE_POINTS * series + 1, sizeof(double));
	if (!evidence->members || !evidence->last || !evidence->grown || !evidence->points) {
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
	free(evidence->members);
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
	uint16_t *members;

	if (error)
		return error;
	members = copy->members;
	last = copy->last;
	grown = copy->grown;
	points = copy->points;
	*copy = *evidence;
	copy->members = memcpy(members, evidence->members, evidence->series * sizeof(*members));
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
		if (gate->figure == GATE_METRIC && i == 0 && readings[i].samples > 1)
			return EVIDENCE_SEVERAL;
		oldest = readings[i].at < oldest ? readings[i].at : oldest;
		newest = readings[i].at > newest ? readings[i].at : newest;
	}
	*ret_series = 0;
	if (is_compared(gate) && newest - oldest > EVIDENCE_APART_MS)
		return EVIDENCE_APART;
	return evidence->read && oldest < evidence->measured_at ? EVIDENCE_EARLIER : EVIDENCE_WHOLE;
}

/* Can it be told what has grown, and have all begun anew? A series that is 0 has fallen as far as it could. */
static bool is_told(const struct evidence *evidence, const struct evidence_reading *readings, bool *ret_anew)
{
	size_t fallen = 0, stayed = 0;

	for (size_t i = 0; i < evidence->series; i++) {
		bool fell = readings[i].value < evidence->last[i];

		if (readings[i].samples != evidence->members[i] || (fell && readings[i].samples > 1))
			return false;
		fallen += fell;
		stayed += !fell && readings[i].value > 0;
	}
	*ret_anew = fallen > 0;
	return !fallen || !stayed;
}

/* Adds what each series has grown by. Returns false if that cannot be told of all of them. */
static bool grow(struct evidence *evidence, const struct evidence_reading *readings)
{
	bool anew = false, told = evidence->read && is_told(evidence, readings, &anew);

	for (size_t i = 0; i < evidence->series; i++) {
		double value = readings[i].value;

		if (told)
			evidence->grown[i] += anew ? value : value - evidence->last[i];
		if (!(fabs(evidence->grown[i]) <= COUNT_MAX))
			told = false;
		evidence->last[i] = value;
		evidence->members[i] = readings[i].samples;
	}
	return told;
}

static void begin_anew(struct evidence *evidence)
{
	evidence->count = 0;
	memset(evidence->grown, 0, evidence->series * sizeof(double));
}

/* From the oldest moment on, so that no sum becomes too large to tell one sample more. */
static void rebase(struct evidence *evidence)
{
	for (size_t i = 0; i < evidence->series; i++) {
		double base = evidence->points[i];

		evidence->grown[i] -= base;
		for (size_t p = 0; p < evidence->count; p++)
			evidence->points[p * evidence->series + i] -= base;
	}
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
	int64_t at = INT64_MAX, window;

	evidence->gap = (uint8_t)gap_of(evidence, gate, readings, &evidence->gap_series);
	if (evidence->gap != EVIDENCE_WHOLE)
		return;
	for (size_t i = 0; i < evidence->series; i++)
		at = readings[i].at < at ? readings[i].at : at;
	window = (int64_t)gate->window_s * SECOND_MS;
	if (!grow(evidence, readings) || (window && at - evidence->measured_at > window))
		begin_anew(evidence);
	add_point(evidence, window, at);
	rebase(evidence);
	evidence->measured_at = at;
	evidence->read = true;
}

void evidence_set_back(struct evidence *evidence, int64_t now)
{
	int64_t by = evidence->measured_at - now;

	if (by <= 0)
		return;
	evidence->measured_at = now;
	for (size_t i = 0; i < evidence->count; i++)
		evidence->at[i] -= by;
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
