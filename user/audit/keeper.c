// SPDX-License-Identifier: GPL-2.0-only
#include "audit/keeper.h"

#include <errno.h>
#include <stdlib.h>

#include "audit/compressor.h"
#include "audit/retention.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define AGAIN (60 * CLOCK_SECOND)

struct keeper {
	struct ledger *ledger;
	struct compressor *compressor;
	uint32_t seen;	 /* the newest segment when the folder was looked at last */
	int64_t due;	 /* CLOCK_MONOTONIC: when it is looked at again in any case */
	uint32_t retain; /* s */
	uint32_t at;	 /* number of the segment that is being compressed, or was last in this round */
	int round_error; /* what failed last in it */
	struct keeper_totals totals;
};

int keeper_new(struct ledger *ledger, struct keeper **ret_keeper)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper)
		return -ENOMEM;
	keeper->ledger = ledger;
	*ret_keeper = keeper;
	return 0;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	compressor_stop(keeper->compressor);
	free(keeper);
}

static int fail(struct keeper *keeper, int error)
{
	keeper->totals.errors++;
	keeper->totals.error = keeper->round_error = error;
	return error;
}

/* The next that is not compressed, in this round: what fails has its turn again in the next one. */
static int compress_next(struct keeper *keeper, const struct segments *segments)
{
	uint32_t newest = ledger_number(keeper->ledger);

	for (size_t i = 0; i < segments->count; i++) {
		const struct segment_name *segment = &segments->items[i];

		if (!segment->plain || segment->number <= keeper->at || segment->number >= newest)
			continue;
		keeper->at = segment->number;
		return compressor_begin(ledger_folder(keeper->ledger), segment->name, &keeper->compressor);
	}
	keeper->at = 0;
	keeper->totals.error = keeper->round_error;
	keeper->round_error = 0;
	return 0;
}

/* The oldest one goes if it is due. What is done is on record, signed and on the disk before. Returns 1 if one went, 0 or -errno. */
static int delete_oldest(struct keeper *keeper, const struct segments *segments, const struct record_stamp *stamp)
{
	const char *folder = ledger_folder(keeper->ledger);
	struct retention retention;
	struct json record = {0};
	uint64_t lost = ledger_lost(keeper->ledger);
	int due = keeper->retain
			  ? retention_due(folder, segments, stamp->realtime / CLOCK_SECOND, keeper->retain, &retention)
			  : 0;
	int error;

	if (due <= 0)
		return due;
	if (retention.number >= ledger_number(keeper->ledger))
		return 0;
	retention_print(&retention, keeper->retain, &record, stamp);
	error = ledger_append(keeper->ledger, stamp, record.bytes, record.length, 1, NULL, 0);
	json_free(&record);
	if (!error)
		error = ledger_checkpoint(keeper->ledger, stamp);
	if (!error)
		error = ledger_sync(keeper->ledger);
	if (!error && ledger_lost(keeper->ledger) != lost)
		error = -EIDRM; /* the record went with its segment, and comes again */
	if (!error)
		error = retention_delete(folder, &retention);
	if (error)
		return error;
	keeper->totals.deleted++;
	return 1;
}

void keeper_retain(struct keeper *keeper, uint32_t seconds)
{
	if (keeper->retain != seconds)
		keeper->due = 0;
	keeper->retain = seconds;
}

int keeper_tick(struct keeper *keeper, const struct record_stamp *stamp)
{
	_cleanup_(segments_free) struct segments segments = {0};
	int64_t now = clock_monotonic();
	int error = 0, deleted;

	if (keeper->compressor) {
		if (!compressor_ended(&keeper->compressor, &error))
			return 0;
		keeper->due = 0; /* there may be another one */
		if (error)
			return fail(keeper, error);
		keeper->totals.compressed++;
	}
	if (!ledger_number(keeper->ledger) || (keeper->seen == ledger_number(keeper->ledger) && now < keeper->due))
		return 0;
	keeper->seen = ledger_number(keeper->ledger);
	keeper->due = now + AGAIN;
	error = segments_list(ledger_folder(keeper->ledger), &segments);
	if (error)
		return fail(keeper, error);
	deleted = delete_oldest(keeper, &segments, stamp);
	if (deleted > 0)
		keeper->due = 0; /* there may be another one */
	else
		error = compress_next(keeper, &segments);
	if (!error && deleted < 0)
		error = deleted;
	return error ? fail(keeper, error) : 0;
}

void keeper_totals(const struct keeper *keeper, struct keeper_totals *ret_totals)
{
	*ret_totals = keeper->totals;
	ret_totals->working = keeper->compressor != NULL;
}
