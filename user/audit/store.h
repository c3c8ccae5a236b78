/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The folder of the audit log: segments of JSON lines, of which only the newest is written to.
 *
 * A segment is called usher-NUMBER-TIME.jsonl, so that their names sort as they were written, whatever the clock does. What is appended
 * is written whole or, after a crash or a full disk, not at all: what is left of half a line is moved to a file NAME.torn beside its
 * segment when the log is opened again.
 */
#ifndef USHER_AUDIT_STORE_H
#define USHER_AUDIT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/problem.h"

#define STORE_SEGMENT_BYTES (64u << 20)
#define STORE_SEGMENT_AGE (86400 * CLOCK_SECOND)

/* What a segment ends at, by the next batch that comes after that. */
struct store_limits {
	uint64_t bytes;
	int64_t age; /* ns */
};

struct store;

/*
 * Makes the folder if it is not there (mode 0750), locks it, and opens the newest segment, if there is one, less what is torn at its end (torn.h):
 * ret_torn says how many bytes of that were set aside. Returns 0; -EBUSY if another process writes to it; or -errno; with a sentence.
 */
int store_open(const char *folder, struct problem *problem, struct store **ret_store, size_t *ret_torn);
void store_close(struct store *store);

/* Begins the next segment. A folder that was deleted is made again; one that was taken away, and may come back, is waited for: -ESTALE. Returns 0 or
 * -errno: then the one before goes on. */
int store_begin(struct store *store);
/* STORE_SEGMENT_BYTES and STORE_SEGMENT_AGE until then. */
void store_limit(struct store *store, const struct store_limits *limits);
/* Would so many bytes more be too many for this segment, or is it too old? */
bool store_is_due(const struct store *store, size_t length);
/*
 * The same, and little of it is not on the disk: it can end, for which all of it has to be there, and nobody waits for long. While the disk is behind, a segment
 * is due, and goes on; the longer it has become, the less little that has to be.
 */
bool store_is_full(const struct store *store, size_t length);
/* Is the segment where it was? 0; -EIDRM: it was deleted; -ESTALE: it is not where it was; or -errno. */
int store_find(const struct store *store);
/* Appends whole lines. Returns 0, or what store_find says, or -errno; and then none of them is in the log. */
int store_append(struct store *store, const char *bytes, size_t length);
/*
 * What was appended is on the disk: 0 or -errno, which may be that of one that was begun. After an error the segment is in doubt, and that error is returned until
 * store_rewrite: the kernel may have dropped what it could not write, and would say of the rest that all is well.
 */
int store_sync(struct store *store);
/* Begins the same beside other things (syncer.h), unless that is under way or there is nothing to do. 0 or -errno, where it had to be done at once. */
int store_sync_begin(struct store *store);
/* What has come of it: 0, also while it is under way, or -errno. */
int store_sync_end(struct store *store);
bool store_is_syncing(const struct store *store);
/* Is it in doubt? 0, or -errno of the sync. So it is also when it was opened: the process before may have died after an error. */
int store_doubt(const struct store *store);
/* Writes again, in its place, what is not known to be on the disk; it is in doubt no more, and to be synced. text: of the whole segment, of which it reads
 * that part. Returns 0 or -errno. */
int store_rewrite(struct store *store, const char *text, size_t length);
/* The same of what there is of it, and to the disk, if that takes it. It stays in doubt. */
void store_salvage(struct store *store, const char *text, size_t length);
/* Bytes of the segment, without what is torn. */
size_t store_length(const struct store *store);
/* Bytes that were appended since it was opened, with those that the segment had then, and of these how many are on the disk, as far as has been told. */
uint64_t store_written(const struct store *store);
uint64_t store_synced(const struct store *store);
/* What others than root can still write on that disk, and its size, in bytes: 0 or -errno. */
int store_free(const struct store *store, uint64_t *ret_free, uint64_t *ret_size);
/* Path of the segment that is being written, and its name and number; "" and 0: there is none. */
const char *store_path(const struct store *store);
const char *store_name(const struct store *store);
/* The newest segment is compressed already: nothing can be added to it. What came after it was lost. */
bool store_is_closed(const struct store *store);
uint32_t store_number(const struct store *store);

#endif
