/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The audit log as one chain (chain.h) through the segments of a folder (store.h), signed with a key of its own (signer.h).
 *
 * 1. A batch and its seal are one write: both are in the log, or neither.
 * 2. When the log is opened, the newest segment is gone through. What a crash has left whole but without a seal gets one of its own, and
 *    half a line is set aside; a chain that is broken there is left as it is, for `verify`, and a new one begins.
 * 3. Each opening begins a segment.
 * 4. A checkpoint is handed to others (head.h) once the log is on the disk up to it. Whoever does not wait for the disk says so (ledger_hand_over).
 * 5. A segment that is deleted while it is written to is followed by another one, which goes on from its last seal and begins with an operation
 *    "segment-lost": number, name, last_seal; and so is one that a disk has lost part of before a sync succeeded (doubt.h). One that was taken away with
 *    its folder is waited for (store_begin).
 * 6. A segment begins once the one before it is on the disk, to its last byte: so a power cut takes the end of the log, and nothing else. What is left
 *    of it to be brought there is little by then (store_is_full).
 */
#ifndef USHER_AUDIT_LEDGER_H
#define USHER_AUDIT_LEDGER_H

#include "audit/chain.h"
#include "audit/store.h"
#include "audit/witness.h"

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

/* Appends a batch of so many whole lines, and its seal. Returns 0, or -errno, and then nothing of it is in the log: with -EIDRM the segment
 * is lost, and the next call finds another one, if one could begin (ledger_lost). */
int ledger_append(struct ledger *ledger, const struct record_stamp *stamp, const char *bytes, size_t length,
		  uint64_t lines, const struct chain_range *ranges, size_t count);
/* Signs the last seal, if that has not been done. Returns 0 or -errno, which may be that the last one could not be handed over. */
int ledger_checkpoint(struct ledger *ledger, const struct record_stamp *stamp);
/* What was appended is on the disk, and the last checkpoint with who keeps it: 0 or -errno, also if it is lost and the next call will succeed. */
int ledger_sync(struct ledger *ledger);
/* Begins the same beside other things, unless that is under way or there is nothing to do; and what has come of it: 0, also while it is under
 * way, or -errno. */
int ledger_sync_begin(struct ledger *ledger);
int ledger_sync_end(struct ledger *ledger);
/* The next sync finds out what a disk that failed has lost, however long that took the last time: there may be no other. */
void ledger_hurry(struct ledger *ledger);
/* The same of the checkpoint alone, wherever the log is. */
void ledger_hand_over(struct ledger *ledger);
/* How far it has come. */
struct ledger_reach {
	uint64_t written,
		synced; /* bytes since it was opened, and of these how many are on the disk, as far as has been told */
	bool is_syncing;
	bool head_waits; /* the last checkpoint is not on the disk, which is on its way */
	bool is_due;	 /* the segment goes on beyond its end */
};
struct ledger_reach ledger_reach(const struct ledger *ledger);
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
/* Segments that were deleted while they were written to, or lost to a disk that failed. */
uint64_t ledger_lost(const struct ledger *ledger);
/* As store_free. */
int ledger_free(const struct ledger *ledger, uint64_t *ret_free, uint64_t *ret_size);
const char *ledger_folder(const struct ledger *ledger);
const char *ledger_path(const struct ledger *ledger);
const char *ledger_key(const struct ledger *ledger);

#endif
