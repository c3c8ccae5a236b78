// SPDX-License-Identifier: GPL-2.0-only
/*
 * A store of many segments, half of them compressed, and edits of every kind at random places: each is found, and located to its batch or its
 * segment. What is verified after an edit is the segment and its neighbours, by verify_range. A million records and ten thousand edits:
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
#include "scratch.h"

#define BATCH 100
#define SEGMENT_BYTES (1u << 20)
#define CHECKPOINT_BATCHES 20

static char key_path[96];
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

static void read_head(void)
{
	char path[128], line[4096];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "%s/" HEAD_FILE, folder);
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(line, 1, sizeof(line), file);
	fclose(file);
	assert_int_equal(chain_parse_checkpoint(line, length - 1, &head), 0);
}

static int begin(void **state)
{
	struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 7};
	unsigned long records = setting("TAMPER_RECORDS", 20000);
	struct problem problem = {0};
	struct ledger_found found;
	atomic_bool never = false;
	struct ledger *ledger;
	char path[256];

	(void)state;
	assert_int_equal(scratch_make("tamper"), 0);
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	assert_int_equal(ledger_open(folder, key_path, &stamp, &problem, &ledger, &found), 0);
	ledger_limit(ledger, &(struct store_limits){.bytes = SEGMENT_BYTES, .age = 86400 * CLOCK_SECOND});
	for (uint64_t next = 0; next < records; next += BATCH) {
		append(ledger, &stamp, next);
		if (next / BATCH % CHECKPOINT_BATCHES == 0)
			assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
	}
	snprintf(path, sizeof(path), "%s/%s.pem", folder, ledger_key(ledger));
	ledger_close(ledger, &stamp);
	assert_int_equal(signer_key_read(path, &own), 0);
	read_head();
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

enum kind { FLIP, DELETE, DUPLICATE, REORDER, TRUNCATE, SPLICE, INSERT, REPLACE, REMOVE, ROLL_BACK, DAMAGE, KINDS };
static const char *const kind_words[KINDS] = {"flip",	"delete",  "duplicate", "reorder",   "truncate", "splice",
					      "insert", "replace", "remove",	"roll back", "damage"};
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

/* An earlier state of the segment, or of the whole log: cut off behind a checkpoint that holds, with its seal. */
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
	for (unsigned long e = 0; e < edits; e++) {
		enum kind kind = (enum kind)roll(KINDS);
		size_t i = roll(segments.count);
		char path[512], *bytes;
		size_t length;

		if (kind == REMOVE) {
			tamper_file(kind, i, e);
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
