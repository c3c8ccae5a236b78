/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far a log is on the disk, and how it gets there: by who waits (reach_sync), or beside other things (reach_begin, reach_end; syncer.h).
 *
 * A segment whose sync has failed is in doubt (doubt.h) until that is dispelled, before it is synced again. A disk that goes on failing is asked for
 * that one part in so many of the time.
 */
#ifndef USHER_AUDIT_REACH_H
#define USHER_AUDIT_REACH_H

#include "audit/doubt.h"

struct reach {
	struct store *store;
	const struct chain *chain; /* what was appended */
	const char *folder;
	struct doubt_point synced, syncing; /* up to there it is on the disk, and it will be once that has ended */
	int64_t due;			    /* CLOCK_MONOTONIC: when a segment in doubt is looked at again */
};

/* A segment begins here: all before it is on the disk, or lost. */
void reach_set(struct reach *reach);
/* 0: the segment is what was written to it, as far as anybody knows. An error: it is in doubt, or lost. */
int reach_dispel(struct reach *reach, bool *ret_lost);

/* What was appended, on to the disk. As store_sync, store_sync_begin, store_sync_end. */
int reach_sync(struct reach *reach);
int reach_begin(struct reach *reach);
int reach_end(struct reach *reach);

#endif
