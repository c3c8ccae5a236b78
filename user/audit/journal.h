/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of decisions from the kernel's rings to the disk, and of what operators do beside them.
 *
 * 1. Room in a ring is freed only once its records are in the log. When the log cannot be written, records stay where they
 *    are: tenants whose audit is required are then refused new flows by the kernel, and what others lose is a counted gap.
 * 2. Every number of a (boot, CPU, ring) is in the log once: as a decision or inside a gap.
 * 3. Each segment says, in a record of type "position", which numbers the log has come to, so that a new daemon need not
 *    read further back than the newest segments.
 */
#ifndef USHER_AUDIT_JOURNAL_H
#define USHER_AUDIT_JOURNAL_H

#include "audit/outbox.h"
#include "kernel/program.h"
#include "kernel/publish.h"

struct journal;

struct journal_options {
	const char *folder, *key,
		*client_keys;	    /* of the log; files of the private key that signs it, and of those of pseudonyms */
	struct store_limits limits; /* zeroed: the store's own */
	enum outbox_sync sync;
	uint64_t
		unsynced_max; /* bytes of the log that are not on the disk, beyond which nothing is read; 0: OUTBOX_UNSYNCED_MAX */
	const char *witness; /* file that each checkpoint is appended to, or NULL */
};

/* Opens the log, and the rings of the loaded program; finds out what the log has already. Writes a record ("log-mended") if the last line
 * before was torn. program and publisher must outlive it. Returns 0, or -errno with a sentence. */
int journal_open(const struct program *program, const struct publisher *publisher,
		 const struct journal_options *options, struct problem *problem, struct journal **ret_journal);
/* What was found when it was opened. */
struct journal_damage {
	bool log;	  /* the chain is broken, or its end is missing: `verify` says where */
	bool key;	  /* that it is signed with: set aside, there is a new one */
	bool client_keys; /* the same of pseudonyms */
};
const struct journal_damage *journal_damage(const struct journal *journal);
/* Writes and syncs what can be written. What cannot stays in the rings. */
void journal_close(struct journal *journal);

/* How clients' addresses are put on record from now on. */
void journal_privacy(struct journal *journal, const struct client_privacy *privacy);
/* How long segments are kept after their last record from now on: seconds, 0: for good. */
void journal_retain(struct journal *journal, uint32_t seconds);
/* A new key to sign with, on record with who wanted it and why. Returns 0, or -errno with a sentence: the old one goes on. */
int journal_rotate_key(struct journal *journal, const struct record_actor *actor, const char *why,
		       struct problem *problem);
/* Its id. */
const char *journal_key(const struct journal *journal);
/* Takes the names of a generation; to be called before it is published. */
void journal_catalog(struct journal *journal, struct catalog *catalog);

/* What records are about, as they are read: called once for each event, whether the log can be written or not. nat and
 * backend: NULL where there is none, or it is no longer known. */
typedef void journal_seen(const struct usher_event *event, const struct usher_address *nat,
			  const struct usher_backend *backend, void *context);
/* Writes what waits in the rings. Returns 0, or -errno as long as the log cannot be written or brought to the disk; that is tried again by the
 * next calls. */
int journal_drain(struct journal *journal, journal_seen *seen, void *context);
/* Looks for numbers that never came, and brings the log to the disk. Every second or so, after a drain. 0 or -errno. */
int journal_tick(struct journal *journal);

/* Sees to closed segments (keeper.h) and the witness, one thing at a time, ten times a second or so. Returns 0, or what has failed there: the log goes on. */
int journal_tend(struct journal *journal);

/* Begins the record of an operation; the caller adds fields to it, then calls journal_operation_end, which returns 0 once
 * it is on the disk, -errno if it could not be written yet or brought to the disk (it is kept, and written again where the disk loses it), or -ENOBUFS if too much waits
 * already and it is not kept. */
struct json *journal_operation(struct journal *journal, const char *activity, const struct record_actor *actor);
int journal_operation_end(struct journal *journal);

struct journal_totals {
	uint64_t written;    /* records */
	uint64_t gaps, lost; /* gaps on record, and numbers in them */
	uint64_t write_errors;
	uint64_t compressed, deleted, keeper_errors; /* segments, and what failed with closed ones */
	uint64_t witnessed, witness_errors; /* checkpoints in the witness's file, and failures to write there */
	int keeper_error, witness_error;    /* of the last try */
	uint64_t segments_lost;		    /* deleted, or lost to a disk that failed, while they were written to */
	uint64_t waiting_bytes;		    /* in the rings, and not in the log */
	uint64_t unsynced,
		unsynced_max; /* bytes of the log that are not known to be on the disk; and beyond which nothing is read */
	int64_t behind; /* ns: how long something waits for the log, or for the disk, or did so in the last minute */
	int error;	/* of the last try to write or sync; 0: it went well */
	uint64_t disk_free, disk_size; /* bytes; 0: not known */
};
void journal_totals(const struct journal *journal, struct journal_totals *ret_totals);
/* The numbers that one CPU has given to records of a ring since the program was loaded, by whatever daemons: taken = stored + lost + waiting. */
struct journal_account {
	uint64_t taken, stored, lost, waiting; /* given; with a record in the log; in its gaps; neither yet */
};
/* accounts: cpus * USHER_RINGS, by CPU. Returns 0 or -errno. */
int journal_accounts(const struct journal *journal, struct journal_account *ret_accounts, size_t cpus);
/* Records in the rings that are not in the log: they are gone through for that. */
size_t journal_waiting(const struct journal *journal);
/* Segment that is being written. */
const char *journal_path(const struct journal *journal);

#endif
