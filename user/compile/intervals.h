/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy's source prefixes as intervals of addresses, in order. */
#ifndef USHER_COMPILE_INTERVALS_H
#define USHER_COMPILE_INTERVALS_H

#include "usher/abi.h"

#include "base/arena.h"
#include "compile/classes.h"

/* An address in host order. */
struct source_number {
	uint64_t high, low; /* of an IPv4 address: only `low` */
};

int source_number_compare(struct source_number a, struct source_number b);
struct source_number source_number_of(const struct usher_address *address, int family);
struct source_number source_number_largest(int family);
/* The last address of a prefix that begins there and leaves `open` bits open. */
struct source_number source_number_last(struct source_number first, unsigned int open);

struct source_prefix {
	struct source_number first, last;
	uint8_t bits; /* 0..128; of an IPv4 prefix 96..128 */
	uint16_t class_id;
};

/* All prefixes of a family in order, none twice: what is in a file and in the policy itself is the policy's. */
struct source_prefix *source_prefixes_of(const struct policy *policy, const struct classes *classes, int family,
					 struct arena *arena, size_t *ret_count);

/* What is the same of all addresses of an interval: their class, or also how many bits their longest prefix has. That and an address tell
 * which one it is, so that neighbours of one length are one interval. */
enum source_value { SOURCE_CLASS, SOURCE_CLASS_AND_BITS };
#define SOURCE_NO_PREFIX UINT16_MAX

struct source_interval {
	struct source_number first; /* the last one: before the next interval */
	uint16_t class_id;
	uint16_t bits; /* of SOURCE_CLASS: 0 */
};

struct source_intervals {
	struct source_interval *items;
	size_t count;
};

struct source_intervals source_intervals_of(const struct source_prefix *prefixes, size_t count, int family,
					    enum source_value of, struct arena *arena);

#endif
