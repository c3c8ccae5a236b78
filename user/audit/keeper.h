/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of closed segments: each is compressed (compressor.h), the oldest first, and deleted after its time (retention.h), one a tick.
 * The newest, which is being written, is left alone.
 *
 * What fails is counted, and tried again a minute later; nobody waits for it, and no other segment does.
 */
#ifndef USHER_AUDIT_KEEPER_H
#define USHER_AUDIT_KEEPER_H

#include "audit/ledger.h"

struct keeper;

/* ledger must outlive it. Returns 0 or -ENOMEM. */
int keeper_new(struct ledger *ledger, struct keeper **ret_keeper);
void keeper_free(struct keeper *keeper);
/* How long a segment is kept after its last record; 0, as at first: for good. */
void keeper_retain(struct keeper *keeper, uint32_t seconds);
/* Every second or so, once what was written is on the disk. Returns 0, or what has failed: -EBADMSG if the oldest segment is due and cannot
 * be deleted, since the chain does not go on from it. */
int keeper_tick(struct keeper *keeper, const struct record_stamp *stamp);

struct keeper_totals {
	uint64_t compressed, deleted, errors;
	int error;	  /* of the last round through all of them; 0: nothing failed */
	uint32_t working; /* segments that are being compressed */
};
void keeper_totals(const struct keeper *keeper, struct keeper_totals *ret_totals);

#endif
