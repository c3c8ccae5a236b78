/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checkpoints for somebody else to keep: each is appended to a file, which may be on another mount, by a thread of its own.
 *
 * 1. Nobody waits for it. What has not been written yet waits here, the newest WITNESS_WAITING of them: a later checkpoint says all that an
 *    earlier one does.
 * 2. A line is one write, with O_APPEND, and then on the disk. The file is opened anew each time, so that it may be moved away, and its mount
 *    may go and come. What a write leaves of a line is ended before the next line: who reads has to pass over it.
 * 3. What fails is counted, and tried again with the next checkpoint.
 */
#ifndef USHER_AUDIT_WITNESS_H
#define USHER_AUDIT_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WITNESS_WAITING 16
#define WITNESS_LINE 1024

struct witness;

/* Nothing is opened yet. Returns 0 or -ENOMEM. */
int witness_new(const char *path, struct witness **ret_witness);
/* A line, with what ends it. */
void witness_give(struct witness *witness, const char *line, size_t length);
/* Begins the thread, if there is something to do and it does not run: it has what rights are left by then. 0 or -errno. */
int witness_run(struct witness *witness);
/* Waits for what is on its way, two seconds at most. NULL: nothing. */
void witness_close(struct witness *witness);

struct witness_totals {
	uint64_t written, errors, left_out; /* lines, failures, lines that gave way to later ones */
	int error;			    /* of the last try; 0: it went well */
};
void witness_totals(struct witness *witness, struct witness_totals *ret_totals);

#endif
