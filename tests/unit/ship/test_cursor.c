// SPDX-License-Identifier: GPL-2.0-only
/* A destination's cursor survives as it was written, or is known to be damaged: never is it another one. */
#include "ship/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TO "syslog+tls://logs.example.com:6514"

static const struct cursor some = {
	.log = "37178dae6cdbb630", .segment = 4294967295u, .offset = 9223372036854775807, .check = 0x0123456789abcdef};
static char path[64];
static int folder;

static int begin(void **state)
{
	(void)state;
	strcpy(path, "/tmp/usher-cursor-XXXXXX");
	if (!mkdtemp(path))
		return -1;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	close(folder);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	return system(command);
}

static void assert_same(const struct cursor *a, const struct cursor *b)
{
	assert_string_equal(a->log, b->log);
	assert_int_equal(a->segment, b->segment);
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->check, b->check);
}

static void comes_back_as_it_was(void **state)
{
	struct cursor got;

	(void)state;
	assert_int_equal(cursor_read(folder, "id", TO, &got), 0);
	assert_same(&got, &(struct cursor){0});
	assert_int_equal(cursor_write(folder, "id", TO, &some), 0);
	assert_int_equal(cursor_read(folder, "id", TO, &got), 0);
	assert_same(&got, &some);
	assert_int_equal(cursor_write(folder, "id", TO, &(struct cursor){.log = "37178dae6cdbb630", .segment = 1}), 0);
	assert_int_equal(cursor_read(folder, "id", TO, &got), 0);
	assert_int_equal(got.segment, 1);
	assert_int_equal(faccessat(folder, "ship-id.cursor.new", F_OK, 0), -1);
}

/* Each bit, each length, and another destination's. */
static void no_damage_is_taken_for_a_cursor(void **state)
{
	char text[CURSOR_TEXT], spoilt[CURSOR_TEXT];
	size_t length = cursor_print(&some, TO, text);
	struct cursor got = {.segment = 7};

	(void)state;
	assert_int_equal(cursor_parse(text, length, TO, &got), 0);
	got.segment = 7;
	for (size_t i = 0; i < length; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(spoilt, text, length);
			spoilt[i] = (char)(spoilt[i] ^ (1 << bit));
			assert_int_equal(cursor_parse(spoilt, length, TO, &got), -EBADMSG);
		}
	for (size_t short_of = 0; short_of < length; short_of++)
		assert_int_equal(cursor_parse(text, short_of, TO, &got), -EBADMSG);
	assert_int_equal(cursor_parse(text, length, "journald", &got), -EBADMSG);
	assert_int_equal(got.segment, 7);
}

static void a_damaged_file_is_set_aside(void **state)
{
	struct cursor got = some;
	char file[96];
	FILE *to;

	(void)state;
	snprintf(file, sizeof(file), "%s/ship-id.cursor", path);
	to = fopen(file, "w");
	assert_non_null(to);
	fputs("{\"destination\":\"" TO "\"}\n", to);
	fclose(to);
	assert_int_equal(cursor_read(folder, "id", TO, &got), 1);
	assert_same(&got, &(struct cursor){0});
	assert_int_equal(faccessat(folder, "ship-id.cursor", F_OK, 0), -1);
	assert_int_equal(faccessat(folder, "ship-id.cursor.damaged", F_OK, 0), 0);
	assert_int_equal(cursor_read(folder, "id", TO, &got), 0);
}

static void what_cannot_be_written_leaves_the_one_before(void **state)
{
	struct cursor got;

	(void)state;
	assert_int_equal(cursor_write(folder, "id", TO, &some), 0);
	assert_int_equal(mkdirat(folder, "ship-id.cursor.new", 0700), 0);
	assert_int_equal(cursor_write(folder, "id", TO, &(struct cursor){.segment = 1}), -EISDIR);
	assert_int_equal(cursor_read(folder, "id", TO, &got), 0);
	assert_same(&got, &some);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back_as_it_was, begin, end),
		cmocka_unit_test_setup_teardown(no_damage_is_taken_for_a_cursor, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_set_aside, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_leaves_the_one_before, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
