// SPDX-License-Identifier: GPL-2.0-only
#include "audit/doubt.h"

#include <errno.h>
#include <string.h>

#include "audit/ending.h"
#include "audit/segment.h"
#include "base/cleanup.h"

/* Does it end where the chain has come to? */
static int check(const struct segment_text *text, const struct chain *chain)
{
	struct ending ending;
	int error = ending_find(text, &ending);

	if (error)
		return error;
	if (ending.is_unchained)
		return -EBADMSG;
	if (ending.is_broken || ending.chain.lines || ending.chain.seals != chain->seals ||
	    memcmp(ending.chain.hash, chain->hash, sizeof(chain->hash)) != 0)
		error = -EBADMSG;
	chain_close(&ending.chain);
	return error;
}

int doubt_dispel(struct store *store, const char *folder, const struct chain *chain)
{
	_cleanup_(segment_release) struct segment_text text = {0};
	int error = store_find(store);

	if (!error)
		error = segment_read(folder, store_name(store), &text);

	/* Half a batch that could not be cut back is none of it. */
	if (!error && text.length > store_length(store))
		text.length = store_length(store);
	if (!error && chain)
		error = check(&text, chain);
	return error ? error : store_rewrite(store, text.bytes, text.length);
}
