/* SPDX-License-Identifier: GPL-2.0-only */
/* What the core hands to the edge for /metrics. */
#ifndef USHER_DAEMON_METRICS_H
#define USHER_DAEMON_METRICS_H

struct core;

/* Brings the page up to date. */
void metrics_update(struct core *core);

#endif
