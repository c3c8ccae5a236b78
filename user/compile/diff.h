/* SPDX-License-Identifier: GPL-2.0-only */
/* What would be different under another policy: its objects, and who could be answered by what. Pure. */
#ifndef USHER_COMPILE_DIFF_H
#define USHER_COMPILE_DIFF_H

#include "govern/decide.h"

enum diff_change { DIFF_ADDED, DIFF_REMOVED, DIFF_CHANGED };

struct diff_object {
	enum diff_change change;
	const char *kind; /* "service", ... */
	const char *name;
};

/* One (service, tenant, region, address family) that is answered otherwise. */
struct diff_access {
	const char *service, *tenant;
	char region[8];
	int family;	       /* AF_INET, AF_INET6 */
	uint8_t before, after; /* reasons; USHER_REASON_NOT_FOR_SERVICE where a policy does not know the service */
	const char **gained, **lost; /* names of backends that may start flows */
	size_t gained_count, lost_count;
	bool shares; /* the same backends, in other proportions or arms */
};

struct diff {
	struct arena arena;
	struct diff_object *objects;
	size_t object_count, object_capacity;
	struct diff_access *accesses;
	size_t access_count, access_capacity;
};

/* Names are those of the policies, which must live as long. Returns 0 or -ENOMEM. */
int diff_make(const struct effective *before, const struct effective *after, struct diff **ret_diff);
void diff_free(struct diff *diff);

#endif
