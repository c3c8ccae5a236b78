/* SPDX-License-Identifier: GPL-2.0-only */
/* The turns of a worker, for whoever asks by transfers. */
#ifndef TESTS_UNIT_EDGE_TURNS_H
#define TESTS_UNIT_EDGE_TURNS_H

#include <sys/epoll.h>

#include "base/clock.h"
#include "edge/transfers.h"

/* step: begins what is due, and says when it wants to be called again. epoll: watches the transfers. */
static inline void run_turns(int milliseconds, struct transfers *transfers, int epoll, int64_t (*step)(int64_t now))
{
	int64_t end_at = clock_monotonic() + milliseconds * CLOCK_MILLISECOND;
	struct epoll_event event;

	for (;;) {
		int64_t now = clock_monotonic(), until = step(now);

		if (now >= end_at)
			return;
		if (transfers_due(transfers) < until)
			until = transfers_due(transfers);
		if (end_at < until)
			until = end_at;
		epoll_wait(epoll, &event, 1, until <= now ? 0 : (int)((until - now) / CLOCK_MILLISECOND) + 1);
		transfers_run(transfers);
	}
}

#endif
