// SPDX-License-Identifier: GPL-2.0-only
/* A witness gets each checkpoint, holds up nobody, and says when it cannot be written. */
#include "audit/witness.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char path[96];
static atomic_bool hangs;

/* In the place of the C library's. */
int fsync(int file)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	(void)file;
	while (hangs)
		nanosleep(&pause, NULL);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	if (scratch_make("witness"))
		return -1;
	snprintf(path, sizeof(path), "%s/witness", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return scratch_remove();
}

static void give(struct witness *witness, int number)
{
	char line[64];

	snprintf(line, sizeof(line), "{\"line\":%d}\n", number);
	witness_give(witness, line, strlen(line));
}

static struct witness *made(const char *file)
{
	struct witness *witness;

	assert_int_equal(witness_new(file, &witness), 0);
	return witness;
}

/* Until so much was written, or has failed. */
static struct witness_totals wait_for(struct witness *witness, uint64_t written, uint64_t errors)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct witness_totals totals;

	for (int i = 0; i < 5000; i++) {
		witness_totals(witness, &totals);
		if (totals.written >= written && totals.errors >= errors)
			return totals;
		nanosleep(&pause, NULL);
	}
	fail_msg("%lu written, %lu errors", (unsigned long)totals.written, (unsigned long)totals.errors);
	return totals;
}

static void expect_file(const char *wanted)
{
	char text[4096];
	FILE *file = fopen(path, "re");
	size_t length;

	assert_non_null(file);
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	assert_string_equal(text, wanted);
}

static void each_line_is_appended(void **state)
{
	struct witness *witness = made(path);
	struct stat status;

	(void)state;
	assert_int_equal(witness_run(witness), 0);
	assert_int_not_equal(access(path, F_OK), 0); /* nothing is opened for nothing */
	give(witness, 1);
	give(witness, 2);
	assert_int_equal(witness_run(witness), 0);
	wait_for(witness, 2, 0);
	give(witness, 3);
	witness_close(witness);
	expect_file("{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777 & ~0640u, 0);
	witness = made(path);
	give(witness, 4);
	witness_close(witness);
	expect_file("{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n{\"line\":4}\n");
}

static void what_fails_is_counted_and_tried_again(void **state)
{
	struct witness *witness = made(path);
	struct witness_totals totals;
	char away[128];

	(void)state;
	snprintf(away, sizeof(away), "%s.away", folder);
	assert_int_equal(rename(folder, away), 0); /* its mount has gone */
	give(witness, 1);
	witness_run(witness);
	totals = wait_for(witness, 0, 1);
	assert_int_equal(totals.error, -ENOENT);
	give(witness, 2);
	wait_for(witness, 0, 2);
	assert_int_equal(rename(away, folder), 0);
	give(witness, 3);
	totals = wait_for(witness, 3, 2);
	assert_int_equal(totals.error, 0);
	expect_file("{\"line\":1}\n{\"line\":2}\n{\"line\":3}\n");
	witness_close(witness);
}

/* The newest are kept. */
static void what_waits_too_long_gives_way(void **state)
{
	struct witness *witness = made(path);
	struct witness_totals totals;
	char text[64];

	(void)state;
	for (int i = 0; i < WITNESS_WAITING + 3; i++)
		give(witness, i);
	witness_totals(witness, &totals);
	assert_int_equal(totals.left_out, 3);
	witness_close(witness);
	FILE *file = fopen(path, "re");

	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "{\"line\":3}\n");
	fclose(file);
}

static void half_a_line_is_ended(void **state)
{
	struct witness *witness = made(path);
	FILE *file = fopen(path, "we");

	(void)state;
	fputs("{\"line\":0}\n{\"li", file);
	fclose(file);
	give(witness, 1);
	witness_close(witness);
	expect_file("{\"line\":0}\n{\"li\n{\"line\":1}\n");
}

/* A mount that does not answer. Whoever gives goes on, and can end: otherwise the alarm ends the test. */
static void nobody_waits_for_a_witness_that_hangs(void **state)
{
	struct witness *witness = made(path);

	(void)state;
	hangs = true;
	alarm(60);
	for (int i = 0; i < 1000; i++) {
		give(witness, i);
		assert_int_equal(witness_run(witness), 0);
	}
	witness_close(witness);
	alarm(0);
	hangs = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_line_is_appended, begin, end),
		cmocka_unit_test_setup_teardown(what_fails_is_counted_and_tried_again, begin, end),
		cmocka_unit_test_setup_teardown(what_waits_too_long_gives_way, begin, end),
		cmocka_unit_test_setup_teardown(half_a_line_is_ended, begin, end),
		cmocka_unit_test_setup_teardown(nobody_waits_for_a_witness_that_hangs, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
