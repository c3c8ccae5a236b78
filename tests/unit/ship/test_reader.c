// SPDX-License-Identifier: GPL-2.0-only
/* What is sent is what is sealed, each line once, from any place, of a plain file and of a compressed one; and a place that is not there any more is
 * known. */
#include "ship/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#define HEAD "{\"time\":\"2026-03-01T12:00:00.123Z\",\"type\":\""
#define SEAL HEAD "seal\",\"number\":1}\n"
#define LINE HEAD "decision\",\"sequence\":%d}\n"
#define MOST 5000

static char path[64];

static int begin(void **state)
{
	int file;

	(void)state;
	strcpy(path, "/tmp/usher-reader-XXXXXX");
	file = mkstemp(path);
	if (file >= 0)
		close(file);
	return file < 0;
}

static int end(void **state)
{
	(void)state;
	return unlink(path);
}

static void append(const char *bytes, size_t length)
{
	int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write(file, bytes, length), length);
	close(file);
}

static void add(const char *text)
{
	append(text, strlen(text));
}

static int file(void)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

static struct reader *opened(bool compressed, const struct cursor *at)
{
	struct reader *reader;

	assert_int_equal(reader_open(file(), compressed, at, &reader), 0);
	return reader;
}

/* How many lines there are; place: behind the last. */
static int count(struct reader *reader, struct cursor *place, int most)
{
	const char *line;
	uint64_t offset;
	size_t length;
	int lines = 0, error = 0;

	while (lines < most && !(error = reader_next(reader, &line, &length, &offset))) {
		lines++;
		if (place)
			reader_place(reader, place);
	}
	assert_true(!error || error == -EAGAIN);
	return lines;
}

static void only_what_is_sealed(void **state)
{
	struct cursor place = {0};
	struct reader *reader;
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), LINE, 1);
	add(line);
	reader = opened(false, &place);
	assert_int_equal(count(reader, NULL, MOST), 0);
	add(line);
	assert_int_equal(count(reader, NULL, MOST), 0);
	append(SEAL, 20);
	assert_int_equal(count(reader, NULL, MOST), 0);
	add(&SEAL[20]);
	assert_int_equal(count(reader, &place, MOST), 3);
	assert_int_equal(place.offset, 2 * strlen(line) + strlen(SEAL));
	assert_int_equal(reader_left(reader), 0);
	add(line);
	add("{\"half");
	assert_int_equal(count(reader, NULL, MOST), 0);
	/* Closed: what is whole. */
	reader_finish(reader);
	assert_int_equal(count(reader, NULL, MOST), 1);
	reader_close(reader);
}

/* A batch of which a part was written is taken back, and written anew. */
static void what_is_taken_back_is_never_seen(void **state)
{
	struct cursor place = {0};
	struct reader *reader;
	const char *got;
	uint64_t offset;
	size_t length;
	char line[128];

	(void)state;
	add(SEAL);
	reader = opened(false, &place);
	assert_int_equal(count(reader, NULL, MOST), 1);
	snprintf(line, sizeof(line), LINE, 1);
	add(line);
	assert_int_equal(count(reader, NULL, MOST), 0);
	assert_int_equal(truncate(path, (off_t)strlen(SEAL)), 0);
	assert_int_equal(reader_next(reader, &got, &length, &offset), -ESTALE);
	reader_close(reader);
}

static void pack(void)
{
	static char text[1 << 22], packed[1 << 22];
	int from = file();
	ssize_t length = read(from, text, sizeof(text));
	size_t size = ZSTD_compress(packed, sizeof(packed), text, (size_t)length, 1);

	close(from);
	assert_false(ZSTD_isError(size));
	assert_int_equal(truncate(path, 0), 0);
	append(packed, size);
}

static void fill(void)
{
	char line[128];

	for (int i = 0; i < MOST - 1; i++) {
		snprintf(line, sizeof(line), LINE, i);
		add(line);
	}
	add(SEAL);
}

/* Beginning anywhere gives what is left, and no more. */
static void from_any_place(bool compressed)
{
	struct cursor place = {0};
	struct reader *reader;

	fill();
	if (compressed)
		pack();
	for (int before = 0; before <= MOST; before += 499) {
		place = (struct cursor){0};
		reader = opened(compressed, &place);
		assert_int_equal(count(reader, &place, before), before);
		reader_close(reader);
		reader = opened(compressed, &place);
		assert_int_equal(count(reader, &place, MOST + 1), MOST - before);
		reader_close(reader);
	}
}

static void of_a_plain_file(void **state)
{
	(void)state;
	from_any_place(false);
}

static void of_a_compressed_one(void **state)
{
	(void)state;
	from_any_place(true);
}

static void another_line_before_the_place(bool compressed)
{
	struct cursor place = {0}, wrong;
	struct reader *reader;

	fill();
	if (compressed)
		pack();
	reader = opened(compressed, &place);
	count(reader, &place, 100);
	reader_close(reader);
	wrong = place;
	wrong.check++;
	assert_int_equal(reader_open(file(), compressed, &wrong, &reader), -ESTALE);
	wrong = place;
	wrong.offset++;
	assert_int_equal(reader_open(file(), compressed, &wrong, &reader), -ESTALE);
	wrong.offset = 1u << 30;
	assert_int_equal(reader_open(file(), compressed, &wrong, &reader), -ESTALE);
}

static void a_place_that_is_not_there(void **state)
{
	(void)state;
	another_line_before_the_place(false);
}

static void a_place_that_is_not_there_compressed(void **state)
{
	(void)state;
	another_line_before_the_place(true);
}

static void damage_ends_it(void **state)
{
	struct cursor place = {0};
	struct reader *reader;
	const char *line;
	uint64_t offset;
	size_t length;
	int error;

	(void)state;
	fill();
	pack();
	assert_int_equal(truncate(path, lseek(open(path, O_RDONLY | O_CLOEXEC), 0, SEEK_END) / 2), 0);
	reader = opened(true, &place);
	while (!(error = reader_next(reader, &line, &length, &offset)))
		;
	assert_int_equal(error, -EBADMSG);
	reader_close(reader);
}

static void a_line_without_end(void **state)
{
	static char much[READER_LINE + 2];
	struct cursor place = {0};
	struct reader *reader;
	const char *line;
	uint64_t offset;
	size_t length;

	(void)state;
	memset(much, 'x', sizeof(much));
	append(much, READER_LINE - 1);
	add("\n" SEAL);
	reader = opened(false, &place);
	assert_int_equal(reader_next(reader, &line, &length, &offset), 0);
	assert_int_equal(length, READER_LINE - 1);
	assert_int_equal(count(reader, NULL, MOST), 1);
	append(much, sizeof(much));
	add("\n" SEAL);
	assert_int_equal(reader_next(reader, &line, &length, &offset), -EFBIG);
	reader_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_what_is_sealed, begin, end),
		cmocka_unit_test_setup_teardown(what_is_taken_back_is_never_seen, begin, end),
		cmocka_unit_test_setup_teardown(of_a_plain_file, begin, end),
		cmocka_unit_test_setup_teardown(of_a_compressed_one, begin, end),
		cmocka_unit_test_setup_teardown(a_place_that_is_not_there, begin, end),
		cmocka_unit_test_setup_teardown(a_place_that_is_not_there_compressed, begin, end),
		cmocka_unit_test_setup_teardown(damage_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(a_line_without_end, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
