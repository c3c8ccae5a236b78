/* SPDX-License-Identifier: GPL-2.0-only */
/* From the rings of a loaded program to the disk: nothing twice, nothing lost without a gap that says so. */
#include "../kernel/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/journal.h"
#include "base/array.h"
#include "kernel/boot.h"
#include "kernel/counters.h"
#include "kernel/events.h"
#include "scratch.h"

#define BATCH 2048 /* records */
#define RING_RECORDS ((size_t)boot_event_slots(counters_cpus()))

static struct host host;
static uint64_t revocations;
static enum outbox_sync sync_when;
static uint64_t unsynced_max;
static struct store_limits limits;
static atomic_bool disk_fails, disk_hangs;
static atomic_int disk_works; /* so many times more, before it fails */
static char witness[96];

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int begin(void **state)
{
	(void)state;
	assert_int_equal(scratch_make("journal"), 0);
	revocations = 0;
	sync_when = OUTBOX_SYNC_SECOND;
	disk_fails = disk_hangs = false;
	disk_works = 0;
	limit_files(0);
	unsynced_max = 0;
	limits = (struct store_limits){0};
	witness[0] = '\0';
	host_stay(); /* with one CPU's rings */
	host_open(&host);
	return 0;
}

static int end(void **state)
{
	(void)state;
	host_close(&host);
	return scratch_remove();
}

/* In the place of the C library's: how often something was to be brought to the disk, and whether that succeeds. */
static atomic_uint syncs;
static const struct timespec moment = {.tv_nsec = 1000000};

int fdatasync(int file)
{
	(void)file;
	syncs++;
	while (disk_hangs)
		nanosleep(&moment, NULL);
	errno = EIO;
	return disk_fails && disk_works-- <= 0 ? -1 : 0;
}

static struct journal *opened(void)
{
	struct problem problem = {0};
	struct journal *journal = NULL;
	char key[96], client_keys[96];

	snprintf(key, sizeof(key), "%s/key.pem", folder);
	snprintf(client_keys, sizeof(client_keys), "%s/client-keys", folder);
	if (journal_open(host.program, host.publisher,
			 &(struct journal_options){.folder = folder,
						   .key = key,
						   .client_keys = client_keys,
						   .sync = sync_when,
						   .unsynced_max = unsynced_max,
						   .limits = limits,
						   .witness = *witness ? witness : NULL},
			 &problem, &journal))
		fail_msg("%s", problem.text);
	return journal;
}

static struct journal *opened_with_policy(void)
{
	struct journal *journal = opened();

	journal_catalog(journal, host_publish(&host, HOST_POLICY));
	return journal;
}

static void seen(const struct usher_event *event, const struct usher_address *nat, const struct usher_backend *backend,
		 void *context)
{
	if (event->reason != USHER_REASON_REVOKED)
		return;
	assert_non_null(nat);
	assert_non_null(backend);
	++*(uint64_t *)context;
}

static int drain(struct journal *journal)
{
	return journal_drain(journal, seen, &revocations);
}

/* A gap at the end shows after three looks. */
static void tick(struct journal *journal)
{
	for (int i = 0; i < 4; i++) {
		assert_int_equal(journal_tick(journal), 0);
		assert_int_equal(drain(journal), 0);
	}
}

static int is_segment(const struct dirent *entry)
{
	return strstr(entry->d_name, ".jsonl") && !strstr(entry->d_name, ".torn");
}

/* Lines of the whole log that hold all of these words; "": any. The last such line in `last`. */
static size_t lines_with(const char *word, const char *other, char last[4096])
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort);
	size_t found = 0;
	char line[4096], path[512];

	for (int i = 0; i < count; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		file = fopen(path, "re");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file)) {
			assert_non_null(strchr(line, '\n'));
			if (!strstr(line, word) || !strstr(line, other))
				continue;
			found++;
			if (last)
				memcpy(last, line, sizeof(line));
		}
		fclose(file);
		free(entries[i]);
	}
	free(entries);
	return found;
}

/* Numbers in gap records of the whole log. */
static uint64_t gap_numbers(void)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort);
	char line[4096], path[512];
	uint64_t numbers = 0;

	for (int i = 0; i < count; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		file = fopen(path, "re");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file))
			if (strstr(line, "\"type\":\"gap\""))
				numbers += strtoull(strstr(line, "\"count\":") + 8, NULL, 10);
		fclose(file);
		free(entries[i]);
	}
	free(entries);
	return numbers;
}

static struct journal_totals totals_of(const struct journal *journal)
{
	struct journal_totals totals;

	journal_totals(journal, &totals);
	return totals;
}

/* Drains until all is on the disk, which is brought there where it was said that it is. */
static void settle(struct journal *journal)
{
	int error = 0;

	for (int i = 0; i < 10000 && (totals_of(journal).unsynced || journal_waiting(journal)); i++) {
		error = drain(journal);
		nanosleep(&moment, NULL);
	}
	assert_int_equal(totals_of(journal).unsynced, 0);
	assert_int_equal(error, 0);
}

/* The same, with what nobody's room waits for. */
static void settle_all(struct journal *journal)
{
	for (int i = 0; i < 10000 && totals_of(journal).unsynced; i++) {
		drain(journal);
		journal_tick(journal);
		nanosleep(&moment, NULL);
	}
	settle(journal);
}

/* With its beginning on the disk. */
static struct journal *opened_and_settled(void)
{
	struct journal *journal = opened_with_policy();

	assert_int_equal(journal_tick(journal), 0);
	settle(journal);
	return journal;
}

/* Drains until one more try to bring it there has failed. */
static void fail_once(struct journal *journal)
{
	uint64_t errors = totals_of(journal).write_errors;

	for (int i = 0; i < 10000 && totals_of(journal).write_errors == errors; i++) {
		drain(journal);
		nanosleep(&moment, NULL);
	}
	assert_int_equal(totals_of(journal).write_errors, errors + 1);
	assert_int_equal(drain(journal), -EIO); /* and so it is until one has succeeded */
}

/* Until the disk's loss has been noticed; then it works again, has room, and gets the rest. */
static void lose_segment(struct journal *journal)
{
	for (int i = 0; i < 10000 && !totals_of(journal).segments_lost; i++) {
		drain(journal);
		journal_tick(journal); /* which asks the disk also while nothing can be written */
		nanosleep(&moment, NULL);
	}
	assert_int_equal(totals_of(journal).segments_lost, 1);
	limit_files(0);
	disk_fails = false;
	settle_all(journal);
}

/* Given = stored + lost + waiting, on each CPU; and what is stored and lost is what the log has. Returns how many wait. */
static uint64_t account(const struct journal *journal)
{
	struct journal_account sum[USHER_RINGS] = {0},
			       *accounts = calloc(counters_cpus() * USHER_RINGS, sizeof(*accounts));
	static const char *const rings[USHER_RINGS] = {"\"ring\":\"events\"", "\"ring\":\"required\""};
	uint64_t waiting = 0;

	assert_int_equal(journal_accounts(journal, accounts, counters_cpus()), 0);
	for (size_t i = 0; i < counters_cpus() * USHER_RINGS; i++) {
		assert_int_equal(accounts[i].taken, accounts[i].stored + accounts[i].lost + accounts[i].waiting);
		sum[i % USHER_RINGS].stored += accounts[i].stored;
		sum[i % USHER_RINGS].lost += accounts[i].lost;
		waiting += accounts[i].waiting;
	}
	for (size_t ring = 0; ring < USHER_RINGS; ring++)
		assert_int_equal(lines_with("\"sequence\":", rings[ring], NULL), sum[ring].stored);
	assert_int_equal(gap_numbers(), sum[USHER_RING_EVENTS].lost + sum[USHER_RING_REQUIRED].lost);
	free(accounts);
	return waiting;
}

static void test_each_decision_has_one_record(void **state)
{
	struct host_packet allowed = host_syn("203.0.113.10", 40000), stranger = host_syn("198.18.0.10", 1);
	struct host_packet strict = host_syn("192.0.2.10", 40001), dropped = host_dropped("198.18.0.10");
	struct journal *journal;
	char line[4096];

	(void)state;
	journal = opened_with_policy();
	host_send(&host, &allowed);
	host_send(&host, &stranger);
	host_send(&host, &strict);
	host_send_many(&host, &dropped, 5000, NULL);
	assert_int_equal(journal_waiting(journal), 5003);
	assert_int_equal(account(journal), 5003);
	assert_int_equal(drain(journal), 0);
	assert_int_equal(journal_waiting(journal), 0);
	assert_int_equal(account(journal), 0);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 5003);
	assert_int_equal(lines_with("\"reason\":\"deny-rule\"", "\"rule\":\"no\"", NULL), 5000);
	assert_int_equal(lines_with("\"tenant\":\"strict\"", "\"ring\":\"required\"", line), 1);
	assert_int_equal(lines_with("\"reason\":\"admitted\"", "\"tenant\":\"acme\"", line), 1);
	assert_non_null(strstr(line, "\"backend\":\"b1\""));
	assert_non_null(strstr(line, "\"nat_endpoint\":{\"ip\":\"10.0.0.2\""));
	assert_non_null(strstr(line, "\"backend_endpoint\":{\"ip\":\"10.1.0.11\",\"port\":8000}"));
	tick(journal);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", NULL), 0);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 5003);
	journal_close(journal);
}

static void expect_on_disk(struct journal *journal, bool is_there)
{
	const struct timespec while_it_would_come = {.tv_nsec = 20000000};

	if (is_there)
		settle(journal);
	else
		nanosleep(&while_it_would_come, NULL);
	assert_int_equal(syncs > 0, is_there);
	syncs = 0;
}

/* What waits for a second, for each batch, for nobody; an operation waits for the disk unless nothing does. */
static void test_records_are_brought_to_the_disk_when_it_is_said(void **state)
{
	static const struct {
		enum outbox_sync when;
		bool by_drain, by_tick, by_operation;
	} cases[] = {{OUTBOX_SYNC_SECOND, false, true, true},
		     {OUTBOX_SYNC_BATCH, true, true, true},
		     {OUTBOX_SYNC_NEVER, false, false, false}};
	struct host_packet dropped = host_dropped("198.18.0.10");

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct journal *journal;

		sync_when = cases[i].when;
		journal = opened_with_policy();
		host_send_many(&host, &dropped, 10, NULL);
		syncs = 0;
		assert_int_equal(drain(journal), 0);
		expect_on_disk(journal, cases[i].by_drain);
		assert_int_equal(journal_tick(journal), 0);
		expect_on_disk(journal, cases[i].by_tick);
		journal_operation(journal, "drain", NULL);
		assert_int_equal(journal_operation_end(journal), 0);
		assert_int_equal(totals_of(journal).unsynced == 0, cases[i].by_operation); /* at once */
		expect_on_disk(journal, cases[i].by_operation);
		journal_close(journal);
	}
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 30);
}

/* With a batch on the way to a disk that takes nothing the rings keep their room: nobody is let in whose record may be lost. */
static void test_room_waits_for_the_disk_when_each_batch_does(void **state)
{
	struct host_packet strict = host_syn("192.0.2.10", 40001), dropped = host_dropped("192.0.2.10");
	struct journal *journal;

	(void)state;
	sync_when = OUTBOX_SYNC_BATCH;
	journal = opened_with_policy();
	host_send_many(&host, &dropped, (int)RING_RECORDS + 10, NULL);
	disk_fails = true;
	for (int i = 0; i < 3; i++)
		fail_once(journal);
	assert_int_equal(host_send(&host, &strict), XDP_DROP);
	disk_fails = false;
	disk_hangs = true;
	for (int i = 0; i < 100; i++)
		assert_int_equal(drain(journal), -EIO); /* which waits for nothing */
	assert_int_equal(host_send(&host, &strict), XDP_DROP);
	disk_hangs = false;
	settle(journal);
	assert_int_equal(host_send(&host, &strict), XDP_TX);
	assert_int_equal(drain(journal), 0);
	tick(journal);
	assert_int_equal(lines_with("\"reason\":\"admitted\"", "\"tenant\":\"strict\"", NULL), 1);
	assert_int_equal(lines_with("\"reason\":\"deny-rule\"", "", NULL) + totals_of(journal).lost >= RING_RECORDS, 1);
	journal_close(journal);
}

/* What the disk has lost while its room was held is in the rings still, and is written once more. */
static void test_what_a_disk_loses_while_room_is_held_is_written_again(void **state)
{
	struct host_packet strict = host_syn("192.0.2.10", 40001), dropped = host_dropped("192.0.2.10");
	struct journal *journal;

	(void)state;
	sync_when = OUTBOX_SYNC_BATCH;
	journal = opened_and_settled();
	host_send_many(&host, &dropped, 10, NULL);
	disk_fails = true;
	fail_once(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 10);
	assert_int_equal(truncate(journal_path(journal), 0), 0);
	lose_segment(journal);
	assert_int_equal(host_send(&host, &strict), XDP_TX);
	settle(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 11);
	assert_int_equal(lines_with("\"type\":\"decision\"", "\"sequence\":0,", NULL), 1);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", NULL), 0);
	assert_int_equal(lines_with("\"activity\":\"segment-lost\"", "", NULL), 1);
	journal_close(journal);
}

static uint64_t size_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return (uint64_t)status.st_size;
}

static void blank_line(const char *path, off_t at)
{
	int file = open(path, O_RDWR | O_CLOEXEC);
	char line[4096];
	ssize_t got = pread(file, line, sizeof(line), at);
	char *end = got > 0 ? memchr(line, '\n', (size_t)got) : NULL;

	assert_non_null(end);
	memset(line, ' ', (size_t)(end - line));
	assert_int_equal(pwrite(file, line, (size_t)(end - line), at), end - line);
	close(file);
}

/* The disk loses what is held while decisions and an operation wait for room in the log: the decisions come again, the operation stays. */
static void test_an_operation_stays_where_decisions_come_again(void **state)
{
	struct host_packet dropped = host_dropped("192.0.2.10");
	struct journal *journal;
	uint64_t before, batch;
	char path[512];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	sync_when = OUTBOX_SYNC_BATCH;
	journal = opened_with_policy();
	snprintf(path, sizeof(path), "%s", journal_path(journal));
	before = size_of(path);
	host_send_many(&host, &dropped, BATCH, NULL);
	settle(journal);
	batch = size_of(path) - before;
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), BATCH);

	/* One batch finds room and is held, the next one waits, and so does the operation. */
	host_send_many(&host, &dropped, 2 * BATCH, NULL);
	disk_fails = true;
	limit_files(before + 2 * batch + batch / 2);
	assert_int_equal(drain(journal), -EFBIG);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 2 * BATCH);
	json_string(journal_operation(journal, "drain", NULL), "backend", "b1");
	assert_int_equal(journal_operation_end(journal), -EFBIG);

	/* And so it is until a line of the batch that is held turns out to be lost. */
	blank_line(path, (off_t)(before + batch));
	lose_segment(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL),
			 4 * BATCH - 1); /* what else is in that file stays */
	assert_int_equal(lines_with("\"activity\":\"drain\"", "", NULL), 1);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", NULL), 0);
	assert_int_equal(lines_with("\"activity\":\"segment-lost\"", "", NULL), 1);
	journal_close(journal);
}

/* The file that decisions are held for is deleted, and an operation is the first that is written elsewhere: all of them come again. */
static void test_what_is_held_comes_again_behind_an_operation(void **state)
{
	struct host_packet dropped = host_dropped("192.0.2.10");
	struct journal *journal;

	(void)state;
	sync_when = OUTBOX_SYNC_BATCH;
	journal = opened_and_settled();
	host_send_many(&host, &dropped, 10, NULL);
	disk_fails = true;
	fail_once(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 10);
	assert_int_equal(unlink(journal_path(journal)), 0);
	disk_fails = false;
	json_string(journal_operation(journal, "drain", NULL), "backend", "b1");
	assert_int_equal(journal_operation_end(journal), 0);
	settle(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 10);
	assert_int_equal(lines_with("\"activity\":\"drain\"", "", NULL), 1);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", NULL), 0);
	assert_int_equal(lines_with("\"activity\":\"segment-lost\"", "", NULL), 1);
	journal_close(journal);
}

/* One batch ends the segment of another that is held, which is on the disk then: if the next segment is lost, only what was in that comes again. */
static void test_what_came_to_the_disk_when_its_segment_ended_does_not_come_again(void **state)
{
	struct host_packet dropped = host_dropped("192.0.2.10");
	struct journal *journal;

	(void)state;
	sync_when = OUTBOX_SYNC_BATCH;
	limits = (struct store_limits){64 << 10, 3600 * CLOCK_SECOND}; /* less than a batch: each has one */
	journal = opened_and_settled();
	host_send_many(&host, &dropped, 2 * BATCH, NULL);
	disk_fails = true;
	disk_works = 3; /* for segments that end */
	fail_once(journal);
	assert_true(disk_works < 0);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 2 * BATCH);
	assert_int_equal(totals_of(journal).segments_lost, 0);
	assert_int_equal(truncate(journal_path(journal), 0), 0);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), BATCH);
	lose_segment(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 2 * BATCH);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", NULL), 0);
	assert_int_equal(account(journal), 0);
	tick(journal);
	assert_int_equal(journal_waiting(journal), 0);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 2 * BATCH);
	journal_close(journal);
}

/* Operations that are in the log, but not on the disk, come again where the disk loses them; decisions whose room was freed do not. */
static void test_an_operation_that_is_lost_is_written_again(void **state)
{
	static const enum outbox_sync when[] = {OUTBOX_SYNC_SECOND, OUTBOX_SYNC_BATCH};
	struct host_packet dropped = host_dropped("192.0.2.10");

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(when); i++) {
		struct journal *journal;
		char number[32];

		sync_when = when[i];
		journal = opened_and_settled();
		snprintf(number, sizeof(number), "backend-%zu", i);
		disk_fails = true;
		host_send_many(&host, &dropped, 10, NULL);
		json_string(journal_operation(journal, "drain", NULL), "backend", number);
		assert_int_equal(journal_operation_end(journal), -EIO);
		drain(journal);
		assert_int_equal(lines_with("\"activity\":\"drain\"", number, NULL), 1);
		assert_int_equal(truncate(journal_path(journal), 0), 0);
		lose_segment(journal);
		assert_int_equal(lines_with("\"activity\":\"drain\"", number, NULL), 1);
		journal_close(journal);

		/* So does the last sync of a daemon find it, and writes it again. */
		journal = opened_with_policy();
		disk_fails = true;
		json_string(journal_operation(journal, "rotate", NULL), "backend", number);
		assert_int_equal(journal_operation_end(journal), -EIO);
		assert_int_equal(truncate(journal_path(journal), 0), 0);
		disk_fails = false;
		journal_close(journal);
		assert_int_equal(lines_with("\"activity\":\"rotate\"", number, NULL), 1);

		/* What came there is not said again. */
		journal = opened_with_policy();
		json_string(journal_operation(journal, "undrain", NULL), "backend", number);
		assert_int_equal(journal_operation_end(journal), 0);
		assert_int_equal(unlink(journal_path(journal)), 0);
		json_string(journal_operation(journal, "drain", NULL), "backend", "backend-9");
		assert_int_equal(journal_operation_end(journal), 0);
		settle(journal);
		assert_int_equal(lines_with("\"activity\":\"undrain\"", number, NULL), 0);
		assert_int_equal(lines_with("\"activity\":\"drain\"", "backend-9", NULL), i + 1);
		journal_close(journal);
	}
}

/* A disk that fails for long: what is kept for it is bounded, and who does more is told that it is not on record. */
static void test_what_is_kept_for_a_failing_disk_is_bounded(void **state)
{
	struct journal *journal;
	char why[3001];
	int said = 0, error = -EIO;

	(void)state;
	memset(why, 'y', sizeof(why));
	why[sizeof(why) - 1] = '\0';
	journal = opened_and_settled();
	disk_fails = true;
	for (; said < 10000 && error == -EIO; said += error == -EIO) {
		json_string(journal_operation(journal, "drain", NULL), "why", why);
		error = journal_operation_end(journal);
	}
	assert_int_equal(error, -ENOBUFS);
	assert_in_range(said, (16 << 20) / 3200, (16 << 20) / 3000);
	assert_int_equal(lines_with("\"activity\":\"drain\"", "", NULL), said);
	disk_fails = false;
	json_string(journal_operation(journal, "undrain", NULL), "backend", "b1");
	assert_int_equal(journal_operation_end(journal), -ENOBUFS);
	settle_all(journal);
	json_string(journal_operation(journal, "undrain", NULL), "backend", "b1");
	assert_int_equal(journal_operation_end(journal), 0);
	assert_int_equal(lines_with("\"activity\":\"drain\"", "", NULL), said);
	assert_int_equal(lines_with("\"activity\":\"undrain\"", "", NULL), 1);
	journal_close(journal);
}

/* The loss is found where the next segment is to begin. */
static void test_a_loss_that_is_found_when_a_segment_ends(void **state)
{
	struct clock_times times = {.monotonic = clock_monotonic(), .realtime = clock_realtime()};
	struct host_packet dropped = host_dropped("192.0.2.10");
	struct journal *journal;

	(void)state;
	clock_fake(&times);
	sync_when = OUTBOX_SYNC_BATCH;
	limits = (struct store_limits){1 << 30, 10 * CLOCK_SECOND};
	journal = opened_and_settled();
	disk_fails = true;
	host_send_many(&host, &dropped, 10, NULL);
	fail_once(journal);
	json_string(journal_operation(journal, "drain", NULL), "backend", "b1");
	assert_int_equal(journal_operation_end(journal), -EIO);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 10);
	assert_int_equal(truncate(journal_path(journal), 0), 0);
	disk_fails = false;
	times.monotonic += 11 * CLOCK_SECOND;
	json_string(journal_operation(journal, "undrain", NULL), "backend", "b1");
	assert_int_equal(journal_operation_end(journal), 0);
	clock_fake(NULL);
	settle(journal);
	assert_int_equal(totals_of(journal).segments_lost, 1);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 10);
	assert_int_equal(lines_with("\"activity\":\"drain\"", "", NULL), 1);
	assert_int_equal(lines_with("\"activity\":\"undrain\"", "", NULL), 1);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", NULL), 0);
	journal_close(journal);
}

/* Policies come and go before decisions are read: who has to read these again still knows their names. */
static void test_names_are_kept_while_room_is_held(void **state)
{
	struct host_packet dropped = host_dropped("192.0.2.10");
	struct journal *journal;

	(void)state;
	sync_when = OUTBOX_SYNC_BATCH;
	journal = opened_and_settled();
	host_send_many(&host, &dropped, 10, NULL);
	for (int i = 0; i < 4; i++)
		journal_catalog(journal, host_publish(&host, HOST_POLICY));
	disk_fails = true;
	fail_once(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "\"tenant\":\"strict\"", NULL), 10);
	assert_int_equal(truncate(journal_path(journal), 0), 0);
	lose_segment(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "\"tenant\":\"strict\"", NULL), 10);
	journal_close(journal);
}

/* A disk that hangs holds up nobody: records go to the log, until too much of it is not on the disk; then they stay in the rings. */
static void test_who_reads_the_rings_does_not_wait_for_the_disk(void **state)
{
	struct host_packet strict = host_syn("192.0.2.10", 40001), dropped = host_dropped("192.0.2.10");
	struct clock_times times = {.monotonic = clock_monotonic(), .realtime = clock_realtime()};
	struct journal *journal;
	size_t written;

	(void)state;
	clock_fake(&times);
	unsynced_max = 100000;
	journal = opened_and_settled();
	host_send_many(&host, &dropped, 10, NULL);
	assert_int_equal(drain(journal), 0);
	disk_hangs = true;
	times.monotonic += CLOCK_SECOND;
	assert_int_equal(journal_tick(journal), 0);
	host_send_many(&host, &dropped, 10, NULL);
	assert_int_equal(drain(journal), 0);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 20);
	assert_int_equal(journal_waiting(journal), 0);
	times.monotonic += 3 * CLOCK_SECOND;
	assert_int_equal(journal_tick(journal), 0);
	assert_int_equal(totals_of(journal).behind, 4 * CLOCK_SECOND);
	host_send_many(&host, &dropped, (int)RING_RECORDS - 10, NULL);
	for (int i = 0; i < 100; i++)
		assert_int_equal(drain(journal), 0);
	written = lines_with("\"type\":\"decision\"", "", NULL);
	assert_in_range(written, 100, 5000);
	assert_int_equal(journal_waiting(journal), RING_RECORDS + 10 - written);
	assert_true(totals_of(journal).unsynced >= unsynced_max);
	host_send_many(&host, &dropped, (int)written, NULL);
	assert_int_equal(host_send(&host, &strict), XDP_DROP); /* no record, no service */
	disk_hangs = false;
	settle(journal);
	assert_int_equal(host_send(&host, &strict), XDP_TX);
	assert_int_equal(totals_of(journal).error, 0);
	assert_int_equal(totals_of(journal).write_errors, 0);
	clock_fake(NULL);
	journal_close(journal);
}

static bool has_line(const char *path, const char *word)
{
	char line[1024] = "";
	FILE *file = fopen(path, "re");
	bool found = false;

	while (file && fgets(line, sizeof(line), file))
		found |= strstr(line, word) != NULL;
	if (file)
		fclose(file);
	return found;
}

/* A checkpoint that a power cut takes from the log must not be in anybody's hands: they would say that the log was written anew. */
static void test_a_checkpoint_is_handed_over_once_it_is_on_the_disk(void **state)
{
	static const enum outbox_sync modes[] = {OUTBOX_SYNC_SECOND, OUTBOX_SYNC_BATCH, OUTBOX_SYNC_NEVER};
	struct clock_times times = {.monotonic = clock_monotonic(), .realtime = clock_realtime()};
	char head[96];

	(void)state;
	clock_fake(&times);
	snprintf(head, sizeof(head), "%s/head.json", folder);
	for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
		bool waits = modes[i] != OUTBOX_SYNC_NEVER;
		struct journal *journal;

		snprintf(witness, sizeof(witness), "%s/witness-%zu", folder, i);
		sync_when = modes[i];
		journal = opened();
		unlink(head);
		times.monotonic += 6 * CLOCK_SECOND;
		disk_fails = true;
		assert_int_equal(journal_tick(journal), 0);
		if (waits)
			fail_once(journal);
		assert_int_equal(journal_tend(journal), 0);
		assert_int_equal(has_line(head, "\"checkpoint\""), !waits);
		times.monotonic += 3 * CLOCK_SECOND;
		if (waits) {
			assert_int_equal(totals_of(journal).witnessed, 0);
			assert_int_equal(totals_of(journal).error, -EIO);
			assert_true(totals_of(journal).behind >= 3 * CLOCK_SECOND);
		}
		disk_fails = false;
		journal_tick(journal);
		if (waits)
			settle(journal);
		assert_int_equal(journal_tick(journal), 0);
		assert_int_equal(totals_of(journal).error, 0);
		assert_true(!waits || totals_of(journal).behind >=
					      3 * CLOCK_SECOND); /* who hangs in a sync cannot say so meanwhile */
		times.monotonic += 61 * CLOCK_SECOND;
		assert_int_equal(totals_of(journal).behind, 0);
		for (int t = 0; t < 5000 && !has_line(witness, "\"checkpoint\""); t++) {
			assert_int_equal(journal_tend(journal), 0);
			nanosleep(&moment, NULL);
		}
		assert_true(has_line(witness, "\"checkpoint\""));
		assert_true(has_line(head, "\"checkpoint\""));
		journal_close(journal);
	}
	clock_fake(NULL);
}

/* No restart is needed, and who must have a record is served all the while. */
static void test_a_log_whose_newest_file_is_deleted_goes_on(void **state)
{
	struct host_packet strict = host_syn("192.0.2.10", 40001), second = host_syn("192.0.2.10", 40002);
	struct journal *journal = opened_with_policy();
	char line[4096];

	(void)state;
	assert_int_equal(host_send(&host, &strict), XDP_TX);
	assert_int_equal(drain(journal), 0);
	assert_int_equal(unlink(journal_path(journal)), 0);
	assert_int_equal(host_send(&host, &second), XDP_TX);
	assert_int_equal(drain(journal), 0);
	assert_int_equal(journal_waiting(journal), 0);
	assert_int_equal(totals_of(journal).segments_lost, 1);
	assert_int_equal(lines_with("\"activity\":\"segment-lost\"", "\"number\":1,", line), 1);
	assert_int_equal(lines_with("\"reason\":\"admitted\"", "\"tenant\":\"strict\"", NULL), 1);
	assert_int_equal(lines_with("\"type\":\"position\"", "", NULL), 1);
	journal_close(journal);
}

static void test_what_the_rings_had_no_room_for_is_a_gap(void **state)
{
	struct host_packet dropped = host_dropped("198.18.0.10");
	struct counters *counters = malloc(sizeof(*counters));
	struct journal_totals totals;
	struct journal *journal;
	char line[4096], wanted[64];

	(void)state;
	journal = opened_with_policy();
	host_send_many(&host, &dropped, (int)RING_RECORDS + 1000, NULL);
	for (int i = 0; i < 10; i++)
		assert_int_equal(drain(journal), 0);
	tick(journal);
	assert_int_equal(counters_read(host.program, counters), 0);
	assert_true(counters->sequences[USHER_RING_EVENTS].lost >= 999);
	totals = totals_of(journal);
	assert_int_equal(totals.lost, counters->sequences[USHER_RING_EVENTS].lost);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL) + totals.lost, RING_RECORDS + 1000);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", line), totals.gaps);
	snprintf(wanted, sizeof(wanted), "\"count\":%llu}", (unsigned long long)totals.lost);
	assert_non_null(strstr(line, wanted));
	assert_int_equal(account(journal), 0);
	free(counters);
	journal_close(journal);
}

/* Numbers that were taken for records of tenants whose audit is required. */
static uint64_t taken_of_required(void)
{
	struct counters *counters = malloc(sizeof(*counters));
	uint64_t taken;

	assert_int_equal(counters_read(host.program, counters), 0);
	taken = counters->sequences[USHER_RING_REQUIRED].taken;
	free(counters);
	return taken;
}

static void test_a_full_disk_keeps_records_and_stops_service(void **state)
{
	struct host_packet dropped = host_dropped("192.0.2.10"), strict = host_syn("192.0.2.10", 40001);
	struct host_packet data = host_syn("203.0.113.10", 40000), later = host_syn("203.0.113.10", 40001);
	struct journal_totals totals;
	struct journal *journal;
	uint64_t taken, accounted;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	journal = opened_with_policy();
	host_send(&host, &data);
	host_send(&host, &later);
	journal_catalog(journal, host_publish(&host, HOST_POLICY_CUT));
	data.flags = HOST_ACK;
	host_send(&host, &data);

	limit_files(4096);
	host_send_many(&host, &dropped, (int)RING_RECORDS + 10, NULL); /* the ring of the required is full */
	assert_int_equal(drain(journal), -EFBIG);
	assert_int_equal(revocations, 1);
	later.flags = HOST_ACK;
	host_send(&host, &later);
	assert_int_equal(drain(journal), -EFBIG);
	assert_int_equal(revocations, 2); /* who has to act on one hears of it all the same, and once */
	totals = totals_of(journal);
	assert_true(journal_waiting(journal) >= RING_RECORDS - 10);
	assert_true(totals.write_errors >= 2);
	assert_int_equal(host_send(&host, &strict), XDP_DROP); /* no record, no service */
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 0);

	limit_files(0);
	taken = taken_of_required(); /* what was sent, and a count of what was refused if a second has passed */
	assert_true(taken >= RING_RECORDS + 11);
	for (int i = 0; i < 10; i++)
		assert_int_equal(drain(journal), 0);
	tick(journal);
	totals = totals_of(journal);
	assert_int_equal(journal_waiting(journal), 0);
	accounted = lines_with("\"type\":\"decision\"", "\"ring\":\"required\"", NULL) + totals.lost;
	assert_in_range(accounted, taken, taken_of_required());
	assert_int_equal(lines_with("\"reason\":\"revoked\"", "", NULL), 2);
	assert_int_equal(revocations, 2);
	assert_int_equal(host_send(&host, &strict), XDP_TX);
	journal_close(journal);
}

static void test_the_next_daemon_goes_on_where_this_one_died(void **state)
{
	struct host_packet dropped = host_dropped("198.18.0.10");
	struct journal *journal;
	char line[4096];

	(void)state;
	journal = opened_with_policy();
	host_send_many(&host, &dropped, 10, NULL);
	assert_int_equal(drain(journal), 0);
	journal_close(journal);

	/* Nobody reads: more comes than the ring holds. */
	host_send_many(&host, &dropped, (int)RING_RECORDS + 500, NULL);
	for (int restarts = 0; restarts < 3; restarts++) { /* none of them in its prime */
		journal = opened();
		journal_close(journal);
	}
	journal = opened();
	for (int i = 0; i < 10; i++)
		assert_int_equal(drain(journal), 0);
	tick(journal);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", line), 1);
	assert_non_null(strstr(line, "\"count\":500}"));
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 10 + RING_RECORDS);
	assert_int_equal(account(journal), 0);
	journal_close(journal);
	journal = opened(); /* which has to learn what was lost */
	assert_int_equal(account(journal), 0);
	/* Names of a generation that this daemon has not compiled are not invented. */
	assert_int_equal(lines_with("\"tenant\":null", "\"numbers\":{", NULL), RING_RECORDS);
	journal_close(journal);
}

/* It dies between the write and the freeing of the room: the same events are read again. */
static void test_nothing_is_recorded_twice(void **state)
{
	struct host_packet dropped = host_dropped("198.18.0.10");
	struct journal *journal;
	struct events *events;
	char line[4096], command[1024], path[256];

	(void)state;
	journal = opened_with_policy();
	host_send_many(&host, &dropped, 3, NULL);
	assert_int_equal(drain(journal), 0);
	snprintf(path, sizeof(path), "%s", journal_path(journal));
	journal_close(journal);
	/* The other way round: five events that the log has already. */
	host_send_many(&host, &dropped, 5, NULL);
	assert_int_equal(lines_with("\"type\":\"decision\"", "\"sequence\":2,", line), 1);
	for (int sequence = 3; sequence < 8; sequence++) {
		snprintf(command, sizeof(command),
			 "sed -n '/\"sequence\":2,/{s/\"sequence\":2,/\"sequence\":%d,/p;q}' %s >> %s", sequence, path,
			 path);
		host_run(command);
	}
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 8);
	assert_int_equal(events_open(host.program, &events), 0);
	assert_int_not_equal(events_waiting(events), 0);
	journal = opened();
	assert_int_equal(drain(journal), 0);
	tick(journal);
	assert_int_equal(lines_with("\"type\":\"decision\"", "", NULL), 8);
	assert_int_equal(lines_with("\"type\":\"gap\"", "", NULL), 0);
	assert_int_equal(events_waiting(events), 0); /* and their room is freed */
	events_close(events);
	journal_close(journal);
}

static void test_operations_and_torn_lines_are_on_record(void **state)
{
	struct record_actor actor = {.uid = 7, .pid = 8, .user = "olga"};
	struct journal *journal;
	char path[256], line[4096];
	FILE *file;

	(void)state;
	journal = opened();
	json_string(journal_operation(journal, "drain", &actor), "backend", "b1");
	assert_int_equal(journal_operation_end(journal), 0);
	assert_int_equal(lines_with("\"activity\":\"drain\"", "\"user\":\"olga\"", line), 1);
	snprintf(path, sizeof(path), "%s", journal_path(journal));
	journal_close(journal);
	file = fopen(path, "ae");
	fputs("{\"time\":\"2026-", file);
	fclose(file);
	journal = opened();
	assert_int_equal(lines_with("\"activity\":\"log-mended\"", "\"torn_bytes\":14", line), 1);
	journal_close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_decision_has_one_record, begin, end),
		cmocka_unit_test_setup_teardown(test_records_are_brought_to_the_disk_when_it_is_said, begin, end),
		cmocka_unit_test_setup_teardown(test_room_waits_for_the_disk_when_each_batch_does, begin, end),
		cmocka_unit_test_setup_teardown(test_what_a_disk_loses_while_room_is_held_is_written_again, begin, end),
		cmocka_unit_test_setup_teardown(test_an_operation_stays_where_decisions_come_again, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_held_comes_again_behind_an_operation, begin, end),
		cmocka_unit_test_setup_teardown(test_what_came_to_the_disk_when_its_segment_ended_does_not_come_again,
						begin, end),
		cmocka_unit_test_setup_teardown(test_an_operation_that_is_lost_is_written_again, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_kept_for_a_failing_disk_is_bounded, begin, end),
		cmocka_unit_test_setup_teardown(test_a_loss_that_is_found_when_a_segment_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_names_are_kept_while_room_is_held, begin, end),
		cmocka_unit_test_setup_teardown(test_who_reads_the_rings_does_not_wait_for_the_disk, begin, end),
		cmocka_unit_test_setup_teardown(test_a_checkpoint_is_handed_over_once_it_is_on_the_disk, begin, end),
		cmocka_unit_test_setup_teardown(test_a_log_whose_newest_file_is_deleted_goes_on, begin, end),
		cmocka_unit_test_setup_teardown(test_what_the_rings_had_no_room_for_is_a_gap, begin, end),
		cmocka_unit_test_setup_teardown(test_a_full_disk_keeps_records_and_stops_service, begin, end),
		cmocka_unit_test_setup_teardown(test_the_next_daemon_goes_on_where_this_one_died, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_is_recorded_twice, begin, end),
		cmocka_unit_test_setup_teardown(test_operations_and_torn_lines_are_on_record, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
