/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel is told of backends' loads, so that it can choose the less loaded of two. Pure.
 *
 * 1. What is missing or stale counts as the median of the peers, as they are now: those backends of the same model that may start and
 *    whose load is known. It is neither idle nor busy.
 * 2. Where nothing is known of anybody, everybody's load is 0, and what has been opened since the last mark decides.
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

/* One backend. Counts of opened connections are modulo 2^32. */
struct load_view {
	size_t model;
	uint32_t capacity;
	bool starts;	 /* it may be given new flows */
	double share;	 /* of its capacity, when it was observed; NAN: not known, or too old */
	uint32_t then;	 /* opened when it was observed */
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
