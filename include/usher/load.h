/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of two backends the less loaded: the same comparison in the kernel, in the daemon and in the tests.
 *
 * A load is what a backend said of itself, and the connections that it has been given since it said so: figures that are seconds old send
 * everybody to whoever was idle then (Mitzenmacher, "How Useful Is Old Information?", 2000), unless what has been sent is added.
 */
#ifndef USHER_LOAD_H
#define USHER_LOAD_H

#include "abi.h"

/* Share of its capacity that a backend has in use, in 2^-USHER_LOAD_SHIFT. Counts wrap; the sum does not. */
static inline __attribute__((always_inline)) __u64 usher_load_now(const struct usher_load *load)
{
	__u64 told = *(const volatile __u64 *)&load->told;

	return (told >> 32) + (__u64)(__u32)(*(const volatile __u32 *)&load->opened - (__u32)told) * load->cost;
}

#endif
