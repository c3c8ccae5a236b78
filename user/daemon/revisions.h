/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policies that were in force, by their digests: what a record, years later, means by its policy_digest.
 *
 * 1. A policy is kept, byte for byte and with the geography files that it named, from before it comes into force until no record can name it: until
 *    its last moment in force lies further back than the policy's audit.retain and before all that is in the audit log. Without a retain it
 *    is kept for good.
 * 2. Nor are there more than REVISIONS_MAX, or REVISIONS_BYTES_MAX of them in all: then those go that have been out of force longest. What the
 *    history names stays (state.h).
 * 3. An operation "policy-deleted" is in the log before one goes.
 */
#ifndef USHER_DAEMON_REVISIONS_H
#define USHER_DAEMON_REVISIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "base/sha256.h"
#include "usher/limits.h"

struct core;

#define REVISIONS_MAX 1024
#define REVISIONS_BYTES_MAX (8ull << 30)
#define REVISIONS_FILE "revisions.json" /* in the state folder */

struct revision {
	char bytes_digest[SHA256_HEX]; /* of the text and its geography files: names its file */
	char document[SHA256_HEX];     /* of the text alone */
	char digest[SHA256_HEX];       /* of the policy, as records have it */
	char name[USHER_NAME_MAX + 1]; /* "": none */
	uint64_t revision, bytes;
	int64_t first, last; /* in force, ns since 1970; last 0: it is */
};

struct revisions {
	struct revision *items; /* in the order in which they came first */
	size_t count, capacity;
};

/* What an earlier daemon has kept. Returns 0, or -errno with a sentence. */
int revisions_open(struct core *core, struct problem *problem);
void revisions_free(struct revisions *revisions);
/* Entry 0 of the history has come into force. */
void revisions_note(struct core *core);
/* No policy is, and in its place this one is, which refuses everybody: records name it too. */
void revisions_note_closed(struct core *core, const char *text, size_t length, const char digest[SHA256_HEX]);
/* It has not: its text goes, unless it is that of another. */
void revisions_drop(struct core *core, const char bytes_digest[SHA256_HEX]);
/* The newest that a revision number or the beginning of a digest (4 digits at least; of the policy or of its text) means; NULL: none. */
const struct revision *revisions_find(const struct core *core, const char *text);
const struct revision *revisions_by_bytes(const struct core *core, const char bytes_digest[SHA256_HEX]);
/* Every second: looks, every hour, at what is over. */
void revisions_tick(struct core *core, int64_t now);

#endif
