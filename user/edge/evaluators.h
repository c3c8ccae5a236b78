/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Evaluators, read over and over: when each is asked, what it says of its series, and who is told.
 *
 * 1. Each is asked at moments of its own, an interval apart; what takes longer than that leaves moments out.
 * 2. A page is one request. A Prometheus server is asked one query after the other; each has the timeout to itself, and the first that
 *    fails ends the round, as does a round that is not over when its beginning is stale. What a round says counts only once it is
 *    complete, and is told to its end before the next round begins.
 * 3. Connections are kept from one request to the next.
 */
#ifndef USHER_EDGE_EVALUATORS_H
#define USHER_EDGE_EVALUATORS_H

#include "edge/edge.h"
#include "edge/transfers.h"

struct evaluators;

/*
 * transfers: with room for USHER_EVALUATORS_MAX; whoever calls evaluators_run runs them as well, and frees them afterwards. report:
 * called with facts of the kinds VALUES and EVALUATED, complete but for their round; where it returns false, again later. Returns 0
 * or -ENOMEM.
 */
int evaluators_new(struct transfers *transfers, bool (*report)(void *context, const struct edge_fact *fact),
		   void *context, struct evaluators **ret_evaluators);
void evaluators_free(struct evaluators *evaluators);
/* From now on these, whose series are within `series`; who is asked for the same as before goes on. All is copied. 0 or -ENOMEM. */
int evaluators_watch(struct evaluators *evaluators, const struct edge_evaluator *list, uint32_t count,
		     const struct edge_series *series, int64_t now);
/* Begins what is due and tells what is not told. Returns when to call again, CLOCK_MONOTONIC ns. */
int64_t evaluators_run(struct evaluators *evaluators, int64_t now);

#endif
