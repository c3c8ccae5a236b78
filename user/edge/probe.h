/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP health checks: a connection that comes about in time is a good one. */
#ifndef USHER_EDGE_PROBE_H
#define USHER_EDGE_PROBE_H

#include "edge/edge.h"

struct probes;

/* epoll: where sockets are added, with the target's position as data. report: called when a verdict has changed, or been
 * found for the first time; where it returns false, again later. Returns 0 or -ENOMEM. */
int probes_new(int epoll, bool (*report)(void *context, uint32_t target, bool up), void *context,
	       struct probes **ret_probes);
void probes_free(struct probes *probes);
/* From now on these targets; the verdicts on all of them are reported anew. One that was there before, at whatever position,
 * keeps what is known of it, and its probe under way. 0 or -ENOMEM. */
int probes_watch(struct probes *probes, const struct edge_target *targets, uint32_t count, int64_t now);
/* The target's socket is ready. */
void probes_ready(struct probes *probes, uint32_t target, int64_t now);
/* Begins and gives up what is due. Returns when to come again at the latest. Times: CLOCK_MONOTONIC ns. */
int64_t probes_run(struct probes *probes, int64_t now);

#endif
