// SPDX-License-Identifier: GPL-2.0-only
#include "audit/reach.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

#define DOUBT_SHARE 10 /* of the time, for a disk that goes on failing: one part in so many */

static struct doubt_point point_of(const struct reach *reach)
{
	struct doubt_point point = {store_written(reach->store), reach->chain->seals, {0}};

	memcpy(point.hash, reach->chain->hash, sizeof(point.hash));
	return point;
}

static void note(struct reach *reach)
{
	if (reach->syncing.at > reach->synced.at && store_synced(reach->store) >= reach->syncing.at)
		reach->synced = reach->syncing;
}

void reach_set(struct reach *reach)
{
	reach->synced = point_of(reach);
}

int reach_dispel(struct reach *reach, bool *ret_lost)
{
	int64_t now = clock_monotonic();
	int doubt = store_doubt(reach->store), error;

	*ret_lost = false;
	if (!doubt || now < reach->due)
		return doubt;
	error = doubt_dispel(reach->store, reach->folder, &reach->synced, reach->chain);
	reach->due = now + (DOUBT_SHARE * (clock_monotonic() - now));
	*ret_lost = error == -EBADMSG || error == -EIDRM;
	return error;
}

int reach_sync(struct reach *reach)
{
	struct doubt_point point = point_of(reach);
	int error = store_sync(reach->store);

	if (!error)
		reach->synced = point;
	else
		note(reach); /* one that was under way may have ended well */
	return error;
}

int reach_begin(struct reach *reach)
{
	bool under_way = store_is_syncing(reach->store);
	int error = store_sync_begin(reach->store);

	/* What it had to do at once is told by the next call. */
	if (!under_way && !error)
		reach->syncing = point_of(reach);
	return error;
}

int reach_end(struct reach *reach)
{
	int error = store_sync_end(reach->store);

	note(reach);
	return error;
}
