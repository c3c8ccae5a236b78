/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By whose doing the policies of a range came into force: each change in it, and for a policy that its decisions name what brought it before.
 *
 * Decisions come first (report_policies_name), then all operations up to the end of the range (report_policies_take): which of those before
 * the range matter is known by then, and no others are kept.
 */
#ifndef USHER_AUDIT_REPORT_POLICIES_H
#define USHER_AUDIT_REPORT_POLICIES_H

#include <stdbool.h>

#include "audit/fields.h"
#include "audit/report_list.h"

#define REPORT_POLICIES 1000 /* that decisions name */

/* What came before the range: the last time that somebody ordered it, what usher itself did since, and that it was confirmed. */
enum report_policy_past { REPORT_ORDERED, REPORT_BY_ITSELF, REPORT_CONFIRMED, REPORT_PASTS };

/* Zeroed: empty. */
struct report_policies {
	struct report_policy {
		const char *digest, *revision;
		struct {
			char *line;
			size_t length;
		} past[REPORT_PASTS];
		bool known; /* the log says how it came into force */
	} * items;
	size_t count, room, latest;
	uint64_t left_out;	    /* decisions that name others */
	struct report_list changes; /* in the range */
};

/* Is it an operation that is about which policy is in force? */
bool report_policies_concern(const struct fields *fields);
void report_policies_name(struct report_policies *policies, struct arena *arena, const struct fields *fields,
			  uint64_t count);
/* Any operation; since: "", or when the range begins. */
void report_policies_take(struct report_policies *policies, struct arena *arena, const char *since, const char *line,
			  size_t length);
/* Those of which the log does not say it, then what came before the range, then the changes in it. */
void report_policies_list(const struct report_policies *policies, struct arena *arena, struct report_list *list);
void report_policies_free(struct report_policies *policies);

#endif
