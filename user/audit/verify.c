// SPDX-License-Identifier: GPL-2.0-only
#include "audit/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/retention.h"
#include "audit/sequences.h"
#include "base/cleanup.h"

#define TIME_AT 9
#define TIME_LENGTH 24
#define TRIES 16
#define NEXT_LINE_ROOM 4096

struct verifier {
	const struct verify_trust *trust;
	verify_found *found;
	void *context;
	struct verify_summary summary;
	struct chain chain;
	bool chained; /* there is a chain to go on with */
	char log[CHAIN_LOG];

	const char *segment;
	uint64_t line, batch_line; /* from 1; where the batch begins */
	uint64_t begun;		   /* line that the segment begins with; 0: not here */

	struct sequences sequences;

	struct signer_key **keys; /* that the log itself has named */
	uint64_t *known_from;	  /* seal that has to be signed before the key counts */
	size_t key_count, key_room;
	struct chain_segment front; /* of the first segment */
	uint64_t
		shortened_by; /* the seal of the record that says why there is none before it; 0: there is no such record */

	size_t next_witness; /* by seal */
	size_t *witnesses;   /* in the order of their seals */
};

__attribute__((format(printf, 4, 5))) static void find(struct verifier *verifier, uint64_t first, uint64_t last,
						       const char *format, ...)
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

/* ---- keys and checkpoints ------------------------------------------------------------------------------------ */

static const struct signer_key *key_of(const struct verifier *verifier, const char *id)
{
	for (size_t i = 0; i < verifier->trust->key_count; i++)
		if (!strcmp(signer_key_id(verifier->trust->keys[i]), id))
			return verifier->trust->keys[i];
	for (size_t i = 0; i < verifier->key_count; i++)
		if (!verifier->known_from[i] && !strcmp(signer_key_id(verifier->keys[i]), id))
			return verifier->keys[i];
	return NULL;
}

/* The log names the key that comes next: it counts once a checkpoint has signed that. */
static void note_rotation(struct verifier *verifier, const char *line, size_t length)
{
	const char *at = memmem(line, length, ",\"public\":\"", 11);
	char public[SIGNER_PUBLIC];
	struct signer_key *key;

	if (!at || (size_t)(line + length - at) < 11 + SIGNER_PUBLIC)
		return;
	memcpy(public, at + 11, SIGNER_PUBLIC - 1);
	public[SIGNER_PUBLIC - 1] = '\0';
	if (signer_key_parse(public, &key))
		return;
	if (verifier->key_count == verifier->key_room) {
		verifier->key_room = verifier->key_room ? 2 * verifier->key_room : 8;
		verifier->keys = realloc(verifier->keys, verifier->key_room * sizeof(struct signer_key *));
		verifier->known_from = realloc(verifier->known_from, verifier->key_room * sizeof(uint64_t));
		if (!verifier->keys || !verifier->known_from)
			abort();
	}
	verifier->known_from[verifier->key_count] = verifier->chain.seals + 1;
	verifier->keys[verifier->key_count++] = key;
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

static void take_checkpoint(struct verifier *verifier, const char *line, size_t length)
{
	struct chain_checkpoint checkpoint;
	const struct signer_key *key;

	if (chain_parse_checkpoint(line, length, &checkpoint)) {
		find(verifier, verifier->line, verifier->line, "a checkpoint that is not of our form");
		return;
	}
	key = key_of(verifier, checkpoint.key);
	if (!key) {
		find(verifier, verifier->line, verifier->line, "a checkpoint by key %s, which is not known",
		     checkpoint.key);
		return;
	}
	if (!signer_key_verifies(key, line, checkpoint.signed_length, checkpoint.signature)) {
		find(verifier, verifier->line, verifier->line, "a checkpoint whose signature by key %s does not hold",
		     checkpoint.key);
		return;
	}
	if (checkpoint.seal != verifier->chain.seals || strcmp(checkpoint.log, verifier->log) ||
	    memcmp(checkpoint.hash, verifier->chain.hash, sizeof(checkpoint.hash)) != 0) {
		find(verifier, verifier->line, verifier->line,
		     "the signed checkpoint names another seal %" PRIu64
		     " than the one that stands before it: all up to "
		     "here was written anew",
		     checkpoint.seal);
		return;
	}
	verifier->summary.checkpoints++;
	verifier->summary.signed_seal = checkpoint.seal;
	memcpy(verifier->summary.signed_time, checkpoint.time, sizeof(verifier->summary.signed_time));
	for (size_t i = 0; i < verifier->key_count; i++)
		if (verifier->known_from[i] && verifier->known_from[i] <= checkpoint.seal)
			verifier->known_from[i] = 0;
}

/* Those whose seal this is, or would have been before it. */
static void meet_witnesses(struct verifier *verifier, uint64_t seal, const uint8_t hash[SHA256_BYTES])
{
	while (verifier->next_witness < verifier->trust->witness_count) {
		const struct chain_checkpoint *witness =
			&verifier->trust->witnesses[verifier->witnesses[verifier->next_witness]];

		if (witness->seal > seal)
			return;
		verifier->next_witness++;
		if (witness->seal == seal &&
		    (memcmp(witness->hash, hash, sizeof(witness->hash)) || strcmp(witness->log, verifier->log)))
			find(verifier, verifier->batch_line, verifier->line,
			     "seal %" PRIu64 " is not the one that the witness of %s has: the log was written anew",
			     seal, witness->time);
	}
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

static void take_seal(struct verifier *verifier, const char *line, size_t length)
{
	uint64_t due = verifier->chain.seals + 1, lines = verifier->chain.lines;
	struct chain_seal seal;

	chain_take_seal(&verifier->chain, line, length, &seal);
	if (seal.bad_form) {
		find(verifier, verifier->line, verifier->line, "a seal that is not of our form");
		chain_add(&verifier->chain, line, length + 1, 1);
		return;
	}
	if (seal.bad_number)
		find(verifier, verifier->batch_line, verifier->line, "seal %" PRIu64 " stands where %" PRIu64 " is due",
		     seal.number, due);
	else if (seal.bad_lines)
		find(verifier, verifier->batch_line, verifier->line,
		     "the batch of seal %" PRIu64 " has %" PRIu64 " lines and had %" PRIu64 " when it was sealed",
		     seal.number, lines, seal.lines);
	else if (seal.bad_hash)
		find(verifier, verifier->batch_line, verifier->line,
		     "the batch of seal %" PRIu64 " is not what was sealed: it was edited", seal.number);
	else if (!memmem(line, length, ",\"recovered\":true", 17) &&
		 !sequences_are_named(&verifier->sequences, line, length))
		find(verifier, verifier->batch_line, verifier->line,
		     "seal %" PRIu64 " names other numbers than those of its batch", seal.number);
	verifier->summary.seals++;
	verifier->summary.last_seal = seal.number;
	meet_witnesses(verifier, seal.number, seal.hash);
	end_batch(verifier);
}

static void take_record(struct verifier *verifier, const char *line, size_t length)
{
	bool decision = memmem(line, length < 64 ? length : 64, ",\"type\":\"decision\"", 18);
	bool flow = memmem(line, length < 64 ? length : 64, ",\"type\":\"flow\"", 14);
	bool gap = memmem(line, length < 64 ? length : 64, ",\"type\":\"gap\"", 13);
	const char *fault = NULL;
	char text[SEQUENCES_TEXT];
	uint64_t count;

	sequences_note_boot(&verifier->sequences, line, length);
	if (decision || flow || gap)
		fault = sequences_take(&verifier->sequences, line, length, gap, text);
	if (fault)
		find(verifier, verifier->line, verifier->line, "%s", fault);
	else if (memmem(line, length, "\"activity\":\"key-rotated\"", 24))
		note_rotation(verifier, line, length);
	else if (memmem(line, length, "\"activity\":\"" RETENTION_ACTIVITY "\"", sizeof(RETENTION_ACTIVITY) + 12))
		note_deletion(verifier, line, length);
	verifier->summary.decisions += decision;
	verifier->summary.gaps += gap;
	verifier->summary.operations += memmem(line, length < 64 ? length : 64, ",\"type\":\"operation\"", 19) != NULL;
	if (gap && !chain_number(line, length, "count", &count))
		verifier->summary.lost += count;
}

static int begin_segment(struct verifier *verifier, const char *line, size_t length, uint32_t number)
{
	static const uint8_t nothing[SHA256_BYTES];
	uint64_t at = verifier->line;
	struct chain_segment segment;
	int error;

	if (chain_type(line, length) != CHAIN_SEGMENT || chain_parse_segment(line, length, &segment)) {
		find(verifier, at, at, "the segment does not begin with a line that says where the chain goes on");
		segment = (struct chain_segment){.number = number, .seal = verifier->chain.seals};
		memcpy(segment.previous, verifier->chained ? verifier->chain.hash : nothing, SHA256_BYTES);
		memcpy(segment.log, verifier->log, sizeof(segment.log));
	}
	if (segment.number != number)
		find(verifier, at, at, "segment %u is called %u", segment.number, number);
	if (verifier->chained && strcmp(segment.log, verifier->log) != 0)
		find(verifier, at, at, "another log begins here: %s instead of %s", segment.log, verifier->log);
	else if (verifier->chained && (segment.seal != verifier->chain.seals ||
				       memcmp(segment.previous, verifier->chain.hash, SHA256_BYTES) != 0))
		find(verifier, at, at,
		     "it goes on from seal %" PRIu64 ", and the segment before it ends with another one (%" PRIu64 ")",
		     segment.seal, verifier->chain.seals);
	else if (verifier->begun && segment.span.earliest[0] &&
		 memcmp(&segment.span, &verifier->chain.span, sizeof(segment.span)) != 0)
		find(verifier, at, at, "it says that the segment before it is of %s to %s, and that is of %s to %s",
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

static void note_time(struct verifier *verifier, const char *line, size_t length)
{
	char *to = verifier->summary.first_time[0] ? verifier->summary.last_time : verifier->summary.first_time;

	if (length < TIME_AT + TIME_LENGTH)
		return;
	memcpy(to, line + TIME_AT, TIME_LENGTH);
	to[TIME_LENGTH] = '\0';
	if (to == verifier->summary.first_time)
		memcpy(verifier->summary.last_time, to, TIME_LENGTH + 1);
}

static void take_line(struct verifier *verifier, const char *line, size_t length)
{
	enum chain_type type = chain_type(line, length);

	if (type == CHAIN_SEAL) {
		note_time(verifier, line, length);
		take_seal(verifier, line, length);
		return;
	}
	if (type == CHAIN_CHECKPOINT)
		take_checkpoint(verifier, line, length);
	else if (type == CHAIN_SEGMENT && verifier->line != verifier->begun)
		find(verifier, verifier->line, verifier->line, "a segment begins inside another one");
	else if (type == CHAIN_RECORD)
		take_record(verifier, line, length);
	chain_add(&verifier->chain, line, length + 1, 1);
}

/* last: nothing comes after it, so that its end may still be being written. */
static int take_segment(struct verifier *verifier, const struct segment_text *text, uint32_t number, bool last)
{
	const char *line = text->bytes, *end = text->bytes + text->length, *newline;
	int error;

	verifier->line = 0;
	verifier->batch_line = 1;
	for (; line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			break;
		verifier->line++;
		if (verifier->line == 1) {
			error = begin_segment(verifier, line, (size_t)(newline - line), number);
			if (error)
				return error;
			note_time(verifier, line, (size_t)(newline - line));
		}
		take_line(verifier, line, (size_t)(newline - line));
	}
	verifier->summary.lines += verifier->line;
	if (text->damaged)
		find(verifier, verifier->line + 1, verifier->line + 1,
		     "the compressed file is damaged: what it held from here on cannot be read");
	else if (!verifier->line)
		find(verifier, 0, 0, "the segment is empty");
	else if (last)
		verifier->summary.unsealed_lines = verifier->chain.lines + (line < end);
	else if (verifier->chain.lines || line < end)
		find(verifier, verifier->batch_line, verifier->line + (line < end),
		     "nothing seals the end of the segment");
	else if (verifier->summary.signed_seal + 1 != verifier->summary.last_seal)
		find(verifier, verifier->line, verifier->line, "no checkpoint that holds signs the end of the segment");
	return 0;
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

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

static void release(struct verifier *verifier)
{
	chain_close(&verifier->chain);
	for (size_t i = 0; i < verifier->key_count; i++)
		signer_key_free(verifier->keys[i]);
	free(verifier->keys);
	free(verifier->known_from);
	free(verifier->witnesses);
	sequences_free(&verifier->sequences);
}

static void miss_witnesses(struct verifier *verifier)
{
	while (verifier->next_witness < verifier->trust->witness_count) {
		const struct chain_checkpoint *witness =
			&verifier->trust->witnesses[verifier->witnesses[verifier->next_witness++]];

		find(verifier, 0, 0,
		     "the log ends before seal %" PRIu64 ", which the witness of %s has: its end was cut off",
		     witness->seal, witness->time);
	}
}

/* A log that does not begin at its beginning says itself why, and has signed that. */
static void judge_beginning(struct verifier *verifier, const struct segments *segments)
{
	uint32_t first = verifier->summary.first_segment;

	if (first <= 1)
		return;
	verifier->segment = segments->items[0].name;
	if (!verifier->shortened_by)
		find(verifier, 0, 0,
		     "the log begins with segment %u, and no record in it says that the one before it was deleted",
		     first);
	else if (verifier->shortened_by > verifier->summary.signed_seal)
		find(verifier, 0, 0,
		     "the log begins with segment %u, and the record that the one before it was deleted is not signed",
		     first);
	else
		verifier->summary.deleted = first - 1;
}

/* One of them. -ESTALE: it was the first, and has been deleted since they were listed. */
static int take_file(struct verifier *verifier, const char *folder, const struct segments *segments, size_t i)
{
	const struct segment_name *name = &segments->items[i];
	struct segment_text text;
	int error = segment_read(folder, name->name, &text);

	if (error)
		return error == -ENOENT && !i ? -ESTALE : error;
	verifier->segment = name->name;
	if (!verifier->summary.segments)
		verifier->summary.first_segment = name->number;
	if (i && name->number != segments->items[i - 1].number + 1)
		find(verifier, 0, 0, "segment %u stands where %u is due", name->number,
		     segments->items[i - 1].number + 1);
	error = take_segment(verifier, &text, name->number, i + 1 == segments->count);
	segment_release(&text);
	verifier->summary.segments++;
	return error;
}

/* What comes after the range: only that it goes on from there. */
static int meet_next(struct verifier *verifier, const char *folder, const struct segment_name *name, uint32_t due)
{
	char line[NEXT_LINE_ROOM] = "";
	size_t length = 0;
	int error = segment_first_line(folder, name->name, sizeof(line), line, &length);

	if (error == -ENOMEM)
		return error;
	verifier->segment = name->name;
	verifier->line = 1;
	if (name->number != due)
		find(verifier, 0, 0, "segment %u stands where %u is due", name->number, due);
	return begin_segment(verifier, line, error ? 0 : length, name->number);
}

static int take_range(struct verifier *verifier, const char *folder, const struct segments *segments,
		      struct verify_range range)
{
	size_t i = 0;
	int error = 0;

	while (i < segments->count && segments->items[i].number < range.first)
		i++;
	if (range.last != UINT32_MAX && (!segments->count || segments->items[segments->count - 1].number < range.last))
		return -ERANGE;
	for (; !error && i < segments->count && segments->items[i].number <= range.last; i++)
		error = take_file(verifier, folder, segments, i);
	if (error)
		return error;
	if (i < segments->count)
		return meet_next(verifier, folder, &segments->items[i], range.last + 1);
	miss_witnesses(verifier);
	return 0;
}

int verify_range(const char *folder, struct verify_range range, const struct verify_trust *trust, verify_found *found,
		 void *context, struct verify_summary *ret_summary)
{
	_cleanup_(release) struct verifier verifier = {.trust = trust, .found = found, .context = context};
	_cleanup_(segments_free) struct segments segments = {0};
	int error = -ESTALE;

	sort_witnesses(&verifier);
	for (int tries = 0; error == -ESTALE && tries < TRIES; tries++) {
		segments_free(&segments);
		error = segments_list(folder, &segments);
		if (!error)
			error = take_range(&verifier, folder, &segments, range);
	}
	if (error)
		return error;
	if (segments.count && segments.items[0].number >= range.first)
		judge_beginning(&verifier, &segments);
	*ret_summary = verifier.summary;
	return 0;
}

int verify_folder(const char *folder, const struct verify_trust *trust, verify_found *found, void *context,
		  struct verify_summary *ret_summary)
{
	return verify_range(folder, VERIFY_ALL, trust, found, context, ret_summary);
}

/* ---- a part of it -------------------------------------------------------------------------------------------- */

/* A segment's first line stands behind a seal, and says which number it has; the one after it has the next. */
static int take_excerpt(struct verifier *verifier, const struct verify_excerpt *excerpt)
{
	const char *line = excerpt->bytes, *end = excerpt->bytes + excerpt->length, *newline;
	uint32_t number = 0;

	for (; line < end; line = newline + 1) {
		struct chain_segment segment;
		size_t length;
		int error;

		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			return -EBADMSG;
		length = (size_t)(newline - line);
		verifier->line++;
		if (verifier->line == verifier->batch_line && chain_type(line, length) == CHAIN_SEGMENT &&
		    !chain_parse_segment(line, length, &segment)) {
			number = number ? number + 1 : segment.number;
			error = begin_segment(verifier, line, length, number);
			if (error)
				return error;
			verifier->summary.segments++;
		}
		if (!verifier->summary.first_time[0])
			note_time(verifier, line, length);
		take_line(verifier, line, length);
	}
	return 0;
}

static void pass_witnesses(struct verifier *verifier, uint64_t seal)
{
	while (verifier->next_witness < verifier->trust->witness_count &&
	       verifier->trust->witnesses[verifier->witnesses[verifier->next_witness]].seal < seal)
		verifier->next_witness++;
}

int verify_excerpt(const struct verify_excerpt *excerpt, const struct verify_trust *trust, verify_found *found,
		   void *context, struct verify_summary *ret_summary)
{
	_cleanup_(release) struct verifier verifier = {.trust = trust,
						       .found = found,
						       .context = context,
						       .chained = true,
						       .segment = excerpt->name,
						       .line = excerpt->before,
						       .batch_line = excerpt->before + 1};
	int error = chain_open(excerpt->seal, excerpt->hash, &verifier.chain);

	if (error)
		return error;
	memcpy(verifier.log, excerpt->log, sizeof(verifier.log));
	sort_witnesses(&verifier);
	pass_witnesses(&verifier, excerpt->seal);
	meet_witnesses(&verifier, excerpt->seal, excerpt->hash);
	error = take_excerpt(&verifier, excerpt);
	if (error)
		return error;
	verifier.summary.lines = verifier.line - excerpt->before;
	verifier.summary.unsealed_lines = verifier.chain.lines;
	if (!verifier.summary.last_seal || verifier.summary.signed_seal != verifier.summary.last_seal)
		find(&verifier, verifier.line, verifier.line, "no checkpoint that holds signs the last seal");
	else if (verifier.chain.lines != 1)
		find(&verifier, verifier.batch_line, verifier.line,
		     "behind the last seal is more than the checkpoint that signs it: nothing proves that");
	*ret_summary = verifier.summary;
	return 0;
}
