/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which arm and which ring slot a new flow gets. Unlike the flow table's hash these use public keys and a seed made
 * from the service's name: every gateway with the same policy gives a flow the same backend, and goes on doing so after
 * a restart.
 */
#ifndef USHER_RING_HASH_H
#define USHER_RING_HASH_H

#include "abi.h"
#include "rendezvous.h"

/* Hexadecimal digits of pi: nothing up our sleeve. */
#define USHER_RING_KEY                                                                                                 \
	{                                                                                                              \
		0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL, 0xa4093822299f31d0ULL, 0x082efa98ec4e6c89ULL,            \
			0x452821e638d01377ULL                                                                          \
	}

/* Of a flow that a client opens to a service. word: USHER_FLOW_WORD. */
static inline __attribute__((always_inline)) __u64
usher_ring_hash_flow(const struct usher_address *client, const struct usher_address *service, __u64 word, __u64 seed)
{
	const __u64 key[USHER_HASH_KEYS] = USHER_RING_KEY;

	return usher_mix64(usher_hash_flow(client->halves, service->halves, word, key) ^ seed);
}

/* Of a client, whatever it opens: an IPv4 address, or the /64 of an IPv6 one. */
static inline __attribute__((always_inline)) __u64 usher_ring_hash_client(const struct usher_address *client,
									  int is_ipv6, __u64 seed)
{
	const __u64 key[USHER_HASH_KEYS] = USHER_RING_KEY;
	const __u64 halves[2] = {client->halves[0], is_ipv6 ? 0 : client->halves[1]};

	return usher_mix64(usher_hash_address(halves, 0, key) ^ seed);
}

/* Slot of an arm's ring for a flow: independent of the draw that chose the arm. */
static inline __attribute__((always_inline)) __u32 usher_ring_slot(__u64 flow_hash, __u32 arm_seed, __u32 ring_size)
{
	return usher_scale(usher_mix64(flow_hash + arm_seed), ring_size);
}

/* Slot of the second candidate: independent of the first one's. */
static inline __attribute__((always_inline)) __u32 usher_ring_rival(__u64 flow_hash, __u32 arm_seed, __u32 ring_size)
{
	return usher_ring_slot(usher_mix64(flow_hash ^ 0xbe5466cf34e90c6cULL), arm_seed, ring_size);
}

/* Seed of a name: FNV-1a (Fowler, Noll, Vo), finished with mix64. For services all 64 bits, for versions the low 32. */
static inline __u64 usher_name_seed(const char *name)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	for (; *name; name++)
		hash = (hash ^ (__u8)*name) * 0x100000001b3ULL;
	return usher_mix64(hash);
}

#endif
