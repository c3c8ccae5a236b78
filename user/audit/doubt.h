/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A segment whose sync has failed. The kernel tells of a page that it could not write once, takes it for written from then on, and may let go of it: a
 * later sync that succeeds says nothing of it. So what is still in memory is read, checked against the chain, and written again in its place.
 */
#ifndef USHER_AUDIT_DOUBT_H
#define USHER_AUDIT_DOUBT_H

#include "audit/chain.h"
#include "audit/store.h"

/*
 * Writes the newest segment of the folder again, as far as it is not known to be on the disk (store_rewrite). chain: as it is at the segment's end;
 * NULL: not known. Returns 0 or -errno; -EBADMSG: what was written is not there any more; -EIDRM, -ESTALE as store_find.
 */
int doubt_dispel(struct store *store, const char *folder, const struct chain *chain);

#endif
