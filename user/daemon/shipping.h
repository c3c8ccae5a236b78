/* SPDX-License-Identifier: GPL-2.0-only */
/* How records get on with those that they are sent to: what is said of it in the log and in /metrics. */
#ifndef USHER_DAEMON_SHIPPING_H
#define USHER_DAEMON_SHIPPING_H

#include "edge/edge.h"
#include "ship/ship.h"

struct core;

_Static_assert(EDGE_SHIPPING_MAX == SHIP_DESTINATIONS_MAX, "all of them are named");
_Static_assert(EDGE_DESTINATION == DESTINATION_TEXT, "and in full");

/* What was said already. */
struct shipping {
	int64_t errors_said[SHIP_DESTINATIONS_MAX]; /* error_at of that one */
	uint64_t lost_said[SHIP_DESTINATIONS_MAX];  /* lost_segments */
	bool away[SHIP_DESTINATIONS_MAX];	    /* said, and not yet that it is back */
	bool gone;				    /* the steward is, which was said */
};

/* Every second. */
void shipping_tick(struct core *core);
void shipping_name(const struct core *core, struct edge_page *page);

#endif
