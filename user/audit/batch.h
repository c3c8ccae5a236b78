/* SPDX-License-Identifier: GPL-2.0-only */
/* What is to be written to the log next: whole lines, and which numbers of the rings are among them. */
#ifndef USHER_AUDIT_BATCH_H
#define USHER_AUDIT_BATCH_H

#include "audit/ledger.h"

struct batch {
	struct json text;
	uint64_t records, numbered; /* and how many of these are of the rings, and come again if those are read again */
	struct chain_range *ranges; /* of each CPU and ring; first > last: none */
};

/* Returns 0 or -ENOMEM. */
int batch_init(struct batch *batch);
void batch_free(struct batch *batch);
/* These numbers are in it. */
void batch_widen(struct batch *batch, uint32_t cpu, enum usher_ring ring, uint64_t first, uint64_t last);
/* To the log: as ledger_append. It stays as it is. */
int batch_append(const struct batch *batch, struct ledger *ledger, const struct record_stamp *stamp);
/* Nothing is in it any more. */
void batch_clear(struct batch *batch);

#endif
