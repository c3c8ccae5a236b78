/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of closed segments: each is compressed (compressor.h), the oldest first. The newest, which is being written, is left alone.
 *
 * What fails is counted, and tried again a minute later; nobody waits for it.
 */
#ifndef USHER_AUDIT_KEEPER_H
#define USHER_AUDIT_KEEPER_H

#include "audit/ledger.h"

struct keeper;

/* ledger must outlive it. Returns 0 or -ENOMEM. */
int keeper_new(struct ledger *ledger, struct keeper **ret_keeper);
void keeper_free(struct keeper *keeper);
/* Every second or so, once what was written is on the disk. Returns 0, or what has failed. */
int keeper_tick(struct keeper *keeper);

struct keeper_totals {
	uint64_t compressed, errors;
};
void keeper_totals(const struct keeper *keeper, struct keeper_totals *ret_totals);

#endif
