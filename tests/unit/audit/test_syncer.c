// SPDX-License-Identifier: GPL-2.0-only
/* Nobody waits for the disk who need not, and nothing is said to be there that is not. */
#include "audit/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/store.h"

#include "scratch.h"

static atomic_bool hangs, fails;
static atomic_uint begun, ended;
static atomic_int file_of_last;

/* In the place of the C library's. */
int fdatasync(int file)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	bool failed;

	file_of_last = file;
	begun++;
	while (hangs)
		nanosleep(&pause, NULL);
	failed = fails;
	ended++;
	errno = EIO;
	return failed ? -1 : 0;
}

static off_t let_go;

int posix_fadvise(int file, off_t offset, off_t length, int advice)
{
	(void)file;
	assert_int_equal(offset, 0);
	assert_int_not_equal(length, 0); /* which would be all of it */
	assert_int_equal(advice, POSIX_FADV_DONTNEED);
	let_go = length;
	return 0;
}

static int begin(void **state)
{
	(void)state;
	hangs = fails = false;
	begun = ended = 0;
	let_go = 0;
	alarm(60);
	return scratch_make("syncer");
}

static int end(void **state)
{
	(void)state;
	alarm(0);
	return scratch_remove();
}

static void wait_for(const atomic_uint *counter, unsigned least)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	while (*counter < least)
		nanosleep(&pause, NULL);
}

static int result_of(struct syncer *syncer)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int result = 1;

	while (!syncer_ended(syncer, &result))
		nanosleep(&pause, NULL);
	return result;
}

static struct syncer *made(void)
{
	struct syncer *syncer = NULL;

	assert_int_equal(syncer_new(&syncer), 0);
	return syncer;
}

static void nobody_waits_for_one_that_hangs(void **state)
{
	struct syncer *syncer = made();
	int result = 1;

	(void)state;
	assert_false(syncer_ended(syncer, &result));
	hangs = true;
	assert_int_equal(syncer_begin(syncer, 1234), 0);
	wait_for(&begun, 1);
	assert_int_equal(file_of_last, 1234);
	assert_false(syncer_ended(syncer, &result));
	assert_int_equal(result, 1);
	hangs = false;
	assert_int_equal(result_of(syncer), 0);
	assert_false(syncer_ended(syncer, &result)); /* it is told once */
	assert_int_equal(begun, 1);
	syncer_free(syncer);
}

static void an_error_is_told_once_to_who_asks_or_waits(void **state)
{
	struct syncer *syncer = made();

	(void)state;
	assert_int_equal(syncer_wait(syncer), 0);
	fails = true;
	assert_int_equal(syncer_begin(syncer, 1), 0);
	assert_int_equal(result_of(syncer), -EIO);
	assert_int_equal(syncer_wait(syncer), 0);
	assert_int_equal(syncer_begin(syncer, 1), 0);
	assert_int_equal(syncer_wait(syncer), -EIO);
	assert_int_equal(syncer_wait(syncer), 0);
	assert_int_equal(syncer_begin(syncer, 1), 0);
	wait_for(&ended, 3);
	fails = false;
	assert_int_equal(syncer_wait(syncer), -EIO); /* it was over before anybody waited */
	assert_int_equal(syncer_begin(syncer, 1), 0);
	assert_int_equal(syncer_wait(syncer), 0);
	assert_int_equal(ended, 4);
	syncer_free(syncer);
}

static void whoever_lets_go_waits_for_what_was_begun(void **state)
{
	struct syncer *syncer = made();

	(void)state;
	assert_int_equal(syncer_begin(syncer, 1), 0);
	syncer_free(syncer);
	assert_int_equal(begun, 1);
	assert_int_equal(ended, 1);
	syncer_free(made());
	syncer_free(NULL);
}

/* ---- a segment of the log ------------------------------------------------------------------------------------- */

static struct store *opened(void)
{
	struct problem problem = {0};
	struct store *store = NULL;
	size_t torn;

	if (store_open(folder, &problem, &store, &torn))
		fail_msg("%s", problem.text);
	assert_int_equal(store_begin(store), 0);
	return store;
}

static int settled(struct store *store)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int error = 0;

	while (!error && store_is_syncing(store)) {
		error = store_sync_end(store);
		nanosleep(&pause, NULL);
	}
	return error;
}

static void what_is_appended_meanwhile_is_not_said_to_be_there(void **state)
{
	struct store *store = opened();

	(void)state;
	assert_int_equal(store_sync_begin(store), 0);
	assert_false(store_is_syncing(store)); /* there is nothing to do */
	assert_int_equal(store_append(store, "one\n", 4), 0);
	hangs = true;
	assert_int_equal(store_sync_begin(store), 0);
	wait_for(&begun, 1);
	assert_int_equal(store_append(store, "second\n", 7), 0);
	assert_int_equal(store_sync_begin(store), 0); /* one at a time */
	assert_int_equal(store_sync_end(store), 0);
	assert_int_equal(store_synced(store), 0);
	hangs = false;
	assert_int_equal(settled(store), 0);
	assert_int_equal(begun, 1);
	assert_int_equal(store_synced(store), 4);
	assert_int_equal(store_written(store), 11);
	assert_int_equal(store_sync(store), 0);
	assert_int_equal(store_synced(store), 11);
	store_close(store);
}

static void what_failed_is_not_there_and_whoever_waits_is_told(void **state)
{
	struct store *store = opened();

	(void)state;
	assert_int_equal(store_append(store, "one\n", 4), 0);
	fails = true;
	assert_int_equal(store_sync_begin(store), 0);
	assert_int_equal(settled(store), -EIO);
	assert_int_equal(store_synced(store), 0);
	assert_int_equal(store_doubt(store), -EIO);
	fails = false; /* what Linux dropped then is not there because the next one succeeds */
	assert_int_equal(store_sync_begin(store), -EIO);
	assert_int_equal(store_sync(store), -EIO);
	assert_int_equal(ended, 1);
	store_salvage(store, "one\n", 4);
	assert_int_equal(ended, 2);
	assert_int_equal(store_sync(store), -EIO);
	ended = 1;
	assert_int_equal(store_rewrite(store, "one\n", 4), 0);
	assert_int_equal(store_synced(store), 0);
	fails = true;
	assert_int_equal(store_sync_begin(store), 0);
	wait_for(&ended, 2);
	fails = false; /* that one had failed before anybody waited */
	assert_int_equal(store_sync(store), -EIO);
	assert_int_equal(store_synced(store), 0);
	assert_int_equal(store_rewrite(store, "one\n", 4), 0);
	assert_int_equal(store_sync(store), 0);
	assert_int_equal(store_synced(store), 4);
	store_close(store);
}

static void append_mib(struct store *store, int count)
{
	static char line[1 << 20];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < count; i++)
		assert_int_equal(store_append(store, line, sizeof(line)), 0);
}

/* 8 MiB and a quarter of what it is too long by. */
static void a_segment_goes_on_while_there_is_much_to_wait_for(void **state)
{
	const struct store_limits limits = {.bytes = 1 << 20, .age = 86400 * CLOCK_SECOND};
	struct store *store = opened();

	(void)state;
	store_limit(store, &limits);
	append_mib(store, 1);
	assert_false(store_is_due(store, 0));
	assert_true(store_is_full(store, 1));
	append_mib(store, 11);
	assert_true(store_is_due(store, 1));
	assert_false(store_is_full(store, 1)); /* 12 of 12 */
	assert_int_equal(store_sync(store), 0);
	assert_true(store_is_full(store, 1));
	append_mib(store, 8);
	assert_true(store_is_full(store, 1)); /* 8 of 20 */
	append_mib(store, 8);
	assert_false(store_is_full(store, 1)); /* 16 of 28 */
	assert_int_equal(store_sync(store), 0);
	append_mib(store, 16);
	assert_true(store_is_full(store, 1)); /* 16 of 44 */
	assert_int_equal(store_begin(store), 0);
	assert_false(store_is_due(store, 1));
	assert_int_equal(store_synced(store), store_written(store));
	store_close(store);
}

/* A file of this length, to the disk: what came of that. */
static int brought(struct syncer *syncer, int file, off_t length)
{
	assert_int_equal(ftruncate(file, length), 0);
	assert_int_equal(syncer_begin(syncer, file), 0);
	return syncer_wait(syncer);
}

/* Of what is on the disk, the last stays in memory. */
static void what_was_there_before_leaves_memory(void **state)
{
	struct syncer *syncer = made();
	char path[96];
	int file, next;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", folder);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	for (off_t length = 1000; length <= 3000; length += 1000) {
		assert_int_equal(brought(syncer, file, length), 0);
		assert_int_equal(let_go, length - 1000);
	}
	snprintf(path, sizeof(path), "%s/next", folder);
	next = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(next >= 0);
	for (off_t length = 500; length <= 600; length += 100) {
		assert_int_equal(brought(syncer, next, length), 0);
		assert_int_equal(let_go, length == 500 ? 2000 : 500); /* nothing of a file that has just begun */
	}
	close(next);
	let_go = 2000;
	fails = true;
	assert_int_equal(brought(syncer, file, 4000), -EIO);
	assert_int_equal(let_go, 2000);
	close(file);
	syncer_free(syncer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_waits_for_one_that_hangs, begin, end),
		cmocka_unit_test_setup_teardown(an_error_is_told_once_to_who_asks_or_waits, begin, end),
		cmocka_unit_test_setup_teardown(whoever_lets_go_waits_for_what_was_begun, begin, end),
		cmocka_unit_test_setup_teardown(what_was_there_before_leaves_memory, begin, end),
		cmocka_unit_test_setup_teardown(what_is_appended_meanwhile_is_not_said_to_be_there, begin, end),
		cmocka_unit_test_setup_teardown(what_failed_is_not_there_and_whoever_waits_is_told, begin, end),
		cmocka_unit_test_setup_teardown(a_segment_goes_on_while_there_is_much_to_wait_for, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
