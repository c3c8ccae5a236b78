/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A segment whose sync has failed. The kernel tells of a page that it could not write once, takes it for written from then on, and may let go of it: a
 * later sync that succeeds says nothing of it. So what is still in memory is read, held against the chain, and written again in its place.
 */
#ifndef USHER_AUDIT_DOUBT_H
#define USHER_AUDIT_DOUBT_H

#include "audit/chain.h"
#include "audit/store.h"

/* The chain where the log is at this many bytes (store_written). */
struct doubt_point {
	uint64_t at, seals;
	uint8_t hash[SHA256_BYTES];
};

/*
 * Writes the newest segment of the folder again, from where it is not known to be on the disk (store_rewrite). synced: up to there it is for certain, and
 * chain: at the end; both NULL: not known, all of it is written, and nothing is held against anything. Returns 0 or -errno; -EIDRM, -ESTALE as
 * store_find; -EBADMSG: what was written is not there any more. What of it can be read is on the disk then, if that takes it.
 */
int doubt_dispel(struct store *store, const char *folder, const struct doubt_point *synced, const struct chain *chain);

#endif
