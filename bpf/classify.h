/* SPDX-License-Identifier: GPL-2.0-only */
/* Destination address to what usher has there, and source address to class. */
#ifndef USHER_BPF_CLASSIFY_H
#define USHER_BPF_CLASSIFY_H

#include "generation.h"

static __always_inline bool classify_same_address(const struct usher_address *a, const struct usher_address *b)
{
	return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

/* The endpoint at (address, port, protocol), or NULL. Port and protocol 0: the address itself. */
static __always_inline const struct usher_endpoint *classify_endpoint(const struct usher_generation *generation,
								      __u32 slot, const struct usher_address *address,
								      __u16 port_be, __u8 protocol)
{
	const __u64 key[USHER_HASH_KEYS] = {usher_boot.hash_key[0], usher_boot.hash_key[1], 0, 0,
					    usher_boot.hash_key[4]};
	__u64 word = USHER_ENDPOINT_WORD(port_be, protocol, generation->endpoint_salt);
	__u32 position = (__u32)usher_hash_address(address->halves, word, key);

	for (__u32 i = 0; i < USHER_ENDPOINT_PROBES; i++) {
		const struct usher_endpoint *endpoint =
			GENERATION_ENTRY(endpoints, USHER_ENDPOINT_SLOTS, slot, (position + i) % USHER_ENDPOINT_SLOTS);

		if (!endpoint || endpoint->kind == USHER_ENDPOINT_EMPTY)
			return NULL;
		if (endpoint->port_be == port_be && endpoint->protocol == protocol &&
		    classify_same_address(&endpoint->address, address))
			return endpoint;
	}
	return NULL;
}

/* 1 if a < b + borrow, without a branch: the verifier would follow every way through a search tree. */
static __always_inline __u64 classify_borrow(__u64 a, __u64 b, __u64 borrow)
{
	__u64 difference = a - b - borrow;

	barrier_var(difference);
	return ((~a & b) | (~(a ^ b) & difference)) >> 63;
}

/* 1 if key <= address. */
static __always_inline __u32 classify_passed4(__u32 key, __u32 address)
{
	__u64 difference = (__u64)key - address - 1;

	barrier_var(difference);
	return (__u32)(difference >> 63);
}

/* How many of a line's keys are <= address: first by fours, then within the four. */
static __always_inline __u32 classify_rank4(const struct usher_source4_line *line, __u32 address)
{
	__u32 four = classify_passed4(line->first[3], address) + classify_passed4(line->first[7], address) +
		     classify_passed4(line->first[11], address);
	const __u32 *first = line->first + four * 4;

	return four * 4 + classify_passed4(first[0], address) + classify_passed4(first[1], address) +
	       classify_passed4(first[2], address) + classify_passed4(first[3], address);
}

static __always_inline __u32 classify_rank6(const struct usher_source6_line *line, __u64 high, __u64 low)
{
	__u32 rank = 0;

	for (int i = 0; i < USHER_SOURCE6_KEYS; i++) {
		__u64 borrow = classify_borrow(low, line->first[i].low, 0);

		rank += 1 - (__u32)classify_borrow(high, line->first[i].high, borrow);
	}
	return rank;
}

/* Position + 1 of the last key passed: `here` if this line has passed any, otherwise what it was. Without a branch, as above. */
static __always_inline __u32 classify_last(__u32 before, __u32 here, __u32 rank)
{
	__u64 none = ((__u64)rank - 1) >> 32; /* all ones in the low half if rank is 0 */

	barrier_var(none);
	return (before & (__u32)none) | (here & ~(__u32)none);
}

/* Class of an IPv4 source, by the tree. */
static __always_inline int classify_tree4(__u32 slot, __u32 address)
{
	const struct usher_generation *generation = GENERATION_ENTRY(generations, 1, slot % USHER_SLOTS, 0);
	const struct usher_line16 *class_line;
	__u32 line = 0, found = 0;

	slot %= USHER_SLOTS;
	for (int level = 0; level < USHER_SOURCE4_LEVELS_MAX; level++) {
		const struct usher_source4_line *entry;
		__u32 rank;

		if (!generation || line >= generation->source4_lines)
			break;
		entry = GENERATION_ENTRY(source4, USHER_SOURCE4_LINES, slot, line);
		if (!entry)
			break;
		rank = classify_rank4(entry, address);
		found = classify_last(found, line * USHER_SOURCE4_KEYS + rank, rank);
		line = line * (USHER_SOURCE4_KEYS + 1) + 1 + rank;
	}
	if (!found--)
		return USHER_CLASS_UNKNOWN4;
	class_line = GENERATION_ENTRY(source4_classes, USHER_SOURCE4_CLASS_LINES, slot, found / 32);
	return class_line ? class_line->value[found % 32] : USHER_CLASS_UNKNOWN4;
}

/* The same by its first 16 or 24 bits. USHER_NONE: they do not tell. */
static __always_inline __u32 classify_network(__u32 slot, __u32 address)
{
	const struct usher_line32 *wide = GENERATION_ENTRY(networks, USHER_NETWORKS_LINES, slot, address >> 20);
	const struct usher_line16 *block;
	__u32 value;

	if (!wide)
		return USHER_NONE;
	value = wide->value[address >> 16 & 15];
	if (value < USHER_NETWORK_BLOCK)
		return value;
	block = GENERATION_ENTRY(network_blocks, USHER_NETWORK_BLOCKS_MAX * USHER_NETWORK_BLOCK_LINES, slot,
				 (value - USHER_NETWORK_BLOCK) * USHER_NETWORK_BLOCK_LINES + (address >> 13 & 7));
	return block ? block->value[address >> 8 & 31] : USHER_NONE;
}

/* Class of an IPv4 source. A function of its own, so that it is verified once. */
__noinline int classify_source4(__u32 slot, __u32 address)
{
	__u32 found;

	slot %= USHER_SLOTS;
	found = classify_network(slot, address);
	return found == USHER_NONE ? classify_tree4(slot, address) : (int)found;
}

/* Class of an IPv6 source, its halves in host byte order. */
static __always_inline int classify_source6(__u32 slot, __u64 high, __u64 low)
{
	const struct usher_generation *generation = GENERATION_ENTRY(generations, 1, slot % USHER_SLOTS, 0);
	const struct usher_line16 *class_line;
	__u32 line = 0, found = 0;

	slot %= USHER_SLOTS;
	for (int level = 0; level < USHER_SOURCE6_LEVELS_MAX; level++) {
		const struct usher_source6_line *entry;
		__u32 rank;

		if (!generation || line >= generation->source6_lines)
			break;
		entry = GENERATION_ENTRY(source6, USHER_SOURCE6_LINES, slot, line);
		if (!entry)
			break;
		rank = classify_rank6(entry, high, low);
		found = classify_last(found, line * USHER_SOURCE6_KEYS + rank, rank);
		line = line * (USHER_SOURCE6_KEYS + 1) + 1 + rank;
	}
	if (!found--)
		return USHER_CLASS_UNKNOWN6;
	class_line = GENERATION_ENTRY(source6_classes, USHER_SOURCE6_CLASS_LINES, slot, found / 32);
	return class_line ? class_line->value[found % 32] : USHER_CLASS_UNKNOWN6;
}

static __always_inline __u16 classify_source(const struct packet *packet, const struct usher_address *source)
{
	if (packet->is_ipv6)
		return (__u16)classify_source6(packet->slot, __builtin_bswap64(source->halves[0]),
					       __builtin_bswap64(source->halves[1]));
	return (__u16)classify_source4(packet->slot, __builtin_bswap32(source->words[3]));
}

#endif
