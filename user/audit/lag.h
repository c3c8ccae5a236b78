/* SPDX-License-Identifier: GPL-2.0-only */
/* How long something has been waiting for the log or its disk. Times are of CLOCK_MONOTONIC. */
#ifndef USHER_AUDIT_LAG_H
#define USHER_AUDIT_LAG_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing waits. */
struct lag {
	int64_t waits_since;	     /* of what nobody brings there yet; 0: there is nothing */
	int64_t goes_since;	     /* of what is on its way */
	int64_t slowest, slowest_at; /* the slowest that came there, and when */
};

/* Something is to be brought there. */
void lag_wait(struct lag *lag, int64_t now);
/* That is on its way; or not all of it. */
void lag_go(struct lag *lag, bool all);
/* What was on its way has come there, or has not and waits again. */
void lag_come(struct lag *lag, int64_t now);
void lag_fail(struct lag *lag);
/* ns: of the oldest, or of the slowest of the last minute, as whoever hangs in a write answers nobody meanwhile. */
int64_t lag_longest(const struct lag *lag, int64_t now);

#endif
