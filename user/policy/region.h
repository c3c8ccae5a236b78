/* SPDX-License-Identifier: GPL-2.0-only */
/* Region codes, and lists of them. */
#ifndef USHER_POLICY_REGION_H
#define USHER_POLICY_REGION_H

#include "policy/reader.h"

/* "DE", "DE-HE". Returns 0, -EINVAL if it has not that form, or -ENOENT if there is no such country. */
int region_parse(const char *text, struct region *ret_region);
/* Sorted, and without duplicates. */
struct region_list region_list_make(struct arena *arena, const struct region *items, size_t count);

/* One region: "DE-HE". */
int read_region(struct document *document, struct node node, struct region *ret_region);
/* A list of codes and names of region sets, as one. ret_unknown: whether "unknown" is in it; NULL: it may not be. */
int read_regions(struct document *document, struct node node, const struct policy *policy, struct region_list *ret_list,
		 bool *ret_unknown);

#endif
