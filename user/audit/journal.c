// SPDX-License-Identifier: GPL-2.0-only
#include "audit/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/catalogs.h"
#include "audit/census.h"
#include "audit/keeper.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/counters.h"
#include "kernel/events.h"

#define BATCH_RECORDS 2048
#define BATCHES_A_DRAIN 32	  /* then others get their turn */
#define BATCHES_A_SYNC 4	  /* where their room waits for the disk */
#define UNWRITTEN_MAX (16u << 20) /* bytes of operations that wait for the disk */
#define LAST_SYNCS 3

struct journal {
	const struct publisher *publisher;
	const struct program *program;
	struct catalogs *catalogs;
	struct keeper *keeper;
	struct witness *witness;
	struct veil *veil;
	struct census *census;
	struct journal_damage damage;
	struct outbox outbox;
	int64_t booted;	     /* CLOCK_REALTIME where CLOCK_MONOTONIC was 0, by the last look */
	size_t operation_at; /* where the last operation begins in the batch */
	uint64_t drained;    /* generation that was in force when the rings were last found empty */
	uint64_t returned;   /* outbox.returned by then */
};

/* `monotonic`: when it happened. */
static struct record_stamp stamp_of(const struct journal *journal, uint64_t monotonic)
{
	return (struct record_stamp){journal->booted + (int64_t)monotonic, journal->program->boot.boot_id};
}

/* ---- decisions ---------------------------------------------------------------------------------------------- */

static void add_gap(struct journal *journal, const struct record_gap *gap)
{
	struct record_stamp stamp = outbox_stamp(&journal->outbox);

	record_gap(&journal->outbox.batch.text, &stamp, gap);
	batch_widen(&journal->outbox.batch, gap->cpu, gap->ring, gap->first, gap->last);
	journal->outbox.batch.records++;
	journal->outbox.batch.numbered++;
}

static const struct usher_address *nat_of(const struct journal *journal, const struct usher_event *event)
{
	const struct usher_address *nat = NULL;

	if (event->nat_port_be && event->generation)
		nat = publisher_nat_address(journal->publisher, event->generation, event->nat_index);
	if (event->nat_port_be && !nat)
		nat = catalogs_nat(journal->catalogs, event->generation, event->nat_index);
	return nat;
}

/* A full disk delays records, and nothing else: whoever acts on them sees them first. */
static void show(const struct journal *journal, journal_seen *seen, void *context)
{
	for (int ring = 0; ring < USHER_RINGS; ring++) {
		const struct usher_event *event;

		while ((event = events_foresee(journal->outbox.events, (enum usher_ring)ring)))
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
	struct batch *batch = &journal->outbox.batch;
	const struct usher_address *nat;
	const struct catalog *catalog;
	struct record_gap gap;

	/* Its room was not freed by a daemon that died after writing it. */
	if (gaps_recorded(journal->outbox.gaps, event->cpu, ring, event->sequence))
		return;
	if (gaps_seen(journal->outbox.gaps, event->cpu, ring, event->sequence, &gap))
		add_gap(journal, &gap);
	if (event->backend != USHER_NONE)
		backend = catalogs_backend(journal->catalogs, event->backend, event->incarnation);
	catalog = catalogs_find(journal->catalogs, event->generation);
	nat = nat_of(journal, event);
	if (event->ended)
		record_flow(&batch->text, &stamp, (const void *)event, catalog, backend, nat, journal->veil);
	else
		record_decision(&batch->text, &stamp, event, catalog, backend, nat, journal->veil);
	batch_widen(batch, event->cpu, ring, event->sequence, event->sequence);
	batch->records++;
	batch->numbered++;
}

/* Reads up to BATCH_RECORDS events. Returns whether the rings are empty now. */
static bool read_batch(struct journal *journal)
{
	size_t count = 0;

	journal->booted = clock_realtime() - clock_monotonic();
	/* Those whose audit is required first: nobody else's flood may keep them waiting. */
	for (int ring = USHER_RINGS - 1; ring >= 0; ring--) {
		const struct usher_event *event;

		while (count < BATCH_RECORDS && (event = events_next(journal->outbox.events, (enum usher_ring)ring))) {
			add_event(journal, event, (enum usher_ring)ring);
			count++;
		}
	}
	return count < BATCH_RECORDS;
}

/* Batches, as long as there are any and the disk is not too far behind. */
static int read_on(struct journal *journal, journal_seen *seen, void *context, bool *ret_empty)
{
	struct outbox *outbox = &journal->outbox;
	int most = outbox->sync == OUTBOX_SYNC_BATCH ? BATCHES_A_SYNC : BATCHES_A_DRAIN, error = 0;
	bool empty = false;

	for (int i = 0; !error && !empty && i < most && !outbox_is_behind(outbox); i++) {
		empty = read_batch(journal);
		show(journal, seen, context); /* what has come since: its room is freed now */
		error = outbox_flush(outbox);
		/* Nothing was written, but room may be due to be freed: of what was on record already. */
		if (!error)
			outbox_release(outbox);
		if (!error && outbox->sync == OUTBOX_SYNC_SECOND)
			error = outbox_sync_early(outbox);
	}
	*ret_empty = empty;
	return error;
}

int journal_drain(struct journal *journal, journal_seen *seen, void *context)
{
	struct outbox *outbox = &journal->outbox;
	int error = outbox_sync_end(outbox);
	uint64_t returned;
	bool empty = false;

	show(journal, seen, context);
	if (!error)
		error = outbox_flush(outbox);
	returned = outbox->returned;
	if (!error && !outbox->held && journal->returned == returned)
		catalogs_drained(journal->catalogs, journal->drained);
	/* Where room waits for the disk nothing more is read meanwhile: it is freed in the order of the ring. */
	if (!error && !outbox->held)
		error = read_on(journal, seen, context, &empty);
	if (empty) {
		journal->drained = publisher_active(journal->publisher)->number;
		journal->returned = returned;
	}
	if (!error && (outbox->held || outbox_is_behind(outbox)))
		error = outbox_sync_begin(outbox);
	return error ? error : outbox->sync_error;
}

/* ---- what never came ---------------------------------------------------------------------------------------- */

static int find_gaps(struct journal *journal)
{
	struct record_gap gap;
	bool is_over;
	int error = census_look(journal->census, journal->program, journal->outbox.events, &is_over);

	for (uint32_t i = 0; !error && is_over && i < counters_cpus() * USHER_RINGS; i++) {
		uint32_t cpu = i / USHER_RINGS;
		enum usher_ring ring = (enum usher_ring)(i % USHER_RINGS);

		if (gaps_ended(journal->outbox.gaps, cpu, ring, census_taken(journal->census, cpu, ring), &gap))
			add_gap(journal, &gap);
	}
	return error;
}

/* Keys of pseudonyms that are due, each with its record. What cannot be written is tried again. */
static void turn_keys(struct journal *journal)
{
	struct record_stamp stamp = outbox_stamp(&journal->outbox);
	struct json *to = &journal->outbox.batch.text;
	size_t from = to->length;
	struct veil_turn turn;
	int error = veil_turn(journal->veil, stamp.realtime / CLOCK_SECOND, &turn);

	if (error) {
		outbox_fail(&journal->outbox, error);
		return;
	}
	if (!*turn.made && !turn.destroyed)
		return;
	record_operation(to, &stamp, "client-keys", NULL);
	json_string(to, "made", *turn.made ? turn.made : NULL);
	json_unsigned(to, "destroyed", turn.destroyed);
	json_string(to, "destroyed_last", turn.destroyed ? turn.destroyed_last : NULL);
	record_operation_end(to);
	batch_keep(&journal->outbox.batch, to->length - from);
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
	struct outbox *outbox = &journal->outbox;
	int synced = outbox_sync_end(outbox), error;

	turn_keys(journal);
	error = outbox_flush(outbox);
	if (!error)
		error = find_gaps(journal);
	if (!error)
		error = outbox_flush(outbox);
	if (!error)
		error = outbox_sign(outbox);
	if (outbox->sync == OUTBOX_SYNC_NEVER)
		outbox_hand_over(outbox);
	else if (!synced)
		outbox_sync_begin(outbox);
	return error ? error : outbox->sync_error;
}

int journal_tend(struct journal *journal)
{
	struct record_stamp stamp = outbox_stamp(&journal->outbox);
	int error = journal->witness ? witness_run(journal->witness) : 0, kept = keeper_tick(journal->keeper, &stamp);

	return kept ? kept : error;
}

/* ---- operations --------------------------------------------------------------------------------------------- */

struct json *journal_operation(struct journal *journal, const char *activity, const struct record_actor *actor)
{
	struct record_stamp stamp = outbox_stamp(&journal->outbox);

	journal->operation_at = journal->outbox.batch.text.length;
	record_operation(&journal->outbox.batch.text, &stamp, activity, actor);
	return &journal->outbox.batch.text;
}

int journal_operation_end(struct journal *journal)
{
	struct batch *batch = &journal->outbox.batch;
	size_t length;
	int error;

	record_operation_end(&batch->text);
	length = batch->text.length - journal->operation_at;
	batch_keep(batch, length);
	if (journal->outbox.unsynced.lines.length > UNWRITTEN_MAX && batch_drop(batch, length))
		return -ENOBUFS;
	error = outbox_flush(&journal->outbox);
	/* Who did it is on the disk before they are told that it was done. */
	if (!error)
		return outbox_sync_now(&journal->outbox);
	return batch->text.length > UNWRITTEN_MAX && batch_drop(batch, length) ? -ENOBUFS : error;
}

int journal_rotate_key(struct journal *journal, const struct record_actor *actor, const char *why,
		       struct problem *problem)
{
	struct record_stamp stamp = outbox_stamp(&journal->outbox);
	struct ledger *ledger = journal->outbox.ledger;
	int error = outbox_flush(&journal->outbox);

	if (error)
		return problem_set(problem, error, "cannot write to the audit log %s: %s", ledger_path(ledger),
				   strerror(-error));
	error = ledger_rotate(ledger, &stamp, actor, why, problem);
	if (error)
		return error;
	/* The segment that the new key signs begins at once: `usher audit key` names the key of the newest. What is not written now is later. */
	outbox_position(&journal->outbox);
	outbox_flush(&journal->outbox);
	return 0;
}

const char *journal_key(const struct journal *journal)
{
	return ledger_key(journal->outbox.ledger);
}

/* ---- the outside -------------------------------------------------------------------------------------------- */

/* Where room waits for the disk, what is left of the rings is not written at once. */
static void write_rest(struct journal *journal)
{
	struct outbox *outbox = &journal->outbox;
	bool more = true;

	for (int i = 0; more && i < BATCHES_A_DRAIN / BATCHES_A_SYNC; i++)
		more = !outbox_sync_now(outbox) && !journal_drain(journal, NULL, NULL) && outbox->held;
	/* What the disk has lost is found by one sync, and is on it by the next. */
	more = true;
	for (int i = 0; more && i < LAST_SYNCS; i++) {
		ledger_hurry(outbox->ledger);
		outbox_flush(outbox);
		more = outbox_sync_now(outbox) || outbox->batch.records;
	}
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->outbox.events)
		write_rest(journal);
	events_close(journal->outbox.events);
	catalogs_free(journal->catalogs);
	gaps_free(journal->outbox.gaps);
	keeper_free(journal->keeper);
	if (journal->outbox.ledger) {
		struct record_stamp stamp = outbox_stamp(&journal->outbox);

		ledger_close(journal->outbox.ledger, &stamp);
	}
	witness_close(journal->witness);
	veil_close(journal->veil);
	census_free(journal->census);
	outbox_free(&journal->outbox);
	free(journal);
}

static void cleanup_journal(struct journal **journal)
{
	journal_close(*journal);
}

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
	outbox_position(&journal->outbox);
	return outbox_flush(&journal->outbox);
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
	journal->outbox.sync = options->sync;
	journal->outbox.unsynced_max = options->unsynced_max ? options->unsynced_max : OUTBOX_UNSYNCED_MAX;
	journal->outbox.boot_id = program->boot.boot_id;
	if (batch_init(&journal->outbox.batch) || census_new(&journal->census) || catalogs_new(&journal->catalogs) ||
	    gaps_new(counters_cpus(), &journal->outbox.gaps))
		return problem_set(problem, -ENOMEM, "no memory");
	stamp = outbox_stamp(&journal->outbox);
	error = veil_open(options->client_keys, problem, &journal->veil, &journal->damage.client_keys);
	if (error)
		return error;
	error = ledger_open(options->folder, options->key, &stamp, problem, &journal->outbox.ledger, &found);
	if (error)
		return error;
	if (options->witness && witness_new(options->witness, &journal->witness))
		return problem_set(problem, -ENOMEM, "no memory");
	ledger_witness(journal->outbox.ledger, journal->witness);
	if (options->limits.bytes)
		ledger_limit(journal->outbox.ledger, &options->limits);
	error = gaps_learn(journal->outbox.gaps, options->folder, program->boot.boot_id);
	if (error)
		return problem_set(problem, error, "cannot read the audit log in %s: %s", options->folder,
				   strerror(-error));
	if (keeper_new(journal->outbox.ledger, &journal->keeper))
		return problem_set(problem, -ENOMEM, "no memory");
	journal->damage.key = found.key_damaged;
	journal->damage.log = found.broken || found.cut;
	error = events_open(program, &journal->outbox.events);
	if (error)
		return problem_set(problem, error, "cannot open the rings of decisions: %s", strerror(-error));
	error = begin(journal, &found);
	if (error)
		return problem_set(problem, error, "cannot write to the audit log %s: %s",
				   ledger_path(journal->outbox.ledger), strerror(-error));
	*ret_journal = TAKE_PTR(journal);
	return 0;
}

void journal_totals(const struct journal *journal, struct journal_totals *ret_totals)
{
	struct ledger_reach reach = ledger_reach(journal->outbox.ledger);
	struct gap_totals gaps = gaps_totals(journal->outbox.gaps);
	struct witness_totals witness = {0};
	struct keeper_totals kept;
	uint64_t free_bytes = 0, disk_bytes = 0;

	ledger_free(journal->outbox.ledger, &free_bytes, &disk_bytes);
	keeper_totals(journal->keeper, &kept);
	if (journal->witness)
		witness_totals(journal->witness, &witness);
	*ret_totals = (struct journal_totals){
		.written = journal->outbox.written,
		.gaps = gaps.gaps,
		.lost = gaps.numbers,
		.write_errors = journal->outbox.write_errors,
		.compressed = kept.compressed,
		.deleted = kept.deleted,
		.keeper_errors = kept.errors,
		.witnessed = witness.written,
		.witness_errors = witness.errors,
		.witness_error = witness.error,
		.keeper_error = kept.error,
		.segments_lost = ledger_lost(journal->outbox.ledger),
		.waiting_bytes = events_waiting_bytes(journal->outbox.events) + journal->outbox.batch.text.length,
		.unsynced = reach.written - reach.synced,
		.unsynced_max = journal->outbox.unsynced_max,
		.behind = lag_longest(&journal->outbox.lag, clock_monotonic()),
		.error = journal->outbox.error ? journal->outbox.error : journal->outbox.checkpoint_error,
		.disk_free = free_bytes,
		.disk_size = disk_bytes,
	};
}

int journal_accounts(const struct journal *journal, struct journal_account *ret_accounts, size_t cpus)
{
	_cleanup_free_ struct counters_cpu *given = calloc(cpus, sizeof(*given));
	int error = given ? counters_sequences(journal->program, given, cpus) : -ENOMEM;

	for (size_t i = 0; !error && i < cpus * USHER_RINGS; i++) {
		uint32_t cpu = (uint32_t)(i / USHER_RINGS);
		enum usher_ring ring = (enum usher_ring)(i % USHER_RINGS);
		struct record_account account = gaps_account(journal->outbox.gaps, cpu, ring);
		uint64_t taken = given[cpu].rings[ring].taken;

		ret_accounts[i] = (struct journal_account){.taken = taken,
							   .stored = account.next - account.lost,
							   .lost = account.lost,
							   .waiting = taken - account.next};
	}
	return error;
}

size_t journal_waiting(const struct journal *journal)
{
	return events_waiting(journal->outbox.events);
}

const char *journal_path(const struct journal *journal)
{
	return ledger_path(journal->outbox.ledger);
}

const struct journal_damage *journal_damage(const struct journal *journal)
{
	return &journal->damage;
}
