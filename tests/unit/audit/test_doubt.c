// SPDX-License-Identifier: GPL-2.0-only
/* What a disk could not take once is not said to be there because it takes the rest. */
#include "audit/doubt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/ending.h"
#include "audit/head.h"
#include "audit/ledger.h"
#include "audit/verify.h"

#include "scratch.h"

static const struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 0x1234};
static char key_path[96], findings[2048];

/* In the place of the C library's: a disk that fails, is full, or cannot be read at its beginning; and what was written again to which place. */
static bool fails, refuses, full;
static off_t unreadable_to;
static off_t again_at, again_end;
static unsigned syncs;
static int why; /* it fails */

int fdatasync(int file)
{
	(void)file;
	syncs++;
	errno = why;
	return fails ? -1 : 0;
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t at)
{
	ssize_t got;

	errno = ENOSPC;
	if (refuses)
		return -1;
	/* In two pieces, as a kernel may. */
	got = syscall(SYS_pwrite64, file, bytes, length > 100 ? length / 2 : length, at);
	if (!again_end)
		again_at = at;
	again_end = at + got;
	return got;
}

ssize_t pread(int file, void *bytes, size_t length, off_t at)
{
	errno = EIO;
	if (at < unreadable_to)
		return -1;
	return syscall(SYS_pread64, file, bytes, length, at);
}

ssize_t write(int file, const void *bytes, size_t length)
{
	errno = ENOSPC;
	return full ? -1 : syscall(SYS_write, file, bytes, length);
}

static int begin(void **state)
{
	(void)state;
	fails = refuses = full = false;
	why = EIO;
	unreadable_to = 0;
	again_at = again_end = 0;
	if (scratch_make("doubt"))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return scratch_remove();
}

static struct ledger *opened(void)
{
	struct problem problem = {0};
	struct ledger *ledger = NULL;
	struct ledger_found found;

	if (ledger_open(folder, key_path, &stamp, &problem, &ledger, &found))
		fail_msg("%s", problem.text);
	assert_false(found.broken);
	return ledger;
}

static void append(struct ledger *ledger)
{
	struct json text = {0};

	record_operation(&text, &stamp, "start", NULL);
	record_operation_end(&text);
	assert_int_equal(ledger_append(ledger, &stamp, text.bytes, text.length, 1, NULL, 0), 0);
	json_free(&text);
}

static uint64_t unsynced(const struct ledger *ledger)
{
	struct ledger_reach reach = ledger_reach(ledger);

	return reach.written - reach.synced;
}

static off_t length_of(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	off_t length = lseek(file, 0, SEEK_END);

	close(file);
	return length;
}

static void note(const struct verify_finding *finding, void *context)
{
	size_t used = strlen(findings);

	(void)context;
	snprintf(findings + used, sizeof(findings) - used, "%" PRIu64 " %s\n", finding->first_line, finding->text);
}

static struct verify_summary verified(const struct ledger *ledger)
{
	struct signer_key *key;
	struct verify_trust trust = {.keys = &key, .key_count = 1};
	struct verify_summary summary;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.pem", folder, ledger_key(ledger));
	assert_int_equal(signer_key_read(path, &key), 0);
	findings[0] = '\0';
	assert_int_equal(verify_folder(folder, &trust, note, NULL, &summary), 0);
	signer_key_free(key);
	return summary;
}

/* ---- what is still in memory --------------------------------------------------------------------------------- */

/* Nothing is asked of the disk before it has been given again what it may not have. */
/* Some file systems say EBADMSG of what they could not write. The segment is in doubt then, but all there. */
static void a_word_for_lost_is_not_a_loss(void **state)
{
	struct ledger *ledger = opened();

	(void)state;
	append(ledger);
	assert_int_equal(ledger_sync(ledger), 0);
	append(ledger);
	fails = true;
	why = EBADMSG;
	for (int i = 0; i < 200; i++)
		assert_int_equal(ledger_sync(ledger), -EBADMSG);
	assert_int_equal(ledger_lost(ledger), 0);
	fails = false;
	while (ledger_sync(ledger))
		;
	assert_int_equal(ledger_lost(ledger), 0);
	assert_int_equal(unsynced(ledger), 0);
	ledger_close(ledger, &stamp);
}

static void it_is_written_again_before_it_is_said_to_be_there(void **state)
{
	struct ledger *ledger = opened();
	off_t before, after;
	unsigned asked;

	(void)state;
	append(ledger);
	assert_int_equal(ledger_sync(ledger), 0);
	assert_int_equal(again_end, 0);
	before = length_of(ledger_path(ledger));
	append(ledger);
	fails = true;
	assert_int_equal(ledger_sync(ledger), -EIO);
	assert_int_equal(again_end, 0);
	append(ledger);
	after = length_of(ledger_path(ledger));
	refuses = true; /* not even that */
	fails = false;
	asked = syncs;
	assert_int_equal(ledger_sync(ledger), -ENOSPC);
	assert_int_equal(syncs, asked);
	refuses = false;
	while (ledger_sync(ledger)) /* a disk that fails is not asked all the time */
		assert_int_equal(again_end, 0);
	assert_int_equal(again_at, before);
	assert_int_equal(again_end, after);
	assert_int_equal(length_of(ledger_path(ledger)), after);
	assert_int_equal(unsynced(ledger), 0);
	assert_int_equal(verified(ledger).findings, 0);
	again_end = 0;
	append(ledger);
	assert_int_equal(ledger_sync(ledger), 0);
	assert_int_equal(again_end, 0);
	ledger_close(ledger, &stamp);
}

/* What is on the disk need not be read again, so it does not matter that it cannot be. */
static void only_what_is_in_doubt_is_read(void **state)
{
	struct ledger *ledger = opened();

	(void)state;
	append(ledger);
	assert_int_equal(ledger_sync(ledger), 0);
	unreadable_to = length_of(ledger_path(ledger));
	append(ledger);
	fails = true;
	assert_int_equal(ledger_sync(ledger), -EIO);
	fails = false;
	assert_int_equal(ledger_sync(ledger), 0);
	assert_int_equal(again_at, unreadable_to);
	assert_int_equal(ledger_lost(ledger), 0);
	unreadable_to = 0;
	ledger_close(ledger, &stamp);
}

/* The thread that syncs is no other way around it. */
static void the_same_of_one_that_was_begun(void **state)
{
	struct ledger *ledger = opened();
	int error = 0;

	(void)state;
	append(ledger);
	fails = true;
	assert_int_equal(ledger_sync_begin(ledger), 0);
	while (!error)
		error = ledger_sync_end(ledger);
	assert_int_equal(error, -EIO);
	fails = false;
	assert_int_equal(again_end, 0);
	assert_int_equal(ledger_sync_begin(ledger), 0);
	assert_int_equal(again_at, 0);
	assert_int_equal(again_end, length_of(ledger_path(ledger)));
	while (unsynced(ledger))
		assert_int_equal(ledger_sync_end(ledger), 0);
	ledger_close(ledger, &stamp);
}

/* Whoever wrote it may have died after an error that nobody will be told again. */
static void what_another_process_wrote_is_in_doubt(void **state)
{
	struct ledger *ledger = opened();
	off_t length;

	(void)state;
	append(ledger);
	ledger_close(ledger, &stamp);
	assert_int_equal(again_end, 0);
	ledger = opened();
	length = length_of(ledger_path(ledger));
	assert_int_equal(again_at, 0);
	assert_int_equal(again_end, length);
	assert_int_equal(verified(ledger).findings, 0);
	ledger_close(ledger, &stamp);
}

/* ---- what is not --------------------------------------------------------------------------------------------- */

enum loss { ZEROS, SHORTER, DELETED };
/* What verify says of it. */
static const char *const found[] = {"the batch of seal 2 is not what was sealed", "seal 3 stands where 2 is due",
				    "the log begins with segment 2"};

/* The kernel let go of it, and reads from the disk what was there before: it is on record, and the log goes on. */
static void lose(enum loss loss)
{
	struct ledger *ledger = opened();
	struct chain_checkpoint head;
	static const char zeros[50];
	char path[512];
	off_t before;
	int file;

	append(ledger);
	assert_int_equal(ledger_sync(ledger), 0);
	snprintf(path, sizeof(path), "%s", ledger_path(ledger));
	before = length_of(path);
	append(ledger);
	fails = true;
	assert_int_equal(ledger_sync(ledger), -EIO);
	fails = false;
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (loss == ZEROS)
		assert_int_equal(syscall(SYS_pwrite64, file, zeros, sizeof(zeros), before + 10), sizeof(zeros));
	else if (loss == SHORTER)
		assert_int_equal(ftruncate(file, before), 0);
	else
		assert_int_equal(unlink(path), 0);
	close(file);
	if (loss != DELETED)
		assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
	assert_int_equal(ledger_sync(ledger), -EIO); /* whoever waits for it is not told that it is there */
	assert_string_not_equal(ledger_path(ledger), path);
	assert_int_equal(ledger_lost(ledger), 1);
	assert_int_equal(head_read(folder, &head), -ENOENT); /* nor who keeps checkpoints */
	append(ledger);
	assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
	assert_int_equal(ledger_sync(ledger), 0);
	assert_int_equal(unsynced(ledger), 0);
	assert_int_equal(head_read(folder, &head), 0);
	assert_int_equal(verified(ledger).operations, loss == DELETED ? 2 : 3);
	assert_non_null(strstr(findings, found[loss]));
	ledger_close(ledger, &stamp);
	ledger = opened(); /* and the chain goes on */
	append(ledger);
	assert_int_equal(verified(ledger).operations, loss == DELETED ? 3 : 4);
	ledger_close(ledger, &stamp);
}

static void zeros_in_it(void **state)
{
	(void)state;
	lose(ZEROS);
}

static void an_end_that_is_gone(void **state)
{
	(void)state;
	lose(SHORTER);
}

static void a_file_that_is_gone(void **state)
{
	(void)state;
	lose(DELETED);
}

/* It is as if it were gone. */
static void what_cannot_be_read_back(void **state)
{
	struct ledger *ledger = opened();

	(void)state;
	append(ledger);
	fails = true;
	assert_int_equal(ledger_sync(ledger), -EIO);
	fails = false;
	unreadable_to = 1;
	assert_int_equal(ledger_sync(ledger), -EIO);
	assert_int_equal(ledger_lost(ledger), 1);
	assert_int_equal(ledger_sync(ledger), 0);
	unreadable_to = 0;
	ledger_close(ledger, &stamp);
}

/* The disk is full when another segment is to go on: it begins as any, once there is room. */
static void the_next_one_begins_when_there_is_room(void **state)
{
	const struct store_limits limits = {.bytes = 1, .age = 86400 * CLOCK_SECOND};
	struct ledger *ledger = opened();
	struct ending ending;
	const char *name;

	(void)state;
	ledger_limit(ledger, &limits);
	append(ledger);
	assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
	fails = true;
	assert_int_equal(ledger_sync(ledger), -EIO);
	fails = false;
	unreadable_to = 1;
	full = true;
	assert_int_equal(ledger_append(ledger, &stamp, "", 0, 0, NULL, 0), -ENOSPC);
	assert_int_equal(ledger_number(ledger), 2);
	assert_int_equal(ledger_lost(ledger), 1); /* though that is not on record yet */
	full = false;
	unreadable_to = 0;
	append(ledger);
	assert_int_equal(ledger_number(ledger), 2);
	assert_int_equal(ledger_lost(ledger), 1);
	name = strrchr(ledger_path(ledger), '/') + 1;
	assert_int_equal(ending_read(folder, name, &ending), 0);
	assert_false(ending.is_unchained);
	assert_false(ending.is_broken);
	chain_close(&ending.chain);
	ledger_close(ledger, &stamp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_written_again_before_it_is_said_to_be_there, begin, end),
		cmocka_unit_test_setup_teardown(a_word_for_lost_is_not_a_loss, begin, end),
		cmocka_unit_test_setup_teardown(only_what_is_in_doubt_is_read, begin, end),
		cmocka_unit_test_setup_teardown(the_same_of_one_that_was_begun, begin, end),
		cmocka_unit_test_setup_teardown(what_another_process_wrote_is_in_doubt, begin, end),
		cmocka_unit_test_setup_teardown(zeros_in_it, begin, end),
		cmocka_unit_test_setup_teardown(an_end_that_is_gone, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_is_gone, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_back, begin, end),
		cmocka_unit_test_setup_teardown(the_next_one_begins_when_there_is_room, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
