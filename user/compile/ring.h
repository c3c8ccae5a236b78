/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A ring: the backends of an arm, each in as many slots as its weight asks for, so that a hash picks one without a
 * division, and so that few slots change hands when one leaves.
 *
 * Maglev hashing (Eisenbud et al., NSDI '16, 3.4) with weights, and with a power of two for a prime: each backend walks
 * the slots in an order of its own and takes the next free one whenever its turn comes, turns being dealt by weight.
 */
#ifndef USHER_COMPILE_RING_H
#define USHER_COMPILE_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring_member {
	uint64_t seed;	 /* of the backend's name */
	uint32_t weight; /* at least 1 */
	uint16_t backend;
	uint16_t padding;
};

/*
 * How many slots: a power of two. It depends on all the backends that might ever be in the ring and not on those that are,
 * since another size is another ring. count: at least 1. With up to 100 members of weights within 1:5, and with more of equal weights,
 * every share is within 1 % of what was asked; within 2^20 slots also beyond.
 */
uint32_t ring_size(size_t count, uint64_t weight_sum, uint32_t weight_min);

/* members: in an order that does not depend on the gateway. ret_slots: `size` backends. Returns 0 or -ENOMEM. */
int ring_fill(const struct ring_member *members, size_t count, uint32_t size, uint16_t *ret_slots);

/* The worst relative error of a member's share, as `ring_fill` deals it. */
double ring_error(const struct ring_member *members, size_t count, uint32_t size, const uint16_t *slots);

#endif
