/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is to be written, on its way to the log and to its disk.
 *
 * 1. Room in a ring is freed only once its records are in the log, and with OUTBOX_SYNC_BATCH on the disk.
 *    If the disk loses them while they are held, they are read once more. Lines that come from no ring are kept until they are there.
 * 2. Nobody waits for the disk (syncer.h) but who has to: an operation, for what is said to be done; a segment that ends, for the last of it.
 * 3. Beyond unsynced_max bytes that are not on the disk nothing more is to be read (outbox_is_behind): then 1. holds records in the rings.
 */
#ifndef USHER_AUDIT_OUTBOX_H
#define USHER_AUDIT_OUTBOX_H

#include "audit/batch.h"
#include "audit/gaps.h"
#include "audit/lag.h"
#include "kernel/events.h"

#define OUTBOX_UNSYNCED_MAX (512u << 20)

/* When what was written is brought to the disk: each second, and before an operation is said to be done; before the kernel gets the room of a batch's
 * events back; or when the host does so by itself. A segment that ends, a deletion and a new key are brought there in any case. */
enum outbox_sync { OUTBOX_SYNC_SECOND, OUTBOX_SYNC_BATCH, OUTBOX_SYNC_NEVER };

struct outbox {
	struct ledger *ledger;
	struct events *events;
	struct gaps *gaps;
	uint64_t boot_id;
	enum outbox_sync sync;
	uint64_t unsynced_max;	/* bytes */
	struct batch batch;	/* not in the log yet */
	bool positioned;	/* it holds a position */
	char position_in[4096]; /* the segment that has one */
	uint64_t held;		/* events keep their room until the log is on the disk up to there; 0: none does */
	uint64_t synced;	/* up to there it was, when it was last looked at */
	uint64_t segments_lost; /* by then */
	struct {
		struct json lines;
		uint64_t records, until;
	} unsynced;	   /* what nobody will say again, in the log but not on the disk up to there */
	uint64_t returned; /* how often what was held has been taken back */
	struct lag lag;
	int64_t signed_at;	     /* CLOCK_MONOTONIC */
	int sync_error;		     /* of the last sync that has ended */
	int error, checkpoint_error; /* of the last try to write or sync, and of the last checkpoint; 0: it went well */
	uint64_t written, write_errors;
};

struct record_stamp outbox_stamp(const struct outbox *outbox);
/* Adds which numbers the log has come to. */
void outbox_position(struct outbox *outbox);
/* Writes the batch, and frees the room of what is in it once that may be. Returns 0 or -errno: it stays. */
int outbox_flush(struct outbox *outbox);
/* Frees the room of what has been read, if all of it is where it has to be. */
void outbox_release(struct outbox *outbox);
/* Is so much not on the disk that no more may be read? Where nobody waits for the disk that is so only with a segment that has to end. */
bool outbox_is_behind(const struct outbox *outbox);
/* Signs the last seal, if that is due, and the checkpoint before it is where it goes or the disk fails. 0 or -errno. */
int outbox_sign(struct outbox *outbox);

/* Begins to bring what is in the log to the disk, unless that is under way or there is nothing to do. 0 or -errno: it failed at once. */
int outbox_sync_begin(struct outbox *outbox);
/* What has come of it. Returns 0, also while it is under way, or -errno: it is to be begun again. */
int outbox_sync_end(struct outbox *outbox);
/* Ends and begins, once SYNC_BYTES are to be brought there and the last one did not fail: such a one is tried again each second. */
int outbox_sync_early(struct outbox *outbox);
/* Waits until all of the log is there, where anybody waits for the disk. 0 or -errno. */
int outbox_sync_now(struct outbox *outbox);
/* Where nobody does: the last checkpoint goes to who keeps it. */
void outbox_hand_over(struct outbox *outbox);
/* An error that counts. Returns it. */
int outbox_fail(struct outbox *outbox, int error);
void outbox_free(struct outbox *outbox);

#endif
