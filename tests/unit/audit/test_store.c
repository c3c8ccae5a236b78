/* SPDX-License-Identifier: GPL-2.0-only */
#include "audit/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/segment.h"
#include "base/clock.h"
#include "scratch.h"

/* In the place of the C library's: what was brought to the disk, and what happens while a file is read. */
static struct stat synced[16];
static size_t sync_count;
static void (*while_reading)(void);

int fsync(int file)
{
	if (sync_count < sizeof(synced) / sizeof(*synced))
		fstat(file, &synced[sync_count++]);
	return (int)syscall(SYS_fsync, file);
}

ssize_t pread(int file, void *to, size_t length, off_t at)
{
	ssize_t got = syscall(SYS_pread64, file, to, while_reading && length > 4096 ? 4096 : length, at);

	if (while_reading && at >= 8192) {
		void (*happens)(void) = while_reading;

		while_reading = NULL;
		happens();
	}
	return got;
}

static int begin(void **state)
{
	(void)state;
	return scratch_make("store");
}

static int end(void **state)
{
	(void)state;
	clock_fake(NULL);
	return scratch_remove();
}

static struct store *opened(size_t *ret_torn)
{
	struct problem problem = {0};
	struct store *store = NULL;
	size_t torn;

	assert_int_equal(store_open(folder, &problem, &store, &torn), 0);
	assert_int_equal(store_begin(store), 0);
	if (ret_torn)
		*ret_torn = torn;
	return store;
}

static void append(struct store *store, const char *text)
{
	assert_int_equal(store_append(store, text, strlen(text)), 0);
}

static size_t content(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "re");
	size_t length;

	assert_non_null(file);
	length = fread(text, 1, room - 1, file);
	text[length] = '\0';
	fclose(file);
	return length;
}

static int is_segment(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 6 && !strcmp(entry->d_name + length - 6, ".jsonl");
}

/* The lines of all segments, in the order of their names. Returns how many segments there are. */
static int whole_log(char *text, size_t room)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort);
	char path[512];

	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		size_t used = strlen(text);

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		content(path, text + used, room - used);
		free(entries[i]);
	}
	free(entries);
	return count;
}

static void test_lines_stay_in_order_whatever_the_clock_does(void **state)
{
	struct clock_times times = {.monotonic = 1, .realtime = 1767225600 * CLOCK_SECOND};
	struct store *store;
	char text[256];

	(void)state;
	clock_fake(&times);
	for (int i = 0; i < 3; i++) {
		store = opened(NULL);
		append(store, i == 0 ? "{\"first\":1}\n" : i == 1 ? "{\"second\":2}\n" : "{\"third\":3}\n");
		assert_int_equal(store_sync(store), 0);
		store_close(store);
		times.realtime -= 86400 * CLOCK_SECOND;
	}
	assert_int_equal(whole_log(text, sizeof(text)), 3);
	assert_string_equal(text, "{\"first\":1}\n{\"second\":2}\n{\"third\":3}\n");
}

static void test_only_its_own_may_read_it(void **state)
{
	struct store *store = opened(NULL);
	struct stat status;

	(void)state;
	assert_int_equal(stat(store_path(store), &status), 0);
	assert_int_equal(status.st_mode & 0777 & ~0640u, 0);
	store_close(store);
}

static void test_a_torn_line_is_set_aside(void **state)
{
	struct store *store = opened(NULL);
	char path[512], text[256];
	size_t torn;

	(void)state;
	assert_true(strlen(store_path(store)) < sizeof(path) - 8);
	strcpy(path, store_path(store));
	append(store, "{\"whole\":1}\n{\"torn\":");
	store_close(store);

	store = opened(&torn);
	assert_int_equal(torn, strlen("{\"torn\":"));
	append(store, "{\"next\":2}\n");
	store_close(store);
	whole_log(text, sizeof(text));
	assert_string_equal(text, "{\"whole\":1}\n{\"next\":2}\n");
	strcat(path, ".torn");
	content(path, text, sizeof(text));
	assert_string_equal(text, "{\"torn\":");

	store = opened(&torn); /* and only once */
	assert_int_equal(torn, 0);
	store_close(store);
}

/* What a power cut leaves may be longer than any line, and have newlines in it. */
static void test_whatever_is_torn_is_set_aside_whole(void **state)
{
	static const char whole[] = "{\"whole\":1}\n";
	static const struct {
		size_t length;
		const char *text; /* over and over */
		size_t size;
	} cases[] = {
		{3u << 20, "", 1},
		{(3u << 20) + 7, "\n", 1},
		{(2u << 20) + 5, "{\0}\n", 4},
		{70000, "x}\n", 3},
		{65536, "{x\n", 3},
		{65536 - sizeof(whole) + 1, "}{\n", 3},
		{65536 + 1, "{\"half\":", 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct store *store = opened(NULL);
		char path[512], aside[520], *bytes = malloc(cases[i].length), *got = malloc(cases[i].length + 1);
		size_t torn;

		snprintf(path, sizeof(path), "%.500s", store_path(store));
		snprintf(aside, sizeof(aside), "%s.torn", path);
		append(store, whole);
		for (size_t b = 0; b < cases[i].length; b++)
			bytes[b] = cases[i].text[b % cases[i].size];
		assert_int_equal(store_append(store, bytes, cases[i].length), 0);
		store_close(store);
		store = opened(&torn);
		assert_int_equal(torn, cases[i].length);
		store_close(store);
		assert_int_equal(content(path, got, cases[i].length), sizeof(whole) - 1);
		assert_string_equal(got, whole);
		assert_int_equal(content(aside, got, cases[i].length + 1), cases[i].length);
		assert_memory_equal(got, bytes, cases[i].length);
		free(bytes);
		free(got);
	}
}

static void test_a_folder_that_was_made_is_on_the_disk(void **state)
{
	struct problem problem = {0};
	char below[96];
	struct store *store;
	struct stat parent;
	bool found = false;
	size_t torn;

	(void)state;
	snprintf(below, sizeof(below), "%s/below", folder);
	assert_int_equal(stat(folder, &parent), 0);
	sync_count = 0;
	assert_int_equal(store_open(below, &problem, &store, &torn), 0);
	for (size_t i = 0; i < sync_count; i++)
		found |= synced[i].st_ino == parent.st_ino && synced[i].st_dev == parent.st_dev;
	assert_true(found);
	store_close(store);
}

static void test_a_segment_of_half_a_line_only(void **state)
{
	struct store *store = opened(NULL);
	char text[64];
	size_t torn;

	(void)state;
	append(store, "{\"half");
	store_close(store);
	store = opened(&torn);
	assert_int_equal(torn, 6);
	store_close(store);
	whole_log(text, sizeof(text));
	assert_string_equal(text, "");
}

static void test_nothing_of_a_batch_that_does_not_fit(void **state)
{
	struct rlimit before, limit;
	struct store *store = opened(NULL);
	static char large[8192], text[16384];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 2] = '\n';
	append(store, "before\n");
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 4096; /* what is written beyond is cut short, then refused: as on a full disk */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int error = store_append(store, large, strlen(large));

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(error, -EFBIG);
	whole_log(text, sizeof(text));
	assert_string_equal(text, "before\n");
	append(store, large);
	append(store, "after\n");
	store_close(store);
	whole_log(text, sizeof(text));
	assert_int_equal(strlen(text), strlen("before\n") + strlen(large) + strlen("after\n"));
	assert_memory_equal(text + strlen("before\n"), large, strlen(large));
}

static void test_segments_end_at_their_size(void **state)
{
	struct store *store = opened(NULL);
	char *line = malloc(1 << 20), first[512], *at;
	size_t torn;

	(void)state;
	memset(line, 'x', (1 << 20) - 1);
	line[(1 << 20) - 1] = '\n';
	assert_true(strlen(store_path(store)) < sizeof(first));
	strcpy(first, store_path(store));
	for (size_t i = 0; i < STORE_SEGMENT_BYTES >> 20; i++) {
		assert_false(store_is_due(store, 1 << 20));
		assert_int_equal(store_append(store, line, 1 << 20), 0);
	}
	assert_string_equal(store_path(store), first);
	assert_true(store_is_due(store, 1));
	assert_false(store_is_full(store, 1)); /* there would be 64 MiB to wait for */
	assert_int_equal(store_sync(store), 0);
	assert_true(store_is_full(store, 1));
	assert_int_equal(store_begin(store), 0);
	assert_false(store_is_due(store, 1 << 30));
	append(store, "{\"next\":1}\n");
	assert_string_not_equal(store_path(store), first);
	assert_true(strcmp(store_path(store), first) > 0);
	at = malloc(64);
	content(store_path(store), at, 64);
	assert_string_equal(at, "{\"next\":1}\n");
	store_close(store);
	store = opened(&torn);
	assert_int_equal(torn, 0);
	store_close(store);
	free(at);
	free(line);
}

static void test_a_plain_file_that_is_empty_beside_a_compressed_one(void **state)
{
	struct store *store = opened(NULL);
	char plain[4096], compressed[4200];
	struct problem problem = {0};
	size_t torn;
	FILE *file;

	(void)state;
	snprintf(plain, sizeof(plain), "%s", store_path(store));
	snprintf(compressed, sizeof(compressed), "%s.zst", plain);
	store_close(store);
	file = fopen(compressed, "we");
	assert_non_null(file);
	fputs("whatever", file);
	fclose(file);
	alarm(10); /* it must not look at it for ever */
	assert_int_equal(store_open(folder, &problem, &store, &torn), 0);
	alarm(0);
	assert_true(store_is_closed(store));
	assert_int_equal(store_number(store), 1);
	assert_int_equal(access(plain, F_OK), -1);
	assert_int_equal(access(compressed, F_OK), 0);
	store_close(store);
}

/* The disk is taken away, and comes back. */
static void test_nothing_is_written_to_a_place_that_is_gone(void **state)
{
	struct store *store = opened(NULL);
	char away[80], path[4096], text[64];

	(void)state;
	append(store, "one\n");
	snprintf(away, sizeof(away), "%s.away", folder);
	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(store_append(store, "two\n", 4), -ESTALE);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(store_append(store, "two\n", 4), -ESTALE);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(rename(away, folder), 0);
	append(store, "two\n");
	snprintf(path, sizeof(path), "%s", store_path(store));
	content(path, text, sizeof(text));
	assert_string_equal(text, "one\ntwo\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_append(store, "three\n", 6), -EIDRM);
	store_close(store);
}

/* Its own folder, or its own file, is deleted: another one goes on. Where the folder is elsewhere it is waited for. */
static void test_what_is_deleted_is_begun_anew(void **state)
{
	struct store *store = opened(NULL), *second = NULL;
	struct problem problem = {0};
	char away[80];
	size_t torn;

	(void)state;
	append(store, "{\"one\":1}\n");
	snprintf(away, sizeof(away), "%s.away", folder);
	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(store_begin(store), -ESTALE);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(store_begin(store), -ESTALE); /* what an unmounted disk leaves is such a folder */
	assert_int_equal(store_number(store), 1);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(rename(away, folder), 0);
	assert_int_equal(unlink(store_path(store)), 0);
	assert_int_equal(store_begin(store), 0);
	append(store, "{\"two\":2}\n");
	assert_int_equal(scratch_remove(), 0);
	assert_int_equal(store_append(store, "{\"three\":3}\n", 12), -EIDRM);
	assert_int_equal(store_begin(store), 0);
	append(store, "{\"three\":3}\n");
	assert_int_equal(store_number(store), 3);
	assert_int_equal(store_open(folder, &problem, &second, &torn), -EBUSY); /* it is locked as the old one was */
	store_close(store);
}

static struct store *cut_store;
static size_t cut_to;
static char batch[40000];

static void cut_back_and_write_another(void)
{
	char *text = malloc(sizeof(batch));

	assert_int_equal(truncate(store_path(cut_store), (off_t)cut_to), 0);
	memset(text, 'b', sizeof(batch));
	for (size_t i = 79; i < sizeof(batch); i += 80)
		text[i] = '\n';
	assert_int_equal(store_append(cut_store, text, sizeof(batch)), 0);
	free(text);
}

/* A batch that could not be written whole is taken back while it is read, and another one takes its place. */
static void test_nobody_reads_the_half_of_two_batches(void **state)
{
	struct segment_text text;

	(void)state;
	cut_store = opened(NULL);
	append(cut_store, "{\"whole\":1}\n");
	cut_to = strlen("{\"whole\":1}\n");
	memset(batch, 'a', sizeof(batch));
	assert_int_equal(store_append(cut_store, batch, sizeof(batch)), 0);
	while_reading = cut_back_and_write_another;
	assert_int_equal(segment_read(folder, store_name(cut_store), &text), 0);
	assert_null(while_reading);
	assert_int_equal(text.length, cut_to + sizeof(batch));
	for (size_t i = cut_to; i < text.length; i++)
		assert_int_not_equal(text.bytes[i], 'a');
	segment_release(&text);
	store_close(cut_store);
}

static void test_who_reads_one_that_is_cut_back_lives(void **state)
{
	struct store *store = opened(NULL);
	struct segment_text text;
	char line[4096];
	size_t lines = 0;

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 8; i++)
		assert_int_equal(store_append(store, line, sizeof(line)), 0);
	assert_int_equal(segment_read(folder, store_name(store), &text), 0);
	assert_int_equal(truncate(store_path(store), 0), 0);
	for (size_t i = 0; i < text.length; i++)
		lines += text.bytes[i] == '\n';
	assert_int_equal(lines, 8);
	segment_release(&text);
	store_close(store);
}

static void test_one_writer_a_folder(void **state)
{
	struct store *store = opened(NULL), *second = NULL;
	struct problem problem = {0};
	size_t torn;

	(void)state;
	assert_int_equal(store_open(folder, &problem, &second, &torn), -EBUSY);
	assert_null(second);
	assert_non_null(strstr(problem.text, folder));
	store_close(store);
	store_close(opened(NULL));
}

static void test_a_folder_that_cannot_be_made_is_named(void **state)
{
	struct problem problem = {0};
	struct store *store = NULL;
	size_t torn;

	(void)state;
	assert_int_equal(store_open("/proc/no/such/folder", &problem, &store, &torn), -ENOENT);
	assert_non_null(strstr(problem.text, "/proc/no/such/folder"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines_stay_in_order_whatever_the_clock_does, begin, end),
		cmocka_unit_test_setup_teardown(test_only_its_own_may_read_it, begin, end),
		cmocka_unit_test_setup_teardown(test_a_torn_line_is_set_aside, begin, end),
		cmocka_unit_test_setup_teardown(test_whatever_is_torn_is_set_aside_whole, begin, end),
		cmocka_unit_test_setup_teardown(test_a_folder_that_was_made_is_on_the_disk, begin, end),
		cmocka_unit_test_setup_teardown(test_a_segment_of_half_a_line_only, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_of_a_batch_that_does_not_fit, begin, end),
		cmocka_unit_test_setup_teardown(test_segments_end_at_their_size, begin, end),
		cmocka_unit_test_setup_teardown(test_a_plain_file_that_is_empty_beside_a_compressed_one, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_is_written_to_a_place_that_is_gone, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_deleted_is_begun_anew, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_reads_the_half_of_two_batches, begin, end),
		cmocka_unit_test_setup_teardown(test_who_reads_one_that_is_cut_back_lives, begin, end),
		cmocka_unit_test_setup_teardown(test_one_writer_a_folder, begin, end),
		cmocka_unit_test_setup_teardown(test_a_folder_that_cannot_be_made_is_named, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
