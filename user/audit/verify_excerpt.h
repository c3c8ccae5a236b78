/* SPDX-License-Identifier: GPL-2.0-only */
/* Has anybody edited a part of the audit log that is at hand in memory? As verify.h, from a seal on that is believed. */
#ifndef USHER_AUDIT_VERIFY_EXCERPT_H
#define USHER_AUDIT_VERIFY_EXCERPT_H

#include "audit/verify.h"

/* Lines of a log that go on from a seal (evidence.h), in the order in which they were written; segments follow each other in them. */
struct verify_excerpt {
	const char *name; /* what findings call it */
	const char *bytes;
	size_t length;
	uint64_t before; /* how many lines are before these in what has the name */
	char log[CHAIN_LOG];
	uint64_t seal; /* number and hash of the one before: believed */
	uint8_t hash[SHA256_BYTES];
};

/* The last seal, and not only one before it, has to be signed. As verify_range. */
int verify_excerpt(const struct verify_excerpt *excerpt, const struct verify_trust *trust, verify_found *found,
		   void *context, struct verify_summary *ret_summary);

#endif
