/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of a folder that match a filter, in the order in which they were written; also while it is being written to.
 *
 * 1. What was in the log when its segment was read, and matches, is found, once: lines up to the last seal, or all whole ones of a segment that
 *    is not the newest, or was written without seals. What comes behind is found once it is sealed: a batch that could not be written whole is
 *    taken back by its writer, and what a crash has left is sealed by the next daemon.
 * 2. A segment is left unread only if the next one, which is at hand and has the number that follows, begins with a line that says that
 *    none of the times in question can be in it. That line is of the chain (chain.h): `usher audit verify` finds one that is not true.
 *    Names of files say nothing here, as clocks are set back.
 * 3. Memory does not grow with the log: one segment at a time is mapped.
 */
#ifndef USHER_AUDIT_QUERY_H
#define USHER_AUDIT_QUERY_H

#include "audit/filter.h"

/* How far one has read: what comes next. Zeroed: the beginning. */
struct query_place {
	uint32_t segment;
	size_t offset; /* in its text */
	bool chained;  /* it has seals */
};

/* Called for each, without what ends the line. Returns 0: go on; another number ends the query, and is what it returns. */
typedef int query_found(const char *line, size_t length, void *context);

struct query_totals {
	uint64_t segments, skipped; /* read, and left unread */
	uint64_t bytes, lines;	    /* read */
	uint64_t found;
	uint64_t unknown; /* of which nobody can tell (FILTER_UNKNOWN) */
	uint64_t damaged; /* compressed ones of which only a part could be read */
};

/* From `place` on, which moves. totals: NULL, or what is added to. Returns 0, what `found` ended it with, or -errno: -ENOENT if
 * there is no segment at all. */
int query_run(const char *folder, const struct filter *filter, struct query_place *place, query_found *found,
	      void *context, struct query_totals *totals);

#endif
