// SPDX-License-Identifier: GPL-2.0-only
/* Zeros among lines: set aside and told where a power cut may have left them, and left for whoever verifies where it cannot have. */
#include "audit/hole.h"

#include <errno.h>
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
#include "audit/verify.h"

#include "scratch.h"

#define SYNCED 6 /* batches */
#define BATCHES 14
#define LINES 20

static char key_path[96], segment_path[512], head_path[128], findings[8192];
static const struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 0x1234};

static int begin(void **state)
{
	(void)state;
	if (scratch_make("hole"))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	snprintf(head_path, sizeof(head_path), "%s/" HEAD_FILE, folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return scratch_remove();
}

static struct ledger *opened(struct ledger_found *ret_found)
{
	struct problem problem = {0};
	struct ledger *ledger = NULL;

	if (ledger_open(folder, key_path, &stamp, &problem, &ledger, ret_found))
		fail_msg("%s", problem.text);
	return ledger;
}

static void append(struct ledger *ledger, uint64_t first)
{
	struct chain_range range = {.ring = USHER_RING_EVENTS, .first = first, .last = first + LINES - 1};
	struct usher_event event = {.reason = USHER_REASON_ADMITTED, .backend = USHER_NONE};
	struct json text = {0};

	for (uint64_t i = 0; i < LINES; i++) {
		event.sequence = first + i;
		record_decision(&text, &stamp, &event, NULL, NULL, NULL, NULL);
	}
	assert_int_equal(ledger_append(ledger, &stamp, text.bytes, text.length, LINES, &range, 1), 0);
	json_free(&text);
}

struct file {
	char *bytes;
	size_t length;
};

static struct file load(const char *path)
{
	struct stat status;
	struct file file;
	FILE *from = fopen(path, "re");

	assert_non_null(from);
	assert_int_equal(fstat(fileno(from), &status), 0);
	file.length = (size_t)status.st_size;
	file.bytes = malloc(file.length + 1);
	assert_int_equal(fread(file.bytes, 1, file.length, from), file.length);
	file.bytes[file.length] = '\0';
	fclose(from);
	return file;
}

static void store(const char *path, const struct file *file)
{
	FILE *to = fopen(path, "we");

	assert_non_null(to);
	assert_int_equal(fwrite(file->bytes, 1, file->length, to), file->length);
	assert_int_equal(fclose(to), 0);
}

/* A log of one segment or two, the newest as it was when the power was cut: the head names the last seal that was synced. */
static struct file write_log(int segments)
{
	struct ledger_found found;
	struct ledger *ledger;
	struct file text, head;
	uint64_t next = 0;

	for (int i = 1; i < segments; i++, next += LINES) {
		ledger = opened(&found);
		append(ledger, next);
		ledger_close(ledger, &stamp);
	}
	ledger = opened(&found);
	for (int i = 0; i < BATCHES; i++, next += LINES) {
		append(ledger, next);
		if (i != SYNCED - 1)
			continue;
		assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
		assert_int_equal(ledger_sync(ledger), 0);
	}
	snprintf(segment_path, sizeof(segment_path), "%s", ledger_path(ledger));
	text = load(segment_path);
	head = load(head_path);
	ledger_close(ledger, &stamp);
	store(segment_path, &text);
	store(head_path, &head);
	free(head.bytes);
	return text;
}

/* Where the line begins that this seal is, from 1; of those in the file. */
static size_t seal_at(const struct file *text, int count)
{
	const char *at = text->bytes;

	for (int i = 0; i < count; i++)
		at = strstr(at, ",\"type\":\"seal\"") + 1;
	while (at > text->bytes && at[-1] != '\n')
		at--;
	return (size_t)(at - text->bytes);
}

static void note(const struct verify_finding *finding, void *context)
{
	size_t used = strlen(findings);

	(void)context;
	snprintf(findings + used, sizeof(findings) - used, "%" PRIu64 " %s\n", finding->first_line, finding->text);
}

static struct verify_summary verified(void)
{
	struct verify_summary summary = {0};
	struct verify_trust trust = {0};
	struct segments segments;
	struct chain_segment front;
	struct signer_key *key;
	char line[4096], path[600];
	size_t length;

	assert_int_equal(segments_list(folder, &segments), 0);
	line[0] = '\0';
	assert_int_equal(segment_first_line(folder, segments.items[0].name, sizeof(line), line, &length), 0);
	assert_int_equal(chain_parse_segment(line, length, &front), 0);
	segments_free(&segments);
	snprintf(path, sizeof(path), "%s/%s.pem", folder, front.key);
	assert_int_equal(signer_key_read(path, &key), 0);
	trust.keys = &key;
	trust.key_count = 1;
	findings[0] = '\0';
	assert_int_equal(verify_folder(folder, &trust, note, NULL, &summary), 0);
	signer_key_free(key);
	return summary;
}

/* Zeros from the middle of a batch to behind the seal of the next one; whole batches follow. */
static void zeros_in_what_was_not_synced(void **state)
{
	struct file text = write_log(1), aside;
	size_t from = seal_at(&text, SYNCED + 4) - 300, until = seal_at(&text, SYNCED + 5) + 80;
	struct ledger_found found;
	struct ledger *ledger;
	char path[600];

	(void)state;
	memset(text.bytes + from, 0, until - from);
	store(segment_path, &text);
	verified();
	assert_non_null(strstr(findings, "zeros, behind seal 9: none after that is known to have been on the disk."));
	assert_ptr_equal(strchr(findings, '\n'), findings + strlen(findings) - 1);

	ledger = opened(&found);
	assert_false(found.broken);
	assert_true(found.torn_bytes >= text.length - from && found.torn_bytes < text.length - from + 1000);
	append(ledger, 0); /* the numbers of another run */
	ledger_close(ledger, &stamp);
	snprintf(path, sizeof(path), "%s.torn", segment_path);
	aside = load(path);
	assert_int_equal(aside.length, found.torn_bytes);
	assert_memory_equal(aside.bytes, text.bytes + text.length - found.torn_bytes, found.torn_bytes);
	free(aside.bytes);
	free(text.bytes);
}

static void a_log_with_such_zeros_goes_on_and_verifies(void **state)
{
	struct file text = write_log(2);
	size_t from = seal_at(&text, SYNCED + 4) - 300;
	struct ledger_found found;
	struct verify_summary summary;

	(void)state;
	memset(text.bytes + from, 0, 200);
	store(segment_path, &text);
	ledger_close(opened(&found), &stamp);
	assert_true(found.torn_bytes && found.unsealed_lines && !found.broken && !found.cut);
	summary = verified();
	assert_string_equal(findings, "");
	/* One before, those that were synced, two and a part of the third behind these. */
	assert_in_range(summary.decisions, (1 + SYNCED + 2) * LINES, (1 + SYNCED + 3) * LINES - 1);
	free(text.bytes);
}

/* The first block of a segment of which nothing had been synced: it goes on from the one before. */
static void zeros_where_a_segment_begins(void **state)
{
	struct file text, head;
	struct ledger_found found;
	struct ledger *ledger;

	(void)state;
	ledger = opened(&found);
	append(ledger, 0);
	ledger_close(ledger, &stamp);
	head = load(head_path);
	ledger = opened(&found);
	append(ledger, LINES);
	append(ledger, 2 * LINES);
	snprintf(segment_path, sizeof(segment_path), "%s", ledger_path(ledger));
	text = load(segment_path);
	ledger_close(ledger, &stamp);
	memset(text.bytes, 0, 1000);
	store(segment_path, &text);
	store(head_path, &head);
	verified();
	assert_non_null(strstr(findings, "zeros, behind seal 2:"));
	ledger_close(opened(&found), &stamp);
	assert_int_equal(found.torn_bytes, text.length);
	assert_int_equal(verified().decisions, LINES);
	assert_string_equal(findings, "");
	free(text.bytes);
	free(head.bytes);
}

/* Damage or an edit, and nothing is cut off. */
static void stays_and_is_found(const struct file *text)
{
	struct ledger_found found;
	struct file after;

	verified();
	assert_null(strstr(findings, "zeros"));
	assert_non_null(strstr(findings, "is not what was sealed: it was edited"));
	ledger_close(opened(&found), &stamp);
	assert_int_equal(found.torn_bytes, 0);
	assert_true(found.broken);
	after = load(segment_path);
	assert_true(after.length >= text->length);
	assert_memory_equal(after.bytes, text->bytes, text->length);
	verified();
	assert_non_null(strstr(findings, "is not what was sealed: it was edited"));
	free(after.bytes);
}

static void zeros_in_what_was_synced(void **state)
{
	struct file text = write_log(1);

	(void)state;
	memset(text.bytes + seal_at(&text, SYNCED) - 300, 0, 200);
	store(segment_path, &text);
	stays_and_is_found(&text);
	free(text.bytes);
}

/* Nothing says how far it was synced; or what says so is another log's. */
static void zeros_of_which_nothing_is_known(void **state)
{
	struct file text = write_log(2), head = load(head_path);
	char *log = strstr(head.bytes, "\"log\":\"") + 7;

	(void)state;
	memset(text.bytes + seal_at(&text, SYNCED + 4) - 300, 0, 200);
	store(segment_path, &text);
	*log = *log == '0' ? '1' : '0';
	store(head_path, &head);
	assert_false(hole_is_unsynced_at(folder, strrchr(segment_path, '/') + 1, seal_at(&text, SYNCED + 3) + 1000));
	unlink(head_path);
	stays_and_is_found(&text);
	free(text.bytes);
	free(head.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(zeros_in_what_was_not_synced, begin, end),
		cmocka_unit_test_setup_teardown(a_log_with_such_zeros_goes_on_and_verifies, begin, end),
		cmocka_unit_test_setup_teardown(zeros_where_a_segment_begins, begin, end),
		cmocka_unit_test_setup_teardown(zeros_in_what_was_synced, begin, end),
		cmocka_unit_test_setup_teardown(zeros_of_which_nothing_is_known, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
