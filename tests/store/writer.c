// SPDX-License-Identifier: GPL-2.0-only
#include "writer.h"

#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "audit/keeper.h"
#include "audit/query.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"

#define BATCHES 12
#define LINES 3
#define NUMBERS_MAX 1000
#define TRIES 4
#define PART 100 /* bytes of a batch that there is room for */
#define BEGINNING (1767225600 * CLOCK_SECOND)

/* ---- the one who writes ------------------------------------------------------------------------------------- */

char folder[64], key_path[96], said[8192];

static struct record_stamp stamp = {.boot_id = 0x1234};

static int append(struct ledger *ledger, uint64_t first)
{
	struct chain_range range = {.ring = USHER_RING_EVENTS, .first = first, .last = first + LINES - 1};
	struct usher_event event = {.reason = USHER_REASON_ADMITTED, .backend = USHER_NONE};
	struct json text = {0};
	int error;

	for (uint64_t i = 0; i < LINES; i++) {
		event.sequence = first + i;
		record_decision(&text, &stamp, &event, NULL, NULL, NULL, NULL);
	}
	error = ledger_append(ledger, &stamp, text.bytes, text.length, LINES, &range, 1);
	json_free(&text);
	return error;
}

/* On a disk that is full before the batch is written: part of it is. */
static int append_part(struct ledger *ledger, uint64_t first)
{
	struct rlimit before, full;
	struct stat status;
	int error;

	if (stat(ledger_path(ledger), &status) || getrlimit(RLIMIT_FSIZE, &before))
		return append(ledger, first);
	full = (struct rlimit){.rlim_cur = (rlim_t)status.st_size + PART, .rlim_max = before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &full);
	error = append(ledger, first);
	setrlimit(RLIMIT_FSIZE, &before);
	return error;
}

/* As the journal does: what cannot be written stays, and is tried again. */
static int insist(struct ledger *ledger, struct told *told, uint64_t first, bool full)
{
	int error = -1;

	for (int i = 0; error && i < TRIES; i++) {
		error = full && !i ? append_part(ledger, first) : append(ledger, first);
		told->errors += error != 0;
		told->refused += full && !i && error;
	}
	if (!error)
		told->acknowledged = first + LINES;
	return error;
}

static void sync_log(struct ledger *ledger, struct told *told)
{
	if (ledger_sync(ledger))
		told->errors++;
	else
		told->synced = told->acknowledged;
}

/* The same by a thread, as the journal does: what was there when it began is there once it has ended. */
static void sync_beside(struct ledger *ledger, struct told *told)
{
	int error = ledger_sync_end(ledger);
	struct ledger_reach reach = ledger_reach(ledger);

	told->errors += error != 0;
	if (reach.is_syncing)
		return;
	if (!error && reach.synced >= told->place && told->under_way > told->synced)
		told->synced = told->under_way;
	told->place = reach.written;
	told->under_way = told->acknowledged;
	told->errors += ledger_sync_begin(ledger) != 0;
}

static void tend(struct keeper *keeper, int patience, struct told *told)
{
	const struct timespec pause = {.tv_nsec = 500000};
	struct keeper_totals totals, before;

	keeper_totals(keeper, &before);
	for (int idle = 0; idle < patience; idle++) {
		told->errors += keeper_tick(keeper, &stamp) != 0;
		keeper_totals(keeper, &totals);
		if (memcmp(&totals, &before, sizeof(totals)) != 0 && totals.errors == before.errors)
			idle = 0;
		before = totals;
		nanosleep(&pause, NULL);
	}
}

static int begin(struct told *told, struct ledger **ret_ledger)
{
	const struct store_limits limits = {.bytes = 3000, .age = 86400 * CLOCK_SECOND};
	struct problem problem = {0};
	struct ledger_found found;
	int error = ledger_open(folder, key_path, &stamp, &problem, ret_ledger, &found);

	if (error) {
		fprintf(stderr, "%s\n", problem.text);
		return error;
	}
	told->opened = true;
	ledger_limit(*ret_ledger, &limits);
	return 0;
}

static int ignore(const char *line, size_t length, void *context)
{
	(void)line;
	(void)length;
	(void)context;
	return 0;
}

static void pass(const struct verify_finding *finding, void *context)
{
	(void)finding;
	(void)context;
}

/* Those who read it have their calls as well. */
static void read_back(struct told *told)
{
	const struct verify_trust trust = {0};
	struct verify_summary summary;
	struct filter filter = {0};
	struct query_place place = {0};

	told->errors += verify_folder(folder, &trust, pass, NULL, &summary) != 0;
	told->errors += query_run(folder, &filter, &place, ignore, NULL, NULL) != 0;
}

/* What one has left who died while he wrote. */
static bool tear(void)
{
	static const char half[] = "{\"time\":\"2026-01-01T0";
	_cleanup_(segments_free) struct segments segments = {0};
	_cleanup_close_ int file = -1;
	char path[512];

	if (segments_list(folder, &segments) || !segments.count)
		return false;
	snprintf(path, sizeof(path), "%s/%s", folder, segments.items[segments.count - 1].name);
	file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	return file >= 0 && !file_write(file, half, sizeof(half) - 1);
}

/* Twice, since what opens a log again has other calls. torn: the disk is full now and then, and the log ends with half a line when it is opened again. */
static int write_all(int patience, bool torn, struct told *told)
{
	uint64_t next = 0;

	stamp.realtime = BEGINNING;
	for (int start = 0; start < 2; start++) {
		struct problem problem = {0};
		struct ledger *ledger;
		struct keeper *keeper;
		uint64_t room, size;
		int error;

		if (torn && start && !tear())
			return 1;
		error = begin(told, &ledger);
		if (error)
			return WRITER_NOT_OPENED;
		if (keeper_new(ledger, &keeper))
			return 1;
		keeper_retain(keeper, 8 * 3600);
		for (int b = 0; !error && b < BATCHES / 2; b++) {
			error = insist(ledger, told, next, torn && b % 2);
			if (!error)
				next += LINES;
			stamp.realtime += 3600 * CLOCK_SECOND;
			told->errors += ledger_free(ledger, &room, &size) != 0;
			if (b % 3 == 0)
				told->errors += ledger_checkpoint(ledger, &stamp) != 0;
			if (b % 3 == 1)
				sync_log(ledger, told);
			else
				sync_beside(ledger, told);
			if (b == 4)
				told->errors += ledger_rotate(ledger, &stamp, NULL, "due", &problem) != 0;
		}
		tend(keeper, patience, told);
		keeper_free(keeper);
		ledger_close(ledger, &stamp);
		if (torn)
			read_back(told);
		if (error)
			break;
	}
	told->ended = true;
	return 0;
}

int write_log(int patience, struct told *told)
{
	return write_all(patience, false, told);
}

int write_torn_log(int patience, struct told *told)
{
	return write_all(patience, true, told);
}

/* ---- the one who looks --------------------------------------------------------------------------------------- */

void say(const char *format, ...)
{
	size_t used = strlen(said);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said + used, sizeof(said) - used, format, arguments);
	va_end(arguments);
}

static void note(const struct verify_finding *finding, void *context)
{
	(void)context;
	say("# %s:%" PRIu64 " %s\n", finding->segment, finding->first_line, finding->text);
}

static unsigned seen[NUMBERS_MAX];

static int see(const char *line, size_t length, void *context)
{
	uint64_t number;

	(void)context;
	if (memmem(line, length, "\"type\":\"decision\"", 17) && !chain_number(line, length, "sequence", &number) &&
	    number < NUMBERS_MAX)
		seen[number]++;
	return 0;
}

static uint64_t read_numbers(void)
{
	struct filter filter = {0};
	struct query_place place = {0};
	uint64_t next = 0;

	memset(seen, 0, sizeof(seen));
	query_run(folder, &filter, &place, see, NULL, NULL);
	for (uint64_t i = 0; i < NUMBERS_MAX; i++)
		if (seen[i])
			next = i + 1;
	return next;
}

static struct verify_summary verify(const char *witness)
{
	struct signer_key *keys[32];
	struct chain_checkpoint checkpoint;
	struct verify_trust trust = {.keys = keys, .witnesses = &checkpoint};
	struct verify_summary summary = {0};
	char pattern[128];
	glob_t found = {0};

	if (witness && !chain_parse_checkpoint(witness, strcspn(witness, "\n"), &checkpoint))
		trust.witness_count = 1;
	snprintf(pattern, sizeof(pattern), "%s/*.pem", folder);
	if (!glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc && trust.key_count < ARRAY_COUNT(keys); i++)
			if (!signer_key_read(found.gl_pathv[i], &keys[trust.key_count]))
				trust.key_count++;
	globfree(&found);
	if (verify_folder(folder, &trust, note, NULL, &summary))
		summary.findings = 1;
	for (size_t i = 0; i < trust.key_count; i++)
		signer_key_free(keys[i]);
	return summary;
}

bool look(uint64_t due, const char *witness)
{
	struct verify_summary summary;
	struct told more = {0};
	struct ledger *ledger;
	uint64_t first = 0;

	stamp.realtime = BEGINNING + 30 * 3600 * CLOCK_SECOND;
	if (begin(&more, &ledger)) {
		say("# it does not open again\n");
		return false;
	}
	/* What a crash has left is sealed now, and is in the log. */
	if (append(ledger, read_numbers()))
		say("# it does not go on\n");
	ledger_close(ledger, &stamp);
	summary = verify(witness);
	read_numbers();
	while (first < NUMBERS_MAX && !seen[first])
		first++;
	if (first && !summary.deleted)
		say("# it begins with number %" PRIu64 ", and nothing was deleted\n", first);
	for (uint64_t i = first; i < due; i++)
		if (seen[i] != 1)
			say("# number %" PRIu64 " of %" PRIu64 " acknowledged is there %u times\n", i, due, seen[i]);
	if (due > first + LINES * BATCHES)
		say("# more than was given\n");
	return !summary.findings && !*said;
}
