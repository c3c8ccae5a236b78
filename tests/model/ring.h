/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend a flow gets, computed from what the headers under include/usher and user/compile/ring.h say in words: hashes with
 * public keys, a weighted draw of the arm (here with logarithms, not with a table), and a ring dealt turn by turn.
 */
#ifndef USHER_MODEL_RING_H
#define USHER_MODEL_RING_H

#include "judge.h"
#include "wire.h"

struct ring_cache;

struct ring_cache *ring_cache_new(void);
void ring_cache_free(struct ring_cache *cache);
/* Before the first flow of a generation. slots_max: no ring of it has more, because there was no room. */
void ring_cache_begin(struct ring_cache *cache, const struct ref_policy *policy, uint32_t slots_max);

/* The backend that the flow of this packet gets; two if the draw of its arm is too close for a table of logarithms. */
ref_backends ring_choose(struct ring_cache *cache, const struct ref_judgement *judgement, const struct wire *wire);

/* What a backend has in use, as it was told, and what has been opened since. */
struct ref_load {
	uint32_t share, then, opened;
	uint32_t cost; /* 0: nothing was told */
};

/*
 * The same for a flow that begins on a service that is balanced by load: of two candidates the one with less to do. loads: by position in
 * policy->backends.
 */
ref_backends ring_choose_least(struct ring_cache *cache, const struct ref_judgement *judgement, const struct wire *wire,
			       const struct ref_load *loads);

#endif
