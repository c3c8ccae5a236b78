// SPDX-License-Identifier: GPL-2.0-only
#include "audit/lag.h"

#include "base/clock.h"

#define SLOWEST_FOR (60 * CLOCK_SECOND)

static int64_t oldest(const struct lag *lag)
{
	return lag->goes_since ? lag->goes_since : lag->waits_since;
}

static bool is_told(const struct lag *lag, int64_t now)
{
	return now - lag->slowest_at <= SLOWEST_FOR;
}

void lag_wait(struct lag *lag, int64_t now)
{
	if (!lag->waits_since)
		lag->waits_since = now;
}

void lag_go(struct lag *lag, bool all)
{
	lag->goes_since = oldest(lag);
	if (all)
		lag->waits_since = 0;
}

void lag_come(struct lag *lag, int64_t now)
{
	int64_t took = now - lag->goes_since;

	if (!lag->goes_since)
		return;
	lag->goes_since = 0;
	if (took < lag->slowest && is_told(lag, now))
		return;
	lag->slowest = took;
	lag->slowest_at = now;
}

void lag_fail(struct lag *lag)
{
	lag->waits_since = oldest(lag);
	lag->goes_since = 0;
}

int64_t lag_longest(const struct lag *lag, int64_t now)
{
	int64_t since = oldest(lag), wait = since ? now - since : 0;

	return wait < lag->slowest && is_told(lag, now) ? lag->slowest : wait;
}
