/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rules say to every class of clients at every service: the policy's alone, so that another generation of it has the same. */
#ifndef USHER_COMPILE_CASEBOOK_H
#define USHER_COMPILE_CASEBOOK_H

#include "compile/classes.h"
#include "compile/ruling.h"

struct service_cases {
	const uint32_t *ruling_of; /* by case */
	size_t count;
	const uint16_t *case_of; /* by class; `count` if the service has no address of its family */
};

struct casebook {
	struct arena arena;
	char policy_digest[65];
	struct rulings rulings;
	struct service_cases *services;
	const uint64_t *applied; /* bit r % 64 of word r / 64: rule r applies to some class at some service */
};

/* At most USHER_CLASSES_MAX classes. */
struct casebook *casebook_new(const struct policy *policy, const struct classes *classes);
void casebook_free(struct casebook *casebook);

#endif
