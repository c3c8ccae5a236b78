/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Closed segments are compressed (zstd), one at a time, by a thread of their own, so that nobody waits for it.
 *
 * 1. NAME.zst.new is written, brought to the disk, read again and compared with NAME; then it becomes NAME.zst, which is brought to the disk;
 *    and only then NAME is removed. A crash leaves NAME, or both, or NAME.zst, and each of these is the whole segment (segment.h).
 * 2. What is left halfway is done again from the beginning.
 * 3. The thread is begun when there is something to do, so that it has what rights are left by then, and is less urgent than its process.
 */
#ifndef USHER_AUDIT_COMPRESSOR_H
#define USHER_AUDIT_COMPRESSOR_H

#include <stdatomic.h>
#include <stdbool.h>

/* The work itself, of whoever calls it. Returns 0; -ECANCELED: `stop` has become true; or -errno, and NAME is there as before. */
int compressor_run(const char *folder, const char *name, const atomic_bool *stop);

struct compressor;

/* Returns 0 or -errno. */
int compressor_begin(const char *folder, const char *name, struct compressor **ret_compressor);
/* Has it ended? Then this lets go of it, and says what compressor_run has returned. */
bool compressor_ended(struct compressor **compressor, int *ret_result);
/* Stops it, and waits for that. NULL: nothing. */
void compressor_stop(struct compressor *compressor);

#endif
