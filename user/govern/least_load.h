/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel is told of backends' loads, so that it can choose the less loaded of two. Pure.
 *
 * 1. What is missing or stale counts as the median of the peers, as they are now: those backends of the same model that may start and
 *    whose load is known. It is neither idle nor busy.
 * 2. A figure that was observed some time ago is not what is there now: connections have been opened since, and others have ended. How
 *    long one lasts follows from how many there are and how many come (Little, 1961). Were only those that came added, whoever was
 *    scraped last would look idlest.
 * 3. Where nothing is known of anybody, everybody's load is 0, and what has been opened since the last mark decides.
 */
#ifndef USHER_GOVERN_LEAST_LOAD_H
#define USHER_GOVERN_LEAST_LOAD_H

#include <stddef.h>

#include "usher/load.h"

#include "govern/facts.h"

enum load_basis {
	LOAD_BASIS_UNTOLD, /* nothing has been told yet */
	LOAD_BASIS_OWN,
	LOAD_BASIS_PEERS,
	LOAD_BASIS_OPENED, /* nobody's load is known */
};
#define LOAD_BASES 4
extern const char *const load_basis_words[LOAD_BASES];

/* How a backend's load goes on after it was observed. All 0: nothing was observed. Times are CLOCK_MONOTONIC ns, loads shares of capacity. */
struct load_track {
	int64_t observed_at, at;
	double observed, now;	     /* load then, and as it should be at `at` */
	uint32_t then, opened;	     /* counts at these times */
	double load_sum, opened_sum; /* over the last observations: load times seconds, and share that was opened */
};

/* share, not NAN, was observed at a time when `then` had been opened. */
void least_load_observe(struct load_track *track, double share, uint32_t then, int64_t observed_at, uint32_t capacity);
/* Goes on to `now`, when `opened` have been opened; returns the load then. */
double least_load_go_on(struct load_track *track, uint32_t opened, int64_t now, uint32_t capacity);

/* One backend. Counts of opened connections are modulo 2^32. */
struct load_view {
	size_t model;
	uint32_t capacity;
	bool starts;	 /* it may be given new flows */
	double share;	 /* of its capacity, now; NAN: not known, or too old */
	uint32_t opened; /* now */
	uint32_t mark;	 /* opened at the last mark */
};

struct load_telling {
	enum load_basis basis;
	uint32_t share, opened, cost; /* as in struct usher_load */
};

/*
 * What a backend's own figures come to: requests that it works on, or else how full its cache or GPU is, and those that wait for it.
 * 1 is all of its capacity; NAN: neither is known.
 */
double least_load_share(const struct load_facts *facts, uint32_t capacity);
/* Share that one connection takes of this capacity. */
uint32_t least_load_cost(uint32_t capacity);
/* ret_tellings: as many as views. 0 or -ENOMEM. */
int least_load_judge(const struct load_view *views, size_t count, struct load_telling *ret_tellings);

#endif
