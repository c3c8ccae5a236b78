// SPDX-License-Identifier: GPL-2.0-only
/* Making evidence: which batches of the log a range is in, where the first checkpoint behind them is, and those bytes. */
#include "audit/evidence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/evidence_form.h"
#include "audit/segment.h"
#include "base/cleanup.h"

#define PATH_ROOM 4096
#define FIRST_LINE_ROOM 4096

/* A place between two batches. */
struct cut_place {
	size_t segment; /* among those listed */
	size_t offset;
	uint64_t seal; /* the last one before it */
	uint8_t hash[SHA256_BYTES];
};

struct cut {
	const struct evidence_request *request;
	struct segments segments;
	struct chain_segment front; /* of the segment that is read */

	struct cut_place begins; /* where the lines do */
	char log[CHAIN_LOG];
	uint64_t first_wanted, last_wanted; /* seals of the batches with something of the range; 0: there is none */
	bool quiet;			    /* there was none so far: `begins` is where it would be */

	size_t end_segment, end_offset; /* behind a checkpoint's line */
	struct evidence_summary summary;
	char (*keys)[SIGNER_ID];
	size_t key_count;
	struct evidence_policies named;
	size_t named_count; /* by lines up to there */
};

static void release(struct cut *cut)
{
	segments_free(&cut->segments);
	free(cut->keys);
	evidence_policies_free(&cut->named);
}

static bool in_range(const struct cut *cut, const char *line, size_t length)
{
	return evidence_in_range(line, length, cut->request->since, cut->request->until);
}

/* The chain's numbers and hashes are taken as the lines have them: to judge them is for who verifies. */
static int seal_of(const char *line, size_t length, uint64_t *ret_number, uint8_t ret_hash[SHA256_BYTES])
{
	static const char key[] = ",\"hash\":\"";
	size_t tail = sizeof(key) - 1 + SHA256_HEX - 1 + 2;

	if (length <= tail || memcmp(line + length - tail, key, sizeof(key) - 1) != 0 ||
	    hex_parse(line + length - tail + sizeof(key) - 1, SHA256_BYTES, ret_hash))
		return -EBADMSG;
	return chain_number(line, length, "number", ret_number) ? -EBADMSG : 0;
}

/* ---- where it begins ------------------------------------------------------------------------------------------ */

/* What the first line of the segment behind this one says of this one: 0, or an error, and then it has to be read. */
static int span_of(const struct cut *cut, size_t i, struct chain_span *ret_span)
{
	struct chain_segment next;
	char line[FIRST_LINE_ROOM];
	size_t length;
	int error;

	if (i + 1 == cut->segments.count || cut->segments.items[i + 1].number != cut->segments.items[i].number + 1)
		return -ENOENT;
	error = segment_first_line(cut->request->folder, cut->segments.items[i + 1].name, sizeof(line), line, &length);
	if (!error && (chain_type(line, length) != CHAIN_SEGMENT || chain_parse_segment(line, length, &next) ||
		       !next.span.earliest[0]))
		error = -EBADMSG;
	if (!error)
		*ret_span = next.span;
	return error;
}

static int begin_segment(struct cut *cut, size_t i, const struct segment_text *text, struct cut_place *ret_place)
{
	const char *end = text->length ? memchr(text->bytes, '\n', text->length) : NULL;

	if (text->damaged || !end || chain_parse_segment(text->bytes, (size_t)(end - text->bytes), &cut->front))
		return -EBADMSG;
	*ret_place = (struct cut_place){.segment = i, .seal = cut->front.seal};
	memcpy(ret_place->hash, cut->front.previous, SHA256_BYTES);
	return 0;
}

static void begin_at(struct cut *cut, const struct cut_place *place)
{
	cut->begins = *place;
	memcpy(cut->log, cut->front.log, sizeof(cut->log));
}

/* A batch ends with this seal. before: where the one before it begins, or it, if it is the first of its segment. */
static void take_batch(struct cut *cut, const struct cut_place *before, bool wanted, const char *latest, uint64_t seal)
{
	if (wanted) {
		if (!cut->first_wanted) {
			cut->first_wanted = seal;
			begin_at(cut, before);
		}
		cut->last_wanted = seal;
	} else if (!cut->first_wanted && !cut->quiet && latest[0] && evidence_is_behind(latest, cut->request->until)) {
		cut->quiet = true;
		begin_at(cut, before);
	}
}

static int scan_segment(struct cut *cut, size_t i, const struct segment_text *text)
{
	const char *line = text->bytes, *end = text->bytes + text->length, *newline;
	char latest[CLOCK_TEXT] = "";
	struct cut_place before, batch = {0};
	bool wanted = false;
	int error = begin_segment(cut, i, text, &batch);

	before = batch; /* the first line says which times are before it */
	for (; !error && line < end; line = newline + 1) {
		size_t length;

		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			break;
		length = (size_t)(newline - line);
		wanted |= in_range(cut, line, length);
		if (evidence_time(line, length))
			memcpy(latest, evidence_time(line, length), EVIDENCE_TIME);
		if (chain_type(line, length) != CHAIN_SEAL)
			continue;
		take_batch(cut, &before, wanted, latest, batch.seal + 1);
		before = batch;
		batch.offset = (size_t)(newline + 1 - text->bytes);
		error = seal_of(line, length, &batch.seal, batch.hash);
		wanted = false;
	}
	return error;
}

static int scan(struct cut *cut)
{
	const struct evidence_request *request = cut->request;
	int error = 0;

	for (size_t i = 0; !error && i < cut->segments.count; i++) {
		struct segment_text text;
		struct chain_span span;

		if (!span_of(cut, i, &span) &&
		    (evidence_is_before(span.latest, request->since) ||
		     (evidence_is_behind(span.earliest, request->until) && (cut->first_wanted || cut->quiet))))
			continue;
		error = segment_read(request->folder, cut->segments.items[i].name, &text);
		if (error)
			return error;
		error = scan_segment(cut, i, &text);
		segment_release(&text);
	}
	return error ? error : cut->first_wanted || cut->quiet ? 0 : -ENODATA;
}

/* ---- where it ends -------------------------------------------------------------------------------------------- */

static void note_key(struct cut *cut, const char *key)
{
	for (size_t i = 0; i < cut->key_count; i++)
		if (!strcmp(cut->keys[i], key))
			return;
	cut->keys = reallocarray(cut->keys, cut->key_count + 1, sizeof(*cut->keys));
	if (!cut->keys)
		abort();
	memcpy(cut->keys[cut->key_count++], key, SIGNER_ID);
}

/* What has been passed, and what of it is signed. */
struct walk {
	uint64_t lines, records, bytes;
	uint64_t seal;
	bool enough; /* what a checkpoint has to sign for */
	bool done;
};

static void take_checkpoint(struct cut *cut, struct walk *walk, const char *line, size_t length, size_t segment,
			    size_t offset)
{
	struct chain_checkpoint checkpoint;

	if (chain_parse_checkpoint(line, length, &checkpoint))
		return;
	note_key(cut, checkpoint.key);
	if (checkpoint.seal != walk->seal || checkpoint.seal <= cut->begins.seal)
		return;
	cut->end_segment = segment;
	cut->end_offset = offset;
	cut->summary.last_seal = checkpoint.seal;
	cut->summary.lines = walk->lines;
	cut->summary.records = walk->records;
	cut->summary.bytes = walk->bytes;
	cut->summary.ends_early = !walk->enough;
	cut->named_count = cut->named.count;
	memcpy(cut->summary.signed_time, checkpoint.time, CLOCK_TEXT);
	walk->done = walk->enough;
}

static int walk_segment(struct cut *cut, struct walk *walk, size_t i, const struct segment_text *text)
{
	const char *line = text->bytes + (i == cut->begins.segment ? cut->begins.offset : 0);
	const char *end = text->bytes + text->length, *newline;
	uint8_t hash[SHA256_BYTES];
	int error = text->damaged ? -EBADMSG : 0;

	for (; !error && line < end && !walk->done; line = newline + 1) {
		size_t length;

		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			break;
		length = (size_t)(newline - line);
		walk->lines++;
		evidence_policies_note(&cut->named, line, length);
		walk->bytes += length + 1;
		walk->records += evidence_is_record(line, length) && in_range(cut, line, length);
		if (chain_type(line, length) == CHAIN_SEAL) {
			const char *time = evidence_time(line, length);

			error = seal_of(line, length, &walk->seal, hash);
			walk->enough |=
				walk->seal >= cut->last_wanted && time && evidence_is_behind(time, cut->request->until);
		} else if (chain_type(line, length) == CHAIN_CHECKPOINT) {
			take_checkpoint(cut, walk, line, length, i, (size_t)(newline + 1 - text->bytes));
		}
	}
	return error;
}

static int find_end(struct cut *cut)
{
	struct walk walk = {.seal = cut->begins.seal};
	int error = 0;

	for (size_t i = cut->begins.segment; !error && !walk.done && i < cut->segments.count; i++) {
		struct segment_text text;

		error = segment_read(cut->request->folder, cut->segments.items[i].name, &text);
		if (error)
			return error;
		error = walk_segment(cut, &walk, i, &text);
		segment_release(&text);
	}
	cut->summary.first_seal = cut->begins.seal + 1;
	if (!error && (!cut->summary.last_seal || cut->summary.last_seal < cut->first_wanted))
		error = -ENODATA;
	return error;
}

/* ---- the file ------------------------------------------------------------------------------------------------- */

static void put(FILE *to, struct sha256_stream *stream, const char *bytes, size_t length)
{
	sha256_stream_add(stream, bytes, length);
	fwrite(bytes, 1, length, to);
}

static void print_keys(struct cut *cut, struct json *to)
{
	char path[PATH_ROOM], public[SIGNER_PUBLIC];

	for (size_t i = 0; i < cut->key_count; i++) {
		struct signer_key *key;

		snprintf(path, sizeof(path), "%s/%s.pem", cut->request->folder, cut->keys[i]);
		if (signer_key_read(path, &key)) {
			cut->summary.keys_missing++;
			continue;
		}
		signer_key_public(key, public);
		evidence_print_key(to, signer_key_id(key), public);
		signer_key_free(key);
		cut->summary.keys++;
	}
}

/* Each as soon as it has been printed: they may be large. */
static void write_policies(struct cut *cut, FILE *to, struct sha256_stream *stream)
{
	const struct evidence_request *request = cut->request;

	for (size_t i = 0; i < cut->named_count; i++) {
		_cleanup_free_ char *bytes = NULL;
		struct json text = {0};
		size_t length;

		if (request->policy &&
		    !request->policy(cut->named.digests[i], request->policy_context, &bytes, &length) &&
		    !evidence_policy_print(&text, cut->named.digests[i], bytes, length)) {
			put(to, stream, text.bytes, text.length);
			cut->summary.policies++;
		} else {
			cut->summary.policies_missing++;
		}
		json_free(&text);
	}
}

static int write_lines(const struct cut *cut, FILE *to, struct sha256_stream *stream)
{
	for (size_t i = cut->begins.segment; i <= cut->end_segment; i++) {
		size_t from = i == cut->begins.segment ? cut->begins.offset : 0, until;
		struct segment_text text;
		int error = segment_read(cut->request->folder, cut->segments.items[i].name, &text);

		if (error)
			return error;
		until = i == cut->end_segment ? cut->end_offset : text.length;
		if (until > text.length || from > until)
			error = -EBADMSG;
		else
			put(to, stream, text.bytes + from, until - from);
		segment_release(&text);
		if (error)
			return error;
	}
	return 0;
}

static int write_all(struct cut *cut, FILE *to, struct sha256_stream *stream)
{
	const struct evidence_request *request = cut->request;
	struct evidence_front front = {.time = request->now,
				       .usher = request->usher,
				       .log = cut->log,
				       .since = request->since,
				       .until = request->until,
				       .seal = cut->begins.seal,
				       .hash = cut->begins.hash};
	uint8_t digest[SHA256_BYTES];
	struct json text = {0};
	int error;

	evidence_print_front(&text, &front);
	print_keys(cut, &text);
	put(to, stream, text.bytes, text.length);
	write_policies(cut, to, stream);
	error = write_lines(cut, to, stream);
	sha256_stream_end(stream, digest);
	json_clear(&text);
	evidence_print_end(&text, cut->summary.lines, cut->summary.records, digest, request->signer);
	fwrite(text.bytes, 1, text.length, to);
	json_free(&text);
	return error ? error : ferror(to) ? -EIO : 0;
}

int evidence_write(const struct evidence_request *request, FILE *to, struct evidence_summary *ret_summary)
{
	_cleanup_(release) struct cut cut = {.request = request};
	struct sha256_stream *stream;
	int error = segments_list(request->folder, &cut.segments);

	if (!error && !cut.segments.count)
		error = -ENOENT;
	if (!error)
		error = scan(&cut);
	if (!error)
		error = find_end(&cut);
	if (error)
		return error;
	stream = sha256_stream_new();
	if (!stream)
		return -ENOMEM;
	error = write_all(&cut, to, stream);
	sha256_stream_free(stream);
	if (!error)
		*ret_summary = cut.summary;
	return error;
}
