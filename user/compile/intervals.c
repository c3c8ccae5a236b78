// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prefixes nest or are disjoint, so a walk over them in order of their first address, with those that are open on a
 * stack, cuts the address space into intervals of one value each. An interval ends where the next one begins.
 */
#include "compile/intervals.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"

/* ---- numbers ----------------------------------------------------------------------------------------------- */

int source_number_compare(struct source_number a, struct source_number b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low < b.low ? -1 : a.low > b.low;
}

struct source_number source_number_of(const struct usher_address *address, int family)
{
	if (family == AF_INET)
		return (struct source_number){.low = __builtin_bswap32(address->words[3])};
	return (struct source_number){__builtin_bswap64(address->halves[0]), __builtin_bswap64(address->halves[1])};
}

struct source_number source_number_largest(int family)
{
	return family == AF_INET ? (struct source_number){.low = UINT32_MAX}
				 : (struct source_number){UINT64_MAX, UINT64_MAX};
}

/* The last address of a prefix that begins there and leaves `free` bits open. */
struct source_number source_number_last(struct source_number first, unsigned int open)
{
	if (open >= 64) {
		first.low = UINT64_MAX;
		first.high |= open == 128 ? UINT64_MAX : (1ULL << (open - 64)) - 1;
	} else {
		first.low |= (1ULL << open) - 1;
	}
	return first;
}

static struct source_number after(struct source_number number)
{
	number.low++;
	number.high += !number.low;
	return number;
}

/* ---- intervals --------------------------------------------------------------------------------------------- */

static int compare_prefixes(const void *left, const void *right)
{
	const struct source_prefix *a = left, *b = right;
	int order = source_number_compare(a->first, b->first);

	return order ? order : a->bits - b->bits;
}

static struct source_prefix prefix_of(const struct usher_address *address, uint8_t bits, int family, size_t class_id)
{
	struct source_number first = source_number_of(address, family);

	return (struct source_prefix){first, source_number_last(first, 128u - bits), bits, (uint16_t)class_id};
}

/* The prefixes that the policy itself has, in order. */
static size_t collect_own(const struct policy *policy, const struct classes *classes, int family,
			  struct source_prefix *prefixes)
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
	struct source_prefix head;
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
		      size_t most, struct source_prefix *prefixes)
{
	struct cursor cursors[USHER_GEO_FILES_MAX];
	size_t files = open_cursors(policy, classes, family, cursors, arena), count = 0, taken = 0, own_count;
	struct source_prefix *own = files ? arena_array(arena, most, sizeof(*own)) : prefixes;

	own_count = collect_own(policy, classes, family, own);
	if (!files)
		return own_count;
	for (;;) {
		const struct source_prefix *least = taken < own_count ? &own[taken] : NULL;
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

struct source_prefix *source_prefixes_of(const struct policy *policy, const struct classes *classes, int family,
					 struct arena *arena, size_t *ret_count)
{
	struct source_prefix *prefixes;
	size_t own = 0, most;

	for (size_t t = 0; t < policy->tenant_count; t++)
		own += policy->tenants[t].source_count;
	most = own;
	for (size_t g = 0; g < policy->geo_count; g++)
		most += policy->geos[g].prefix_count;
	prefixes = arena_array(arena, most, sizeof(*prefixes));
	*ret_count = collect(policy, classes, family, arena, own, prefixes);
	return prefixes;
}

/* From `first` on it is what this prefix says, until the next begin; NULL: there is none. */
static void begin(struct source_intervals *intervals, struct source_number first, const struct source_prefix *prefix,
		  enum source_value of, int family)
{
	const uint16_t unknown = family == AF_INET ? USHER_CLASS_UNKNOWN4 : USHER_CLASS_UNKNOWN6;
	struct source_interval one = {.first = first, .class_id = prefix ? prefix->class_id : unknown}, *last;

	if (of == SOURCE_CLASS_AND_BITS)
		one.bits = prefix ? prefix->bits : SOURCE_NO_PREFIX;
	if (intervals->count && !source_number_compare(intervals->items[intervals->count - 1].first, first))
		intervals->count--;
	last = intervals->count ? &intervals->items[intervals->count - 1] : NULL;
	if (!last || last->class_id != one.class_id || last->bits != one.bits)
		intervals->items[intervals->count++] = one;
}

struct source_intervals source_intervals_of(const struct source_prefix *prefixes, size_t count, int family,
					    enum source_value of, struct arena *arena)
{
	struct source_intervals intervals = {.items = arena_array(arena, 2 * count + 1, sizeof(*intervals.items))};
	const struct source_prefix *open[129];
	size_t depth = 0;

	for (size_t i = 0; i <= count; i++) {
		while (depth && (i == count || source_number_compare(open[depth - 1]->last, prefixes[i].first) < 0)) {
			const struct source_prefix *closed = open[--depth];

			if (source_number_compare(closed->last, source_number_largest(family)))
				begin(&intervals, after(closed->last), depth ? open[depth - 1] : NULL, of, family);
		}
		if (i == count)
			break;
		open[depth++] = &prefixes[i];
		begin(&intervals, prefixes[i].first, &prefixes[i], of, family);
	}
	return intervals;
}
