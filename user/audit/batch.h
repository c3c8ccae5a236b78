/* SPDX-License-Identifier: GPL-2.0-only */
/* What is to be written to the log next: whole lines, and which numbers of the rings are among them. */
#ifndef USHER_AUDIT_BATCH_H
#define USHER_AUDIT_BATCH_H

#include "audit/ledger.h"

struct batch {
	struct json text;
	uint64_t records;  /* lines */
	uint64_t numbered; /* of these, how many are of the rings and come again if those are read again */
	struct json kept;  /* a copy of those that do not */
	uint64_t kept_records;
	struct chain_range *ranges; /* of each CPU and ring; first > last: none */
};

/* Returns 0 or -ENOMEM. */
int batch_init(struct batch *batch);
void batch_free(struct batch *batch);
/* These numbers are in it. */
void batch_widen(struct batch *batch, uint32_t cpu, enum usher_ring ring, uint64_t first, uint64_t last);
/* To the log: as ledger_append. It stays as it is. */
int batch_append(const struct batch *batch, struct ledger *ledger, const struct record_stamp *stamp);
/* The last `length` bytes of the text are one line more, which nobody will say again; or none after all. False: another one has come after it. */
void batch_keep(struct batch *batch, size_t length);
bool batch_drop(struct batch *batch, size_t length);
/* So many lines that nobody will say again come before all that is in it. */
void batch_restore(struct batch *batch, const struct json *lines, uint64_t records);
/* Nothing is in it any more; or only what was kept, since the rings are read again. */
void batch_clear(struct batch *batch);
void batch_recall(struct batch *batch);

#endif
