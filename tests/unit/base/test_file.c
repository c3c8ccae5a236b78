// SPDX-License-Identifier: GPL-2.0-only
/* A file is the old one or the new one, whole, whatever fails; and the new one is on the disk, with its name, before it is said to be. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96], beside[112];

/* In the place of the C library's: what is done, in its order, and which of it fails. */
static char done[64];
static char fails;

static int note(char what)
{
	size_t used = strlen(done);

	done[used] = what;
	done[used + 1] = '\0';
	errno = EIO;
	return what == fails ? -1 : 0;
}

int fsync(int file)
{
	struct stat status;

	assert_int_equal(fstat(file, &status), 0);
	return note(S_ISDIR(status.st_mode) ? 'N' : 'F');
}

int rename(const char *from, const char *to)
{
	return note('R') ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

static int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/usher-file-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(beside, sizeof(beside), "%s.new", path);
	fails = '\0';
	done[0] = '\0';
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(beside);
	unlink(path);
	return rmdir(folder);
}

static void expect_content(const char *text)
{
	size_t length;
	char *bytes;

	assert_int_equal(file_read(path, 100, &bytes, &length), 0);
	assert_string_equal(bytes, text);
	assert_int_equal(length, strlen(text));
	free(bytes);
}

static void its_bytes_and_then_its_name_are_on_the_disk(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(file_replace(path, 0600, "old", 3), 0);
	assert_string_equal(done, "FRN");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(file_replace(path, 0640, "newer", 5), 0);
	expect_content("newer");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(access(beside, F_OK), -1);
}

static void what_fails_leaves_the_old_one(void **state)
{
	(void)state;
	assert_int_equal(file_replace(path, 0600, "old", 3), 0);
	for (const char *which = "FR"; *which; which++) {
		fails = *which;
		assert_int_equal(file_replace(path, 0600, "new", 3), -EIO);
		expect_content("old");
		assert_int_equal(access(beside, F_OK), -1);
	}
	fails = 'N'; /* it is there, and may be gone after a power cut */
	assert_int_equal(file_replace(path, 0600, "new", 3), -EIO);
	expect_content("new");
}

/* What a process that died has left is neither gone through nor kept. */
static void what_lies_beside_it_is_replaced(void **state)
{
	struct stat status;
	int file;

	(void)state;
	file = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_int_equal(write(file, "half of something", 17), 17);
	close(file);
	assert_int_equal(file_replace(path, 0600, "whole", 5), 0);
	expect_content("whole");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(symlink(path, beside), 0);
	assert_int_equal(file_replace(path, 0600, "again", 5), 0);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	expect_content("again");
}

static void more_than_is_wanted_is_not_read(void **state)
{
	size_t length;
	char *bytes;

	(void)state;
	assert_int_equal(file_read(path, 4, &bytes, &length), -ENOENT);
	assert_int_equal(file_replace(path, 0600, "12345", 5), 0);
	assert_int_equal(file_read(path, 4, &bytes, &length), -EFBIG);
	assert_int_equal(file_read(path, 5, &bytes, &length), 0);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(its_bytes_and_then_its_name_are_on_the_disk, begin, end),
		cmocka_unit_test_setup_teardown(what_fails_leaves_the_old_one, begin, end),
		cmocka_unit_test_setup_teardown(what_lies_beside_it_is_replaced, begin, end),
		cmocka_unit_test_setup_teardown(more_than_is_wanted_is_not_read, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
