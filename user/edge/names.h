/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that DNS is asked for, over and over, by c-ares: when each is asked, what it stands for, and who is told.
 *
 * 1. Nothing blocks: sockets are watched by an epoll instance of their own, which the user watches in turn.
 * 2. Once names_new has returned no file is opened: /etc/resolv.conf is read there, and not again. Neither /etc/hosts nor search
 *    domains are looked at: the name is what the policy says.
 * 3. An answer counts as a whole: of each family that is asked for, in time, or not at all.
 * 4. What a server can cost is bounded: at most two questions of a name are under way, for `timeout` in all, with at most one TCP
 *    connection where an answer was cut short; no more than EDGE_ADDRESSES_MAX addresses are kept of it.
 */
#ifndef USHER_EDGE_NAMES_H
#define USHER_EDGE_NAMES_H

#include "edge/edge.h"

struct names;

/* report: called with facts of the kinds ADDRESSES and RESOLVED, complete but for their round; where it returns false, again later.
 * Returns 0, or -errno. */
int names_new(bool (*report)(void *context, const struct edge_fact *fact), void *context, struct names **ret_names);
void names_free(struct names *names);
/* Readable when names_run has something to do. */
int names_fd(const struct names *names);
/* From now on these. One that is asked the same as before goes on, and what is known of it is told anew. */
void names_watch(struct names *names, const struct edge_name *list, uint32_t count, int64_t now);
/* Takes answers, asks what is due, tells what is not told. Returns when to call again at the latest, CLOCK_MONOTONIC ns. */
int64_t names_run(struct names *names, int64_t now);

#endif
