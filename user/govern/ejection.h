/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backends are left out because they fail more, or answer more slowly, than their peers, as their packets show in
 * passing. Pure; time is an argument, in seconds.
 *
 * 1. A backend is held against its peers, the others of its group that may start flows, over the same time: what hits all of them, a
 *    client that provokes resets or a network that is slow, makes no outlier. Who has no peers that something is known of is none.
 * 2. Failures: the lower end of the interval of the difference between the two parts has to be above `above`. Slowness: more than
 *    half of its answers, by the lower end of the interval, began `slower` times as late as half of the peers' did; of its own
 *    version, since another model may take its time. Intervals of 99.9 %, for it is looked at every second.
 * 3. One goes a step, the worst; of a group never more than `most` per cent of those that could start flows.
 * 4. It is back after `period`, and with each time twice as long, up to `longest`; who has been in for `longest` begins anew.
 *    What was seen before it is back counts no more.
 * 5. Unknown is no evidence: totals that are lower than before, or come after a pause, begin a window anew.
 */
#ifndef USHER_GOVERN_EJECTION_H
#define USHER_GOVERN_EJECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#include "govern/statistics.h"
#include "policy/outlier_settings.h"

#define EJECTION_DOUBLINGS_MAX 16

/* Totals since ever, or what they have grown by. */
struct ejection_counts {
	uint64_t connected, unconnected; /* SYNs that were answered, and that were refused or left without an answer */
	uint64_t resets, given_up;
	uint64_t answers[USHER_LATENCY_BUCKETS]; /* requests, by when the answer began */
};

struct ejection {
	/* What the next daemon has to know. */
	int64_t since, until; /* when it went out last, and when it is back; since 0: it never did */
	uint32_t doublings;   /* of the period, next time */
	bool out;

	bool begun; /* `totals` have been taken, for slice number `slice` */
	int64_t slice;
	struct ejection_counts totals, slices[OUTLIER_SLICES];
};

/* What is wrong with these settings, in a few words; NULL: nothing. */
const char *outlier_fault(const struct outlier_settings *settings);

/* Counts what has been seen since the last totals. */
void ejection_take(const struct outlier_settings *settings, struct ejection *ejection,
		   const struct ejection_counts *totals, int64_t now);
/* What is taken next is the beginning. */
void ejection_forget(struct ejection *ejection);
/* Is it back, by this step? */
bool ejection_return(const struct outlier_settings *settings, struct ejection *ejection, int64_t now);

struct ejection_member {
	struct ejection *ejection;
	size_t version; /* of the group's, from 0 */
	bool able;	/* it could start flows if it is not out */
};

/* Why one went out. */
struct ejection_finding {
	size_t member; /* that goes out; SIZE_MAX: nobody */
	enum outlier_signal signal;
	struct proportion own, peers; /* failures; of OUTLIER_FIRST_BYTE answers that were slow, own alone */
	double low, limit;	      /* what has been found to be above what */
	uint32_t slow_bucket;	      /* OUTLIER_FIRST_BYTE: answers of a later bucket are slow */
	int64_t seconds;	      /* for how long */
};

/* Puts out at most one of a group of so many versions. */
void ejections_step(const struct outlier_settings *settings, const struct ejection_member *members, size_t count,
		    size_t versions, int64_t now, struct ejection_finding *ret_finding);

/* Are these, read from somewhere, what can be remembered? */
bool ejection_is_sound(const struct ejection *ejection);

#endif
