// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prefixes nest or are disjoint, so a walk over them in order of their first address, with those that are open on a
 * stack, cuts the address space into intervals of one class each. An interval ends where the next one begins.
 */
#include "compile/sources.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/array.h"

struct number {
	uint64_t high, low; /* of an IPv4 address: only `low` */
};

struct prefix {
	struct number first, last;
	uint8_t bits;
	uint16_t class_id;
};

struct interval {
	struct number first;
	uint16_t class_id;
};

struct intervals {
	struct interval *items;
	size_t count;
};

/* ---- numbers ----------------------------------------------------------------------------------------------- */

static int compare_numbers(struct number a, struct number b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low < b.low ? -1 : a.low > b.low;
}

static struct number number_of(const struct usher_address *address, int family)
{
	if (family == AF_INET)
		return (struct number){.low = __builtin_bswap32(address->words[3])};
	return (struct number){__builtin_bswap64(address->halves[0]), __builtin_bswap64(address->halves[1])};
}

static struct number largest(int family)
{
	return family == AF_INET ? (struct number){.low = UINT32_MAX} : (struct number){UINT64_MAX, UINT64_MAX};
}

/* The last address of a prefix that begins there and leaves `free` bits open. */
static struct number last_of(struct number first, unsigned int open)
{
	if (open >= 64) {
		first.low = UINT64_MAX;
		first.high |= open == 128 ? UINT64_MAX : (1ULL << (open - 64)) - 1;
	} else {
		first.low |= (1ULL << open) - 1;
	}
	return first;
}

static struct number after(struct number number)
{
	number.low++;
	number.high += !number.low;
	return number;
}

/* ---- intervals --------------------------------------------------------------------------------------------- */

static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = compare_numbers(a->first, b->first);

	return order ? order : a->bits - b->bits;
}

static struct prefix prefix_of(const struct usher_address *address, uint8_t bits, int family, size_t class_id)
{
	struct number first = number_of(address, family);

	return (struct prefix){first, last_of(first, 128u - bits), bits, (uint16_t)class_id};
}

/* The prefixes that the policy itself has, in order. */
static size_t collect_own(const struct policy *policy, const struct classes *classes, int family,
			  struct prefix *prefixes)
{
	size_t count = 0;

	for (size_t t = 0; t < policy->tenant_count; t++) {
		for (size_t i = 0; i < policy->tenants[t].source_count; i++) {
			const struct source *source = &policy->tenants[t].sources[i];
			const struct class class = {t, source->region, family};

			if (source_family(source) == family)
				prefixes[count++] = prefix_of(&source->address, source->bits, family,
							      classes_find(classes, &class));
		}
	}
	qsort(prefixes, count, sizeof(*prefixes), compare_prefixes);
	return count;
}

/* A geography file being read in order. */
struct cursor {
	const struct geo *geo;
	size_t next;
	uint32_t *class_of; /* by region of the file; CLASS_UNSET until it is asked for */
	struct prefix head;
	bool ended;
};

#define CLASS_UNSET UINT32_MAX

static void advance(struct cursor *cursor, const struct classes *classes, int family)
{
	const struct geo *geo = cursor->geo;
	const struct geo_prefix *prefix;
	uint32_t *class_id;

	while (cursor->next < geo->prefix_count &&
	       prefix_family(&geo->prefixes[cursor->next].address, geo->prefixes[cursor->next].bits) != family)
		cursor->next++;
	cursor->ended = cursor->next == geo->prefix_count;
	if (cursor->ended)
		return;
	prefix = &geo->prefixes[cursor->next++];
	class_id = &cursor->class_of[prefix->region];
	if (*class_id == CLASS_UNSET) {
		const struct class class = {geo->tenant, geo->regions[prefix->region], family};

		*class_id = (uint32_t)classes_find(classes, &class);
	}
	cursor->head = prefix_of(&prefix->address, prefix->bits, family, *class_id);
}

static size_t open_cursors(const struct policy *policy, const struct classes *classes, int family,
			   struct cursor cursors[USHER_GEO_FILES_MAX], struct arena *arena)
{
	for (size_t g = 0; g < policy->geo_count; g++) {
		const struct geo *geo = &policy->geos[g];

		cursors[g] = (struct cursor){.geo = geo};
		cursors[g].class_of = arena_array(arena, geo->region_count, sizeof(uint32_t));
		memset(cursors[g].class_of, 0xff, geo->region_count * sizeof(uint32_t));
		advance(&cursors[g], classes, family);
	}
	return policy->geo_count;
}

/*
 * All prefixes of a family in order, none twice: what is in a file and in the policy itself is the policy's. No two files have
 * the same one (geography_ties).
 */
static size_t collect(const struct policy *policy, const struct classes *classes, int family, struct arena *arena,
		      size_t most, struct prefix *prefixes)
{
	struct cursor cursors[USHER_GEO_FILES_MAX];
	size_t files = open_cursors(policy, classes, family, cursors, arena), count = 0, taken = 0, own_count;
	struct prefix *own = files ? arena_array(arena, most, sizeof(*own)) : prefixes;

	own_count = collect_own(policy, classes, family, own);
	if (!files)
		return own_count;
	for (;;) {
		const struct prefix *least = taken < own_count ? &own[taken] : NULL;
		struct cursor *from = NULL;

		for (size_t f = 0; f < files; f++)
			if (!cursors[f].ended && (!least || compare_prefixes(&cursors[f].head, least) < 0)) {
				from = &cursors[f];
				least = &from->head;
			}
		if (!least)
			return count;
		prefixes[count++] = *least;
		if (from) {
			advance(from, classes, family);
			continue;
		}
		for (size_t f = 0; f < files; f++)
			if (!cursors[f].ended && !compare_prefixes(&cursors[f].head, least))
				advance(&cursors[f], classes, family);
		taken++;
	}
}

/* From `first` on it is this class, until the next begin. */
static void begin(struct intervals *intervals, struct number first, uint16_t class_id)
{
	if (intervals->count && !compare_numbers(intervals->items[intervals->count - 1].first, first))
		intervals->count--;
	if (intervals->count && intervals->items[intervals->count - 1].class_id == class_id)
		return;
	intervals->items[intervals->count++] = (struct interval){first, class_id};
}

static struct intervals cut(const struct prefix *prefixes, size_t count, int family, struct arena *arena)
{
	const uint16_t unknown = family == AF_INET ? USHER_CLASS_UNKNOWN4 : USHER_CLASS_UNKNOWN6;
	struct intervals intervals = {.items = arena_array(arena, 2 * count + 1, sizeof(*intervals.items))};
	const struct prefix *open[129];
	size_t depth = 0;

	for (size_t i = 0; i <= count; i++) {
		while (depth && (i == count || compare_numbers(open[depth - 1]->last, prefixes[i].first) < 0)) {
			const struct prefix *closed = open[--depth];

			if (compare_numbers(closed->last, largest(family)))
				begin(&intervals, after(closed->last), depth ? open[depth - 1]->class_id : unknown);
		}
		if (i == count)
			break;
		open[depth++] = &prefixes[i];
		begin(&intervals, prefixes[i].first, prefixes[i].class_id);
	}
	return intervals;
}

/* ---- trees ------------------------------------------------------------------------------------------------- */

struct tree {
	const struct intervals *intervals;
	size_t lines, keys, next;
	struct usher_source4_line *lines4; /* one of the two */
	struct usher_source6_line *lines6;
	struct usher_line16 *classes;
	int family;
};

static void put(struct tree *tree, size_t line, size_t key)
{
	const struct intervals *intervals = tree->intervals;
	size_t position = line * tree->keys + key;
	struct interval interval = {.first = largest(tree->family)};

	if (tree->next < intervals->count)
		interval = intervals->items[tree->next++];
	else
		interval.class_id = intervals->items[intervals->count - 1].class_id;
	if (tree->family == AF_INET) {
		tree->lines4[line].first[key] = (uint32_t)interval.first.low;
	} else {
		tree->lines6[line].first[key].high = interval.first.high;
		tree->lines6[line].first[key].low = interval.first.low;
	}
	tree->classes[position / 32].value[position % 32] = interval.class_id;
}

/* In order: what is smaller than a key, then the key. Depth: logarithm of the lines. */
static void fill(struct tree *tree, size_t line)
{
	if (line >= tree->lines)
		return;
	for (size_t key = 0; key < tree->keys; key++) {
		fill(tree, line * (tree->keys + 1) + 1 + key);
		put(tree, line, key);
	}
	fill(tree, line * (tree->keys + 1) + 1 + tree->keys);
}

static void plant(struct tree *tree, struct arena *arena, size_t *ret_lines, size_t *ret_class_lines)
{
	tree->lines = (tree->intervals->count + tree->keys - 1) / tree->keys;
	if (tree->family == AF_INET)
		tree->lines4 = arena_array(arena, tree->lines, sizeof(*tree->lines4));
	else
		tree->lines6 = arena_array(arena, tree->lines, sizeof(*tree->lines6));
	*ret_lines = tree->lines;
	*ret_class_lines = (tree->lines * tree->keys + 31) / 32;
	tree->classes = arena_array(arena, *ret_class_lines, sizeof(*tree->classes));
	fill(tree, 0);
}

static void digest_of(struct source_trees *trees)
{
	const struct {
		const void *bytes;
		size_t length;
	} parts[] = {
		{trees->source4, trees->source4_lines * sizeof(*trees->source4)},
		{trees->source6, trees->source6_lines * sizeof(*trees->source6)},
		{trees->source4_classes, trees->source4_class_lines * sizeof(*trees->source4_classes)},
		{trees->source6_classes, trees->source6_class_lines * sizeof(*trees->source6_classes)},
	};
	uint8_t digests[ARRAY_COUNT(parts)][SHA256_BYTES];

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
		sha256(parts[i].bytes, parts[i].length, digests[i]);
	sha256(digests, sizeof(digests), trees->digest);
}

static void build(const struct policy *policy, struct source_trees *trees)
{
	struct arena scratch = {0};
	struct prefix *prefixes;
	size_t own = 0, most, count;

	for (size_t t = 0; t < policy->tenant_count; t++)
		own += policy->tenants[t].source_count;
	most = own;
	for (size_t g = 0; g < policy->geo_count; g++)
		most += policy->geos[g].prefix_count;
	prefixes = arena_array(&scratch, most, sizeof(*prefixes));
	count = collect(policy, &trees->classes, AF_INET, &scratch, own, prefixes);

	struct intervals ipv4 = cut(prefixes, count, AF_INET, &scratch);
	struct tree tree4 = {.intervals = &ipv4, .keys = USHER_SOURCE4_KEYS, .family = AF_INET};

	plant(&tree4, &trees->arena, &trees->source4_lines, &trees->source4_class_lines);
	trees->source4 = tree4.lines4;
	trees->source4_classes = tree4.classes;

	count = collect(policy, &trees->classes, AF_INET6, &scratch, own, prefixes);

	struct intervals ipv6 = cut(prefixes, count, AF_INET6, &scratch);
	struct tree tree6 = {.intervals = &ipv6, .keys = USHER_SOURCE6_KEYS, .family = AF_INET6};

	plant(&tree6, &trees->arena, &trees->source6_lines, &trees->source6_class_lines);
	trees->source6 = tree6.lines6;
	trees->source6_classes = tree6.classes;
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
		build(policy, trees);
		digest_of(trees);
	}
	return trees;
}

/* How many of a line's keys are not above the address. */
static size_t rank_of(const struct source_trees *trees, int family, size_t line, struct number address)
{
	size_t keys = family == AF_INET ? USHER_SOURCE4_KEYS : USHER_SOURCE6_KEYS, rank = 0;

	for (; rank < keys; rank++) {
		struct number key = {.low = family == AF_INET ? trees->source4[line].first[rank] : 0};

		if (family == AF_INET6)
			key = (struct number){trees->source6[line].first[rank].high,
					      trees->source6[line].first[rank].low};
		if (compare_numbers(key, address) > 0)
			break;
	}
	return rank;
}

size_t source_trees_find(const struct source_trees *trees, const struct usher_address *address)
{
	int family = address_family(address);
	size_t keys = family == AF_INET ? USHER_SOURCE4_KEYS : USHER_SOURCE6_KEYS, line = 0, found = 0;
	size_t lines = family == AF_INET ? trees->source4_lines : trees->source6_lines;
	const struct usher_line16 *classes = family == AF_INET ? trees->source4_classes : trees->source6_classes;
	const struct number number = number_of(address, family);

	while (line < lines) {
		size_t rank = rank_of(trees, family, line, number);

		if (rank)
			found = line * keys + rank;
		line = line * (keys + 1) + 1 + rank;
	}
	if (!found)
		return family == AF_INET ? USHER_CLASS_UNKNOWN4 : USHER_CLASS_UNKNOWN6;
	return classes[(found - 1) / 32].value[(found - 1) % 32];
}

void source_trees_release(struct source_trees *trees)
{
	if (!trees || --trees->holders)
		return;
	arena_free(&trees->arena);
	free(trees);
}
