/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a Prometheus server is asked, and what it replies (https://prometheus.io/docs/prometheus/latest/querying/api/). Pure.
 *
 * Asked for is a range of raw samples: an instant query hides how old its samples are. Of each series that comes back the last sample
 * counts.
 */
#ifndef USHER_EDGE_PROMREPLY_H
#define USHER_EDGE_PROMREPLY_H

#include "edge/series.h"

#define PROMREPLY_MAX (4u << 20) /* bytes of a reply */
#define PROMREPLY_PATH 4096

/* How many of these series, at least 1, one query answers: they differ in `le` alone. */
uint32_t promreply_together(const struct edge_series *series, uint32_t count);
/* What is asked for below the server's own path: its last samples within so many seconds. */
void promreply_path(const struct edge_series *series, const char *base, uint32_t seconds, char path[PROMREPLY_PATH]);
/*
 * Adds what the reply says of the series from `first` on to the set that they belong to. Returns 0; -EPROTO: it is no reply to such a
 * query, more than a server has cause to reply, or one that says that something is wrong or missing; -ENOMEM. The set is then to be thrown away.
 */
int promreply_take(const char *reply, size_t length, struct series_set *set, const struct edge_series *series,
		   uint32_t first, uint32_t count);

#endif
