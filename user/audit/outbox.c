// SPDX-License-Identifier: GPL-2.0-only
#include "audit/outbox.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

#define CHECKPOINT_EVERY (5 * CLOCK_SECOND)
#define SYNC_BYTES (8u << 20) /* so much is brought to the disk before its second is over */

struct record_stamp outbox_stamp(const struct outbox *outbox)
{
	return (struct record_stamp){.realtime = clock_realtime(), .boot_id = outbox->boot_id};
}

void outbox_position(struct outbox *outbox)
{
	struct record_stamp stamp = outbox_stamp(outbox);

	gaps_position(outbox->gaps, &outbox->batch.text, &stamp);
	outbox->batch.records++;
	outbox->positioned = true;
}

int outbox_fail(struct outbox *outbox, int error)
{
	outbox->error = error;
	outbox->write_errors++;
	return error;
}

static void forget_unsynced(struct outbox *outbox)
{
	json_clear(&outbox->unsynced.lines);
	outbox->unsynced.records = 0;
}

/* The lines of the batch that nobody will say again are in the log; until they are on the disk, the log may lose them. */
static void keep_unsynced(struct outbox *outbox)
{
	if (!outbox->batch.kept_records)
		return;
	json_raw(&outbox->unsynced.lines, outbox->batch.kept.bytes, outbox->batch.kept.length);
	outbox->unsynced.records += outbox->batch.kept_records;
	outbox->unsynced.until = ledger_reach(outbox->ledger).written;
}

void outbox_release(struct outbox *outbox)
{
	if (outbox->held > outbox->synced)
		return;
	outbox->held = 0;
	gaps_keep(outbox->gaps);
	if (!outbox->batch.records)
		events_release(outbox->events);
}

/* The log is on the disk up to there. */
static void set_synced(struct outbox *outbox, uint64_t synced)
{
	if (synced != outbox->synced)
		outbox->sync_error = 0;
	outbox->synced = synced;
	if (synced >= outbox->unsynced.until)
		forget_unsynced(outbox);
	outbox_release(outbox);
}

/*
 * The segment that held records are in may be lost: they are read and written again, and so are those that wait to be written. What is among these and does
 * not come again stays; a position does not, it would count them as there. Returns whether one is lost.
 */
static bool take_back(struct outbox *outbox)
{
	bool lost = outbox->segments_lost != ledger_lost(outbox->ledger);

	outbox->segments_lost = ledger_lost(outbox->ledger);
	if (!lost)
		return false;
	if (outbox->held) {
		batch_recall(&outbox->batch);
		outbox->positioned = false;
		outbox->position_in[0] = '\0';
		outbox->held = 0;
		outbox->returned++;
		events_rewind(outbox->events);
		gaps_return(outbox->gaps);
	}
	if (outbox->unsynced.records)
		batch_restore(&outbox->batch, &outbox->unsynced.lines, outbox->unsynced.records);
	forget_unsynced(outbox);
	return true;
}

/* ---- to the log ---------------------------------------------------------------------------------------------- */

int outbox_flush(struct outbox *outbox)
{
	struct record_stamp stamp = outbox_stamp(outbox);
	bool is_numbered;
	int error;

	take_back(outbox);
	if (!outbox->batch.records)
		return 0;
	lag_wait(&outbox->lag, clock_monotonic());
	error = batch_append(&outbox->batch, outbox->ledger, &stamp);
	if (take_back(outbox))
		return outbox_flush(outbox); /* another one has begun */
	/* Where a segment had to end, what is held is on the disk, whatever comes of the batch. */
	set_synced(outbox, ledger_reach(outbox->ledger).synced);
	if (error)
		return outbox_fail(outbox, error);
	gaps_write(outbox->gaps);
	outbox->written += outbox->batch.records;
	keep_unsynced(outbox);
	is_numbered = outbox->batch.numbered;
	batch_clear(&outbox->batch);
	if (outbox->sync == OUTBOX_SYNC_BATCH && is_numbered)
		outbox->held = ledger_reach(outbox->ledger).written;
	outbox_release(outbox);
	if (strcmp(outbox->position_in, ledger_path(outbox->ledger)) != 0) {
		/* A new segment. Its position may come late in it: whatever comes before it is there as well. */
		strcpy(outbox->position_in, ledger_path(outbox->ledger));
		if (!outbox->positioned)
			outbox_position(outbox);
		outbox->positioned = false;
	}
	return outbox_flush(outbox);
}

int outbox_sign(struct outbox *outbox)
{
	struct record_stamp stamp = outbox_stamp(outbox);
	int64_t now = clock_monotonic();
	int error;

	if (now - outbox->signed_at < CHECKPOINT_EVERY || ledger_reach(outbox->ledger).head_waits)
		return 0;
	outbox->signed_at = now;
	lag_wait(&outbox->lag, now);
	error = outbox->checkpoint_error = ledger_checkpoint(outbox->ledger, &stamp);
	outbox->write_errors += error != 0;
	return error;
}

/* ---- to the disk --------------------------------------------------------------------------------------------- */

bool outbox_is_behind(const struct outbox *outbox)
{
	struct ledger_reach reach = ledger_reach(outbox->ledger);

	return reach.written - reach.synced >= outbox->unsynced_max &&
	       (outbox->sync != OUTBOX_SYNC_NEVER || reach.is_due);
}

/* What was on its way has come there, or has not: error. */
static int settle(struct outbox *outbox, int error)
{
	struct ledger_reach reach = ledger_reach(outbox->ledger);

	take_back(outbox);
	if (error) {
		set_synced(outbox, reach.synced); /* some of it may have come there before */
		lag_fail(&outbox->lag);
		outbox->sync_error = error;
		return outbox_fail(outbox, error);
	}
	if (reach.is_syncing)
		return 0;
	if (reach.synced == reach.written)
		lag_go(&outbox->lag, !outbox->batch.records);
	lag_come(&outbox->lag, clock_monotonic());
	if (reach.synced != outbox->synced && !outbox->batch.records)
		outbox->error = 0;
	set_synced(outbox, reach.synced);
	return 0;
}

int outbox_sync_end(struct outbox *outbox)
{
	return settle(outbox, ledger_sync_end(outbox->ledger));
}

int outbox_sync_begin(struct outbox *outbox)
{
	struct ledger_reach reach = ledger_reach(outbox->ledger);
	int error;

	if (reach.is_syncing || reach.synced == reach.written)
		return 0;
	lag_go(&outbox->lag, !outbox->batch.records);
	error = ledger_sync_begin(outbox->ledger);
	return ledger_reach(outbox->ledger).is_syncing ? 0 : settle(outbox, error);
}

static bool is_early(const struct outbox *outbox)
{
	struct ledger_reach reach = ledger_reach(outbox->ledger);

	return reach.written - reach.synced >= SYNC_BYTES && !outbox->sync_error;
}

int outbox_sync_early(struct outbox *outbox)
{
	int error = is_early(outbox) ? outbox_sync_end(outbox) : 0;

	return !error && is_early(outbox) ? outbox_sync_begin(outbox) : error;
}

void outbox_hand_over(struct outbox *outbox)
{
	ledger_hand_over(outbox->ledger);
	if (outbox->batch.records)
		return;
	lag_go(&outbox->lag, true);
	lag_come(&outbox->lag, clock_monotonic());
	outbox->error = 0;
}

int outbox_sync_now(struct outbox *outbox)
{
	struct ledger_reach reach = ledger_reach(outbox->ledger);

	if (outbox->sync == OUTBOX_SYNC_NEVER) {
		outbox_hand_over(outbox);
		return 0;
	}
	if (!reach.is_syncing && reach.synced == reach.written)
		return 0;
	lag_go(&outbox->lag, !outbox->batch.records);
	return settle(outbox, ledger_sync(outbox->ledger));
}

void outbox_free(struct outbox *outbox)
{
	batch_free(&outbox->batch);
	json_free(&outbox->unsynced.lines);
}
