/* SPDX-License-Identifier: GPL-2.0-only */
/* The keys that a gate may have. For parse_gates.c and parse_gate_figure.c alone. */
#ifndef USHER_POLICY_GATE_FIELDS_H
#define USHER_POLICY_GATE_FIELDS_H

#include "policy/reader.h"

enum {
	ON,
	OF,
	SOURCE,
	METRIC,
	SAMPLES,
	SUCCESSES,
	TRIALS,
	WINDOW,
	GROUPS,
	ACTUAL,
	EXPECTED,
	BUCKETS,
	LABELS,
	BOUND,
	MIN_SAMPLES,
	BREACH,
	RECOVER,
	DWELL,
	RATE,
	LATCH,
	ON_UNKNOWN,
	ON_BREACH,
	FIELDS,
};

/* What is measured, and in which series; gate->on is read. */
void read_gate_figure(struct document *document, struct node node, const struct field *fields,
		      struct gate_policy *gate);

#endif
