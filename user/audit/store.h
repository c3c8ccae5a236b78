/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The folder of the audit log: segments of JSON lines, of which only the newest is written to.
 *
 * A segment is called usher-NUMBER-TIME.jsonl, so that their names sort as they were written, whatever the clock does. A line is
 * written whole or, after a crash or a full disk, not at all: what is left of half a line is moved to a file NAME.torn beside its
 * segment when the log is opened again.
 */
#ifndef USHER_AUDIT_STORE_H
#define USHER_AUDIT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"

#define STORE_SEGMENT_BYTES (64u << 20)

struct store;

/*
 * Makes the folder if it is not there (mode 0750), and locks it. ret_torn: how many bytes of a torn line were set aside.
 * Returns 0; -EBUSY if another process writes to it; or -errno; with a sentence.
 */
int store_open(const char *folder, struct problem *problem, struct store **ret_store, size_t *ret_torn);
void store_close(struct store *store);

/* Appends whole lines. Returns 0, or -errno, and then none of them is in the log. */
int store_append(struct store *store, const char *bytes, size_t length);
/* What was appended is on the disk: 0 or -errno. */
int store_sync(struct store *store);
/* Path of the segment that is being written. */
const char *store_path(const struct store *store);

#endif
