/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a model server's metrics say about its load. Pure.
 *
 * A figure is known only if everything that it is made of is: one sample that is not a number, one engine's queue without a value, and it
 * is missing. For missing counts as the peers' median, whereas a sum that leaves somebody out reads as idle.
 */
#ifndef USHER_EDGE_TELEMETRY_H
#define USHER_EDGE_TELEMETRY_H

#include "edge/exposition.h"

#define TELEMETRY_SERIES_MAX 64u  /* that are looked for in one page */
#define TELEMETRY_GROUPS_MAX 128u /* values of `each` labels in one page */
#define TELEMETRY_FINDINGS_MAX 32u

enum telemetry_quantity {
	TELEMETRY_WAITING,    /* requests that are queued */
	TELEMETRY_RUNNING,    /* requests that are worked on */
	TELEMETRY_USE,	      /* of the KV cache, the tokens or the GPU, 0 to 1 */
	TELEMETRY_START_TIME, /* of the process, in seconds since 1970: another one is another process */
	TELEMETRY_QUANTITIES,
};

enum telemetry_kind {
	TELEMETRY_COUNT,   /* how many there are now: summed, as engines, models and ranks each have their own */
	TELEMETRY_RATIO,   /* 0 to 1: the largest, for the fullest cache is the one that stalls its requests */
	TELEMETRY_PERCENT, /* 0 to 100, becomes a ratio: the largest */
	TELEMETRY_TIME,	   /* the largest: a page of several processes changes when one of them begins anew */
};

/* Which samples give a quantity. The texts are not copied. */
struct telemetry_series {
	const char *name; /* whole: vllm:num_requests_waiting is not vllm:num_requests_waiting_by_reason */
	enum telemetry_quantity quantity;
	enum telemetry_kind kind;
	const char *label,
		*equals; /* only samples whose label is this; "": or that have no such label. NULL: all samples */
	/* Of samples that agree in this label the largest counts, since they are replicas of each other. NULL: each for itself. */
	const char *each;
	bool optional; /* that it is not there says nothing */
	bool former;   /* another name of what stands before: read where that is not there, and said */
};

struct telemetry_preset {
	const char *name; /* as in a policy */
	const struct telemetry_series *series;
	size_t count;
};

struct telemetry_figure {
	bool known;
	double value;
};

struct telemetry_reading {
	union {
		struct telemetry_figure figures[TELEMETRY_QUANTITIES];
		struct {
			struct telemetry_figure waiting, running, use, start_time;
		};
	};
};

/* code, what a person is told of the name */
#define TELEMETRY_FINDINGS(X)                                                                                          \
	X(NO_PRESET, "no preset knows this page")                                                                      \
	X(MISSING, "is not there; read as 0 it would be taken for idle")                                               \
	X(DRIFTED, "is a former or foreign name, read all the same")                                                   \
	X(NOT_A_GAUGE, "only ever grows or is a distribution, and no load")                                            \
	X(PERCENTAGE, "is above 1: a percentage where a ratio belongs")                                                \
	X(NO_VALUE, "is no number that there can be: not a number, infinite, negative or a sentinel")                  \
	X(TOO_MANY, "comes from more engines than are told apart")

enum telemetry_finding_code {
#define TELEMETRY_FINDING(code, text) TELEMETRY_##code,
	TELEMETRY_FINDINGS(TELEMETRY_FINDING)
#undef TELEMETRY_FINDING
};

struct telemetry_finding {
	enum telemetry_finding_code code;
	const char *name; /* of the series, from its table; "" with TELEMETRY_NO_PRESET */
};

struct telemetry_findings {
	struct telemetry_finding items[TELEMETRY_FINDINGS_MAX];
	size_t count;
	bool more; /* than there was room for */
};

struct telemetry; /* about 10 kB; for one page after the other */

/* By name; NULL: there is none. */
const struct telemetry_preset *telemetry_preset(const char *name);
/* All there are, for lists; NULL beyond the last. */
const struct telemetry_preset *telemetry_preset_at(size_t index);
const char *telemetry_finding_text(enum telemetry_finding_code code);

/* Returns 0 or -ENOMEM. */
int telemetry_new(struct telemetry **ret_telemetry);
void telemetry_free(struct telemetry *telemetry);
/* A new page, of which these series are wanted: a preset's, or an operator's own. Returns 0; -E2BIG: more than are looked for. The
 * process's start time (process_start_time_seconds) is always looked for. */
int telemetry_begin(struct telemetry *telemetry, const struct telemetry_series *series, size_t count);
/* A new page, of any preset. */
void telemetry_begin_any(struct telemetry *telemetry);
/* An exposition that is read for this page. */
struct exposition_consumer telemetry_consumer(struct telemetry *telemetry);
/*
 * To be called only once exposition_end() has returned 0. ret_findings may be NULL. Returns the preset whose series the page has, where
 * any was looked for: the one most of whose quantities are there. NULL: none, or it was not the question.
 */
const struct telemetry_preset *telemetry_end(const struct telemetry *telemetry, struct telemetry_reading *ret_reading,
					     struct telemetry_findings *ret_findings);

#endif
