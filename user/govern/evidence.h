/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What has been read of one gate's subject over its window, and the estimate that comes of it. Pure; times are
 * milliseconds since the epoch by the clock that gate_step is given.
 *
 * 1. What counts is what a counter has grown by within the window. Counters that all fall have begun anew at 0. Where some
 *    fall and others do not, where a sum falls or is of another number of series than before, nobody knows what grew: what
 *    was known before does not count any more.
 * 2. A reading counts as a whole: one series that is missing, and nothing of it does. So do two counters that are
 *    compared, but were measured at different times, and a gauge that is several.
 * 3. A window is kept as at most EVIDENCE_POINTS moments, so it may reach back too far by a sixtieth of its length. After
 *    a silence that is longer than it, evidence begins anew.
 */
#ifndef USHER_GOVERN_EVIDENCE_H
#define USHER_GOVERN_EVIDENCE_H

#include "govern/gate.h"
#include "policy/model.h"

#define EVIDENCE_POINTS 64
#define EVIDENCE_APART_MS 500 /* counters that are compared may be so far apart */

struct evidence_reading {
	double value; /* NAN: missing */
	int64_t at;
	uint16_t samples; /* that it is the sum of */
	bool unfit;	  /* a gauge where a counter is wanted, or the other way round */
};

/* Why the last reading did not count. */
enum evidence_gap {
	EVIDENCE_WHOLE,	  /* it did */
	EVIDENCE_MISSING, /* of a series there is nothing */
	EVIDENCE_UNFIT,	  /* a series is a gauge and no counter, or the other way round */
	EVIDENCE_SEVERAL, /* a gauge is several, of which no sum means anything */
	EVIDENCE_APART,	  /* compared counters were not measured at one time */
	EVIDENCE_EARLIER, /* it is older than what is known */
	EVIDENCE_GAPS,
};
extern const char *const evidence_gap_names[EVIDENCE_GAPS];

struct evidence {
	size_t series;	   /* that a reading has: gate_series_count() */
	size_t gap_series; /* which one is missing */
	uint8_t gap;
	bool read;	     /* has any reading counted? */
	int64_t measured_at; /* the oldest of the last one that did */
	size_t count;	     /* points; the oldest first */
	int64_t at[EVIDENCE_POINTS];
	uint16_t *members; /* samples that each series was the sum of */
	double *last;	   /* of each series, as it was read */
	double *grown;	   /* by how much each has grown since the oldest moment */
	double *points;	   /* `grown` at each moment: [EVIDENCE_POINTS][series] */
};

/* Returns 0 or -ENOMEM. */
int evidence_new(size_t series, struct evidence **ret_evidence);
void evidence_free(struct evidence *evidence);
/* Returns 0 or -ENOMEM. */
int evidence_copy(const struct evidence *evidence, struct evidence **ret_copy);

/* readings: one for each series, in the order of gate_series_count(). */
void evidence_take(struct evidence *evidence, const struct gate_policy *gate, const struct evidence_reading *readings);
/* Nothing of it lies after this time any more: of a clock that was set back. */
void evidence_set_back(struct evidence *evidence, int64_t now);
/* What all of it says. Not known: nothing has been read, or what was counted cannot tell anything yet. */
void evidence_estimate(const struct evidence *evidence, const struct gate_policy *gate,
		       struct gate_estimate *ret_estimate);

#endif
