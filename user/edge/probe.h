/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Health checks: when each backend is asked, and what follows from its answers. How it is asked is in probe_tcp.h and probe_http.h.
 *
 * 1. At most PROBES_OPEN_MAX are under way, and at most PROBES_DOUBTED_MAX of backends that are down: however many hang, those
 *    that answer are asked in time.
 * 2. Those that wait for room get it in turn: none is asked twice before another one has been asked.
 */
#ifndef USHER_EDGE_PROBE_H
#define USHER_EDGE_PROBE_H

#include "edge/edge.h"
#include "edge/transfers.h"

#define PROBES_OPEN_MAX 256u
#define PROBES_DOUBTED_MAX 128u

struct probes;

/*
 * epoll: where sockets of TCP probes are added, with the target's position as data. transfers: by which the others are made, with
 * room for PROBES_OPEN_MAX; whoever calls probes_run runs them as well, and frees them afterwards. report: called when a verdict, or
 * the cause of one, has changed, or been found for the first time; CAUSE_NONE: up. Where it returns false, again later. Returns 0
 * or -ENOMEM.
 */
int probes_new(int epoll, struct transfers *transfers,
	       bool (*report)(void *context, uint32_t target, struct cause cause), void *context,
	       struct probes **ret_probes);
void probes_free(struct probes *probes);
/* From now on these targets; the verdicts on all of them are reported anew. One that was there before, at whatever position,
 * and is asked the same, keeps what is known of it, and its probe under way. 0 or -ENOMEM. */
int probes_watch(struct probes *probes, const struct edge_target *targets, uint32_t count, int64_t now);
/* The target's socket is ready. */
void probes_ready(struct probes *probes, uint32_t target, int64_t now);
/* Begins and gives up what is due. Returns when to come again at the latest. Times: CLOCK_MONOTONIC ns. */
int64_t probes_run(struct probes *probes, int64_t now);

#endif
