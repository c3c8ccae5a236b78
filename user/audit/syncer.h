/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was written to a file is brought to the disk (fdatasync) by a thread of its own, so that nobody waits for it who need not.
 *
 * 1. One is under way at a time, and what came of it is told once, to whoever asks or waits: an error is never lost.
 * 2. All that was written to the file before syncer_begin is in it; of what is written while it is under way nothing is known.
 * 3. The thread is begun when there is something to do, so that it has what rights are left by then.
 */
#ifndef USHER_AUDIT_SYNCER_H
#define USHER_AUDIT_SYNCER_H

#include <stdbool.h>

struct syncer;

/* Returns 0 or -ENOMEM. */
int syncer_new(struct syncer **ret_syncer);
/* Waits for the one that is under way. NULL: nothing. */
void syncer_free(struct syncer *syncer);

/* Begins one; none may be under way, nor its end untold. The file stays open until it has ended. Returns 0, or -errno if there is no thread to be had. */
int syncer_begin(struct syncer *syncer, int file);
/* Has the one that was begun ended? Then this says how, 0 or -errno, and there is none any more. */
bool syncer_ended(struct syncer *syncer, int *ret_result);
/* Waits for the one that was begun. Returns how it ended; 0: none was. */
int syncer_wait(struct syncer *syncer);

#endif
