// SPDX-License-Identifier: GPL-2.0-only
/* Closed segments: compressed they are the same log, to the last byte and at every moment of it. */
#include "audit/keeper.h"

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
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/compressor.h"
#include "audit/gaps.h"
#include "audit/query.h"
#include "audit/retention.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "scratch.h"

#define BATCHES 60
#define LINES 5
#define BOOT 0x1234

static char key_path[96];
static struct record_stamp stamp;
static struct clock_times times;
static char findings[8192];
static atomic_bool never;

static int begin(void **state)
{
	(void)state;
	if (scratch_make("keeper"))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	times = (struct clock_times){.monotonic = CLOCK_SECOND, .realtime = 1767225600 * CLOCK_SECOND};
	stamp = (struct record_stamp){.realtime = times.realtime, .boot_id = BOOT};
	clock_fake(&times);
	return 0;
}

static int end(void **state)
{
	(void)state;
	clock_fake(NULL);
	return scratch_remove();
}

static void pass(int64_t seconds)
{
	times.monotonic += seconds * CLOCK_SECOND;
	times.realtime += seconds * CLOCK_SECOND;
	stamp.realtime = times.realtime;
}

/* In the place of the C library's: once a deletion is on record in this segment, that is deleted. */
static char lost[512];

ssize_t write(int file, const void *bytes, size_t length)
{
	ssize_t written = syscall(SYS_write, file, bytes, length);

	if (*lost && memmem(bytes, length, RETENTION_ACTIVITY, strlen(RETENTION_ACTIVITY))) {
		assert_int_equal(unlink(lost), 0);
		*lost = '\0';
	}
	return written;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static struct ledger *opened(struct ledger_found *ret_found)
{
	const struct store_limits limits = {.bytes = 20000, .age = 86400 * CLOCK_SECOND};
	struct problem problem = {0};
	struct ledger *ledger = NULL;
	struct ledger_found found;

	if (ledger_open(folder, key_path, &stamp, &problem, &ledger, &found))
		fail_msg("%s", problem.text);
	ledger_limit(ledger, &limits);
	if (ret_found)
		*ret_found = found;
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

/* A log of some segments, an hour between batches. */
static struct ledger *written(void)
{
	struct ledger *ledger = opened(NULL);

	for (uint64_t b = 0; b < BATCHES; b++) {
		append(ledger, b * LINES);
		pass(3600);
	}
	return ledger;
}

static struct keeper *kept(struct ledger *ledger)
{
	struct keeper *keeper;

	assert_int_equal(keeper_new(ledger, &keeper), 0);
	return keeper;
}

/* Until there is nothing more to do: the thread that compresses gives way to all others, and may take long on a busy machine. Returns how many segments were compressed. */
static uint64_t tend(struct keeper *keeper)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct keeper_totals totals, before, seen;
	int ticks = 0;

	keeper_totals(keeper, &before);
	seen = before;
	for (int idle = 0; idle < 5 && ticks < 60000; ticks++) {
		assert_int_equal(keeper_tick(keeper, &stamp), 0);
		keeper_totals(keeper, &totals);
		idle = totals.working || memcmp(&totals, &seen, sizeof(totals)) != 0 ? 0 : idle + 1;
		seen = totals;
		nanosleep(&pause, NULL);
	}
	assert_true(ticks < 60000);
	return totals.compressed - before.compressed;
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

static struct verify_summary verified(void)
{
	struct signer_key *keys[8];
	struct verify_trust trust = {.keys = keys};
	struct verify_summary summary;
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
	assert_int_equal(verify_folder(folder, &trust, note, NULL, &summary), 0);
	for (size_t i = 0; i < trust.key_count; i++)
		signer_key_free(keys[i]);
	return summary;
}

static void expect(const char *words)
{
	struct verify_summary summary = verified();

	if (!summary.findings || !strstr(findings, words))
		fail_msg("no \"%s\" in\n%s", words, findings);
}

static void expect_nothing(void)
{
	if (verified().findings)
		fail_msg("%s", findings);
}

static int count_line(const char *line, size_t length, void *context)
{
	(void)line;
	(void)length;
	(void)context;
	return 0;
}

static uint64_t queried(void)
{
	struct filter filter = {0};
	struct query_place place = {0};
	struct query_totals totals = {0};

	assert_int_equal(query_run(folder, &filter, &place, count_line, NULL, &totals), 0);
	return totals.found;
}

static struct segments listed(void)
{
	struct segments segments;

	assert_int_equal(segments_list(folder, &segments), 0);
	return segments;
}

/* Of segment `at`, from 0; compressed. */
static void path_of(size_t at, const char *behind, char path[512])
{
	struct segments segments = listed();

	assert_true(at < segments.count);
	snprintf(path, 512, "%s/%s%s", folder, segments.items[at].name, behind);
	segments_free(&segments);
}

static char *load(const char *path, size_t *ret_length)
{
	FILE *file = fopen(path, "re");
	char *bytes = malloc(1 << 20);

	assert_non_null(file);
	*ret_length = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

static void save(const char *path, const char *bytes, size_t length)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	fclose(file);
}

/* ---- compressing --------------------------------------------------------------------------------------------- */

static void compressed_it_is_the_same_log(void **state)
{
	struct ledger *ledger = written();
	struct verify_summary before = verified(), after;
	struct segments segments = listed();
	struct keeper *keeper = kept(ledger);
	uint64_t lines = queried(), found;
	struct gaps *gaps;

	(void)state;
	assert_true(segments.count > 4);
	found = segments.count - 1;
	segments_free(&segments);
	assert_int_equal(tend(keeper), found); /* all but the newest */
	segments = listed();
	assert_int_equal(segments.count, found + 1);
	for (size_t i = 0; i < segments.count; i++) {
		assert_int_equal(segments.items[i].plain, i + 1 == segments.count);
		assert_int_equal(segments.items[i].compressed, i + 1 < segments.count);
	}
	segments_free(&segments);
	after = verified();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(before.findings, 0);
	assert_int_equal(queried(), lines);
	assert_int_equal(gaps_new(1, &gaps), 0);
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, BATCHES * LINES - 1));
	assert_false(gaps_recorded(gaps, 0, USHER_RING_EVENTS, BATCHES * LINES));
	gaps_free(gaps);
	/* And what comes next is compressed when it is closed. */
	for (uint64_t b = BATCHES; b < 2 * BATCHES; b++)
		append(ledger, b * LINES);
	assert_true(tend(keeper) > 0);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	ledger_close(opened(NULL), &stamp);
	expect_nothing();
}

static void what_the_log_has_is_learnt_from_compressed_segments(void **state)
{
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	struct segments segments;
	struct gaps *gaps;
	char path[512];

	(void)state;
	tend(keeper);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	segments = listed();
	path_of(segments.count - 1, "", path); /* as after a power cut that took it */
	segments_free(&segments);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(gaps_new(1, &gaps), 0);
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, (BATCHES - 20) * LINES));
	gaps_free(gaps);
}

static void a_segment_ends_at_its_age(void **state)
{
	const struct store_limits limits = {.bytes = 1 << 30, .age = 3600 * CLOCK_SECOND};
	struct ledger *ledger = opened(NULL);

	(void)state;
	ledger_limit(ledger, &limits);
	append(ledger, 0);
	pass(3599);
	append(ledger, LINES);
	assert_int_equal(ledger_number(ledger), 1);
	pass(1);
	append(ledger, 2 * LINES);
	assert_int_equal(ledger_number(ledger), 2);
	ledger_close(ledger, &stamp);
	expect_nothing();
}

/* Formats have bits that mean nothing: what counts is that the text is what it was. */
static bool reads_as(const char *path, const char *bytes, size_t length)
{
	char name[256];
	struct segment_text text;
	bool same;

	snprintf(name, sizeof(name), "%.*s", (int)(strlen(strrchr(path, '/') + 1) - strlen(SEGMENT_COMPRESSED)),
		 strrchr(path, '/') + 1);
	assert_int_equal(segment_read(folder, name, &text), 0);
	same = !text.damaged && text.length == length && !memcmp(text.bytes, bytes, length);
	segment_release(&text);
	return same;
}

static void any_damage_to_a_compressed_one_is_found(void **state)
{
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	size_t length, plain_length, idle = 0;
	char path[512], *bytes, *plain;

	(void)state;
	path_of(1, "", path);
	plain = load(path, &plain_length);
	tend(keeper);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	expect_nothing();
	path_of(1, SEGMENT_COMPRESSED, path);
	bytes = load(path, &length);
	for (size_t at = 0; at < length; at++) {
		bytes[at] ^= 0x10;
		save(path, bytes, length);
		if (!verified().findings && !reads_as(path, plain, plain_length))
			fail_msg("byte %zu of %zu: another text, and nobody says so", at, length);
		idle += !verified().findings;
		bytes[at] ^= 0x10;
	}
	assert_true(idle < length / 100); /* which bits mean nothing differs with the text, and that with keys */
	free(plain);
	for (size_t cut = 0; cut < length; cut += 1 + cut / 16) {
		save(path, bytes, cut);
		expect("2:");
		expect("is damaged");
	}
	save(path, bytes, length);
	expect_nothing();
	/* More behind it: nothing, an empty frame that is skipped, the frame again. */
	bytes = realloc(bytes, 2 * length + 16);
	memcpy(bytes + length, "\x50\x2a\x4d\x18\x00\x00\x00\x00", 8);
	save(path, bytes, length + 8);
	expect("is damaged");
	memcpy(bytes + length, bytes, length);
	save(path, bytes, 2 * length);
	expect("is damaged");
	free(bytes);
}

/* Another text, compressed well: an edit like any other. */
static void an_edit_in_a_compressed_one_is_found_where_it_is(void **state)
{
	struct ledger *ledger = written();
	char path[512], packed[512], *bytes, *at;
	size_t length;

	(void)state;
	ledger_close(ledger, &stamp);
	path_of(1, "", path);
	bytes = load(path, &length);
	bytes[length] = '\0';
	at = strstr(bytes, "admitted");
	assert_non_null(at);
	at[0] = 'A';
	save(path, bytes, length);
	free(bytes);
	path_of(1, SEGMENT_COMPRESSED, packed);
	assert_int_equal(compressor_run(folder, strrchr(path, '/') + 1, &never), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(access(packed, F_OK), 0);
	expect("2:1-7 the batch of seal");
}

/* ---- crashes ------------------------------------------------------------------------------------------------- */

static void both_files_are_one_segment(void **state)
{
	struct ledger *ledger = written();
	uint64_t lines = queried();
	char path[512], beside[512], *bytes;
	struct keeper *keeper;
	size_t length;

	(void)state;
	path_of(0, "", path);
	bytes = load(path, &length);
	assert_int_equal(compressor_run(folder, strrchr(path, '/') + 1, &never), 0);
	save(path, bytes, length);
	expect_nothing();
	assert_int_equal(queried(), lines);
	/* And half a third one is nothing at all. */
	path_of(1, SEGMENT_COMPRESSED ".new", beside);
	save(beside, "half", 4);
	expect_nothing();
	assert_int_equal(queried(), lines);
	keeper = kept(ledger);
	tend(keeper);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_not_equal(access(beside, F_OK), 0);
	expect_nothing();
	assert_int_equal(queried(), lines);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	free(bytes);
}

static void the_plain_one_stays_when_it_cannot_be_compressed(void **state)
{
	atomic_bool stop = true;
	struct ledger *ledger = written();
	char path[512], beside[512];

	(void)state;
	path_of(0, "", path);
	assert_int_equal(compressor_run(folder, strrchr(path, '/') + 1, &stop), -ECANCELED);
	path_of(0, SEGMENT_COMPRESSED ".new", beside);
	assert_int_not_equal(access(beside, F_OK), 0);
	assert_int_equal(symlink("/dev/full", beside), 0); /* nobody is led astray either */
	assert_int_equal(compressor_run(folder, strrchr(path, '/') + 1, &never), -ELOOP);
	assert_int_equal(access(path, F_OK), 0);
	ledger_close(ledger, &stamp);
	expect_nothing();
}

/* What came after the newest compressed one is gone: a new segment goes on from there, and the head knows that something is missing. */
static void a_log_whose_end_is_compressed_goes_on(void **state)
{
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	struct segments segments;
	struct ledger_found found;
	char path[512];

	(void)state;
	tend(keeper);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	segments = listed();
	path_of(segments.count - 1, "", path);
	segments_free(&segments);
	assert_int_equal(unlink(path), 0);
	ledger = opened(&found);
	assert_true(found.cut);
	assert_false(found.broken);
	append(ledger, BATCHES * LINES);
	ledger_close(ledger, &stamp);
	expect("goes on with number"); /* numbers are missing, the chain holds */
	assert_null(strstr(findings, "another one"));

	/* One that is damaged is left as it is, and another chain begins. */
	ledger = opened(NULL);
	for (uint64_t b = BATCHES + 1; b < 2 * BATCHES; b++)
		append(ledger, b * LINES);
	keeper = kept(ledger);
	tend(keeper);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	segments = listed();
	path_of(segments.count - 1, "", path);
	assert_int_equal(unlink(path), 0);
	path_of(segments.count - 2, SEGMENT_COMPRESSED, path);
	segments_free(&segments);
	assert_int_equal(truncate(path, 500), 0);
	ledger = opened(&found);
	assert_true(found.broken);
	append(ledger, 2 * BATCHES * LINES);
	ledger_close(ledger, &stamp);
	expect("is damaged");
	expect("another log begins here");
}

/* ---- deleting ------------------------------------------------------------------------------------------------ */

#define DAY 86400u

static void a_segment_goes_after_its_time_and_the_log_says_so(void **state)
{
	struct ledger *ledger = written(); /* 60 hours */
	struct keeper *keeper = kept(ledger);
	struct keeper_totals totals;
	struct verify_summary before = verified(), summary;
	struct segments segments;
	char path[512];

	(void)state;
	tend(keeper);
	keeper_totals(keeper, &totals);
	assert_int_equal(totals.deleted, 0); /* nobody has said that any should */
	keeper_retain(keeper, DAY);
	tend(keeper);
	keeper_totals(keeper, &totals);
	assert_true(totals.deleted > 0);
	assert_int_equal(totals.errors, 0);
	summary = verified();
	if (summary.findings)
		fail_msg("%s", findings);
	assert_int_equal(summary.first_segment, totals.deleted + 1);
	assert_int_equal(summary.deleted, totals.deleted);
	assert_true(summary.segments + totals.deleted >=
		    before.segments); /* records of deletions may have begun one more */
	/* What is left of the oldest is younger than that, and what went was not. */
	assert_true(summary.decisions >= 23 * LINES && summary.decisions < (24 + 20) * LINES);
	/* In time all go but the one that is written to. */
	pass(2 * DAY);
	tend(keeper);
	segments = listed();
	assert_int_equal(segments.count, 1);
	segments_free(&segments);
	expect_nothing();
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	ledger = opened(NULL);
	for (uint64_t b = BATCHES; b < 2 * BATCHES; b++)
		append(ledger, b * LINES);
	ledger_close(ledger, &stamp);
	expect_nothing();
	/* Somebody takes one more, which nobody has put on record. */
	path_of(0, "", path);
	assert_int_equal(unlink(path), 0);
	expect("no record in it says that the one before it was deleted");
}

static void who_deletes_the_first_segment_is_found_out(void **state)
{
	struct ledger *ledger = written();
	char path[512];

	(void)state;
	ledger_close(ledger, &stamp);
	path_of(0, "", path);
	assert_int_equal(unlink(path), 0);
	expect("the log begins with segment 2, and no record in it says");
}

/* The record of another segment, or of another seal, is none of this one. */
static void a_record_of_another_deletion_does_not_count(void **state)
{
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	char path[512];

	(void)state;
	keeper_retain(keeper, 2 * DAY);
	tend(keeper);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	expect_nothing();
	path_of(0, SEGMENT_COMPRESSED, path);
	assert_int_equal(unlink(path), 0);
	expect("no record in it says");
}

/* On record as deleted, and still there: a crash came between. It goes when it is looked at again. */
static void a_deletion_that_was_not_carried_out(void **state)
{
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	char path[512], *bytes;
	size_t length;

	(void)state;
	path_of(0, "", path);
	bytes = load(path, &length);
	keeper_retain(keeper, 2 * DAY + DAY / 4);
	assert_int_equal(keeper_tick(keeper, &stamp), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	expect_nothing();
	save(path, bytes, length);
	expect_nothing();
	assert_int_equal(verified().first_segment, 1);
	pass(61);
	tend(keeper);
	assert_int_not_equal(access(path, F_OK), 0);
	expect_nothing();
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	free(bytes);
}

/* The segment that the record of a deletion went to is lost before it is on the disk: what was to be deleted stays until there is one. */
static void a_deletion_waits_for_a_record_that_is_there(void **state)
{
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	struct segment_text text;
	char path[512];

	(void)state;
	path_of(0, "", path);
	keeper_retain(keeper, 2 * DAY + DAY / 4);
	snprintf(lost, sizeof(lost), "%s", ledger_path(ledger));
	assert_int_equal(keeper_tick(keeper, &stamp), -EIDRM);
	assert_int_equal(*lost, '\0');
	assert_int_equal(access(path, F_OK), 0);
	pass(61);
	tend(keeper);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(segment_read(folder, strrchr(ledger_path(ledger), '/') + 1, &text), 0);
	assert_non_null(memmem(text.bytes, text.length, RETENTION_ACTIVITY, strlen(RETENTION_ACTIVITY)));
	segment_release(&text);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
}

static void what_the_chain_does_not_vouch_for_is_not_deleted(void **state)
{
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	struct keeper_totals totals;
	char path[512], *bytes;
	size_t length;

	(void)state;
	path_of(1, "", path);
	bytes = load(path, &length);
	memcpy(strstr(bytes, "\"log\""), "\"lag\"", 5);
	save(path, bytes, length);
	free(bytes);
	pass(10 * DAY);
	keeper_retain(keeper, DAY);
	assert_int_equal(keeper_tick(keeper, &stamp), -EBADMSG);
	path_of(0, "", path);
	assert_int_equal(access(path, F_OK), 0);
	keeper_totals(keeper, &totals);
	assert_int_equal(totals.deleted, 0);
	assert_int_equal(totals.errors, 1);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
}

/* ---- what fails ---------------------------------------------------------------------------------------------- */

static void one_that_cannot_be_compressed_holds_up_no_other(void **state)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct ledger *ledger = written();
	struct keeper *keeper = kept(ledger);
	struct keeper_totals totals = {0};
	struct segments segments = listed();
	uint64_t closed = segments.count - 1;
	char beside[512];

	(void)state;
	segments_free(&segments);
	assert_true(closed > 3);
	path_of(1, SEGMENT_COMPRESSED ".new", beside);
	assert_int_equal(mkdir(beside, 0700), 0);
	for (int i = 0; i < 60000 && totals.compressed < closed - 1; i++) {
		keeper_tick(keeper, &stamp);
		keeper_totals(keeper, &totals);
		nanosleep(&pause, NULL);
	}
	assert_int_equal(totals.compressed, closed - 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(keeper_tick(keeper, &stamp), 0); /* it is not tried all the time */
	keeper_totals(keeper, &totals);
	assert_int_equal(totals.errors, 1);
	assert_int_equal(totals.error, -EISDIR);
	assert_int_equal(rmdir(beside), 0);
	pass(61);
	assert_int_equal(tend(keeper), 1);
	keeper_totals(keeper, &totals);
	assert_int_equal(totals.error, 0);
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	expect_nothing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(compressed_it_is_the_same_log, begin, end),
		cmocka_unit_test_setup_teardown(what_the_log_has_is_learnt_from_compressed_segments, begin, end),
		cmocka_unit_test_setup_teardown(a_segment_ends_at_its_age, begin, end),
		cmocka_unit_test_setup_teardown(any_damage_to_a_compressed_one_is_found, begin, end),
		cmocka_unit_test_setup_teardown(an_edit_in_a_compressed_one_is_found_where_it_is, begin, end),
		cmocka_unit_test_setup_teardown(both_files_are_one_segment, begin, end),
		cmocka_unit_test_setup_teardown(the_plain_one_stays_when_it_cannot_be_compressed, begin, end),
		cmocka_unit_test_setup_teardown(one_that_cannot_be_compressed_holds_up_no_other, begin, end),
		cmocka_unit_test_setup_teardown(a_log_whose_end_is_compressed_goes_on, begin, end),
		cmocka_unit_test_setup_teardown(a_segment_goes_after_its_time_and_the_log_says_so, begin, end),
		cmocka_unit_test_setup_teardown(who_deletes_the_first_segment_is_found_out, begin, end),
		cmocka_unit_test_setup_teardown(a_record_of_another_deletion_does_not_count, begin, end),
		cmocka_unit_test_setup_teardown(a_deletion_that_was_not_carried_out, begin, end),
		cmocka_unit_test_setup_teardown(a_deletion_waits_for_a_record_that_is_there, begin, end),
		cmocka_unit_test_setup_teardown(what_the_chain_does_not_vouch_for_is_not_deleted, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
