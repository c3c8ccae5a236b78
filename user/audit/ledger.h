/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The audit log as one chain (chain.h) through the segments of a folder (store.h), signed with a key of its own (signer.h).
 *
 * 1. A batch and its seal are one write: both are in the log, or neither.
 * 2. When the log is opened, the newest segment is gone through. What a crash has left whole but without a seal gets one of its own, and
 *    half a line is set aside; a chain that is broken there is left as it is, for `verify`, and a new one begins.
 * 3. Each opening begins a segment.
 */
#ifndef USHER_AUDIT_LEDGER_H
#define USHER_AUDIT_LEDGER_H

#include "audit/chain.h"
#include "audit/store.h"
#include "audit/witness.h"

#define LEDGER_HEAD "head.json" /* the last checkpoint, beside the segments */

struct ledger;

/* What was found in the newest segment. */
struct ledger_found {
	size_t torn_bytes;
	uint64_t unsealed_lines;
	bool broken;	  /* its chain */
	bool cut;	  /* the last checkpoint is of a seal that the log does not have any more */
	bool key_damaged; /* there is a new one, that no old one vouches for */
	bool unchained;	  /* it has none: older versions wrote without */
};

/* key: path of the private one. Returns 0, or -errno with a sentence. */
int ledger_open(const char *folder, const char *key, const struct record_stamp *stamp, struct problem *problem,
		struct ledger **ret_ledger, struct ledger_found *ret_found);
/* Signs, syncs, and lets go. */
void ledger_close(struct ledger *ledger, const struct record_stamp *stamp);

/* Appends a batch of so many whole lines, and its seal. Returns 0, or -errno, and then nothing of it is in the log. */
int ledger_append(struct ledger *ledger, const struct record_stamp *stamp, const char *bytes, size_t length,
		  uint64_t lines, const struct chain_range *ranges, size_t count);
/* Signs the last seal, if that has not been done; 0 or -errno. */
int ledger_checkpoint(struct ledger *ledger, const struct record_stamp *stamp);
/* What was appended is on the disk: 0 or -errno. */
int ledger_sync(struct ledger *ledger);
/* A new key: the old one signs the record that names both, and with it the end of the segment; the next batch begins another one. why: or NULL.
 * Returns 0, or -errno with a sentence and the old one goes on. */
int ledger_rotate(struct ledger *ledger, const struct record_stamp *stamp, const struct record_actor *actor,
		  const char *why, struct problem *problem);
/* Who gets each checkpoint from now on; it must outlive the ledger. NULL: nobody. */
void ledger_witness(struct ledger *ledger, struct witness *witness);

/* What a segment ends at. */
void ledger_limit(struct ledger *ledger, const struct store_limits *limits);
/* Of the segment that is being written; 0: there is none yet. All before it are closed. */
uint32_t ledger_number(const struct ledger *ledger);
const char *ledger_folder(const struct ledger *ledger);
const char *ledger_path(const struct ledger *ledger);
const char *ledger_key(const struct ledger *ledger);

#endif
