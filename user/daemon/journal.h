/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the kernel's rings to the audit log: drains them on a timer, names what they number, notices what is missing.
 *
 * 1. A record's room in its ring is freed only when its line is in the log: with a full disk the rings fill up, and where
 *    the audit is required no new flow is admitted.
 * 2. Catalogs are kept until no record can name their generation any more.
 */
#ifndef USHER_DAEMON_JOURNAL_H
#define USHER_DAEMON_JOURNAL_H

#include "base/problem.h"
#include "audit/record.h"
#include "kernel/inject.h"

struct journal;

struct journal_stats {
	uint64_t written, gaps, write_errors;
	size_t waiting; /* bytes in the rings */
};

/* injector: what revocations owe is noted there. torn: see store_open. Returns 0, or -errno with a sentence. */
int journal_open(const char *folder, const struct program *program, const struct publisher *publisher,
		 struct injector *injector, struct problem *problem, struct journal **ret_journal, size_t *ret_torn);
void journal_close(struct journal *journal);

/* A generation is about to be published: takes the catalog. */
void journal_catalog(struct journal *journal, struct catalog *catalog);
/* Of the generation, or NULL. */
const struct catalog *journal_find_catalog(const struct journal *journal, uint64_t generation);
/* Writes what has come. Returns 0 or -errno: then it stays in the rings. now: CLOCK_MONOTONIC ns. */
int journal_drain(struct journal *journal, int64_t now);
/* Looks for numbers that were given out and never came. To be called every second or so. */
void journal_look_for_gaps(struct journal *journal, int64_t now);
/* Begins a record of what somebody did; the caller adds to it and calls journal_operation_end. actor: NULL for usher. */
struct json *journal_operation(struct journal *journal, const char *activity, const struct record_actor *actor);
int journal_operation_end(struct journal *journal);

struct journal_stats journal_stats(const struct journal *journal);
const char *journal_path(const struct journal *journal);

#endif
