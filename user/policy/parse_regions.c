// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "policy/parse.h"

static bool is_region_set_name(const char *name)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char further[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_-";
	size_t length = strlen(name);

	return length >= 3 && length <= 63 && strchr(first, *name) && strspn(name, further) == length;
}

static const struct naming set_naming = {"region set", "[A-Z][A-Za-z0-9+_-]{2,62}", is_region_set_name};

/* A set while includes are being resolved. */
struct raw_set {
	struct node value, include;
	const struct region *countries;
	size_t country_count;
	const size_t *includes;
	size_t include_count;
	enum { RAW, RESOLVING, RESOLVED } state;
};

static void read_countries(struct document *document, struct node node, struct raw_set *set)
{
	struct node *items;
	size_t count, kept = 0;
	struct region *countries;

	if (read_list(document, node, 1, USHER_REGIONS_MAX, &items, &count))
		return;
	countries = arena_array(&document->scratch, count, sizeof(*countries));
	for (size_t i = 0; i < count; i++)
		if (!read_region(document, items[i], &countries[kept]))
			kept++;
	set->countries = countries;
	set->country_count = kept;
}

static void read_set(struct document *document, struct node node, const struct policy *policy,
		     struct region_set *region_set, struct raw_set *set)
{
	enum { INCLUDE, COUNTRIES, BASIS, RECHECK_BY, FIELDS };
	struct field fields[FIELDS] = {
		{.key = "include"}, {.key = "countries"}, {.key = "basis"}, {.key = "recheck_by"}};
	const struct named sets = NAMED("region set", policy->region_sets, policy->region_set_count);
	struct index_list includes = {0};

	set->value = node;
	region_set->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[COUNTRIES].given)
		read_countries(document, fields[COUNTRIES].value, set);
	if (fields[INCLUDE].given) {
		set->include = fields[INCLUDE].value;
		read_references(document, fields[INCLUDE].value, &sets, &includes);
		set->includes = includes.items;
		set->include_count = includes.count;
	}
	if (!fields[COUNTRIES].given && !fields[INCLUDE].given)
		node_error(document, node, "a region set needs \"countries\" or \"include\"");
	if (fields[BASIS].given)
		read_string(document, fields[BASIS].value, &region_set->basis);
	if (fields[RECHECK_BY].given)
		read_date(document, fields[RECHECK_BY].value, &region_set->recheck_by);
}

/* Depth: that of the includes, which is at most the number of sets. */
static void resolve(struct document *document, struct policy *policy, struct raw_set *raw, size_t index)
{
	struct raw_set *set = &raw[index];
	size_t total = set->country_count, kept = 0;
	struct region *all;

	set->state = RESOLVING;
	for (size_t i = 0; i < set->include_count; i++) {
		size_t other = set->includes[i];

		if (raw[other].state == RESOLVING) {
			node_error(document, set->include, "\"%s\" includes \"%s\", which leads back to it",
				   policy->region_sets[index].name, policy->region_sets[other].name);
			continue;
		}
		if (raw[other].state == RAW)
			resolve(document, policy, raw, other);
		total += policy->region_sets[other].regions.count;
	}
	all = arena_array(&document->scratch, total, sizeof(*all));
	for (size_t i = 0; i < set->country_count; i++)
		all[kept++] = set->countries[i];
	for (size_t i = 0; i < set->include_count; i++) {
		const struct region_list *list = &policy->region_sets[set->includes[i]].regions;

		for (size_t j = 0; j < list->count && kept < total; j++)
			all[kept++] = list->items[j];
	}
	policy->region_sets[index].regions = region_list_make(document->arena, all, kept);
	set->state = RESOLVED;
	if (policy->region_sets[index].regions.count > USHER_REGIONS_MAX)
		node_error(document, set->value,
			   "there are %zu regions with all that is included; at most %d are possible",
			   policy->region_sets[index].regions.count, USHER_REGIONS_MAX);
}

void parse_regions(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	struct raw_set *raw;
	struct region ignored;
	size_t count;

	if (read_named(document, node, &set_naming, USHER_REGION_SETS_MAX, &members, &count))
		return;
	policy->region_sets = arena_array(document->arena, count, sizeof(*policy->region_sets));
	policy->region_set_count = count;
	raw = arena_array(&document->scratch, count, sizeof(*raw));
	for (size_t i = 0; i < count; i++) {
		policy->region_sets[i].name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		if (!region_parse(members[i].key, &ignored))
			key_error(document, members[i].value, "\"%s\" is the code of a region", members[i].key);
	}
	for (size_t i = 0; i < count; i++)
		read_set(document, members[i].value, policy, &policy->region_sets[i], &raw[i]);
	for (size_t i = 0; i < count; i++)
		if (raw[i].state == RAW)
			resolve(document, policy, raw, i);
}
