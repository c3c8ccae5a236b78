// SPDX-License-Identifier: GPL-2.0-only
#include "audit/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/catalogs.h"
#include "audit/gaps.h"
#include "audit/keeper.h"
#include "audit/ledger.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/counters.h"
#include "kernel/events.h"

#define BATCH_RECORDS 2048
#define CHECKPOINT_EVERY (5 * CLOCK_SECOND)
#define BATCHES_A_DRAIN 32		     /* then others get their turn */
#define DRAIN_TIME (100 * CLOCK_MILLISECOND) /* the same, where the disk is slow */
#define SLOWEST_FOR (60 * CLOCK_SECOND)
#define UNWRITTEN_MAX (16u << 20)		    /* bytes of operations that wait for the disk */
#define EVENT_ROOM (sizeof(struct usher_event) + 8) /* in a ring, with its header */

struct journal {
	const struct publisher *publisher;
	const struct program *program;
	struct events *events;
	struct catalogs *catalogs;
	struct gaps *gaps;
	struct ledger *ledger;
	struct keeper *keeper;
	struct witness *witness;
	struct veil *veil;
	struct journal_damage damage;
	struct json batch; /* not in the log yet */
	uint64_t batch_records;
	struct chain_range *ranges; /* of the batch; first > last: none */
	int64_t signed_at;	    /* CLOCK_MONOTONIC */
	/* Two ticks: numbers given out at the first, up to where the rings were filled at the second. */
	struct counters_cpu *taken;
	uint64_t filled[USHER_RINGS];
	enum { LOOK_AT_NUMBERS, LOOK_AT_RINGS, LOOK_FOR_GAPS } look;
	enum journal_sync sync;
	bool unsynced;
	int error, checkpoint_error; /* of the last try to write or sync, and of the last checkpoint; 0: it went well */
	int64_t synced_for;	     /* in this drain */
	int64_t slowest, slowest_at; /* how long one waited for the disk, and until when */
	int64_t behind_since; /* CLOCK_MONOTONIC: the first of what is not where it should be; 0: there is nothing */
	size_t operation_at;  /* where the last operation begins in the batch */
	uint64_t gap_count, lost, written, write_errors;
	bool positioned;	/* the batch holds a position */
	char position_in[4096]; /* the segment that has one */
};

/* `monotonic`: when it happened. */
static struct record_stamp stamp_of(const struct journal *journal, uint64_t monotonic)
{
	return (struct record_stamp){
		.realtime = clock_realtime() - clock_monotonic() + (int64_t)monotonic,
		.boot_id = journal->program->boot.boot_id,
	};
}

static struct record_stamp stamp_now(const struct journal *journal)
{
	return (struct record_stamp){.realtime = clock_realtime(), .boot_id = journal->program->boot.boot_id};
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->events && journal->ledger)
		journal_drain(journal, NULL, NULL);
	events_close(journal->events);
	catalogs_free(journal->catalogs);
	gaps_free(journal->gaps);
	keeper_free(journal->keeper);
	if (journal->ledger) {
		struct record_stamp stamp = stamp_now(journal);

		ledger_close(journal->ledger, &stamp);
	}
	witness_close(journal->witness);
	veil_close(journal->veil);
	json_free(&journal->batch);
	free(journal->ranges);
	free(journal->taken);
	free(journal);
}

static void cleanup_journal(struct journal **journal)
{
	journal_close(*journal);
}

/* ---- to the disk -------------------------------------------------------------------------------------------- */

static void clear_ranges(struct journal *journal)
{
	for (size_t i = 0; i < counters_cpus() * USHER_RINGS; i++)
		journal->ranges[i] = (struct chain_range){.cpu = (uint32_t)(i / USHER_RINGS),
							  .ring = (enum usher_ring)(i % USHER_RINGS),
							  .first = UINT64_MAX};
}

static void widen(struct journal *journal, uint32_t cpu, enum usher_ring ring, uint64_t first, uint64_t last)
{
	struct chain_range *range;

	if (cpu >= counters_cpus() || ring >= USHER_RINGS)
		return;
	range = &journal->ranges[cpu * USHER_RINGS + ring];
	range->first = first < range->first ? first : range->first;
	range->last = last > range->last ? last : range->last;
}

static int append(struct journal *journal)
{
	_cleanup_free_ struct chain_range *ranges = calloc(counters_cpus() * USHER_RINGS, sizeof(*ranges));
	struct record_stamp stamp = stamp_now(journal);
	size_t count = 0;

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < counters_cpus() * USHER_RINGS; i++)
		if (journal->ranges[i].first <= journal->ranges[i].last)
			ranges[count++] = journal->ranges[i];
	return ledger_append(journal->ledger, &stamp, journal->batch.bytes, journal->batch.length,
			     journal->batch_records, ranges, count);
}

static void add_position(struct journal *journal)
{
	struct record_stamp stamp = stamp_now(journal);

	gaps_position(journal->gaps, &journal->batch, &stamp);
	journal->batch_records++;
}

/* Something is to be brought to the log, or to the disk. */
static void fall_behind(struct journal *journal)
{
	if (!journal->behind_since)
		journal->behind_since = clock_monotonic();
}

/* Nothing is any more. Who waits for the disk answers nobody: the slowest of the last minute is what is told then. */
static void note_wait(struct journal *journal)
{
	int64_t now = clock_monotonic(), wait = journal->behind_since ? now - journal->behind_since : 0;

	journal->behind_since = 0;
	if (wait < journal->slowest && now - journal->slowest_at <= SLOWEST_FOR)
		return;
	journal->slowest = wait;
	journal->slowest_at = now;
}

static int64_t longest_wait(const struct journal *journal)
{
	int64_t now = clock_monotonic(), wait = journal->behind_since ? now - journal->behind_since : 0;

	return wait < journal->slowest && now - journal->slowest_at <= SLOWEST_FOR ? journal->slowest : wait;
}

static int failed(struct journal *journal, int error)
{
	journal->error = error;
	journal->write_errors++;
	return error;
}

static int sync_log(struct journal *journal)
{
	int64_t begins = clock_monotonic();
	int error = 0;

	if (!journal->unsynced)
		return 0;
	if (journal->sync == JOURNAL_SYNC_NEVER)
		ledger_hand_over(journal->ledger);
	else
		error = ledger_sync(journal->ledger);
	journal->synced_for += clock_monotonic() - begins;
	if (error)
		return failed(journal, error);
	journal->unsynced = false;
	if (!journal->batch_records) {
		note_wait(journal);
		journal->error = 0;
	}
	return 0;
}

/* Writes the batch, and only then frees the room of what is in it. */
static int flush(struct journal *journal)
{
	bool at_once = journal->sync == JOURNAL_SYNC_BATCH;
	int error = at_once ? sync_log(journal) : 0; /* what could not be brought there last time */

	if (error || !journal->batch_records)
		return error;
	fall_behind(journal);
	error = append(journal);
	if (error)
		return failed(journal, error);
	if (!at_once)
		events_release(journal->events);
	journal->written += journal->batch_records;
	journal->batch_records = 0;
	journal->unsynced = true;
	json_clear(&journal->batch);
	clear_ranges(journal);
	if (at_once) {
		error = sync_log(journal);
		if (error)
			return error;
		events_release(journal->events);
	}
	if (!strcmp(journal->position_in, ledger_path(journal->ledger)))
		return 0;
	/* A new segment. Its position may come late in it: whatever comes before it is there as well. */
	strcpy(journal->position_in, ledger_path(journal->ledger));
	if (!journal->positioned)
		add_position(journal);
	journal->positioned = false;
	return flush(journal);
}

static void add_gap(struct journal *journal, const struct record_gap *gap)
{
	struct record_stamp stamp = stamp_now(journal);

	record_gap(&journal->batch, &stamp, gap);
	widen(journal, gap->cpu, gap->ring, gap->first, gap->last);
	journal->batch_records++;
	journal->gap_count++;
	journal->lost += gap->last - gap->first + 1;
}

/* ---- decisions ---------------------------------------------------------------------------------------------- */

static const struct usher_address *nat_of(const struct journal *journal, const struct usher_event *event)
{
	return event->nat_port_be ? publisher_nat_address(journal->publisher, event->generation, event->nat_index)
				  : NULL;
}

/* A full disk delays records, and nothing else: whoever acts on them sees them first. */
static void show(const struct journal *journal, journal_seen *seen, void *context)
{
	for (int ring = 0; ring < USHER_RINGS; ring++) {
		const struct usher_event *event;

		while ((event = events_foresee(journal->events, (enum usher_ring)ring)))
			if (seen)
				seen(event, nat_of(journal, event),
				     publisher_backend(journal->publisher, event->backend, event->incarnation),
				     context);
	}
}

static void add_event(struct journal *journal, const struct usher_event *event, enum usher_ring ring)
{
	const struct catalog_backend *backend = NULL;
	struct record_stamp stamp = stamp_of(journal, event->time);
	const struct catalog *catalog;
	struct record_gap gap;

	/* Its room was not freed by a daemon that died after writing it. */
	if (gaps_recorded(journal->gaps, event->cpu, ring, event->sequence))
		return;
	if (gaps_seen(journal->gaps, event->cpu, ring, event->sequence, &gap))
		add_gap(journal, &gap);
	if (event->backend != USHER_NONE)
		backend = catalogs_backend(journal->catalogs, event->backend, event->incarnation);
	catalog = catalogs_find(journal->catalogs, event->generation);
	if (event->ended)
		record_flow(&journal->batch, &stamp, (const struct usher_flow_end *)event, catalog, backend,
			    nat_of(journal, event), journal->veil);
	else
		record_decision(&journal->batch, &stamp, event, catalog, backend, nat_of(journal, event),
				journal->veil);
	widen(journal, event->cpu, ring, event->sequence, event->sequence);
	journal->batch_records++;
}

/* Reads up to BATCH_RECORDS events. Returns whether the rings are empty now. */
static bool read_batch(struct journal *journal)
{
	size_t count = 0;

	/* Those whose audit is required first: nobody else's flood may keep them waiting. */
	for (int ring = USHER_RINGS - 1; ring >= 0; ring--) {
		const struct usher_event *event;

		while (count < BATCH_RECORDS && (event = events_next(journal->events, (enum usher_ring)ring))) {
			add_event(journal, event, (enum usher_ring)ring);
			count++;
		}
	}
	return count < BATCH_RECORDS;
}

int journal_drain(struct journal *journal, journal_seen *seen, void *context)
{
	int error;
	bool empty = false;

	journal->synced_for = 0;
	error = flush(journal);
	show(journal, seen, context);
	for (int i = 0; !error && !empty && i < BATCHES_A_DRAIN && journal->synced_for < DRAIN_TIME; i++) {
		empty = read_batch(journal);
		show(journal, seen, context); /* what has come since: its room is freed now */
		error = flush(journal);
		/* Nothing was written, but room may be due to be freed: of what was on record already. */
		if (!error)
			events_release(journal->events);
	}
	if (!error && empty)
		catalogs_drained(journal->catalogs);
	return error;
}

/* ---- what never came ---------------------------------------------------------------------------------------- */

/* Has every event come that has one of the numbers taken at the first look? */
static bool all_come(const struct journal *journal)
{
	for (int ring = 0; ring < USHER_RINGS; ring++)
		if (events_released(journal->events, (enum usher_ring)ring) < journal->filled[ring])
			return false;
	return true;
}

static void find_gaps(struct journal *journal)
{
	struct record_gap gap;

	for (uint32_t cpu = 0; cpu < counters_cpus(); cpu++)
		for (int ring = 0; ring < USHER_RINGS; ring++)
			if (gaps_ended(journal->gaps, cpu, (enum usher_ring)ring, journal->taken[cpu].rings[ring].taken,
				       &gap))
				add_gap(journal, &gap);
}

/*
 * A number is taken before room is asked for, and a program does not run for as long as a tick. So what was taken by one
 * tick is in the rings by the next or never, and what was in them then and has been read has been noticed.
 */
static int look(struct journal *journal)
{
	int error = 0;

	switch (journal->look) {
	case LOOK_AT_NUMBERS:
		error = counters_sequences(journal->program, journal->taken, counters_cpus());
		if (!error)
			journal->look = LOOK_AT_RINGS;
		break;
	case LOOK_AT_RINGS:
		for (int ring = 0; ring < USHER_RINGS; ring++)
			journal->filled[ring] = events_produced(journal->events, (enum usher_ring)ring);
		journal->look = LOOK_FOR_GAPS;
		break;
	case LOOK_FOR_GAPS:
		if (!all_come(journal))
			break;
		find_gaps(journal);
		journal->look = LOOK_AT_NUMBERS;
		break;
	}
	return error;
}

/* Keys of pseudonyms that are due, each with its record. What cannot be written is tried again. */
static void turn_keys(struct journal *journal)
{
	struct record_stamp stamp = stamp_now(journal);
	struct veil_turn turn;

	int error = veil_turn(journal->veil, stamp.realtime / CLOCK_SECOND, &turn);

	if (error) {
		failed(journal, error);
		return;
	}
	if (!*turn.made && !turn.destroyed)
		return;
	record_operation(&journal->batch, &stamp, "client-keys", NULL);
	json_string(&journal->batch, "made", *turn.made ? turn.made : NULL);
	json_unsigned(&journal->batch, "destroyed", turn.destroyed);
	json_string(&journal->batch, "destroyed_last", turn.destroyed ? turn.destroyed_last : NULL);
	record_operation_end(&journal->batch);
	journal->batch_records++;
}

void journal_privacy(struct journal *journal, const struct client_privacy *privacy)
{
	veil_set(journal->veil, privacy);
	turn_keys(journal);
}

void journal_retain(struct journal *journal, uint32_t seconds)
{
	keeper_retain(journal->keeper, seconds);
}

int journal_tick(struct journal *journal)
{
	int error, synced;

	turn_keys(journal);
	error = flush(journal);
	if (!error)
		error = look(journal);
	if (!error)
		error = flush(journal);
	if (!error && clock_monotonic() - journal->signed_at >= CHECKPOINT_EVERY) {
		struct record_stamp stamp = stamp_now(journal);

		journal->signed_at = clock_monotonic();
		error = journal->checkpoint_error = ledger_checkpoint(journal->ledger, &stamp);
		journal->write_errors += error != 0;
		journal->unsynced = true;
		fall_behind(journal);
	}
	synced = sync_log(journal);
	return error ? error : synced;
}

int journal_tend(struct journal *journal)
{
	struct record_stamp stamp = stamp_now(journal);
	int error = journal->witness ? witness_run(journal->witness) : 0, kept = keeper_tick(journal->keeper, &stamp);

	return kept ? kept : error;
}

/* ---- operations --------------------------------------------------------------------------------------------- */

struct json *journal_operation(struct journal *journal, const char *activity, const struct record_actor *actor)
{
	struct record_stamp stamp = stamp_now(journal);

	journal->operation_at = journal->batch.length;
	record_operation(&journal->batch, &stamp, activity, actor);
	return &journal->batch;
}

int journal_operation_end(struct journal *journal)
{
	int error;

	record_operation_end(&journal->batch);
	journal->batch_records++;
	error = flush(journal);
	if (!error)
		return sync_log(journal); /* who did it is on the disk before they are told that it was done */
	if (journal->batch.length > UNWRITTEN_MAX) {
		journal->batch.length = journal->operation_at;
		journal->batch_records--;
		return -ENOBUFS;
	}
	return error;
}

int journal_rotate_key(struct journal *journal, const struct record_actor *actor, const char *why,
		       struct problem *problem)
{
	struct record_stamp stamp = stamp_now(journal);
	int error = flush(journal);

	if (error)
		return problem_set(problem, error, "cannot write to the audit log %s: %s", ledger_path(journal->ledger),
				   strerror(-error));
	error = ledger_rotate(journal->ledger, &stamp, actor, why, problem);
	if (error)
		return error;
	/* The segment that the new key signs begins at once: `usher audit key` names the key of the newest. What is not written now is later. */
	add_position(journal);
	journal->positioned = true;
	flush(journal);
	return 0;
}

const char *journal_key(const struct journal *journal)
{
	return ledger_key(journal->ledger);
}

/* ---- the outside -------------------------------------------------------------------------------------------- */

void journal_catalog(struct journal *journal, struct catalog *catalog)
{
	catalogs_add(journal->catalogs, catalog);
}

static int begin(struct journal *journal, const struct ledger_found *found)
{
	if (found->torn_bytes || found->unsealed_lines || found->broken || found->cut || found->key_damaged ||
	    journal->damage.client_keys) {
		struct json *record = journal_operation(journal, "log-mended", NULL);

		json_unsigned(record, "torn_bytes", found->torn_bytes);
		json_unsigned(record, "unsealed_lines", found->unsealed_lines);
		json_boolean(record, "chain_broken", found->broken);
		json_boolean(record, "cut", found->cut);
		json_boolean(record, "key_damaged", found->key_damaged);
		json_boolean(record, "client_keys_damaged", journal->damage.client_keys);
		return journal_operation_end(journal);
	}
	add_position(journal);
	journal->positioned = true;
	return flush(journal);
}

int journal_open(const struct program *program, const struct publisher *publisher,
		 const struct journal_options *options, struct problem *problem, struct journal **ret_journal)
{
	_cleanup_(cleanup_journal) struct journal *journal = calloc(1, sizeof(*journal));
	struct ledger_found found;
	struct record_stamp stamp;
	int error;

	if (!journal)
		return problem_set(problem, -ENOMEM, "no memory");
	journal->program = program;
	journal->publisher = publisher;
	journal->sync = options->sync;
	journal->taken = calloc(counters_cpus(), sizeof(*journal->taken));
	journal->ranges = calloc(counters_cpus() * USHER_RINGS, sizeof(*journal->ranges));
	if (!journal->taken || !journal->ranges || catalogs_new(&journal->catalogs) ||
	    gaps_new(counters_cpus(), &journal->gaps))
		return problem_set(problem, -ENOMEM, "no memory");
	clear_ranges(journal);
	stamp = stamp_now(journal);
	error = veil_open(options->client_keys, problem, &journal->veil, &journal->damage.client_keys);
	if (error)
		return error;
	error = ledger_open(options->folder, options->key, &stamp, problem, &journal->ledger, &found);
	if (error)
		return error;
	if (options->witness && witness_new(options->witness, &journal->witness))
		return problem_set(problem, -ENOMEM, "no memory");
	ledger_witness(journal->ledger, journal->witness);
	if (options->limits.bytes)
		ledger_limit(journal->ledger, &options->limits);
	error = gaps_learn(journal->gaps, options->folder, program->boot.boot_id);
	if (error)
		return problem_set(problem, error, "cannot read the audit log in %s: %s", options->folder,
				   strerror(-error));
	if (keeper_new(journal->ledger, &journal->keeper))
		return problem_set(problem, -ENOMEM, "no memory");
	journal->damage.key = found.key_damaged;
	journal->damage.log = found.broken || found.cut;
	error = events_open(program, &journal->events);
	if (error)
		return problem_set(problem, error, "cannot open the rings of decisions: %s", strerror(-error));
	error = begin(journal, &found);
	if (error)
		return problem_set(problem, error, "cannot write to the audit log %s: %s", ledger_path(journal->ledger),
				   strerror(-error));
	*ret_journal = TAKE_PTR(journal);
	return 0;
}

void journal_totals(const struct journal *journal, struct journal_totals *ret_totals)
{
	size_t waiting = events_waiting(journal->events, USHER_RING_EVENTS) +
			 events_waiting(journal->events, USHER_RING_REQUIRED);
	struct witness_totals witness = {0};
	struct keeper_totals kept;
	uint64_t free_bytes = 0, disk_bytes = 0;

	ledger_free(journal->ledger, &free_bytes, &disk_bytes);
	keeper_totals(journal->keeper, &kept);
	if (journal->witness)
		witness_totals(journal->witness, &witness);
	*ret_totals = (struct journal_totals){
		.written = journal->written,
		.gaps = journal->gap_count,
		.lost = journal->lost,
		.write_errors = journal->write_errors,
		.compressed = kept.compressed,
		.deleted = kept.deleted,
		.keeper_errors = kept.errors,
		.witnessed = witness.written,
		.witness_errors = witness.errors,
		.witness_error = witness.error,
		.keeper_error = kept.error,
		.segments_lost = ledger_lost(journal->ledger),
		.waiting = waiting / EVENT_ROOM,
		.waiting_bytes = waiting + journal->batch.length,
		.behind = longest_wait(journal),
		.error = journal->error ? journal->error : journal->checkpoint_error,
		.disk_free = free_bytes,
		.disk_size = disk_bytes,
	};
}

const char *journal_path(const struct journal *journal)
{
	return ledger_path(journal->ledger);
}

const struct journal_damage *journal_damage(const struct journal *journal)
{
	return &journal->damage;
}
