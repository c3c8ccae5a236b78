// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "compile/compile.h"
#include "kernel/counters.h"
#include "kernel/events.h"
#include "audit/gaps.h"
#include "audit/store.h"

#define CATALOGS_MAX 256
#define BATCH_BYTES (1u << 20)
#define SYNC_EVERY CLOCK_SECOND

struct journal {
	const struct program *program;
	const struct publisher *publisher;
	struct injector *injector;
	struct events *events;
	struct store *store;
	struct gaps *gaps;
	struct json lines;     /* of the batch */
	struct json operation; /* that is being written */
	struct catalog *catalogs[CATALOGS_MAX]; /* by generation, oldest first */
	size_t catalog_count;
	struct journal_stats stats;
	int64_t sync_at;
	bool unsynced;
};

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->store && journal->unsynced)
		store_sync(journal->store);
	for (size_t i = 0; i < journal->catalog_count; i++)
		catalog_free(journal->catalogs[i]);
	json_free(&journal->lines);
	json_free(&journal->operation);
	gaps_free(journal->gaps);
	store_close(journal->store);
	events_close(journal->events);
	free(journal);
}

static void cleanup_journal(struct journal **journal)
{
	journal_close(*journal);
}

int journal_open(const char *folder, const struct program *program, const struct publisher *publisher,
		 struct injector *injector, struct problem *problem, struct journal **ret_journal, size_t *ret_torn)
{
	_cleanup_(cleanup_journal) struct journal *journal = calloc(1, sizeof(*journal));
	int error;

	if (!journal)
		return problem_set(problem, -ENOMEM, "no memory");
	journal->program = program;
	journal->publisher = publisher;
	journal->injector = injector;
	error = events_open(program, &journal->events);
	if (error)
		return problem_set(problem, error, "cannot map the rings of records: %s", strerror(-error));
	error = store_open(folder, problem, &journal->store, ret_torn);
	if (error)
		return error;
	error = gaps_new(counters_cpus(), &journal->gaps);
	if (!error)
		error = gaps_learn(journal->gaps, folder, program->boot.boot_id);
	if (error)
		return problem_set(problem, error, "cannot read the audit log in %s: %s", folder, strerror(-error));
	*ret_journal = TAKE_PTR(journal);
	return 0;
}

/* ---- catalogs ------------------------------------------------------------------------------------------------ */

void journal_catalog(struct journal *journal, struct catalog *catalog)
{
	if (journal->catalog_count == CATALOGS_MAX) {
		catalog_free(journal->catalogs[0]);
		memmove(&journal->catalogs[0], &journal->catalogs[1],
			(CATALOGS_MAX - 1) * sizeof(journal->catalogs[0]));
		journal->catalog_count--;
	}
	journal->catalogs[journal->catalog_count++] = catalog;
}

const struct catalog *journal_find_catalog(const struct journal *journal, uint64_t generation)
{
	for (size_t i = journal->catalog_count; i-- > 0;)
		if (journal->catalogs[i]->generation == generation)
			return journal->catalogs[i];
	return NULL;
}

/* ---- records ------------------------------------------------------------------------------------------------- */

static struct record_stamp stamp_of(const struct journal *journal, int64_t realtime)
{
	return (struct record_stamp){realtime, journal->program->boot.boot_id};
}

static void note_gap(struct journal *journal, const struct record_gap *gap)
{
	struct record_stamp stamp = stamp_of(journal, clock_realtime());

	record_gap(&journal->lines, &stamp, gap);
	journal->stats.gaps++;
}

/* The flow's backend as the generation in force or the one before it knows it. */
static const struct usher_backend *backend_of(const struct journal *journal, const struct usher_event *event)
{
	if (event->backend >= USHER_BACKENDS_MAX)
		return NULL;
	for (uint32_t i = 0; i < USHER_SLOTS; i++) {
		uint32_t slot = publisher_slot(journal->publisher) ^ i;
		const struct usher_backend *backend =
			&publisher_backends(journal->publisher, slot)[event->backend];

		if (backend->incarnation == event->incarnation && backend->flags & USHER_BACKEND_REACHABLE)
			return backend;
	}
	return NULL;
}

static const struct usher_address *nat_of(const struct journal *journal, const struct usher_event *event)
{
	if (!event->nat_port_be || event->nat_index >= USHER_NAT_ADDRESSES_MAX)
		return NULL;
	return publisher_nat_address(journal->publisher, event->nat_index);
}

static void note_event(struct journal *journal, enum usher_ring ring, const struct usher_event *event, int64_t now,
		       int64_t realtime)
{
	/* The event's own time, which counts from boot, by today's distance between the two clocks. */
	struct record_stamp stamp = stamp_of(journal, realtime - (now - (int64_t)event->time));
	const struct usher_address *nat = nat_of(journal, event);
	struct record_gap gap;

	if (gaps_seen(journal->gaps, event->cpu, ring, event->sequence, &gap))
		note_gap(journal, &gap);
	record_decision(&journal->lines, &stamp, event, journal_find_catalog(journal, event->generation), nat);
	journal->stats.written++;
	if (event->reason == USHER_REASON_REVOKED)
		injector_note(journal->injector, event, nat, backend_of(journal, event), now);
}

/* Puts the batch into the log. On an error the log has none of it. */
static int flush(struct journal *journal)
{
	int error = journal->lines.length ? store_append(journal->store, journal->lines.bytes, journal->lines.length) : 0;

	json_clear(&journal->lines);
	if (error)
		journal->stats.write_errors++;
	else
		journal->unsynced = true;
	return error;
}

int journal_drain(struct journal *journal, int64_t now)
{
	struct journal_stats before = journal->stats;
	int64_t realtime = clock_realtime();
	int error = 0;

	for (enum usher_ring ring = 0; ring < USHER_RINGS && !error; ring++) {
		const struct usher_event *event;

		while (!error && (event = events_next(journal->events, ring))) {
			note_event(journal, ring, event, now, realtime);
			if (journal->lines.length < BATCH_BYTES)
				continue;
			error = flush(journal);
			if (!error) {
				events_release(journal->events);
				before = journal->stats;
			}
		}
	}
	if (!error && journal->lines.length)
		error = flush(journal);
	if (error) {
		uint64_t errors = journal->stats.write_errors;

		events_rewind(journal->events);
		journal->stats = before;
		journal->stats.write_errors = errors;
		return error;
	}
	events_release(journal->events);
	if (journal->unsynced && now >= journal->sync_at) {
		journal->unsynced = false;
		journal->sync_at = now + SYNC_EVERY;
		return store_sync(journal->store);
	}
	return 0;
}

void journal_look_for_gaps(struct journal *journal, int64_t now)
{
	size_t cpus = counters_cpus();
	_cleanup_free_ struct counters_cpu *taken = calloc(cpus, sizeof(*taken));
	struct record_gap gap;

	/* Numbers first, records after: what was recorded of those numbers has come once the rings are empty. */
	if (!taken || counters_sequences(journal->program, taken, cpus) || journal_drain(journal, now))
		return;
	for (enum usher_ring ring = 0; ring < USHER_RINGS; ring++)
		if (events_waiting(journal->events, ring))
			return;
	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		for (enum usher_ring ring = 0; ring < USHER_RINGS; ring++)
			if (gaps_ended(journal->gaps, cpu, ring, taken[cpu].rings[ring].taken, &gap))
				note_gap(journal, &gap);
	flush(journal);
}

struct json *journal_operation(struct journal *journal, const char *activity, const struct record_actor *actor)
{
	struct record_stamp stamp = stamp_of(journal, clock_realtime());

	json_clear(&journal->operation);
	record_operation(&journal->operation, &stamp, activity, actor);
	return &journal->operation;
}

int journal_operation_end(struct journal *journal)
{
	int error;

	record_operation_end(&journal->operation);
	error = store_append(journal->store, journal->operation.bytes, journal->operation.length);
	if (!error)
		error = store_sync(journal->store);
	if (error)
		journal->stats.write_errors++;
	else
		journal->stats.written++;
	return error;
}

struct journal_stats journal_stats(const struct journal *journal)
{
	struct journal_stats stats = journal->stats;

	for (enum usher_ring ring = 0; ring < USHER_RINGS; ring++)
		stats.waiting += events_waiting(journal->events, ring);
	return stats;
}

const char *journal_path(const struct journal *journal)
{
	return store_path(journal->store);
}
