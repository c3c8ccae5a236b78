/* SPDX-License-Identifier: GPL-2.0-only */
/* What a gate is to hold a figure against, and what it does when it knows nothing. What comes of it: govern/gate.h. */
#ifndef USHER_POLICY_GATE_SETTINGS_H
#define USHER_POLICY_GATE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define GATE_TRANSITIONS_MAX 16 /* that a rate can ask for */

/* What becomes of a gate whose signal has been missing for `hold`. */
enum gate_then {
	GATE_THEN_QUARANTINE, /* it denies, until it knows something that is not bad */
	GATE_THEN_KEEP,	      /* its last verdict stays */
	GATE_THEN_ALERT,      /* the same, and somebody is told */
	GATE_THENS,
};
extern const char *const gate_then_names[GATE_THENS];

/* Which part of an estimate is held against the limits. */
enum gate_bound {
	GATE_BOUND_INTERVAL, /* all of it: doubt changes nothing */
	GATE_BOUND_LOWER, /* its lower end alone: of a floor, doubt counts as a breach and the model has to prove itself */
	GATE_BOUND_UPPER, /* its upper end alone: the same of a ceiling */
	GATE_BOUND_POINT, /* as if there were no doubt */
	GATE_BOUNDS,
};
extern const char *const gate_bound_names[GATE_BOUNDS];

/* Durations in seconds. */
struct gate_settings {
	/* Bad is below the first or above the second: -INFINITY, INFINITY where there is no such limit. */
	double breach_below, breach_above;
	/* Good is from the first to the second, both included. Not beyond the limits of a breach. */
	double recover_from, recover_to;
	double min_samples;
	enum gate_bound bound;
	enum gate_then then;
	bool latch;
	uint32_t breach_for, recover_for;
	uint32_t stale_after; /* at least 1; this old is too old */
	uint32_t hold;
	uint32_t dwell;		       /* a state that denies lasts at least this long, and a second in any case */
	uint32_t transitions_per_hour; /* into denial and out; 0: any number; at most GATE_TRANSITIONS_MAX */
};

/* What is wrong with these settings, in a few words for somebody who knows the keys of a policy; NULL: nothing. */
const char *gate_fault(const struct gate_settings *settings);

#endif
