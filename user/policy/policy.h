/* SPDX-License-Identifier: GPL-2.0-only */
/* From bytes to a validated policy. Pure: no I/O, no clock, no logging. */
#ifndef USHER_POLICY_POLICY_H
#define USHER_POLICY_POLICY_H

#include "base/diagnostics.h"
#include "policy/model.h"

/*
 * Parses and validates `length` bytes of a document called `file`, with its geography files behind it (bundle.h). Every error and warning goes to `diagnostics`.
 * Returns 0 and a policy (to be freed with policy_free) if there was no error, otherwise -EINVAL.
 * now: seconds since the epoch; decides only which dates draw a warning.
 */
int policy_parse(const char *file, const void *bytes, size_t length, int64_t now, struct diagnostics *diagnostics,
		 struct policy **ret_policy);
void policy_free(struct policy *policy);

/* Names of the geography files that the text names, or would name but for its errors; no name twice. Memory is the arena's. */
size_t policy_geo_files(const void *bytes, size_t length, struct arena *arena,
			const char *ret_names[USHER_GEO_FILES_MAX]);

/* Is the index one of the list? */
bool index_list_has(const struct index_list *list, size_t index);
/* Does `inner` lie wholly inside the list: itself, or its country? */
bool region_inside(const struct region *inner, const struct region_list *list);
/* Could a client in `region` be inside the list? A country may be any of its subdivisions; unknown may be anywhere. */
bool region_may_be_inside(const struct region *region, const struct region_list *list);
/* For qsort: by country, then subdivision. */
int region_compare(const void *left, const void *right);
/* "DE-HE", "DE", or "unknown". */
void region_print(const struct region *region, char text[8]);

/* How outliers are looked for among the backend's peers. */
const struct outlier_settings *policy_outlier(const struct policy *policy, size_t backend);
/* Is there a NAT address of this family? */
bool policy_has_nat_address(const struct policy *policy, int family);
/* Port of the model's first service address that is not `port`, or 0. */
uint16_t policy_other_port(const struct policy *policy, size_t model, uint16_t port);
/* Is it one that members of the pool may have? */
bool pool_may_have_port(const struct pool *pool, uint32_t port);
/* The overflow tier of a service that a backend is in. */
size_t service_tier(const struct policy *policy, size_t service, size_t backend);
/* How many series each subject of the gate is judged by, in the order of struct gate_policy: series[0] of the first group,
 * series[1] of it, then of the second group; of each bucket of the actual histogram, then of the expected one. */
size_t gate_series_count(const struct gate_policy *gate);

#define VERSION_TEXT (2 * USHER_NAME_MAX + 2)
/* "MODEL@VERSION", as backends name what they serve. */
const char *version_print(const struct policy *policy, size_t version, char text[VERSION_TEXT]);
/* The index of what is called so, or POLICY_NONE. */
size_t version_find(const struct policy *policy, const char *text);

#endif
