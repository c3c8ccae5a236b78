/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers for names that outlive one generation, because flows and counters hold them. A name keeps its number as long
 * as it exists; a number that was given up is the last to be given out again, and then under another incarnation.
 */
#ifndef USHER_COMPILE_IDENTITIES_H
#define USHER_COMPILE_IDENTITIES_H

#include "policy/model.h"

struct identity {
	char *key; /* name, or of a backend: name and everything that makes it the same backend; NULL: free */
	uint16_t incarnation; /* counts the keys this number has had */
	uint64_t freed;	      /* generation that gave it up; the oldest is reused first */
};

struct identity_table {
	struct identity *items;
	size_t count; /* capacity: fixed by limits.h */
};

struct identities {
	struct identity_table services, tenants, backends, nat_addresses;
};

int identities_new(struct identities **ret_identities); /* all free but tenant 0, `unknown` */
void identities_free(struct identities *identities);
/* What `before` becomes under this policy; `before` is not changed. Returns 0, -ENOMEM or -ENOSPC. */
int identities_next(const struct identities *before, const struct policy *policy, uint64_t generation,
		    struct identities **ret_after);
/* Canonical JSON text, for the state file and its checks; and back (-EINVAL if it is not one of ours). */
char *identities_print(const struct identities *identities);
int identities_parse(const char *text, size_t length, struct identities **ret_identities);

#endif
