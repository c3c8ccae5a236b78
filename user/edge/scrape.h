/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What backends say of themselves, metrics and identities, fetched over and over: when each is asked, what it says, and who is told.
 *
 * 1. Sources of one list are asked evenly spread over their intervals, each at its own moment; one that is late is not made up for.
 * 2. At most SCRAPES_OPEN_MAX are under way, and at most SCRAPES_DOUBTED_MAX of sources whose last page could not be had: however
 *    many hang, those that answer are asked in time. Those that wait for room get it in turn.
 * 3. A page counts only as a whole. Connections are kept from one page to the next.
 */
#ifndef USHER_EDGE_SCRAPE_H
#define USHER_EDGE_SCRAPE_H

#include "edge/edge.h"
#include "edge/transfers.h"

#define SCRAPES_OPEN_MAX 64u
#define SCRAPES_DOUBTED_MAX 32u

struct scrapes;

/* What was read: by the kind of its source. */
struct scrape_result {
	union {
		struct edge_load load;
		struct edge_identity identity;
	};
};

/* `result` means something if the cause is CAUSE_NONE. Where it returns false, again later. */
typedef bool scrape_report(void *context, uint32_t source, enum edge_source_kind kind, struct cause cause,
			   const struct scrape_result *result);

/*
 * transfers: with room for SCRAPES_OPEN_MAX; whoever calls scrapes_run runs them as well, and frees them afterwards. report: called
 * after each scrape, and after each new list for what is known. Returns 0 or -ENOMEM.
 */
int scrapes_new(struct transfers *transfers, scrape_report *report, void *context, struct scrapes **ret_scrapes);
void scrapes_free(struct scrapes *scrapes);
/* From now on these sources. One that was there before, at whatever position, keeps its moment, and its scrape under way.
 * 0 or -ENOMEM. */
int scrapes_watch(struct scrapes *scrapes, const struct edge_source *sources, uint32_t count, int64_t now);
/* Begins what is due. Returns when to come again at the latest. Times: CLOCK_MONOTONIC ns. */
int64_t scrapes_run(struct scrapes *scrapes, int64_t now);

#endif
