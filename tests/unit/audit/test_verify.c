// SPDX-License-Identifier: GPL-2.0-only
/* A log that was edited is found out, and where: by its seals, its numbers, its signatures, and by who keeps a checkpoint elsewhere. */
#include "audit/verify.h"

#include <dirent.h>
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

#include "audit/head.h"
#include "audit/ledger.h"
#include "audit/segment.h"
#include "base/array.h"
#include "scratch.h"

#define BATCHES 40
#define LINES 5

static char key_path[96];
static const struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 0x1234};
static char findings[8192];

static int begin(void **state)
{
	(void)state;
	if (scratch_make("verify"))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return scratch_remove();
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static struct ledger *opened(struct ledger_found *ret_found)
{
	struct problem problem = {0};
	struct ledger *ledger = NULL;
	struct ledger_found found;

	if (ledger_open(folder, key_path, &stamp, &problem, &ledger, &found))
		fail_msg("%s", problem.text);
	if (ret_found)
		*ret_found = found;
	return ledger;
}

/* A batch of decisions of one CPU, from this number on, and an operation. */
static void append(struct ledger *ledger, uint64_t first)
{
	struct chain_range range = {.ring = USHER_RING_EVENTS, .first = first, .last = first + LINES - 1};
	struct usher_event event = {.reason = USHER_REASON_ADMITTED, .backend = USHER_NONE};
	struct json text = {0};
	int error;

	for (uint64_t i = 0; i < LINES; i++) {
		event.sequence = first + i;
		record_decision(&text, &stamp, &event, NULL, NULL, NULL, NULL);
	}
	record_operation(&text, &stamp, "start", NULL);
	record_operation_end(&text);
	error = ledger_append(ledger, &stamp, text.bytes, text.length, LINES + 1, &range, 1);
	if (error == -EIDRM) /* the segment is lost: another one has begun */
		error = ledger_append(ledger, &stamp, text.bytes, text.length, LINES + 1, &range, 1);
	assert_int_equal(error, 0);
	json_free(&text);
}

/* `starts` segments, each of so many batches, a checkpoint now and then. */
static void write_log(size_t starts)
{
	uint64_t next = 0;

	for (size_t s = 0; s < starts; s++) {
		struct ledger *ledger = opened(NULL);

		for (size_t b = 0; b < BATCHES; b++, next += LINES) {
			append(ledger, next);
			if (b % 10 == 9)
				assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
		}
		ledger_close(ledger, &stamp);
	}
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

static void note(const struct verify_finding *finding, void *context)
{
	size_t used = strlen(findings);

	(void)context;
	snprintf(findings + used, sizeof(findings) - used, "%u:%" PRIu64 "-%" PRIu64 " %s\n",
		 finding->segment ? (unsigned)strtoul(finding->segment + 6, NULL, 10) : 0, finding->first_line,
		 finding->last_line, finding->text);
}

static int is_key(const struct dirent *entry)
{
	return strstr(entry->d_name, ".pem") != NULL;
}

static struct verify_range part = VERIFY_ALL;
static int part_error;

static struct verify_summary verified_with(const struct chain_checkpoint *witnesses, size_t count)
{
	struct signer_key *keys[8];
	struct verify_trust trust = {.keys = keys, .witnesses = witnesses, .witness_count = count};
	struct verify_summary summary = {0};
	struct dirent **entries;
	int found = scandir(folder, &entries, is_key, alphasort);
	char path[512];

	for (int i = 0; i < found; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		assert_int_equal(signer_key_read(path, &keys[trust.key_count++]), 0);
		free(entries[i]);
	}
	free(entries);
	findings[0] = '\0';
	assert_int_equal(verify_range(folder, part, &trust, note, NULL, &summary), part_error);
	for (size_t i = 0; i < trust.key_count; i++)
		signer_key_free(keys[i]);
	return summary;
}

static struct verify_summary verified(void)
{
	return verified_with(NULL, 0);
}

static void expect(const char *words)
{
	struct verify_summary summary = verified();

	if (!summary.findings || !strstr(findings, words))
		fail_msg("no \"%s\" in\n%s", words, findings);
}

/* ---- editing ------------------------------------------------------------------------------------------------- */

static void path_of(size_t segment, char path[512])
{
	struct segments segments;

	assert_int_equal(segments_list(folder, &segments), 0);
	assert_true(segment < segments.count);
	snprintf(path, 512, "%s/%s", folder, segments.items[segment].name);
	segments_free(&segments);
}

static char *load(size_t segment, size_t *ret_length)
{
	struct stat status;
	char path[512], *bytes;
	int file;

	path_of(segment, path);
	file = open(path, O_RDONLY);
	assert_int_equal(fstat(file, &status), 0);
	bytes = malloc((size_t)status.st_size + 1);
	assert_int_equal(read(file, bytes, (size_t)status.st_size), status.st_size);
	bytes[status.st_size] = '\0';
	close(file);
	*ret_length = (size_t)status.st_size;
	return bytes;
}

static void store(size_t segment, const char *bytes, size_t length)
{
	char path[512];
	int file;

	path_of(segment, path);
	file = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(file, bytes, length), length);
	close(file);
}

/* Where line `number`, from 1, begins. */
static char *line_of(char *bytes, size_t number)
{
	for (; number > 1; number--)
		bytes = strchr(bytes, '\n') + 1;
	return bytes;
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static void what_nobody_edited_is_as_it_was_written(void **state)
{
	struct verify_summary summary;

	(void)state;
	write_log(3);
	summary = verified();
	assert_string_equal(findings, "");
	assert_int_equal(summary.segments, 3);
	assert_int_equal(summary.decisions, 3 * BATCHES * LINES);
	assert_int_equal(summary.operations, 3 * BATCHES);
	assert_int_equal(summary.checkpoints, 3 * 4);
	assert_int_equal(summary.unsealed_lines, 0);
	assert_int_equal(summary.signed_seal + 1, summary.last_seal);
	assert_int_equal(summary.last_seal, 3 * (BATCHES + 4));
}

static void each_edit_is_found_where_it_is(void **state)
{
	size_t length;
	char *bytes, *line, *next;

	(void)state;
	write_log(3);
	bytes = load(1, &length);
	/* The first batch: the segment's own line, five decisions, an operation, a seal. */
	line = line_of(bytes, 11);
	line[60]++;
	store(1, bytes, length);
	expect("2:9-15 the batch of seal 46 is not what was sealed");
	line[60]--;
	/* A line less, and the same line twice. */
	next = line_of(bytes, 12);
	memmove(line, next, strlen(next) + 1);
	store(1, bytes, strlen(bytes));
	expect("has 5 lines and had 6");
	free(bytes);
}

static void moved_lines_and_numbers(void **state)
{
	size_t length;
	char *bytes, copy[2][1024];

	(void)state;
	write_log(2);
	bytes = load(0, &length);
	for (size_t i = 0; i < 2; i++)
		snprintf(copy[i], sizeof(copy[i]), "%.*s", (int)(line_of(bytes, 4 + i) - line_of(bytes, 3 + i)),
			 line_of(bytes, 3 + i));
	assert_int_equal(strlen(copy[0]), strlen(copy[1]));
	memcpy(line_of(bytes, 3), copy[1], strlen(copy[1]));
	memcpy(line_of(bytes, 4), copy[0], strlen(copy[0]));
	store(0, bytes, length);
	expect("is not what was sealed");
	assert_non_null(strstr(findings, "goes on with number 2 where 1 is due"));
	free(bytes);
}

static void a_segment_that_is_gone_or_another_ones(void **state)
{
	char path[512], other[512];
	size_t length;
	char *bytes;

	(void)state;
	write_log(4);
	path_of(1, path);
	assert_int_equal(unlink(path), 0);
	expect("segment 3 stands where 2 is due");
	assert_non_null(
		strstr(findings, "it goes on from seal 88, and the segment before it ends with another one (44)"));
	/* The third in the place of the second. */
	path_of(1, other);
	assert_int_equal(rename(other, path), 0);
	expect("segment 3 is called 2");
	/* One that was cut short at a seal; and at none. */
	bytes = load(0, &length);
	line_of(bytes, 16)[0] = '\0';
	store(0, bytes, strlen(bytes));
	expect("no checkpoint that holds signs the end of the segment");
	line_of(bytes, 14)[0] = '\0';
	store(0, bytes, strlen(bytes));
	expect("nothing seals the end of the segment");
	free(bytes);
}

static void a_part_is_verified_by_itself(void **state)
{
	struct verify_summary summary;
	size_t length;
	char *bytes, path[512];

	(void)state;
	write_log(4);
	part = (struct verify_range){2, 3};
	summary = verified();
	assert_string_equal(findings, "");
	assert_int_equal(summary.segments, 2);
	assert_int_equal(summary.first_segment, 2);
	assert_int_equal(summary.decisions, 2 * BATCHES * LINES);
	/* What is before it does not count, what is in it does, and where the one after it goes on from. */
	bytes = load(0, &length);
	bytes[300]++;
	store(0, bytes, length);
	free(bytes);
	verified();
	assert_string_equal(findings, "");
	bytes = load(2, &length);
	line_of(bytes, 11)[60]++;
	store(2, bytes, length);
	expect("3:9-15 the batch of seal 90 is not what was sealed");
	line_of(bytes, 11)[60]--;
	store(2, bytes, length);
	free(bytes);
	bytes = load(3, &length);
	*strstr(bytes, "\"seal\":1") = '!';
	store(3, bytes, length);
	expect("4:1-1 the segment does not begin with a line that says where the chain goes on");
	path_of(3, path);
	assert_int_equal(unlink(path), 0);
	verified();
	assert_string_equal(findings, ""); /* the log ends there then, which is for witnesses */
	path_of(1, path);
	assert_int_equal(unlink(path), 0);
	expect("segment 3 stands where 2 is due");
	part = (struct verify_range){2, 9};
	part_error = -ERANGE;
	verified();
	part = VERIFY_ALL;
	part_error = 0;
}

static void nothing_at_all_is_a_text_too(void **state)
{
	struct segments segments;
	struct segment_text text;
	char path[512];

	(void)state;
	write_log(2);
	path_of(1, path);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(segments_list(folder, &segments), 0);
	assert_int_equal(segment_read(folder, segments.items[1].name, &text), 0);
	assert_non_null(text.bytes);
	assert_int_equal(text.length, 0);
	segment_release(&text);
	segments_free(&segments);
	expect("2:0-0 the segment is empty");
}

/* Everything is worked out anew behind an edit, as who can write to the folder could; but for the signatures. */
static void a_chain_that_was_made_anew_is_not_signed(void **state)
{
	struct chain chain;
	struct json text = {0};
	size_t length;
	char *bytes, *line, *next;

	(void)state;
	write_log(1);
	bytes = load(0, &length);
	bytes[length] = '\0';
	memcpy(strstr(bytes, "\"admitted\""), "\"revoked!\"", 10);
	assert_int_equal(chain_open(0, (const uint8_t[SHA256_BYTES]){0}, &chain), 0);
	for (line = bytes; *line; line = next) {
		next = strchr(line, '\n') + 1;
		if (chain_type(line, (size_t)(next - 1 - line)) == CHAIN_SEAL) {
			/* The same ranges again. */
			const char *first = strstr(line, "\"first\":"), *last = strstr(line, "\"last\":");
			struct chain_range range = {0};
			bool ranged = first && first < next;

			if (ranged) {
				range.first = strtoull(first + 8, NULL, 10);
				range.last = strtoull(last + 7, NULL, 10);
			}
			chain_seal(&chain, &text, &stamp, &range, ranged, false);
			continue;
		}
		json_raw(&text, line, (size_t)(next - line));
		chain_add(&chain, line, (size_t)(next - line), 1);
	}
	chain_close(&chain);
	store(0, text.bytes, text.length);
	expect("all up to here was written anew");
	assert_null(strstr(findings, "not what was sealed"));
	json_free(&text);
	free(bytes);
}

static void witnesses_know_what_was_cut_off_or_written_anew(void **state)
{
	struct chain_checkpoint head;
	struct verify_summary summary;
	size_t length, kept;
	char path[512], *bytes, *line;
	FILE *file;

	(void)state;
	write_log(2);
	snprintf(path, sizeof(path), "%s/" HEAD_FILE, folder);
	file = fopen(path, "re");
	bytes = malloc(4096);
	length = fread(bytes, 1, 4096, file);
	fclose(file);
	assert_int_equal(chain_parse_checkpoint(bytes, length - 1, &head), 0);
	free(bytes);
	summary = verified_with(&head, 1);
	assert_int_equal(summary.findings, 0);
	/* The end is cut off, at a checkpoint that holds. */
	bytes = load(1, &kept);
	line = strstr(bytes, "\"type\":\"checkpoint\"");
	line = strchr(strchr(line, '\n') + 1, '\n') + 1;
	store(1, bytes, (size_t)(line - bytes));
	summary = verified();
	assert_string_equal(findings, ""); /* nobody could know */
	summary = verified_with(&head, 1);
	assert_int_equal(summary.findings, 1);
	assert_non_null(strstr(findings, "its end was cut off"));
	/* And another one is written in its place, with the same key. */
	struct ledger_found found;
	struct ledger *ledger = opened(&found);

	assert_true(found.cut);
	for (uint64_t next = (BATCHES + 10) * LINES; next < (uint64_t)4 * BATCHES * LINES; next += LINES)
		append(ledger, next);
	ledger_close(ledger, &stamp);
	verified();
	assert_string_equal(findings, "");
	verified_with(&head, 1);
	assert_non_null(strstr(findings, "the log was written anew"));
	free(bytes);
}

static void what_a_crash_leaves_is_sealed_and_told(void **state)
{
	struct ledger_found found;
	struct verify_summary summary;
	size_t length;
	char *bytes;

	(void)state;
	write_log(1);
	bytes = load(0, &length);
	/* Within a line of the third batch. */
	store(0, bytes, (size_t)(line_of(bytes, 19) - bytes) + 30);
	summary = verified();
	assert_int_equal(summary.findings, 0);
	assert_int_equal(summary.unsealed_lines, 4);
	struct ledger *ledger = opened(&found);

	assert_int_equal(found.torn_bytes, 30);
	assert_int_equal(found.unsealed_lines, 3);
	assert_false(found.broken);
	append(ledger, 2 * LINES + 3);
	ledger_close(ledger, &stamp);
	summary = verified();
	assert_string_equal(findings, "");
	assert_int_equal(summary.segments, 2);
	assert_int_equal(summary.decisions, 3 * LINES + 3);
	free(bytes);
}

/* The newest file, or the folder with all of them, is deleted under the one who writes: it goes on, says so, and the hole is a finding. */
static void a_hole_is_named_and_the_log_goes_on(void **state)
{
	struct ledger *ledger = opened(NULL);
	struct verify_summary summary;
	char path[512];

	(void)state;
	append(ledger, 0);
	ledger_close(ledger, &stamp);
	ledger = opened(NULL);
	append(ledger, LINES);
	path_of(1, path);
	assert_int_equal(unlink(path), 0);
	append(ledger, 2 * LINES);
	assert_int_equal(ledger_lost(ledger), 1);
	append(ledger, 3 * LINES);
	assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
	summary = verified();
	assert_int_equal(summary.operations, 4); /* three of the batches that are left, and that one was lost */
	assert_non_null(strstr(findings, "segment 3 stands where 2 is due"));
	assert_non_null(
		strstr(findings, "it goes on from seal 3, and the segment before it ends with another one (2)"));
	assert_null(strstr(findings, "sealed"));
	/* At rest as well: the signature is what finds it. */
	append(ledger, 4 * LINES);
	path_of(1, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
	assert_int_equal(ledger_lost(ledger), 2);
	assert_int_equal(scratch_remove(), 0);
	ledger_close(ledger, &stamp); /* with the key gone, it can still sign */
	ledger = opened(NULL);
	append(ledger, 5 * LINES);
	assert_int_equal(scratch_remove(), 0);
	append(ledger, 6 * LINES);
	assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
	assert_int_equal(ledger_sync(ledger), 0);
	summary = verified();
	assert_int_equal(summary.checkpoints, 1); /* its public key is there again */
	assert_non_null(strstr(findings, "and no record in it says that the one before it was deleted"));
	ledger_close(ledger, &stamp);
}

static void a_new_key_is_believed_by_the_old_ones_word(void **state)
{
	struct problem problem = {0};
	struct ledger *ledger = opened(NULL);
	struct signer_key *first;
	struct verify_trust trust = {.keys = &first, .key_count = 1};
	struct verify_summary summary;
	char path[512], old[SIGNER_ID];

	(void)state;
	append(ledger, 0);
	strcpy(old, ledger_key(ledger));
	assert_int_equal(ledger_rotate(ledger, &stamp, NULL, "due", &problem), 0);
	assert_string_not_equal(ledger_key(ledger), old);
	append(ledger, LINES);
	ledger_close(ledger, &stamp);
	snprintf(path, sizeof(path), "%s/%s.pem", folder, old);
	assert_int_equal(signer_key_read(path, &first), 0);
	findings[0] = '\0';
	assert_int_equal(verify_folder(folder, &trust, note, NULL, &summary), 0);
	assert_string_equal(findings, "");
	assert_int_equal(summary.checkpoints, 2);
	signer_key_free(first);
	/* And the next daemon has it. */
	ledger = opened(NULL);
	append(ledger, 2 * LINES);
	assert_string_not_equal(ledger_key(ledger), old);
	ledger_close(ledger, &stamp);
	verified();
	assert_string_equal(findings, "");
}

static void keys_that_others_could_read_are_not_used(void **state)
{
	struct problem problem = {0};
	struct ledger *ledger = opened(NULL);
	struct ledger_found found;

	(void)state;
	ledger_close(ledger, &stamp);
	assert_int_equal(chmod(key_path, 0640), 0);
	assert_int_equal(ledger_open(folder, key_path, &stamp, &problem, &ledger, &found), -EPERM);
	assert_non_null(strstr(problem.text, "chmod 600"));
	assert_int_equal(chmod(key_path, 0600), 0);
	assert_int_equal(truncate(key_path, 20), 0);
	ledger = opened(&found);
	assert_true(found.key_damaged);
	append(ledger, 0);
	ledger_close(ledger, &stamp);
	verified(); /* by both keys, which lie beside the log */
	assert_string_equal(findings, "");
}

/* ---- any edit ------------------------------------------------------------------------------------------------ */

static uint64_t seed = 1;

static size_t roll(size_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % sides;
}

/* One edit of a segment's bytes; returns its new length. `room` bytes more are there. */
static size_t edit(char *bytes, size_t length, const char *other, size_t other_length)
{
	size_t lines = 0, from, count;
	char *at, *copy;

	for (size_t i = 0; i < length; i++)
		lines += bytes[i] == '\n';
	switch (roll(6)) {
	case 0: /* a bit */
		bytes[roll(length)] ^= (char)(1 << roll(8));
		return length;
	case 1: /* lines that are taken out */
		from = 1 + roll(lines - 1);
		at = line_of(bytes, from);
		copy = line_of(bytes, from + 1 + roll(lines - from));
		memmove(at, copy, length - (size_t)(copy - bytes) + 1);
		return length - (size_t)(copy - at);
	case 2: /* a line twice */
		from = 1 + roll(lines);
		at = line_of(bytes, from);
		count = (size_t)(strchr(at, '\n') + 1 - at);
		memmove(at + count, at, length - (size_t)(at - bytes) + 1);
		return length + count;
	case 3: /* bytes that are put in */
		from = roll(length);
		memmove(bytes + from + 1, bytes + from, length - from + 1);
		bytes[from] = (char)(' ' + roll(90));
		return length + 1;
	case 4: /* cut short */
		return 1 + roll(length - 1);
	default: /* the other segment from somewhere on */
		from = 1 + roll(lines - 1);
		at = line_of(bytes, from);
		count = other_length - (size_t)(at - bytes) % other_length;
		memcpy(at, other + other_length - count, count);
		at[count] = '\0';
		return (size_t)(at - bytes) + count;
	}
}

static void any_edit_is_found(void **state)
{
	const char *wanted = getenv("VERIFY_EDITS");
	unsigned long edits = wanted ? strtoul(wanted, NULL, 10) : 2000;
	size_t length[3], room = 1 << 20;
	char *bytes[3], *copy = malloc(room);

	(void)state;
	write_log(3);
	for (size_t s = 0; s < 3; s++)
		bytes[s] = load(s, &length[s]);
	for (unsigned long e = 0; e < edits; e++) {
		size_t s = roll(2), after; /* what is cut off at the very end, only a witness knows */

		memcpy(copy, bytes[s], length[s] + 1);
		after = edit(copy, length[s], bytes[1 - s], length[1 - s]);
		if (after == length[s] && !memcmp(copy, bytes[s], after))
			continue;
		store(s, copy, after);
		if (!verified().findings)
			fail_msg("edit %lu of segment %zu is not found", e, s);
		store(s, bytes[s], length[s]);
	}
	verified();
	assert_string_equal(findings, "");
	for (size_t s = 0; s < 3; s++)
		free(bytes[s]);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_nobody_edited_is_as_it_was_written, begin, end),
		cmocka_unit_test_setup_teardown(each_edit_is_found_where_it_is, begin, end),
		cmocka_unit_test_setup_teardown(moved_lines_and_numbers, begin, end),
		cmocka_unit_test_setup_teardown(a_segment_that_is_gone_or_another_ones, begin, end),
		cmocka_unit_test_setup_teardown(a_part_is_verified_by_itself, begin, end),
		cmocka_unit_test_setup_teardown(nothing_at_all_is_a_text_too, begin, end),
		cmocka_unit_test_setup_teardown(a_chain_that_was_made_anew_is_not_signed, begin, end),
		cmocka_unit_test_setup_teardown(witnesses_know_what_was_cut_off_or_written_anew, begin, end),
		cmocka_unit_test_setup_teardown(what_a_crash_leaves_is_sealed_and_told, begin, end),
		cmocka_unit_test_setup_teardown(a_hole_is_named_and_the_log_goes_on, begin, end),
		cmocka_unit_test_setup_teardown(a_new_key_is_believed_by_the_old_ones_word, begin, end),
		cmocka_unit_test_setup_teardown(keys_that_others_could_read_are_not_used, begin, end),
		cmocka_unit_test_setup_teardown(any_edit_is_found, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
