// SPDX-License-Identifier: GPL-2.0-only
#include "audit/verifier.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/retention.h"

#define TIME_AT 9
#define TIME_LENGTH 24

void verifier_find(struct verifier *verifier, uint64_t first, uint64_t last, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	verifier->summary.findings++;
	verifier->found(&(struct verify_finding){verifier->segment, first, last, text}, verifier->context);
}

static void end_batch(struct verifier *verifier)
{
	sequences_end_batch(&verifier->sequences);
	verifier->batch_line = verifier->line + 1;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------- */

static void take_checkpoint(struct verifier *verifier, const char *line, size_t length)
{
	struct chain_checkpoint checkpoint;
	const struct signer_key *key;

	if (chain_parse_checkpoint(line, length, &checkpoint)) {
		verifier_find(verifier, verifier->line, verifier->line, "a checkpoint that is not of our form");
		return;
	}
	key = keyring_find(&verifier->keyring, checkpoint.key);
	if (!key) {
		verifier_find(verifier, verifier->line, verifier->line, "a checkpoint by key %s, which is not known",
			      checkpoint.key);
		return;
	}
	if (!signer_key_verifies(key, line, checkpoint.signed_length, checkpoint.signature)) {
		verifier_find(verifier, verifier->line, verifier->line,
			      "a checkpoint whose signature by key %s does not hold", checkpoint.key);
		return;
	}
	if (checkpoint.seal != verifier->chain.seals || strcmp(checkpoint.log, verifier->log) ||
	    memcmp(checkpoint.hash, verifier->chain.hash, sizeof(checkpoint.hash)) != 0) {
		verifier_find(verifier, verifier->line, verifier->line,
			      "the signed checkpoint names another seal %" PRIu64
			      " than the one that stands before it: all up to "
			      "here was written anew",
			      checkpoint.seal);
		return;
	}
	verifier->summary.checkpoints++;
	verifier->summary.signed_seal = checkpoint.seal;
	memcpy(verifier->summary.signed_time, checkpoint.time, sizeof(verifier->summary.signed_time));
	keyring_sign(&verifier->keyring, checkpoint.seal);
}

/* ---- witnesses ----------------------------------------------------------------------------------------------- */

static int by_seal(const void *a, const void *b, void *context)
{
	const struct chain_checkpoint *witnesses = context;
	uint64_t left = witnesses[*(const size_t *)a].seal, right = witnesses[*(const size_t *)b].seal;

	return left < right ? -1 : left > right;
}

static void sort_witnesses(struct verifier *verifier)
{
	size_t count = verifier->trust->witness_count;

	verifier->witnesses = calloc(count + 1, sizeof(*verifier->witnesses));
	if (!verifier->witnesses)
		abort();
	for (size_t i = 0; i < count; i++)
		verifier->witnesses[i] = i;
	qsort_r(verifier->witnesses, count, sizeof(*verifier->witnesses), by_seal,
		(void *)(uintptr_t)verifier->trust->witnesses);
}

void verifier_meet_witnesses(struct verifier *verifier, uint64_t seal, const uint8_t hash[SHA256_BYTES])
{
	while (verifier->next_witness < verifier->trust->witness_count) {
		const struct chain_checkpoint *witness =
			&verifier->trust->witnesses[verifier->witnesses[verifier->next_witness]];

		if (witness->seal > seal)
			return;
		verifier->next_witness++;
		if (witness->seal == seal &&
		    (memcmp(witness->hash, hash, sizeof(witness->hash)) || strcmp(witness->log, verifier->log)))
			verifier_find(verifier, verifier->batch_line, verifier->line,
				      "seal %" PRIu64
				      " is not the one that the witness of %s has: the log was written anew",
				      seal, witness->time);
	}
}

void verifier_pass_witnesses(struct verifier *verifier, uint64_t seal)
{
	while (verifier->next_witness < verifier->trust->witness_count &&
	       verifier->trust->witnesses[verifier->witnesses[verifier->next_witness]].seal < seal)
		verifier->next_witness++;
}

void verifier_miss_witnesses(struct verifier *verifier)
{
	while (verifier->next_witness < verifier->trust->witness_count) {
		const struct chain_checkpoint *witness =
			&verifier->trust->witnesses[verifier->witnesses[verifier->next_witness++]];

		verifier_find(verifier, 0, 0,
			      "the log ends before seal %" PRIu64 ", which the witness of %s has: its end was cut off",
			      witness->seal, witness->time);
	}
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

static void take_seal(struct verifier *verifier, const char *line, size_t length)
{
	uint64_t due = verifier->chain.seals + 1, lines = verifier->chain.lines;
	struct chain_seal seal;

	chain_take_seal(&verifier->chain, line, length, &seal);
	if (seal.bad_form) {
		verifier_find(verifier, verifier->line, verifier->line, "a seal that is not of our form");
		chain_add(&verifier->chain, line, length + 1, 1);
		return;
	}
	if (seal.bad_number)
		verifier_find(verifier, verifier->batch_line, verifier->line,
			      "seal %" PRIu64 " stands where %" PRIu64 " is due", seal.number, due);
	else if (seal.bad_lines)
		verifier_find(verifier, verifier->batch_line, verifier->line,
			      "the batch of seal %" PRIu64 " has %" PRIu64 " lines and had %" PRIu64
			      " when it was sealed",
			      seal.number, lines, seal.lines);
	else if (seal.bad_hash)
		verifier_find(verifier, verifier->batch_line, verifier->line,
			      "the batch of seal %" PRIu64 " is not what was sealed: it was edited", seal.number);
	else if (!memmem(line, length, ",\"recovered\":true", 17) &&
		 !sequences_are_named(&verifier->sequences, line, length))
		verifier_find(verifier, verifier->batch_line, verifier->line,
			      "seal %" PRIu64 " names other numbers than those of its batch", seal.number);
	verifier->summary.seals++;
	verifier->summary.last_seal = seal.number;
	verifier_meet_witnesses(verifier, seal.number, seal.hash);
	end_batch(verifier);
}

/* A segment was deleted: is it the one before the first that is left? */
static void note_deletion(struct verifier *verifier, const char *line, size_t length)
{
	uint8_t hash[SHA256_BYTES];
	uint64_t seal;
	uint32_t number;

	if (!retention_parse(line, length, &number, &seal, hash) && number + 1 == verifier->summary.first_segment &&
	    seal == verifier->front.seal && !memcmp(hash, verifier->front.previous, sizeof(hash)))
		verifier->shortened_by = verifier->chain.seals + 1;
}

/* Of those that say what the rest of the log means. */
static void take_operation(struct verifier *verifier, const char *line, size_t length)
{
	verifier->summary.operations += chain_is(line, length, "operation");
	if (memmem(line, length, "\"activity\":\"key-rotated\"", 24))
		keyring_note(&verifier->keyring, line, length, verifier->chain.seals + 1);
	else if (memmem(line, length, "\"activity\":\"" RETENTION_ACTIVITY "\"", sizeof(RETENTION_ACTIVITY) + 12))
		note_deletion(verifier, line, length);
}

static void take_record(struct verifier *verifier, const char *line, size_t length)
{
	bool decision = chain_is(line, length, "decision"), gap = chain_is(line, length, "gap");
	bool numbered = decision || gap || chain_is(line, length, "flow");
	const char *fault = NULL;
	char text[SEQUENCES_TEXT];
	uint64_t count;

	sequences_note_boot(&verifier->sequences, line, length);
	if (numbered)
		fault = sequences_take(&verifier->sequences, line, length, gap, text);
	if (fault)
		verifier_find(verifier, verifier->line, verifier->line, "%s", fault);
	if (!numbered)
		take_operation(verifier, line, length);
	verifier->summary.decisions += decision;
	verifier->summary.gaps += gap;
	if (gap && !chain_number(line, length, "count", &count))
		verifier->summary.lost += count;
}

int verifier_begin_segment(struct verifier *verifier, const char *line, size_t length, uint32_t number)
{
	static const uint8_t nothing[SHA256_BYTES];
	uint64_t at = verifier->line;
	struct chain_segment segment;
	int error;

	if (chain_type(line, length) != CHAIN_SEGMENT || chain_parse_segment(line, length, &segment)) {
		verifier_find(verifier, at, at,
			      "the segment does not begin with a line that says where the chain goes on");
		segment = (struct chain_segment){.number = number, .seal = verifier->chain.seals};
		memcpy(segment.previous, verifier->chained ? verifier->chain.hash : nothing, SHA256_BYTES);
		memcpy(segment.log, verifier->log, sizeof(segment.log));
	}
	if (segment.number != number)
		verifier_find(verifier, at, at, "segment %u is called %u", segment.number, number);
	if (verifier->chained && strcmp(segment.log, verifier->log) != 0)
		verifier_find(verifier, at, at, "another log begins here: %s instead of %s", segment.log,
			      verifier->log);
	else if (verifier->chained && (segment.seal != verifier->chain.seals ||
				       memcmp(segment.previous, verifier->chain.hash, SHA256_BYTES) != 0))
		verifier_find(verifier, at, at,
			      "it goes on from seal %" PRIu64
			      ", and the segment before it ends with another one (%" PRIu64 ")",
			      segment.seal, verifier->chain.seals);
	else if (verifier->begun && segment.span.earliest[0] &&
		 memcmp(&segment.span, &verifier->chain.span, sizeof(segment.span)) != 0)
		verifier_find(verifier, at, at,
			      "it says that the segment before it is of %s to %s, and that is of %s to %s",
			      segment.span.earliest, segment.span.latest, verifier->chain.span.earliest,
			      verifier->chain.span.latest);
	chain_close(&verifier->chain);
	error = chain_open(segment.seal, segment.previous, &verifier->chain);
	memcpy(verifier->log, segment.log, sizeof(verifier->log));
	if (!verifier->summary.segments)
		verifier->front = segment;
	verifier->chained = true;
	verifier->begun = at;
	return error;
}

void verifier_note_time(struct verifier *verifier, const char *line, size_t length)
{
	char *to = verifier->summary.first_time[0] ? verifier->summary.last_time : verifier->summary.first_time;

	if (length < TIME_AT + TIME_LENGTH)
		return;
	memcpy(to, line + TIME_AT, TIME_LENGTH);
	to[TIME_LENGTH] = '\0';
	if (to == verifier->summary.first_time)
		memcpy(verifier->summary.last_time, to, TIME_LENGTH + 1);
}

void verifier_take_line(struct verifier *verifier, const char *line, size_t length)
{
	enum chain_type type = chain_type(line, length);

	if (type == CHAIN_SEAL) {
		verifier_note_time(verifier, line, length);
		take_seal(verifier, line, length);
		return;
	}
	if (type == CHAIN_CHECKPOINT)
		take_checkpoint(verifier, line, length);
	else if (type == CHAIN_SEGMENT && verifier->line != verifier->begun)
		verifier_find(verifier, verifier->line, verifier->line, "a segment begins inside another one");
	else if (type == CHAIN_RECORD)
		take_record(verifier, line, length);
	chain_add(&verifier->chain, line, length + 1, 1);
}

/* ---- from the first to the last -------------------------------------------------------------------------------- */

void verifier_open(const struct verify_trust *trust, verify_found *found, void *context, struct verifier *ret_verifier)
{
	*ret_verifier = (struct verifier){.trust = trust,
					  .found = found,
					  .context = context,
					  .keyring = {.given = trust->keys, .given_count = trust->key_count}};
	sort_witnesses(ret_verifier);
}

void verifier_close(struct verifier *verifier)
{
	chain_close(&verifier->chain);
	keyring_free(&verifier->keyring);
	free(verifier->witnesses);
	sequences_free(&verifier->sequences);
}
