/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a gate should say, worked out anew at each step from all that has happened to it: one letter for each second of
 * its life and one for each thing that was done to it. It keeps no timers.
 */
#ifndef USHER_GOVERN_ORACLE_H
#define USHER_GOVERN_ORACLE_H

#include "govern/gate.h"

#define ORACLE_LIFE (1 << 19) /* letters */
#define ORACLE_TRANSITIONS 4096

struct oracle {
	const struct gate_settings *settings;
	/*
	 * A second under a verdict: b (bad), m (between), g (good), u (unknown); n: nobody measured.
	 * A step with a verdict: B, M, G, U. R: released. P: resumed.
	 */
	char life[ORACLE_LIFE];
	int64_t letters, seconds;
	int64_t now; /* by the gate's clock */
	bool stepped;
	char verdict;	  /* B, M, G, U */
	int64_t observed; /* second of its life in which the last sound estimate was measured; may be before its birth */
	int64_t observed_as;
	bool observed_any;
	enum gate_state state;
	int64_t entered;			 /* the second in which this state began */
	int64_t transitions[ORACLE_TRANSITIONS]; /* seconds at which denial began or ended */
	int64_t transition_count;
};

struct oracle_answer {
	enum gate_state state;
	char verdict;
	bool alert;
	int64_t bad_for, good_for, unknown_for, age;
};

void oracle_begin(struct oracle *oracle, const struct gate_settings *settings);
struct oracle_answer oracle_step(struct oracle *oracle, const struct gate_estimate *estimate, int64_t now);
void oracle_resume(struct oracle *oracle, int64_t now);
bool oracle_release(struct oracle *oracle, int64_t now);

/* Does the whole interval, or the end that counts, lie in the bad or in the good region? */
bool oracle_is_bad(const struct gate_settings *settings, const struct interval *interval);
bool oracle_is_good(const struct gate_settings *settings, const struct interval *interval);

#endif
