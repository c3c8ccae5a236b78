// SPDX-License-Identifier: GPL-2.0-only
#include "audit/ledger.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "audit/ending.h"
#include "audit/head.h"
#include "audit/reach.h"
#include "base/cleanup.h"

struct ledger {
	struct store *store;
	struct chain chain;
	struct signer *signer;
	struct head head;
	char *folder, *key;
	char log[CHAIN_LOG];
	bool begins, begun;  /* the next batch is the first of a segment; which is there */
	bool previous;	     /* there is a seal before it */
	uint64_t signed_for; /* seal that the last checkpoint is of */
	struct {
		uint32_t number; /* 0: none */
		uint64_t last_seal;
		char name[NAME_MAX + 1];
	} lost; /* a segment that is to be named */
	uint64_t lost_count;
	struct record_stamp stamp; /* of the last batch */
	struct reach reach;
	struct json text;
};

static void free_ledger(struct ledger *ledger)
{
	if (!ledger)
		return;
	store_close(ledger->store);
	chain_close(&ledger->chain);
	signer_close(ledger->signer);
	json_free(&ledger->text);
	head_free(&ledger->head);
	free(ledger->folder);
	free(ledger->key);
	free(ledger);
}

static void cleanup_ledger(struct ledger **ledger)
{
	free_ledger(*ledger);
}

/* ---- batches ------------------------------------------------------------------------------------------------ */

/* Closes a batch that stands in ledger->text, of `lines` lines, and writes it. What is not written is as if it had not been. */
static int write_batch(struct ledger *ledger, const struct record_stamp *stamp, uint64_t lines,
		       const struct chain_range *ranges, size_t count)
{
	struct chain before;
	int error = chain_open(ledger->chain.seals, ledger->chain.hash, &before);

	if (error)
		return error;
	before.span = ledger->chain.span;
	if (ledger->begins)
		ledger->chain.span = (struct chain_span){0};
	chain_add(&ledger->chain, ledger->text.bytes, ledger->text.length, lines);
	chain_seal(&ledger->chain, &ledger->text, stamp, ranges, count, false);
	error = store_append(ledger->store, ledger->text.bytes, ledger->text.length);
	ledger->stamp = *stamp;
	if (!error) {
		ledger->begins = false;
		ledger->previous = true;
		chain_close(&before);
		return 0;
	}
	chain_close(&ledger->chain);
	ledger->chain = before;
	return error;
}

static int sign(struct ledger *ledger, const struct record_stamp *stamp)
{
	size_t length;
	int error;

	json_clear(&ledger->text);
	chain_print_checkpoint(&ledger->chain, &ledger->text, stamp, ledger->log, ledger->signer);
	length = ledger->text.length;
	error = write_batch(ledger, stamp, 1, NULL, 0);
	if (error)
		return error;
	ledger->signed_for = ledger->chain.seals; /* that of the checkpoint itself waits for the next one */
	head_set(&ledger->head, ledger->text.bytes, length, store_written(ledger->store));
	return 0;
}

/* ---- to the disk --------------------------------------------------------------------------------------------- */

static int go_elsewhere(struct ledger *ledger, const struct record_stamp *stamp);

void ledger_hand_over(struct ledger *ledger)
{
	head_hand_over(&ledger->head);
}

static void hand_over_if_there(struct ledger *ledger)
{
	if (!head_waits(&ledger->head, store_synced(ledger->store)))
		head_hand_over(&ledger->head);
}

/* What is in doubt is dispelled; if the segment is lost, another one goes on from it. That is an error for who has waited for the disk. */
static int dispel_doubt(struct ledger *ledger)
{
	bool is_lost;
	int doubt = store_doubt(ledger->store), error = reach_dispel(&ledger->reach, &is_lost);
	uint64_t before = ledger->lost_count;

	if (!is_lost)
		return error;
	error = go_elsewhere(ledger, &ledger->stamp);
	if (ledger->lost_count != before)
		head_drop(&ledger->head); /* what it is of is not on the disk */
	return error ? error : doubt;
}

int ledger_sync(struct ledger *ledger)
{
	int error = dispel_doubt(ledger);

	if (!error)
		error = reach_sync(&ledger->reach);
	hand_over_if_there(ledger);
	return error;
}

int ledger_sync_begin(struct ledger *ledger)
{
	int error = dispel_doubt(ledger);

	return error ? error : reach_begin(&ledger->reach);
}

int ledger_sync_end(struct ledger *ledger)
{
	int error = reach_end(&ledger->reach);

	hand_over_if_there(ledger);
	return error;
}

void ledger_hurry(struct ledger *ledger)
{
	ledger->reach.due = 0;
}

struct ledger_reach ledger_reach(const struct ledger *ledger)
{
	struct ledger_reach reach = {.written = store_written(ledger->store),
				     .synced = store_synced(ledger->store),
				     .is_syncing = store_is_syncing(ledger->store),
				     .is_due = store_is_due(ledger->store, 0)};

	reach.head_waits = reach.is_syncing && head_waits(&ledger->head, reach.synced);
	return reach;
}

/* ---- what was there before ----------------------------------------------------------------------------------- */

static int read_newest(struct ledger *ledger, struct ledger_found *found)
{
	struct ending ending;
	int error = ending_read(ledger->folder, store_name(ledger->store), &ending);

	if (error)
		return error;
	found->broken |= ending.is_broken;
	found->unchained |= ending.is_unchained;
	found->unsealed_lines = ending.chain.lines;
	if (ending.is_unchained)
		return 0;
	chain_close(&ledger->chain);
	ledger->chain = ending.chain;
	memcpy(ledger->log, ending.log, sizeof(ledger->log));
	ledger->previous = ending.has_seal;
	ledger->signed_for = ending.signed_for;
	return 0;
}

static int begin_chain(struct ledger *ledger)
{
	static const uint8_t nothing[SHA256_BYTES];
	uint8_t name[(CHAIN_LOG - 1) / 2];

	if (getrandom(name, sizeof(name), 0) != (ssize_t)sizeof(name))
		return -errno;
	hex_print(name, sizeof(name), ledger->log);
	chain_close(&ledger->chain);
	ledger->previous = false;
	return chain_open(0, nothing, &ledger->chain);
}

/* What a crash has left without a seal gets one. */
static int seal_rest(struct ledger *ledger, const struct record_stamp *stamp)
{
	json_clear(&ledger->text);
	chain_seal(&ledger->chain, &ledger->text, stamp, NULL, 0, true);
	return store_append(ledger->store, ledger->text.bytes, ledger->text.length);
}

/* Is the log shorter than its last checkpoint says? Or another one? Where there is no head, nobody can say. */
static bool falls_short(const struct ledger *ledger)
{
	struct chain_checkpoint head;

	return !head_read(ledger->folder, &head) &&
	       (head.seal > ledger->chain.seals || strcmp(head.log, ledger->log) != 0);
}

static int go_on(struct ledger *ledger, const struct record_stamp *stamp, struct ledger_found *found)
{
	int error = 0;

	if (store_number(ledger->store))
		error = read_newest(ledger, found);
	else
		found->unchained = true;
	/* One that is compressed was whole, sealed and signed before it was. If it is not now, it stays as somebody has left it. */
	if (!error && store_is_closed(ledger->store) && !found->unchained &&
	    (found->broken || found->unsealed_lines || ledger->signed_for != ledger->chain.seals)) {
		found->broken = true;
		ledger->signed_for = 0;
		return begin_chain(ledger);
	}
	if (!error && found->unchained)
		error = begin_chain(ledger);
	else if (!error && found->unsealed_lines)
		error = seal_rest(ledger, stamp);
	if (!error)
		found->cut = falls_short(ledger);
	if (!error && !found->unchained && ledger->signed_for != ledger->chain.seals)
		error = sign(ledger, stamp);
	/* Whoever wrote it may have died before that: the next segment, which goes on from here, must not outlive it. */
	if (!error && store_number(ledger->store) && !store_is_closed(ledger->store))
		error = doubt_dispel(ledger->store, ledger->folder, NULL, NULL);
	if (!error && store_number(ledger->store) && !store_is_closed(ledger->store))
		error = ledger_sync(ledger);
	if (!store_number(ledger->store))
		found->unchained = false; /* there is nothing at all */
	return error;
}

int ledger_open(const char *folder, const char *key, const struct record_stamp *stamp, struct problem *problem,
		struct ledger **ret_ledger, struct ledger_found *ret_found)
{
	_cleanup_(cleanup_ledger) struct ledger *ledger = calloc(1, sizeof(*ledger));
	struct ledger_found found = {0};
	int error;

	if (ledger) {
		ledger->folder = strdup(folder);
		ledger->key = strdup(key);
	}
	if (!ledger || !ledger->folder || !ledger->key)
		return problem_set(problem, -ENOMEM, "no memory");
	ledger->head.folder = ledger->folder;
	error = store_open(folder, problem, &ledger->store, &found.torn_bytes);
	ledger->reach = (struct reach){.store = ledger->store, .chain = &ledger->chain, .folder = ledger->folder};
	if (!error)
		error = signer_open(key, folder, problem, &ledger->signer, &found.key_damaged);
	if (error)
		return error;
	error = go_on(ledger, stamp, &found);
	if (error)
		return problem_set(problem, error, "cannot go on with the audit log in %s: %s", folder,
				   strerror(-error));
	ledger->begins = true;
	*ret_found = found;
	*ret_ledger = TAKE_PTR(ledger);
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* That a segment was lost is said in the one that goes on. */
static void print_lost(const struct ledger *ledger, struct json *to, const struct record_stamp *stamp)
{
	record_operation(to, stamp, "segment-lost", NULL);
	json_unsigned(to, "number", ledger->lost.number);
	json_string(to, "name", ledger->lost.name);
	json_unsigned(to, "last_seal", ledger->lost.last_seal);
	record_operation_end(to);
}

/* Where so many bytes are too many for it: it ends, or goes on until what is left of it to be brought to the disk is little. */
static int end_segment(struct ledger *ledger, const struct record_stamp *stamp, size_t length)
{
	int error = ledger_sync_end(ledger);

	if (!error && !store_is_full(ledger->store, length))
		ledger_sync_begin(ledger); /* if it fails, this one goes on; who waits for the disk is told */
	if (error || !store_is_full(ledger->store, length))
		return error;
	error = ledger->signed_for == ledger->chain.seals ? 0 : sign(ledger, stamp);
	if (!error)
		error = ledger_sync(ledger);
	if (error)
		return error; /* another one may have begun for it */
	ledger->begins = true;
	ledger->begun = false;
	return 0;
}

static int append_batch(struct ledger *ledger, const struct record_stamp *stamp, const char *bytes, size_t length,
			uint64_t lines, const struct chain_range *ranges, size_t count)
{
	uint64_t lost = ledger->lost_count;
	int error = 0;

	if (!ledger->begins && store_is_due(ledger->store, length))
		error = end_segment(ledger, stamp, length);
	if (!error && ledger->lost_count != lost)
		error = -EIDRM; /* who wrote what went with it is told first */
	if (error)
		return error;
	if (!ledger->begun) {
		error = store_begin(ledger->store);
		if (error)
			return error;
		ledger->begun = true;
		reach_set(&ledger->reach);
	}
	/* The key may have gone with the folder. */
	if (ledger->lost.number && (error = signer_publish(ledger->signer, ledger->folder)))
		return error;
	json_clear(&ledger->text);
	if (ledger->begins) {
		chain_print_segment(&ledger->text, stamp, store_number(ledger->store), ledger->log, ledger->chain.seals,
				    ledger->previous ? ledger->chain.hash : NULL, &ledger->chain.span,
				    signer_id(ledger->signer));
		lines++;
	}
	if (ledger->lost.number) {
		print_lost(ledger, &ledger->text, stamp);
		lines++;
	}
	json_raw(&ledger->text, bytes, length);
	error = write_batch(ledger, stamp, lines, ranges, count);
	if (!error)
		ledger->lost.number = 0;
	return error;
}

/* The segment was deleted, or lost on a bad disk: if another one can begin, that one goes on. If not, this one may come back. */
static int go_elsewhere(struct ledger *ledger, const struct record_stamp *stamp)
{
	bool begins = ledger->begins, named = ledger->lost.number;
	int error;

	if (!named) {
		ledger->lost.number = store_number(ledger->store);
		ledger->lost.last_seal = ledger->chain.seals;
		snprintf(ledger->lost.name, sizeof(ledger->lost.name), "%s", store_name(ledger->store));
	}
	ledger->begins = true;
	ledger->begun = false;
	error = append_batch(ledger, stamp, "", 0, 0, NULL, 0);
	ledger->lost_count += ledger->begun;
	if (!ledger->begun) {
		ledger->begins = begins;
		ledger->begun = true;
		if (!named)
			ledger->lost.number = 0;
	}
	return error;
}

int ledger_append(struct ledger *ledger, const struct record_stamp *stamp, const char *bytes, size_t length,
		  uint64_t lines, const struct chain_range *ranges, size_t count)
{
	uint64_t lost = ledger->lost_count;
	int error = append_batch(ledger, stamp, bytes, length, lines, ranges, count);

	if (error != -EIDRM || !ledger->begun || ledger->lost_count != lost)
		return error;
	error = go_elsewhere(ledger, stamp);
	return error ? error : -EIDRM;
}

int ledger_checkpoint(struct ledger *ledger, const struct record_stamp *stamp)
{
	int error = ledger->begins || ledger->signed_for == ledger->chain.seals ? 0 : sign(ledger, stamp);

	if (error == -EIDRM)
		error = go_elsewhere(ledger, stamp);
	return error ? error : ledger->head.error;
}

void ledger_close(struct ledger *ledger, const struct record_stamp *stamp)
{
	if (!ledger)
		return;
	ledger_checkpoint(ledger, stamp);
	ledger_hurry(ledger);
	if (ledger_sync(ledger))
		ledger_sync(ledger); /* of the one that goes on */
	free_ledger(ledger);
}

int ledger_rotate(struct ledger *ledger, const struct record_stamp *stamp, const struct record_actor *actor,
		  const char *why, struct problem *problem)
{
	struct signer *next = NULL;
	struct json record = {0};
	char public[SIGNER_PUBLIC];
	int error = signer_new(problem, &next);

	if (error)
		return error;
	signer_public(next, public);
	record_operation(&record, stamp, "key-rotated", actor);
	if (why)
		json_string(&record, "why", why);
	json_string(&record, "old_key", signer_id(ledger->signer));
	json_string(&record, "new_key", signer_id(next));
	json_string(&record, "public", public);
	record_operation_end(&record);
	error = ledger_append(ledger, stamp, record.bytes, record.length, 1, NULL, 0);
	if (error == -EIDRM)
		error = ledger_append(ledger, stamp, record.bytes, record.length, 1, NULL, 0);
	json_free(&record);
	if (!error)
		error = sign(ledger, stamp); /* by the old one */
	if (!error)
		error = ledger_sync(ledger);
	if (error)
		problem_set(problem, error, "cannot write to the audit log %s: %s", store_path(ledger->store),
			    strerror(-error));
	else
		error = signer_save(next, ledger->key, ledger->folder, problem);
	if (error) {
		signer_close(next);
		return error;
	}
	signer_close(ledger->signer);
	ledger->signer = next;
	ledger->begins = true;
	ledger->begun = false;
	return 0;
}

void ledger_witness(struct ledger *ledger, struct witness *witness)
{
	ledger->head.witness = witness;
}

void ledger_limit(struct ledger *ledger, const struct store_limits *limits)
{
	store_limit(ledger->store, limits);
}

uint64_t ledger_lost(const struct ledger *ledger)
{
	return ledger->lost_count;
}

int ledger_free(const struct ledger *ledger, uint64_t *ret_free, uint64_t *ret_size)
{
	return store_free(ledger->store, ret_free, ret_size);
}

uint32_t ledger_number(const struct ledger *ledger)
{
	return ledger->begun ? store_number(ledger->store) : 0;
}

const char *ledger_folder(const struct ledger *ledger)
{
	return ledger->folder;
}

const char *ledger_path(const struct ledger *ledger)
{
	return store_path(ledger->store);
}

const char *ledger_key(const struct ledger *ledger)
{
	return signer_id(ledger->signer);
}
