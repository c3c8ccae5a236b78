// SPDX-License-Identifier: GPL-2.0-only
/* A part of the log verifies without the rest of it, has all of its range, and an edit of it is found, whether or not who made it covers it up. */
#include "audit/evidence.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/evidence_form.h"
#include "audit/ledger.h"
#include "audit/query.h"
#include "base/array.h"
#include "scratch.h"

#define SEGMENTS 4
#define BATCHES 30
#define LINES 6
#define BEGINS (1767225600 * CLOCK_SECOND)
#define RANGES 150
#define EDITS 2000

static char key_path[96], path[96], edited_path[96];
static uint64_t seed = 0x5eed;
static char findings[4096];
static size_t found_count;
static char times[SEGMENTS * BATCHES * LINES][CLOCK_TEXT];
static size_t time_count;

static size_t below(size_t count)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)((seed >> 20) % count);
}

/* ---- a log ------------------------------------------------------------------------------------------------------ */

static void append(struct ledger *ledger, int64_t *now, uint64_t *sequence)
{
	struct chain_range range = {.first = *sequence, .last = *sequence + LINES - 1};
	struct record_stamp stamp = {.boot_id = 7};
	struct json text = {0};

	for (int i = 0; i < LINES; i++) {
		struct usher_event event = {.reason = USHER_REASON_ADMITTED, .sequence = (*sequence)++};

		*now += (int64_t)below(3000) * CLOCK_MILLISECOND;
		stamp.realtime = *now;
		clock_print(*now, times[time_count++]);
		record_decision(&text, &stamp, &event, NULL, NULL, NULL, NULL);
	}
	assert_int_equal(ledger_append(ledger, &stamp, text.bytes, text.length, LINES, &range, 1), 0);
	json_free(&text);
}

static int begin(void **state)
{
	int64_t now = BEGINS;
	uint64_t sequence = 0;

	(void)state;
	if (scratch_make("evidence"))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	snprintf(path, sizeof(path), "%s/evidence", folder);
	snprintf(edited_path, sizeof(edited_path), "%s/edited", folder);
	for (int s = 0; s < SEGMENTS; s++) {
		struct record_stamp stamp = {.realtime = now, .boot_id = 7};
		struct problem problem = {0};
		struct ledger_found found;
		struct ledger *ledger;

		if (ledger_open(folder, key_path, &stamp, &problem, &ledger, &found))
			return -1;
		for (int b = 0; b < BATCHES; b++) {
			append(ledger, &now, &sequence);
			stamp.realtime = now;
			if (b % 7 == 6)
				ledger_checkpoint(ledger, &stamp);
			if (s == 1 && b == 12 &&
			    ledger_rotate(ledger, &stamp, NULL, "due", &problem)) /* a third key, and a segment more */
				return -1;
		}
		ledger_close(ledger, &stamp);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	return scratch_remove();
}

/* ---- making and judging it -------------------------------------------------------------------------------------- */

static int write_range(const char *since, const char *until, const struct signer *signer,
		       struct evidence_summary *ret_summary)
{
	struct evidence_request request = {
		.folder = folder, .since = since, .until = until, .signer = signer, .now = BEGINS, .usher = "0.1"};
	FILE *file = fopen(path, "w");
	int error;

	assert_non_null(file);
	error = evidence_write(&request, file, ret_summary);
	fclose(file);
	return error;
}

static void note(const struct verify_finding *finding, void *context)
{
	size_t used = strlen(findings);

	(void)context;
	found_count++;
	snprintf(findings + used, sizeof(findings) - used, "%" PRIu64 ": %s\n", finding->first_line, finding->text);
}

/* What is found; -EINVAL: it is no evidence at all. keys NULL: those in it. */
static int judge(const char *file, struct signer_key *const *keys, size_t count, struct evidence *ret_evidence,
		 struct verify_summary *ret_summary)
{
	struct verify_trust trust = {.keys = keys, .key_count = count};
	struct verify_summary summary = {0};
	struct evidence evidence = {0};
	int error;

	findings[0] = '\0';
	found_count = 0;
	error = evidence_read(file, note, NULL, &evidence);
	if (error)
		return error;
	if (!keys) {
		trust.keys = evidence.keys;
		trust.key_count = evidence.key_count;
	}
	error = evidence_verify(&evidence, file, &trust, note, NULL, &summary);
	if (ret_summary)
		*ret_summary = summary;
	if (ret_evidence)
		*ret_evidence = evidence;
	else
		evidence_release(&evidence);
	return error == -EBADMSG ? 0 : error;
}

static int nothing(const char *line, size_t length, void *context)
{
	(void)line;
	(void)length;
	(void)context;
	return 0;
}

static uint64_t records_of(const char *since, const char *until)
{
	struct query_totals totals = {0};
	struct query_place place = {0};
	struct filter filter = {0};

	strcpy(filter.since, since);
	strcpy(filter.until, until);
	assert_int_equal(query_run(folder, &filter, &place, nothing, NULL, &totals), 0);
	return totals.found;
}

static void a_range_verifies_by_itself_and_is_complete(void **state)
{
	(void)state;
	for (int i = 0; i < RANGES; i++) {
		const char *since = below(8) ? times[below(time_count)] : "",
			   *until = below(8) ? times[below(time_count)] : "";
		struct evidence_summary made;
		struct verify_summary summary = {0};
		struct evidence evidence = {0};

		if (since[0] && until[0] && strcmp(since, until) >= 0)
			continue;
		assert_int_equal(write_range(since, until, NULL, &made), 0);
		assert_int_equal(judge(path, NULL, 0, &evidence, &summary), 0);
		assert_string_equal(findings, "");
		assert_int_equal(evidence.records, records_of(since, until));
		assert_int_equal(made.records, evidence.records);
		assert_int_equal(made.lines, summary.lines);
		assert_int_equal(made.first_seal, evidence.seal + 1);
		assert_int_equal(made.last_seal, summary.last_seal);
		assert_int_equal(summary.signed_seal, summary.last_seal);
		/* Nothing of the log is before its beginning or, as it was closed, behind its end. */
		assert_true(evidence.has_beginning);
		assert_int_equal(evidence.has_end, until[0] && !made.ends_early);
		evidence_release(&evidence);
	}
}

/* Noon; then somebody sets the clock back to half past ten, and it is noon again. */
static void a_clock_that_was_set_back_hides_nothing(void **state)
{
	static const int64_t hours[] = {8, 10, 12, 13, 10, 11, 12, 14, 15};
	char others[] = "/tmp/usher-evidence-clock-XXXXXX", key[96], command[128];
	char *folder_before = strdup(folder);
	struct evidence_summary made;
	struct evidence evidence = {0};
	struct ledger_found found;
	struct problem problem = {0};
	struct record_stamp stamp = {.realtime = BEGINS, .boot_id = 7};
	struct ledger *ledger;
	uint64_t sequence = 0;

	(void)state;
	assert_non_null(mkdtemp(others));
	snprintf(key, sizeof(key), "%s/private", others);
	assert_int_equal(ledger_open(others, key, &stamp, &problem, &ledger, &found), 0);
	for (size_t i = 0; i < ARRAY_COUNT(hours); i++) {
		struct chain_range range = {.first = sequence, .last = sequence};
		struct usher_event event = {.reason = USHER_REASON_ADMITTED, .sequence = sequence++};
		struct json text = {0};

		stamp.realtime = BEGINS + hours[i] * 3600 * CLOCK_SECOND;
		record_decision(&text, &stamp, &event, NULL, NULL, NULL, NULL);
		assert_int_equal(ledger_append(ledger, &stamp, text.bytes, text.length, 1, &range, 1), 0);
		assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
		json_free(&text);
	}
	ledger_close(ledger, &stamp);
	snprintf(folder, sizeof(folder), "%s", others);
	assert_int_equal(write_range("2026-01-01T09:30:00.000Z", "2026-01-01T11:30:00.000Z", NULL, &made), 0);
	assert_int_equal(made.records, 3);
	assert_int_equal(made.records, records_of("2026-01-01T09:30:00.000Z", "2026-01-01T11:30:00.000Z"));
	assert_int_equal(judge(path, NULL, 0, &evidence, NULL), 0);
	assert_string_equal(findings, "");
	assert_true(evidence.has_beginning && evidence.has_end);
	evidence_release(&evidence);
	snprintf(folder, sizeof(folder), "%s", folder_before);
	free(folder_before);
	snprintf(command, sizeof(command), "rm -rf %s", others);
	assert_int_equal(system(command), 0);
}

static void what_lies_outside_is_told(void **state)
{
	struct evidence_summary made;
	struct evidence evidence = {0};

	(void)state;
	assert_int_equal(write_range("2040-01-01T00:00:00.000Z", "", NULL, &made), -ENODATA);
	/* Nothing is in it, and that is proven by what is around it. */
	assert_int_equal(write_range("2020-01-01T00:00:00.000Z", "2020-01-02T00:00:00.000Z", NULL, &made), 0);
	assert_int_equal(made.records, 0);
	assert_int_equal(judge(path, NULL, 0, &evidence, NULL), 0);
	assert_string_equal(findings, "");
	assert_true(evidence.has_beginning && evidence.has_end);
	evidence_release(&evidence);
	assert_int_equal(write_range(times[time_count / 2], "2040-01-01T00:00:00.000Z", NULL, &made), 0);
	assert_true(made.ends_early);
	assert_int_equal(judge(path, NULL, 0, &evidence, NULL), 0);
	assert_string_equal(findings, "");
	assert_false(evidence.has_end);
	evidence_release(&evidence);
}

/* ---- edits ------------------------------------------------------------------------------------------------------ */

struct text {
	char *bytes;
	size_t length;
};

static struct text read_file(const char *file)
{
	FILE *from = fopen(file, "r");
	struct text text = {.bytes = malloc(8 << 20)};

	assert_non_null(from);
	text.length = fread(text.bytes, 1, 8 << 20, from);
	fclose(from);
	return text;
}

static void write_edited(const struct text *text)
{
	FILE *to = fopen(edited_path, "w");

	assert_non_null(to);
	assert_int_equal(fwrite(text->bytes, 1, text->length, to), text->length);
	fclose(to);
}

/* Bytes [at, at + out) give way to others. */
static void splice(struct text *text, size_t at, size_t out, const char *in, size_t length)
{
	memmove(text->bytes + at + length, text->bytes + at + out, text->length - at - out);
	if (length)
		memcpy(text->bytes + at, in, length);
	text->length += length - out;
}

static size_t line_at(const struct text *text, size_t number, size_t *ret_length)
{
	size_t at = 0;

	for (;; number--) {
		const char *newline = memchr(text->bytes + at, '\n', text->length - at);

		assert_non_null(newline);
		*ret_length = (size_t)(newline + 1 - text->bytes) - at;
		if (!number)
			return at;
		at += *ret_length;
	}
}

static size_t lines_of(const struct text *text)
{
	size_t count = 0;

	for (size_t i = 0; i < text->length; i++)
		count += text->bytes[i] == '\n';
	return count;
}

/* One line of the log, from behind the first one and the keys. */
static size_t some_line(const struct text *text, size_t front, size_t *ret_length)
{
	return line_at(text, front + below(lines_of(text) - front - 1), ret_length);
}

static void edit(struct text *text, size_t front)
{
	char line[4096];
	size_t length, at, other;

	switch (below(6)) {
	case 0: /* a bit, anywhere */
		text->bytes[below(text->length)] ^= (char)(1 << below(8));
		break;
	case 1: /* removed */
		at = some_line(text, front, &length);
		splice(text, at, length, NULL, 0);
		break;
	case 2: /* repeated elsewhere */
		at = some_line(text, front, &length);
		memcpy(line, text->bytes + at, length);
		splice(text, some_line(text, front, &other), 0, line, length);
		break;
	case 3: /* another one's digit */
		at = some_line(text, front, &length) + below(length);
		while (text->bytes[at] < '0' || text->bytes[at] > '9')
			at = (at + 1) % text->length;
		text->bytes[at] = text->bytes[at] == '9' ? '0' : (char)(text->bytes[at] + 1);
		break;
	case 4: /* cut off */
		text->length = below(text->length);
		break;
	default: /* something more */
		splice(text, below(text->length + 1), 0, "x\n", 1 + below(2));
	}
}

static size_t front_of(const struct text *text)
{
	size_t length, number = 1;

	while (!strncmp(text->bytes + line_at(text, number, &length), "{\"type\":\"evidence-key\"", 22))
		number++;
	return number;
}

static void an_edit_is_found(void **state)
{
	struct evidence_summary made;
	struct text whole;
	size_t front;

	(void)state;
	assert_int_equal(write_range(times[200], times[300], NULL, &made), 0);
	whole = read_file(path);
	front = front_of(&whole);
	for (int i = 0; i < EDITS; i++) {
		struct text text = {.bytes = malloc(whole.length + 8192), .length = whole.length};
		int error;

		memcpy(text.bytes, whole.bytes, whole.length);
		edit(&text, front);
		write_edited(&text);
		error = text.length == whole.length && !memcmp(text.bytes, whole.bytes, whole.length)
				? -EINVAL
				: judge(edited_path, NULL, 0, NULL, NULL);
		if (error != -EINVAL && !found_count)
			fail_msg("edit %d of %zu bytes is not found", i, text.length);
		free(text.bytes);
	}
	free(whole.bytes);
}

/* Who edits it also makes the last line anew, which anybody can. */
static void cover_up(struct text *text, const char *since, const char *until)
{
	size_t length, last = line_at(text, lines_of(text) - 1, &length), front = front_of(text), at;
	uint64_t records = 0, lines = lines_of(text) - 1 - front;
	uint8_t digest[SHA256_BYTES];
	struct json line = {0};

	for (size_t i = front; i < front + lines; i++) {
		at = line_at(text, i, &length);
		records += evidence_is_record(text->bytes + at, length - 1) &&
			   evidence_in_range(text->bytes + at, length - 1, since, until);
	}
	sha256(text->bytes, last, digest);
	evidence_print_end(&line, lines, records, digest, NULL);
	text->length = last;
	splice(text, last, 0, line.bytes, line.length);
	json_free(&line);
}

/* The last seal is signed, and what is put behind it is not. */
static void nothing_can_be_added_behind_what_is_signed(void **state)
{
	struct evidence_summary made;
	struct text text;
	size_t length, at, record;
	char line[4096];

	(void)state;
	assert_int_equal(write_range(times[200], times[300], NULL, &made), 0);
	for (int before = 0; before < 3; before++) {
		text = read_file(path);
		record = front_of(&text);
		while (chain_type(text.bytes + line_at(&text, record, &length), length) != CHAIN_RECORD)
			record++;
		memcpy(line, text.bytes + line_at(&text, record, &length), length);
		at = line_at(&text, lines_of(&text) - 1 - (before > 0), &record);
		splice(&text, at, before == 2 ? record : 0, line, length); /* in the end: instead of the checkpoint */
		cover_up(&text, times[200], times[300]);
		write_edited(&text);
		assert_int_equal(judge(edited_path, NULL, 0, NULL, NULL), 0);
		assert_non_null(strstr(findings, before == 2 ? "no checkpoint that holds" : "nothing proves that"));
		free(text.bytes);
	}
}

static void an_edit_that_is_covered_up_is_found(void **state)
{
	struct evidence_summary made;
	struct text whole;
	size_t front, tried = 0;

	(void)state;
	assert_int_equal(write_range(times[200], times[300], NULL, &made), 0);
	whole = read_file(path);
	front = front_of(&whole);
	for (int i = 0; i < EDITS / 8; i++) {
		struct text text = {.bytes = malloc(whole.length + 8192), .length = whole.length};
		size_t length, at = some_line(&whole, front, &length);

		memcpy(text.bytes, whole.bytes, whole.length);
		if (i % 3 == 0)
			splice(&text, at, length, NULL, 0);
		else if (i % 3 == 1)
			splice(&text, at, 0, whole.bytes + at, length);
		else
			text.bytes[at + below(length - 1)] ^= 1;
		cover_up(&text, times[200], times[300]);
		write_edited(&text);
		assert_int_equal(judge(edited_path, NULL, 0, NULL, NULL), 0);
		if (!found_count)
			fail_msg("edit %d at %zu is not found", i, at);
		tried++;
		free(text.bytes);
	}
	assert_true(tried > EDITS / 9);
	free(whole.bytes);
}

/* The first records of a range are left out, and what goes before claims that they never were there. */
static void a_range_that_was_cut_shows_it(void **state)
{
	struct evidence_summary made, less;
	struct evidence evidence = {0};
	struct text text, part;
	size_t length, at, front;

	(void)state;
	assert_int_equal(write_range(times[200], times[300], NULL, &made), 0);
	text = read_file(path);
	assert_int_equal(write_range(times[230], times[300], NULL, &less), 0);
	part = read_file(path);
	front = front_of(&part);
	/* The later part, under the front of the earlier one, with its own seal: what an honest gateway would make of a later range. */
	at = line_at(&part, 0, &length);
	memcpy(strstr(part.bytes + at, "\"since\":\"") + 9, times[200], EVIDENCE_TIME);
	cover_up(&part, times[200], times[300]);
	assert_int_equal(front, front_of(&part));
	write_edited(&part);
	assert_int_equal(judge(edited_path, NULL, 0, &evidence, NULL), 0);
	assert_string_equal(findings, "");
	assert_false(evidence.has_beginning);
	assert_true(evidence.records < made.records);
	evidence_release(&evidence);
	free(text.bytes);
	free(part.bytes);
}

static void keys_that_are_not_believed_prove_nothing(void **state)
{
	struct problem problem = {0};
	struct evidence_summary made;
	struct evidence evidence = {0};
	struct signer_key *key;
	char public[SIGNER_PUBLIC];
	struct signer *other;
	struct text text;
	size_t length, at;

	(void)state;
	assert_int_equal(write_range(times[200], times[300], NULL, &made), 0);
	assert_int_equal(signer_new(&problem, &other), 0);
	signer_public(other, public);
	assert_int_equal(signer_key_parse(public, &key), 0);
	assert_int_equal(judge(path, &key, 1, NULL, NULL), 0);
	assert_non_null(strstr(findings, "not known"));
	/* A key line of somebody else's for the one that has signed. */
	text = read_file(path);
	at = line_at(&text, 1, &length);
	splice(&text, at, length, NULL, 0);
	cover_up(&text, times[200], times[300]);
	write_edited(&text);
	assert_int_equal(judge(edited_path, NULL, 0, NULL, NULL), 0);
	assert_true(found_count > 0);
	free(text.bytes);
	signer_key_free(key);
	/* The log's own key, from elsewhere. */
	assert_int_equal(judge(path, NULL, 0, &evidence, NULL), 0);
	assert_true(evidence.key_count >= 1);
	signer_key_public(evidence.keys[0], public);
	evidence_release(&evidence);
	assert_int_equal(signer_key_parse(public, &key), 0);
	assert_int_equal(judge(path, &key, 1, NULL, NULL), 0);
	signer_key_free(key);
	signer_close(other);
}

static void who_signs_it_is_told_and_cannot_be_swapped(void **state)
{
	struct problem problem = {0};
	struct evidence_summary made;
	struct evidence evidence = {0};
	struct signer *signer = NULL, *other = NULL;
	struct text text;
	size_t length, at;

	(void)state;
	assert_int_equal(signer_read(key_path, &signer), 0);
	assert_int_equal(write_range(times[500], times[600], signer, &made), 0);
	assert_int_equal(judge(path, NULL, 0, &evidence, NULL), 0);
	assert_string_equal(findings, "");
	assert_string_equal(evidence.signer, signer_id(signer));
	evidence_release(&evidence);
	/* Another first line under the same signature. */
	text = read_file(path);
	at = line_at(&text, 0, &length);
	text.bytes[at + 9 + 3] ^= 1; /* the year it was made in */
	write_edited(&text);
	assert_int_equal(judge(edited_path, NULL, 0, NULL, NULL), 0);
	assert_non_null(strstr(findings, "edited"));
	free(text.bytes);
	/* Signed by somebody whom nobody knows. */
	assert_int_equal(signer_new(&problem, &other), 0);
	assert_int_equal(write_range(times[500], times[600], other, &made), 0);
	assert_int_equal(judge(path, NULL, 0, NULL, NULL), 0);
	assert_non_null(strstr(findings, "not known"));
	signer_close(other);
	signer_close(signer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_verifies_by_itself_and_is_complete),
		cmocka_unit_test(a_clock_that_was_set_back_hides_nothing),
		cmocka_unit_test(what_lies_outside_is_told),
		cmocka_unit_test(an_edit_is_found),
		cmocka_unit_test(an_edit_that_is_covered_up_is_found),
		cmocka_unit_test(nothing_can_be_added_behind_what_is_signed),
		cmocka_unit_test(a_range_that_was_cut_shows_it),
		cmocka_unit_test(keys_that_are_not_believed_prove_nothing),
		cmocka_unit_test(who_signs_it_is_told_and_cannot_be_swapped),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
