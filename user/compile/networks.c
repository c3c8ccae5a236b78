// SPDX-License-Identifier: GPL-2.0-only
#include "compile/networks.h"

#define WIDE_BITS 16 /* that are not looked at */
#define NET_BITS 8

/* How far one is in the intervals, and the class there. */
struct walk {
	const struct source_intervals *intervals;
	size_t next;
	uint16_t class_id;
};

/* Up to this address, which may begin one. */
static void go_to(struct walk *walk, uint64_t address)
{
	const struct source_interval *items = walk->intervals->items;

	for (; walk->next < walk->intervals->count && items[walk->next].first.low <= address; walk->next++)
		walk->class_id = items[walk->next].class_id;
}

/* Have all addresses from the one that it has gone to, and before `end`, its class? */
static bool is_whole(const struct walk *walk, uint64_t end)
{
	return walk->next == walk->intervals->count || walk->intervals->items[walk->next].first.low >= end;
}

/* Networks in which an interval begins behind their first address. */
static size_t count_shared(const struct source_intervals *intervals)
{
	uint64_t before = UINT64_MAX;
	size_t count = 0;

	for (size_t i = 0; i < intervals->count; i++) {
		uint64_t first = intervals->items[i].first.low;

		if (!(first & ((1u << WIDE_BITS) - 1)) || first >> WIDE_BITS == before)
			continue;
		before = first >> WIDE_BITS;
		count++;
	}
	return count;
}

static void fill_block(struct walk *walk, uint64_t first, struct usher_line16 *lines)
{
	for (uint64_t net = 0; net < 1u << (WIDE_BITS - NET_BITS); net++) {
		uint64_t from = first + (net << NET_BITS);

		go_to(walk, from);
		lines[net / 32].value[net % 32] = is_whole(walk, from + (1u << NET_BITS)) ? walk->class_id : USHER_NONE;
	}
}

struct networks networks_of(const struct source_intervals *intervals, size_t blocks_max, struct arena *arena)
{
	struct walk walk = {.intervals = intervals, .class_id = USHER_CLASS_UNKNOWN4};
	size_t blocks = count_shared(intervals);
	struct networks networks = {.wide = arena_array(arena, USHER_NETWORKS_LINES, sizeof(*networks.wide))};

	blocks = blocks < blocks_max ? blocks : blocks_max;
	networks.blocks = arena_array(arena, blocks * USHER_NETWORK_BLOCK_LINES, sizeof(*networks.blocks));
	for (uint64_t network = 0; network < 1u << (32 - WIDE_BITS); network++) {
		uint32_t *value = &networks.wide[network / 16].value[network % 16];
		uint64_t first = network << WIDE_BITS;

		go_to(&walk, first);
		if (is_whole(&walk, first + (1u << WIDE_BITS))) {
			*value = walk.class_id;
		} else if (networks.block_count == blocks) {
			*value = USHER_NETWORK_TREE;
		} else {
			*value = USHER_NETWORK_BLOCK + (uint32_t)networks.block_count;
			fill_block(&walk, first, networks.blocks + networks.block_count++ * USHER_NETWORK_BLOCK_LINES);
		}
	}
	return networks;
}
