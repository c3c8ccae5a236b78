// SPDX-License-Identifier: GPL-2.0-only
#include "compile/classes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"

#include "policy/policy.h"

int prefix_family(const struct usher_address *address, uint8_t bits)
{
	return bits >= 96 && address_is_ipv4(address) ? AF_INET : AF_INET6;
}

int source_family(const struct source *source)
{
	return prefix_family(&source->address, source->bits);
}

int class_compare(const void *left, const void *right)
{
	const struct class *a = left, *b = right;
	int order;

	if (a->tenant != b->tenant)
		return a->tenant < b->tenant ? -1 : 1;
	order = region_compare(&a->region, &b->region);
	return order ? order : (a->family > b->family) - (a->family < b->family);
}

/* The classes of a geography file: its regions, in the families that they occur in. */
static void add_geo(const struct geo *geo, struct classes *classes)
{
	bool seen[USHER_GEO_REGIONS_MAX][2] = {0};

	for (size_t i = 0; i < geo->prefix_count; i++) {
		const struct geo_prefix *prefix = &geo->prefixes[i];

		seen[prefix->region][prefix_family(&prefix->address, prefix->bits) == AF_INET6] = true;
	}
	for (size_t r = 0; r < geo->region_count; r++)
		for (size_t six = 0; six < 2; six++)
			if (seen[r][six])
				classes->items[classes->count++] =
					(struct class){geo->tenant, geo->regions[r], six ? AF_INET6 : AF_INET};
}

struct classes classes_of(const struct policy *policy, struct arena *arena)
{
	struct classes classes = {.count = 2};
	size_t capacity = 2, kept = 2;

	for (size_t t = 0; t < policy->tenant_count; t++)
		capacity += policy->tenants[t].source_count;
	for (size_t g = 0; g < policy->geo_count; g++)
		capacity += 2 * policy->geos[g].region_count;
	classes.items = arena_array(arena, capacity, sizeof(*classes.items));
	classes.items[USHER_CLASS_UNKNOWN4] = (struct class){.tenant = POLICY_UNKNOWN_TENANT, .family = AF_INET};
	classes.items[USHER_CLASS_UNKNOWN6] = (struct class){.tenant = POLICY_UNKNOWN_TENANT, .family = AF_INET6};
	for (size_t t = 0; t < policy->tenant_count; t++) {
		for (size_t i = 0; i < policy->tenants[t].source_count; i++) {
			const struct source *source = &policy->tenants[t].sources[i];

			classes.items[classes.count++] = (struct class){t, source->region, source_family(source)};
		}
	}
	for (size_t g = 0; g < policy->geo_count; g++)
		add_geo(&policy->geos[g], &classes);
	qsort(classes.items + 2, classes.count - 2, sizeof(*classes.items), class_compare);
	for (size_t i = 2; i < classes.count; i++)
		if (kept == 2 || class_compare(&classes.items[kept - 1], &classes.items[i]))
			classes.items[kept++] = classes.items[i];
	classes.count = kept;
	return classes;
}

size_t classes_find(const struct classes *classes, const struct class *class)
{
	const struct class *found;

	if (class->tenant == POLICY_UNKNOWN_TENANT)
		return class->family == AF_INET ? USHER_CLASS_UNKNOWN4 : USHER_CLASS_UNKNOWN6;
	found = bsearch(class, classes->items + 2, classes->count - 2, sizeof(*class), class_compare);
	return (size_t)(found - classes->items);
}
