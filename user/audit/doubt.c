// SPDX-License-Identifier: GPL-2.0-only
#include "audit/doubt.h"

#include <errno.h>
#include <string.h>

#include "audit/ending.h"
#include "audit/segment.h"
#include "base/cleanup.h"

/* Does what is behind the one point lead to the other? */
static int check(const char *bytes, size_t length, const struct doubt_point *synced, const struct chain *chain)
{
	struct ending ending = {0};
	int error = chain_open(synced->seals, synced->hash, &ending.chain);

	if (error)
		return error;
	ending_follow(&ending, bytes, length);
	if (ending.is_broken || ending.chain.lines || ending.chain.seals != chain->seals ||
	    memcmp(ending.chain.hash, chain->hash, sizeof(chain->hash)) != 0)
		error = -EBADMSG;
	chain_close(&ending.chain);
	return error;
}

int doubt_dispel(struct store *store, const char *folder, const struct doubt_point *synced, const struct chain *chain)
{
	size_t from = synced ? store_length(store) - (size_t)(store_written(store) - synced->at) : 0;
	_cleanup_(segment_release) struct segment_text text = {0};
	int error = store_find(store);

	if (!error)
		error = segment_read_from(folder, store_name(store), from, &text);
	if (error)
		return error == -EIO ? -EBADMSG : error; /* the kernel let go of it, and the disk does not have it */
	/* Half a batch that could not be cut back is none of it. */
	if (text.length > store_length(store))
		text.length = store_length(store);
	if (text.length < store_length(store))
		error = -EBADMSG;
	else if (synced)
		error = check(text.bytes + from, text.length - from, synced, chain);
	if (error == -EBADMSG)
		store_salvage(store, text.bytes, text.length);
	return error ? error : store_rewrite(store, text.bytes, text.length);
}
