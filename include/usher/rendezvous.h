/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Weighted rendezvous hashing in integers: the same choice in the kernel, in the compiler and in the tests.
 *
 * Each arm draws an exponential variate from the hash of (who, arm) and the smallest variate over weight wins
 * (Schindelhauer and Schomaker, "Weighted distributed hash tables", SPAA '05). When a weight changes, or an arm
 * comes or goes, only the difference moves. -log2 is a table of 64 segments with linear interpolation, Q24; its
 * error is below 4.5e-5, and a share's error far below what anyone could count.
 */
#ifndef USHER_RENDEZVOUS_H
#define USHER_RENDEZVOUS_H

#include "flow_hash.h"

/* round(log2(1 + i / 64) * 2^24) */
static const __u32 usher_log2_table[65] = {
	0,	  375270,   744810,   1108793,	1467383,  1820738,  2169009,  2512340,	2850868,  3184728,  3514044,
	3838941,  4159533,  4475935,  4788255,	5096595,  5401057,  5701737,  5998727,	6292118,  6581994,  6868440,
	7151536,  7431359,  7707984,  7981483,	8251926,  8519380,  8783912,  9045584,	9304457,  9560591,  9814042,
	10064867, 10313120, 10558852, 10802114, 11042956, 11281425, 11517568, 11751428, 11983051, 12212479, 12439752,
	12664911, 12887994, 13109041, 13328087, 13545168, 13760320, 13973576, 14184969, 14394532, 14602297, 14808293,
	15012551, 15215099, 15415967, 15615181, 15812769, 16008758, 16203172, 16396036, 16587377, 16777216,
};

/* -log2((u + 1) / 2^32) in Q24: 0 for the largest u, 32 << 24 for 0. */
static inline __attribute__((always_inline)) __u32 usher_neg_log2(__u32 u)
{
	__u64 x = (__u64)u + 1;
	__u32 exponent = 0;
	__u64 top = x;

	if (top >> 32)
		return 0;
	if (top >> 16) {
		exponent += 16;
		top >>= 16;
	}
	if (top >> 8) {
		exponent += 8;
		top >>= 8;
	}
	if (top >> 4) {
		exponent += 4;
		top >>= 4;
	}
	if (top >> 2) {
		exponent += 2;
		top >>= 2;
	}
	exponent += (__u32)(top >> 1);

	__u32 fraction = (__u32)(x << (32 - exponent)); /* the bits below the leading one */
	__u32 segment = (fraction >> 26) & 63;
	__u32 low = usher_log2_table[segment];
	__u32 step = usher_log2_table[segment + 1] - low;

	return (32u << 24) - (exponent << 24) - low - (__u32)(((__u64)step * (fraction & 0x3ffffff)) >> 26);
}

/* What an arm with this seed draws for this hash; compare with usher_draw_wins. */
static inline __attribute__((always_inline)) __u32 usher_draw(__u64 hash, __u32 seed)
{
	return usher_neg_log2((__u32)(usher_mix64(hash ^ ((__u64)seed * 0x9e3779b97f4a7c15ULL)) >> 32));
}

/* Does (draw, weight) beat (best, best_weight)? Weights up to 2^32. On a tie the earlier arm stays. */
static inline __attribute__((always_inline)) int usher_draw_wins(__u32 draw, __u32 weight, __u32 best,
								 __u32 best_weight)
{
	return (__u64)draw * best_weight < (__u64)best * weight;
}

#endif
