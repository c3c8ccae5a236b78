// SPDX-License-Identifier: GPL-2.0-only
/* Intervals, in the order of a search tree whose lines are cache lines. */
#include "compile/sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/array.h"
#include "compile/intervals.h"

/* ---- planting ---------------------------------------------------------------------------------------------- */

static size_t keys_of(const struct source_tree *tree)
{
	return tree->family == AF_INET ? USHER_SOURCE4_KEYS : USHER_SOURCE6_KEYS;
}

static void put(struct source_tree *tree, const struct source_intervals *intervals, size_t *next, size_t line,
		size_t key)
{
	size_t position = line * keys_of(tree) + key;
	struct source_interval interval = {.first = source_number_largest(tree->family)};

	if (*next < intervals->count)
		interval = intervals->items[(*next)++];
	else
		interval = (struct source_interval){interval.first, intervals->items[intervals->count - 1].class_id,
						    intervals->items[intervals->count - 1].bits};
	if (tree->family == AF_INET) {
		tree->lines4[line].first[key] = (uint32_t)interval.first.low;
	} else {
		tree->lines6[line].first[key].high = interval.first.high;
		tree->lines6[line].first[key].low = interval.first.low;
	}
	tree->classes[position / 32].value[position % 32] = interval.class_id;
	if (tree->lengths)
		tree->lengths[position / 32].value[position % 32] = interval.bits;
}

/* In order: what is smaller than a key, then the key. Depth: logarithm of the lines. */
static void fill(struct source_tree *tree, const struct source_intervals *intervals, size_t *next, size_t line)
{
	size_t keys = keys_of(tree);

	if (line >= tree->line_count)
		return;
	for (size_t key = 0; key < keys; key++) {
		fill(tree, intervals, next, line * (keys + 1) + 1 + key);
		put(tree, intervals, next, line, key);
	}
	fill(tree, intervals, next, line * (keys + 1) + 1 + keys);
}

static struct source_tree plant(const struct source_intervals *intervals, int family, bool with_lengths,
				struct arena *arena)
{
	struct source_tree tree = {.family = family};
	size_t keys = keys_of(&tree), next = 0;

	tree.line_count = (intervals->count + keys - 1) / keys;
	if (family == AF_INET)
		tree.lines4 = arena_array(arena, tree.line_count, sizeof(*tree.lines4));
	else
		tree.lines6 = arena_array(arena, tree.line_count, sizeof(*tree.lines6));
	tree.value_line_count = (tree.line_count * keys + 31) / 32;
	tree.classes = arena_array(arena, tree.value_line_count, sizeof(*tree.classes));
	if (with_lengths)
		tree.lengths = arena_array(arena, tree.value_line_count, sizeof(*tree.lengths));
	fill(&tree, intervals, &next, 0);
	return tree;
}

static void digest_of(struct source_trees *trees)
{
	const struct source_tree *ipv4 = &trees->classes4, *ipv6 = &trees->classes6;
	const struct {
		const void *bytes;
		size_t length;
	} parts[] = {
		{ipv4->lines4, ipv4->line_count * sizeof(*ipv4->lines4)},
		{ipv6->lines6, ipv6->line_count * sizeof(*ipv6->lines6)},
		{ipv4->classes, ipv4->value_line_count * sizeof(*ipv4->classes)},
		{ipv6->classes, ipv6->value_line_count * sizeof(*ipv6->classes)},
	};
	uint8_t digests[ARRAY_COUNT(parts)][SHA256_BYTES];

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
		sha256(parts[i].bytes, parts[i].length, digests[i]);
	sha256(digests, sizeof(digests), trees->digest);
}

static void build(const struct policy *policy, struct source_trees *trees, int family, struct source_tree *classes,
		  struct source_tree *with_lengths)
{
	struct arena scratch = {0};
	struct source_intervals intervals;
	size_t count;
	struct source_prefix *prefixes = source_prefixes_of(policy, &trees->classes, family, &scratch, &count);

	intervals = source_intervals_of(prefixes, count, family, SOURCE_CLASS, &scratch);
	*classes = plant(&intervals, family, false, &trees->arena);
	if (family == AF_INET)
		trees->networks = networks_of(&intervals, USHER_NETWORK_BLOCKS_MAX, &trees->arena);
	intervals = source_intervals_of(prefixes, count, family, SOURCE_CLASS_AND_BITS, &scratch);
	*with_lengths = plant(&intervals, family, true, &trees->arena);
	arena_free(&scratch);
}

struct source_trees *source_trees_of(const struct policy *policy, struct source_trees *before)
{
	static uint64_t serial;
	struct source_trees *trees;

	if (before && !strcmp(before->policy_digest, policy->digest)) {
		before->holders++;
		return before;
	}
	trees = calloc(1, sizeof(*trees));
	if (!trees)
		abort();
	trees->holders = 1;
	trees->serial = ++serial;
	memcpy(trees->policy_digest, policy->digest, sizeof(trees->policy_digest));
	trees->classes = classes_of(policy, &trees->arena);
	/* What has too many is refused by whoever looks at the count; its numbers would not fit. */
	if (trees->classes.count <= USHER_CLASSES_MAX) {
		build(policy, trees, AF_INET, &trees->classes4, &trees->prefixes4);
		build(policy, trees, AF_INET6, &trees->classes6, &trees->prefixes6);
		digest_of(trees);
	}
	return trees;
}

void source_trees_release(struct source_trees *trees)
{
	if (!trees || --trees->holders)
		return;
	arena_free(&trees->arena);
	free(trees);
}

/* ---- searching --------------------------------------------------------------------------------------------- */

static struct source_number key_at(const struct source_tree *tree, size_t line, size_t key)
{
	if (tree->family == AF_INET)
		return (struct source_number){.low = tree->lines4[line].first[key]};
	return (struct source_number){tree->lines6[line].first[key].high, tree->lines6[line].first[key].low};
}

static uint16_t value_at(const struct source_tree *tree, const struct usher_line16 *values, size_t line, size_t key)
{
	size_t position = line * keys_of(tree) + key;

	return values[position / 32].value[position % 32];
}

/* How many of a line's keys are not above the address. */
static size_t rank_of(const struct source_tree *tree, size_t line, struct source_number address)
{
	size_t keys = keys_of(tree), rank = 0;

	if (tree->family == AF_INET) {
		const uint32_t *first = tree->lines4[line].first;

		/* All of them, as they are in order: no branch to guess. */
		for (size_t key = 0; key < USHER_SOURCE4_KEYS; key++)
			rank += first[key] <= address.low;
		return rank;
	}
	while (rank < keys && source_number_compare(key_at(tree, line, rank), address) <= 0)
		rank++;
	return rank;
}

/* Which interval an address is in: its line and key. False: it is before the first. */
static bool find(const struct source_tree *tree, struct source_number address, size_t *ret_line, size_t *ret_key)
{
	size_t keys = keys_of(tree), line = 0;
	bool found = false;

	while (line < tree->line_count) {
		size_t rank = rank_of(tree, line, address);

		if (rank) {
			found = true;
			*ret_line = line;
			*ret_key = rank - 1;
		}
		line = line * (keys + 1) + 1 + rank;
	}
	return found;
}

static uint16_t class_at(const struct source_trees *trees, int family, struct source_number address)
{
	const struct source_tree *tree = family == AF_INET ? &trees->classes4 : &trees->classes6;
	size_t line, key;

	if (!find(tree, address, &line, &key))
		return family == AF_INET ? USHER_CLASS_UNKNOWN4 : USHER_CLASS_UNKNOWN6;
	return value_at(tree, tree->classes, line, key);
}

size_t source_trees_find(const struct source_trees *trees, const struct usher_address *address)
{
	int family = address_family(address);

	return class_at(trees, family, source_number_of(address, family));
}

bool source_trees_prefix(const struct source_trees *trees, const struct usher_address *address, size_t class_id,
			 uint8_t *ret_bits)
{
	int family = address_family(address);
	const struct source_tree *tree = family == AF_INET ? &trees->prefixes4 : &trees->prefixes6;
	size_t line, key;
	uint16_t bits;

	if (!find(tree, source_number_of(address, family), &line, &key) ||
	    value_at(tree, tree->classes, line, key) != class_id)
		return false;
	bits = value_at(tree, tree->lengths, line, key);
	if (bits == SOURCE_NO_PREFIX)
		return false;
	*ret_bits = (uint8_t)bits;
	return true;
}

/* ---- what is in a range ------------------------------------------------------------------------------------ */

struct range {
	struct source_number first, last;
	uint16_t *classes;
	size_t count, capacity;
	uint64_t seen[USHER_CLASSES_MAX / 64];
};

static void note(struct range *range, uint16_t class_id)
{
	uint64_t bit = 1ULL << class_id % 64, *word = &range->seen[class_id / 64];

	if (*word & bit)
		return;
	*word |= bit;
	range->classes = array_grow(range->classes, range->count, &range->capacity, sizeof(*range->classes));
	range->classes[range->count++] = class_id;
}

/* In order, what begins behind the range's first address. Depth: logarithm of the lines. */
static void walk(const struct source_tree *tree, size_t line, struct range *range)
{
	size_t keys = keys_of(tree);

	if (line >= tree->line_count)
		return;
	for (size_t key = rank_of(tree, line, range->first); key <= keys; key++) {
		walk(tree, line * (keys + 1) + 1 + key, range);
		if (key == keys || source_number_compare(key_at(tree, line, key), range->last) > 0)
			return;
		note(range, value_at(tree, tree->classes, line, key));
	}
}

void source_trees_within(const struct source_trees *trees, const struct usher_address *address, uint8_t bits,
			 uint16_t **ret_classes, size_t *ret_count)
{
	int family = address_family(address);
	struct range range = {.first = source_number_of(address, family)};

	range.last = source_number_last(range.first, 128u - bits);
	note(&range, class_at(trees, family, range.first));
	walk(family == AF_INET ? &trees->classes4 : &trees->classes6, 0, &range);
	*ret_classes = range.classes;
	*ret_count = range.count;
}
