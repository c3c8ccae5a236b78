/* SPDX-License-Identifier: GPL-2.0-only */
/* Which numbers have come of each (CPU, ring), so that one that never comes is noticed. */
#ifndef USHER_AUDIT_GAPS_H
#define USHER_AUDIT_GAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "audit/record.h"

struct gaps;

struct gap_totals {
	uint64_t gaps, numbers;
};

/* Returns 0 or -ENOMEM. */
int gaps_new(size_t cpus, struct gaps **ret_gaps);
void gaps_free(struct gaps *gaps);
/* What the log in `folder` has of this boot already. Segments are read from the newest back to one with a position, or with
 * nothing of this boot. Returns 0 or -errno. */
int gaps_learn(struct gaps *gaps, const char *folder, uint64_t boot_id);
/* What is written of one (CPU, ring). */
struct record_account gaps_account(const struct gaps *gaps, uint32_t cpu, enum usher_ring ring);
/* Is this number in the log, by itself or in a gap? */
bool gaps_recorded(const struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t sequence);
/* What has come by now is written; what was written is where it has to be; and what has come since that is to come again. */
void gaps_write(struct gaps *gaps);
void gaps_keep(struct gaps *gaps);
void gaps_return(struct gaps *gaps);
/* Of those that were kept: none counts twice. */
struct gap_totals gaps_totals(const struct gaps *gaps);
/* Adds a record of the numbers that are due next. */
void gaps_position(const struct gaps *gaps, struct json *to, const struct record_stamp *stamp);
/* This number has come. True, with the gap before it, if it is not the one that was due. */
bool gaps_seen(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t sequence, struct record_gap *ret_gap);
/* `taken` numbers have been given out and whatever was recorded of them has come. True if the last ones are missing. */
bool gaps_ended(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t taken, struct record_gap *ret_gap);

#endif
