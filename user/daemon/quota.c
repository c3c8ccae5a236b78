// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/quota.h"

#include "base/clock.h"

#define EACH (60 * CLOCK_SECOND / QUOTA_A_MINUTE)

static bool take(struct quota *quota, int64_t now)
{
	int64_t from = quota->spent_until > now ? quota->spent_until : now;

	if (from + EACH > now + QUOTA_BURST * EACH)
		return false;
	quota->spent_until = from + EACH;
	return true;
}

bool quota_take(struct quota *quota, int64_t now)
{
	bool taken = take(quota, now);

	if (!taken && quota->missed < UINT32_MAX)
		quota->missed++;
	return taken;
}

uint32_t quota_missed(struct quota *quota, int64_t now)
{
	uint32_t missed = quota->missed;

	if (!missed || !take(quota, now))
		return 0;
	quota->missed = 0;
	return missed;
}
