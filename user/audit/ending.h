/* SPDX-License-Identifier: GPL-2.0-only */
/* How a segment ends, for whoever goes on from there. */
#ifndef USHER_AUDIT_ENDING_H
#define USHER_AUDIT_ENDING_H

#include "audit/chain.h"

struct ending {
	struct chain chain; /* as far as the last seal, and what comes behind that: chain.lines without one */
	char log[CHAIN_LOG];
	bool has_seal;	     /* there is one, in it or before it */
	uint64_t signed_for; /* seal that the last checkpoint is of; 0: there is no checkpoint */
	bool is_broken;	     /* its chain */
	bool is_unchained;   /* it has none: older versions wrote without */
};

/* Goes through it, line by line. The chain is for chain_close, unless there is none. Returns 0 or -errno. */
int ending_read(const char *folder, const char *name, struct ending *ret_ending);
/* Goes on through more lines of it. */
void ending_follow(struct ending *ending, const char *bytes, size_t length);

#endif
