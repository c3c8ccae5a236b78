// SPDX-License-Identifier: GPL-2.0-only
/*
 * A store of many segments, half of them compressed, and edits of every kind at random places: each is found, and located to its batch or its
 * segment. What is verified after an edit is the segment and its neighbours, by verify_range. One kind is none of a file's: the whole folder is set
 * back, head.json and all, to what it was at some time while it was written. That is a log as good as any, and only what was kept elsewhere tells: it
 * is judged as `usher audit verify` judges it, with `--witness` and without. A million records and ten thousand edits:
 *
 *   TAMPER_RECORDS=1000000 TAMPER_EDITS=10000 build/tests/unit/audit/test_tamper
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/compressor.h"
#include "audit/head.h"
#include "audit/ledger.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "audit/witness.h"
#include "cli/audit_trust.h"
#include "scratch.h"

#define BATCH 100
#define SEGMENT_BYTES (1u << 20)
#define CHECKPOINT_BATCHES 20
#define SNAPSHOT_BATCHES 7
#define SNAPSHOTS 4096
#define SET_BACK_SEGMENTS 2 /* that are gone whole, at least */
#define SET_BACK_WHOLE 8    /* of so many folders that are set back one is verified from its first byte on */

static char key_path[96], public_path[256], witness_path[96];
static struct signer_key *own;
static struct chain_checkpoint head;
static struct segments segments;

/* In the place of the C library's: nothing here outlives the machine. */
int fsync(int file)
{
	(void)file;
	return 0;
}

int fdatasync(int file)
{
	(void)file;
	return 0;
}

static unsigned long setting(const char *name, unsigned long unless_given)
{
	const char *wanted = getenv(name);

	return wanted ? strtoul(wanted, NULL, 10) : unless_given;
}

static uint64_t seed;

static size_t roll(size_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % sides;
}

/* ---- the store ----------------------------------------------------------------------------------------------- */

static void append(struct ledger *ledger, struct record_stamp *stamp, uint64_t first)
{
	struct chain_range range = {.ring = USHER_RING_EVENTS, .first = first, .last = first + BATCH - 1};
	struct usher_event event = {.reason = USHER_REASON_ADMITTED, .backend = USHER_NONE};
	static struct json text;

	json_clear(&text);
	for (uint64_t i = first; i < first + BATCH; i++) {
		event.sequence = i;
		event.client_port_be = (uint16_t)(i * 40503);
		stamp->realtime += CLOCK_MILLISECOND;
		record_decision(&text, stamp, &event, NULL, NULL, NULL, NULL);
	}
	assert_int_equal(ledger_append(ledger, stamp, text.bytes, text.length, BATCH, &range, 1), 0);
}

/* What the folder was at one time. Segments only grow, so it is all up to a byte of one of them, and the head. */
struct snapshot {
	uint32_t segment;
	size_t length, head_length;
	char head[WITNESS_LINE];
};
static struct snapshot snapshots[SNAPSHOTS];
static size_t snapshot_count;

static size_t load_head(char *line)
{
	char path[128];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/" HEAD_FILE, folder);
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(line, 1, WITNESS_LINE, file);
	fclose(file);
	return length;
}

static void take_snapshot(const struct ledger *ledger)
{
	struct snapshot *snapshot = &snapshots[snapshot_count];
	struct stat status;

	if (snapshot_count == SNAPSHOTS)
		return;
	assert_int_equal(stat(ledger_path(ledger), &status), 0);
	snapshot->segment = ledger_number(ledger);
	snapshot->length = (size_t)status.st_size;
	snapshot->head_length = load_head(snapshot->head);
	snapshot_count++;
}

static void write_log(struct ledger *ledger, struct record_stamp *stamp, struct witness *witness)
{
	unsigned long records = setting("TAMPER_RECORDS", 20000);

	for (uint64_t batch = 0; batch < records / BATCH; batch++) {
		append(ledger, stamp, batch * BATCH);
		if (batch % CHECKPOINT_BATCHES == 0)
			assert_int_equal(
				ledger_checkpoint(ledger, stamp) || ledger_sync(ledger) || witness_run(witness), 0);
		if (batch % SNAPSHOT_BATCHES == 0)
			take_snapshot(ledger);
	}
}

static int begin(void **state)
{
	struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 7};
	struct problem problem = {0};
	struct ledger_found found;
	atomic_bool never = false;
	struct witness *witness;
	char line[WITNESS_LINE];
	struct ledger *ledger;

	(void)state;
	assert_int_equal(scratch_make("tamper"), 0);
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	assert_int_equal(ledger_open(folder, key_path, &stamp, &problem, &ledger, &found), 0);
	ledger_limit(ledger, &(struct store_limits){.bytes = SEGMENT_BYTES, .age = 86400 * CLOCK_SECOND});
	snprintf(witness_path, sizeof(witness_path), "%s/witness", folder);
	assert_int_equal(witness_new(witness_path, &witness), 0);
	ledger_witness(ledger, witness);
	write_log(ledger, &stamp, witness);
	snprintf(public_path, sizeof(public_path), "%s/%s.pem", folder, ledger_key(ledger));
	ledger_close(ledger, &stamp);
	witness_close(witness);
	assert_int_equal(signer_key_read(public_path, &own), 0);
	assert_int_equal(chain_parse_checkpoint(line, load_head(line) - 1, &head), 0);
	assert_int_equal(segments_list(folder, &segments), 0);
	assert_true(segments.count > 6);
	for (size_t i = 0; i + 1 < segments.count; i += 2)
		assert_int_equal(compressor_run(folder, segments.items[i].name, &never), 0);
	segments_free(&segments);
	assert_int_equal(segments_list(folder, &segments), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	segments_free(&segments);
	signer_key_free(own);
	return scratch_remove();
}

/* ---- what is found ------------------------------------------------------------------------------------------- */

/* Where an edit is: by the number of a segment, and lines of it as it was; 0: all of it. */
struct spot {
	uint32_t segment;
	uint64_t first_line, last_line;
};

struct search {
	struct spot spot;
	bool found, located;
	char text[512];
};

static void note(const struct verify_finding *finding, void *context)
{
	struct search *search = context;
	const struct spot *spot = &search->spot;
	uint32_t number = finding->segment ? (uint32_t)strtoul(finding->segment + 6, NULL, 10) : 0;

	if (!search->found)
		snprintf(search->text, sizeof(search->text), "%u:%" PRIu64 "-%" PRIu64 " %s", number,
			 finding->first_line, finding->last_line, finding->text);
	search->found = true;
	/* That which goes on from a segment knows how it ended; that the last is gone is said of the one before it. */
	if (!spot->first_line || !finding->first_line)
		search->located |= !number || (number + 1 >= spot->segment && number <= spot->segment + 1);
	else
		search->located |= number == spot->segment && finding->first_line <= spot->last_line &&
				   finding->last_line >= spot->first_line;
}

static void verify_around(struct search *search, uint32_t segment)
{
	struct verify_range range = {segment > 1 ? segment - 1 : 1, segment + 1};
	const struct verify_trust trust = {&own, 1, &head, 1};
	uint32_t last = segments.items[segments.count - 1].number;
	struct verify_summary summary;
	int error;

	if (range.last >= last)
		range.last = UINT32_MAX;
	error = verify_range(folder, range, &trust, note, search, &summary);
	if (error == -ERANGE) /* its end is gone */
		search->found = search->located = true;
	else
		assert_int_equal(error, 0);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static void path_of(size_t i, bool compressed, char path[512])
{
	snprintf(path, 512, "%s/%s%s", folder, segments.items[i].name, compressed ? SEGMENT_COMPRESSED : "");
}

static void load(const char *path, char **ret_bytes, size_t *ret_length)
{
	struct stat status;
	int file = open(path, O_RDONLY);

	assert_true(file >= 0 && !fstat(file, &status));
	*ret_bytes = malloc(2 * (size_t)status.st_size + 1);
	assert_int_equal(read(file, *ret_bytes, (size_t)status.st_size), status.st_size);
	*ret_length = (size_t)status.st_size;
	close(file);
}

static void store(const char *path, const char *bytes, size_t length)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(file, bytes, length), length);
	close(file);
}

/* The text, with room for as much again. */
static void load_text(size_t i, char **ret_bytes, size_t *ret_length)
{
	struct segment_text text;

	assert_int_equal(segment_read(folder, segments.items[i].name, &text), 0);
	*ret_bytes = malloc(2 * text.length + 1);
	memcpy(*ret_bytes, text.bytes, text.length);
	*ret_length = text.length;
	segment_release(&text);
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

struct lines {
	const char *bytes;
	size_t length, count;
	size_t at[SEGMENT_BYTES / 64]; /* where each begins, and the end */
};

static void find_lines(const char *bytes, size_t length, struct lines *ret_lines)
{
	ret_lines->bytes = bytes;
	ret_lines->length = length;
	ret_lines->count = 0;
	for (size_t at = 0; at < length; at = (size_t)((char *)memchr(bytes + at, '\n', length - at) - bytes) + 1)
		ret_lines->at[ret_lines->count++] = at;
	ret_lines->at[ret_lines->count] = length;
}

static bool is_seal(const struct lines *lines, size_t n)
{
	return chain_type(lines->bytes + lines->at[n], lines->at[n + 1] - lines->at[n] - 1) == CHAIN_SEAL;
}

/* The batch that line n, from 0, is of; and the next line, where what was taken out is missed. */
static struct spot batch_of(const struct lines *lines, size_t n, uint32_t segment)
{
	size_t first = n, last = n;

	while (first > 0 && !is_seal(lines, first - 1))
		first--;
	while (last + 1 < lines->count && !is_seal(lines, last))
		last++;
	return (struct spot){segment, first + 1, last + 2};
}

static size_t line_at(const struct lines *lines, size_t offset)
{
	size_t low = 0, high = lines->count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (lines->at[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* ---- edits --------------------------------------------------------------------------------------------------- */

enum kind {
	FLIP,
	DELETE,
	DUPLICATE,
	REORDER,
	TRUNCATE,
	SPLICE,
	INSERT,
	REPLACE,
	REMOVE,
	ROLL_BACK,
	DAMAGE,
	SET_BACK,
	KINDS
};
static const char *const kind_words[KINDS] = {"flip",	"delete",  "duplicate", "reorder",   "truncate", "splice",
					      "insert", "replace", "remove",	"roll back", "damage",	 "set back"};
static unsigned long counts[KINDS];

/* Of a segment's text, which has room for as much again. Returns its new length. */
static size_t edit_text(enum kind kind, char *bytes, const struct lines *lines, const char *other, size_t other_length,
			size_t *ret_line)
{
	size_t length = lines->length, n = roll(lines->count), from = lines->at[n], to = lines->at[n + 1], offset;
	char held[4096];

	*ret_line = n;
	switch (kind) {
	case FLIP:
		offset = roll(length);
		bytes[offset] ^= (char)(1 << roll(8));
		*ret_line = line_at(lines, offset);
		return length;
	case DELETE:
		memmove(bytes + from, bytes + to, length - to);
		return length - (to - from);
	case DUPLICATE:
		memmove(bytes + to, bytes + from, length - from);
		return length + (to - from);
	case REORDER:
		*ret_line = n = roll(lines->count - 1);
		from = lines->at[n];
		to = lines->at[n + 1];
		assert_true(to - from < sizeof(held));
		memcpy(held, bytes + from, to - from);
		memmove(bytes + from, bytes + to, lines->at[n + 2] - to);
		memcpy(bytes + from + (lines->at[n + 2] - to), held, to - from);
		return length;
	case TRUNCATE:
		offset = roll(length);
		*ret_line = line_at(lines, offset);
		return offset;
	case SPLICE:
		*ret_line = n;
		to = other_length < length ? other_length : length;
		if (from >= to)
			return from;
		memcpy(bytes + from, other + from, to - from);
		return to;
	default: /* INSERT */
		offset = roll(length);
		memmove(bytes + offset + 1, bytes + offset, length - offset);
		bytes[offset] = (char)roll(256);
		*ret_line = line_at(lines, offset);
		return length + 1;
	}
}

/* An earlier state of the segment: cut off behind a checkpoint that holds, with its seal. */
static size_t older(const struct lines *lines)
{
	size_t tries = 100;

	while (tries--) {
		size_t n = roll(lines->count - 1);

		if (chain_type(lines->bytes + lines->at[n], lines->at[n + 1] - lines->at[n] - 1) == CHAIN_CHECKPOINT)
			return lines->at[n + 2 < lines->count ? n + 2 : n + 1];
	}
	return lines->length;
}

static void expect_found(struct search *search, enum kind kind, size_t i, unsigned long e)
{
	verify_around(search, segments.items[i].number);
	if (!search->found)
		fail_msg("edit %lu (%s) of segment %u is not found", e, kind_words[kind], segments.items[i].number);
	if (!search->located)
		fail_msg("edit %lu (%s) of segment %u, lines %" PRIu64 "-%" PRIu64 ", is found elsewhere: %s", e,
			 kind_words[kind], search->spot.segment, search->spot.first_line, search->spot.last_line,
			 search->text);
	counts[kind]++;
}

/* Of the text: written in the place of what there is, compressed or not. */
static void tamper_text(enum kind kind, size_t i, unsigned long e)
{
	bool compressed = segments.items[i].compressed;
	size_t length, other_length, after, line, j = roll(segments.count);
	struct search search = {.spot = {segments.items[i].number, 0, 0}};
	static struct lines lines;
	char path[512], packed[512], aside[520], *bytes, *was, *other;

	load_text(i, &bytes, &length);
	load_text(j, &other, &other_length);
	was = memcpy(malloc(length), bytes, length);
	find_lines(was, length, &lines);
	if (kind == REPLACE) {
		after = other_length < 2 * length ? other_length : 2 * length;
		memcpy(bytes, other, after);
	} else if (kind == ROLL_BACK) {
		after = older(&lines);
	} else {
		after = edit_text(kind, bytes, &lines, other, other_length, &line);
		if (kind != TRUNCATE && kind != SPLICE)
			search.spot = batch_of(&lines, line, segments.items[i].number);
	}
	path_of(i, false, path);
	path_of(i, true, packed);
	snprintf(aside, sizeof(aside), "%s/aside", folder);
	if (after != length || memcmp(bytes, was, after) != 0) {
		if (compressed)
			assert_int_equal(rename(packed, aside), 0);
		store(path, bytes, after);
		expect_found(&search, kind, i, e);
		if (compressed)
			assert_true(!unlink(path) && !rename(aside, packed));
		else
			store(path, was, length);
	}
	free(bytes);
	free(was);
	free(other);
}

/* Of the file as it is. */
static void tamper_file(enum kind kind, size_t i, unsigned long e)
{
	struct search search = {.spot = {segments.items[i].number, 0, 0}};
	char path[512], aside[520], *bytes;
	size_t length;

	path_of(i, segments.items[i].compressed, path);
	snprintf(aside, sizeof(aside), "%s/aside", folder);
	if (kind == REMOVE) {
		assert_int_equal(rename(path, aside), 0);
		expect_found(&search, kind, i, e);
		assert_int_equal(rename(aside, path), 0);
		return;
	}
	load(path, &bytes, &length);
	bytes[roll(length)] ^= (char)(1 << roll(8));
	store(path, bytes, length - (roll(2) ? 0 : roll(length)));
	expect_found(&search, kind, i, e);
	free(bytes);
}

/* ---- the whole folder ----------------------------------------------------------------------------------------- */

static void store_head(const char *line, size_t length)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" HEAD_FILE, folder);
	store(path, line, length);
}

/* Segments from i on are put away, or come back. */
static void move_later(size_t i, bool away)
{
	char here[512], there[512];

	snprintf(there, sizeof(there), "%s/later", folder);
	assert_int_equal(away ? mkdir(there, 0700) : 0, 0);
	for (; i < segments.count; i++) {
		const char *end = segments.items[i].compressed ? SEGMENT_COMPRESSED : "";

		path_of(i, segments.items[i].compressed, here);
		snprintf(there, sizeof(there), "%s/later/%s%s", folder, segments.items[i].name, end);
		assert_int_equal(away ? rename(here, there) : rename(there, here), 0);
	}
	snprintf(there, sizeof(there), "%s/later", folder);
	assert_int_equal(away ? 0 : rmdir(there), 0);
}

/* As the command does, by a key that is kept elsewhere. */
static void verify_as_told(const char *witness, uint32_t first, verify_found *found, void *context,
			   struct verify_summary *ret_summary)
{
	struct verify_range range = {first, UINT32_MAX};
	struct audit_trust trust = {0};
	struct verify_trust given;

	assert_int_equal(audit_trust_key(&trust, public_path), 0);
	if (witness)
		assert_int_equal(audit_trust_witness(&trust, witness), 0);
	assert_int_equal(audit_trust_folder(&trust, folder), 0);
	given = audit_trust_given(&trust);
	assert_int_equal(verify_range(folder, range, &given, found, context, ret_summary), 0);
	audit_trust_free(&trust);
}

/* What the witness has of a folder that ends with a seal. */
struct missing {
	uint32_t segment;
	uint64_t last_seal;
	uint64_t first, findings;
	bool elsewhere;
	char text[512];
};

static void note_missing(const struct verify_finding *finding, void *context)
{
	static const char says[] = "the log ends before seal ";
	struct missing *missing = context;
	uint64_t seal = strncmp(finding->text, says, sizeof(says) - 1) != 0
				? 0
				: strtoull(finding->text + sizeof(says) - 1, NULL, 10);

	if (!missing->findings++)
		missing->first = seal;
	if (seal <= missing->last_seal || !finding->segment ||
	    strtoul(finding->segment + 6, NULL, 10) != missing->segment)
		missing->elsewhere = true;
	snprintf(missing->text, sizeof(missing->text), "%.64s: %.400s", finding->segment, finding->text);
}

/* Of the witness's file: the first seal that is beyond this one, and how many are. */
static uint64_t count_beyond(uint64_t seal, uint64_t *ret_first)
{
	FILE *file = fopen(witness_path, "re");
	struct chain_checkpoint checkpoint;
	uint64_t beyond = 0;
	char line[WITNESS_LINE + 1];

	assert_non_null(file);
	*ret_first = UINT64_MAX;
	while (fgets(line, sizeof(line), file)) {
		assert_int_equal(chain_parse_checkpoint(line, strlen(line) - 1, &checkpoint), 0);
		if (checkpoint.seal <= seal)
			continue;
		beyond++;
		if (checkpoint.seal < *ret_first)
			*ret_first = checkpoint.seal;
	}
	fclose(file);
	return beyond;
}

static void judge_set_back(const struct snapshot *snapshot, unsigned long e)
{
	uint32_t first = counts[SET_BACK] % SET_BACK_WHOLE && snapshot->segment > 1 ? snapshot->segment - 1 : 1;
	struct missing missing = {.segment = snapshot->segment};
	struct verify_summary summary;
	struct search none = {0};
	uint64_t due, beyond;

	verify_as_told(NULL, first, note, &none, &summary);
	if (none.found)
		fail_msg("edit %lu: without a witness nobody can tell, and it is said: %s", e, none.text);
	missing.last_seal = summary.last_seal;
	beyond = count_beyond(summary.last_seal, &due);
	verify_as_told(witness_path, first, note_missing, &missing, &summary);
	if (!missing.findings)
		fail_msg("edit %lu (set back) to segment %u is not found", e, snapshot->segment);
	if (missing.elsewhere || missing.first != due || missing.findings != beyond)
		fail_msg("edit %lu (set back) to segment %u, seal %" PRIu64 ", is found elsewhere: %s", e,
			 snapshot->segment, missing.last_seal, missing.text);
	counts[SET_BACK]++;
}

/* Now and then the copy was made while a batch was being written. */
static void set_back(unsigned long e)
{
	uint32_t last = segments.items[segments.count - 1].number;
	char path[512], packed[512], aside[520], *bytes, now[WITNESS_LINE];
	const struct snapshot *snapshot;
	size_t i = 0, length, most;

	do
		snapshot = &snapshots[roll(snapshot_count)];
	while (snapshot->segment + SET_BACK_SEGMENTS >= last);
	while (segments.items[i].number != snapshot->segment)
		i++;
	load_text(i, &bytes, &most);
	length = snapshot->length + (roll(2) ? 0 : roll(most - snapshot->length + 1));
	path_of(i, false, path);
	path_of(i, true, packed);
	snprintf(aside, sizeof(aside), "%s/aside", folder);
	move_later(i + 1, true);
	assert_int_equal(rename(segments.items[i].compressed ? packed : path, aside), 0);
	store(path, bytes, length);
	most = load_head(now);
	store_head(snapshot->head, snapshot->head_length);
	judge_set_back(snapshot, e);
	store_head(now, most);
	unlink(path);
	assert_int_equal(rename(aside, segments.items[i].compressed ? packed : path), 0);
	move_later(i + 1, false);
	free(bytes);
}

static void any_edit_of_a_large_store_is_found_where_it_is(void **state)
{
	unsigned long edits = setting("TAMPER_EDITS", 300);
	struct verify_summary summary;
	const struct verify_trust trust = {&own, 1, &head, 1};
	struct search none = {0};

	(void)state;
	seed = setting("TAMPER_SEED", 1);
	assert_int_equal(verify_folder(folder, &trust, note, &none, &summary), 0);
	if (none.found)
		fail_msg("before any edit: %s", none.text);
	verify_as_told(witness_path, 1, note, &none, &summary);
	if (none.found)
		fail_msg("by the witness, before any edit: %s", none.text);
	for (unsigned long e = 0; e < edits; e++) {
		enum kind kind = (enum kind)roll(KINDS);
		size_t i = roll(segments.count);
		char path[512], *bytes;
		size_t length;

		if (kind == REMOVE) {
			tamper_file(kind, i, e);
		} else if (kind == SET_BACK) {
			set_back(e);
		} else if (kind == DAMAGE) {
			path_of(i, segments.items[i].compressed, path);
			load(path, &bytes, &length);
			tamper_file(kind, i, e);
			store(path, bytes, length);
			free(bytes);
		} else {
			tamper_text(kind, i, e);
		}
	}
	assert_int_equal(verify_folder(folder, &trust, note, &none, &summary), 0);
	if (none.found)
		fail_msg("after all edits were taken back: %s", none.text);
	print_message("# %" PRIu64 " decisions in %" PRIu64 " segments;", summary.decisions, summary.segments);
	for (int k = 0; k < KINDS; k++)
		print_message(" %s %lu%s", kind_words[k], counts[k], k + 1 < KINDS ? "," : "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_edit_of_a_large_store_is_found_where_it_is, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
