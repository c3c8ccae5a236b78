/* SPDX-License-Identifier: GPL-2.0-only */
/* Every (tenant, region, address family) that a source address can be, numbered as the tables do. */
#ifndef USHER_COMPILE_CLASSES_H
#define USHER_COMPILE_CLASSES_H

#include "policy/model.h"

struct class
{
	size_t tenant; /* policy index, or POLICY_UNKNOWN_TENANT */
	struct region region;
	int family; /* AF_INET, AF_INET6 */
};

/* Items 0 and 1 are what no prefix covers; the others are sorted by tenant, region, family. Memory is the arena's. */
struct classes {
	struct class *items;
	size_t count;
};

struct classes classes_of(const struct policy *policy, struct arena *arena);
/* For qsort: by tenant, region, family. */
int class_compare(const void *left, const void *right);
/* The number of one that is among them. */
size_t classes_find(const struct classes *classes, const struct class *class);

/* AF_INET if that is a prefix of IPv4 addresses. */
int prefix_family(const struct usher_address *address, uint8_t bits);
/* The same, of a source's prefix. */
int source_family(const struct source *source);

#endif
