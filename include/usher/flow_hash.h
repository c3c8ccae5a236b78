/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keyed hashes: the same number in the kernel, in `usher explain` and in the tests.
 *
 * NH (Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC", CRYPTO '99): the sum of products of 32-bit halves,
 * each half added to a key of its own. Two different keys collide with probability 2^-32 for a random key,
 * whatever an attacker sends, and the products do not wait for each other. mix64 is the finaliser of
 * SplitMix64 (Steele, Lea, Flood, OOPSLA '14); it spreads the sum over all 64 bits.
 */
#ifndef USHER_FLOW_HASH_H
#define USHER_FLOW_HASH_H

#include <linux/types.h>

#define USHER_HASH_KEYS 5

static inline __attribute__((always_inline)) __u64 usher_mix64(__u64 x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return x;
}

static inline __attribute__((always_inline)) __u64 usher_nh(__u64 word, __u64 key)
{
	return (__u64)((__u32)word + (__u32)key) * (__u64)((__u32)(word >> 32) + (__u32)(key >> 32));
}

/* Hash of a flow: addresses as four native-endian words in memory order, ports and protocol in one. */
static inline __attribute__((always_inline)) __u64 usher_hash_flow(const __u64 source[2], const __u64 destination[2],
								   __u64 ports, const __u64 key[USHER_HASH_KEYS])
{
	return usher_mix64(usher_nh(source[0], key[0]) + usher_nh(source[1], key[1]) +
			   usher_nh(destination[0], key[2]) + usher_nh(destination[1], key[3]) +
			   usher_nh(ports, key[4]));
}

/* Hash of one address with a port word (0 for the address alone), as used for endpoints and clients. */
static inline __attribute__((always_inline)) __u64 usher_hash_address(const __u64 address[2], __u64 port,
								      const __u64 key[USHER_HASH_KEYS])
{
	return usher_mix64(usher_nh(address[0], key[0]) + usher_nh(address[1], key[1]) + usher_nh(port, key[4]));
}

/* A uniform 64-bit hash scaled to [0, n) without a division. */
static inline __attribute__((always_inline)) __u32 usher_scale(__u64 hash, __u32 n)
{
	return (__u32)(((hash >> 32) * n) >> 32);
}

#endif
