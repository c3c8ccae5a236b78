/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers for names that outlive one generation, because flows and counters hold them. A name keeps its number as long
 * as it exists; a number that was given up is the last to be given out again, and then under another incarnation.
 *
 * A backend is the same as long as its name, address, port, version with its digest, model, region and forwarding mode
 * are: capacity and health checks may change.
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

/* Numbers by policy index. */
struct numbers {
	uint16_t *services, *tenants, *backends, *nat_addresses; /* one allocation, to be freed with `services` */
};

int identities_new(struct identities **ret_identities); /* all free but tenant 0, `unknown` */
void identities_free(struct identities *identities);
/*
 * What `before` becomes under this policy, and the numbers of what is in it; `before` (NULL: all free) is not changed.
 * ret_numbers may be NULL. Returns 0, -ENOMEM, or -ENOSPC: there are fewer numbers than names.
 */
int identities_next(const struct identities *before, const struct policy *policy, uint64_t generation,
		    struct identities **ret_after, struct numbers *ret_numbers);
void numbers_free(struct numbers *numbers);

/* Canonical JSON text, for the state file and its checks; and back (-EINVAL if it is not one of ours). */
char *identities_print(const struct identities *identities);
int identities_parse(const char *text, size_t length, struct identities **ret_identities);

#endif
