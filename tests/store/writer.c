// SPDX-License-Identifier: GPL-2.0-only
#include "writer.h"

#include <glob.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/keeper.h"
#include "audit/query.h"
#include "audit/verify.h"
#include "base/array.h"

#define BATCHES 12
#define LINES 3
#define NUMBERS_MAX 1000
#define TRIES 4
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

/* As the journal does: what cannot be written stays, and is tried again. */
static int insist(struct ledger *ledger, struct told *told, uint64_t first)
{
	int error = -1;

	for (int i = 0; error && i < TRIES; i++) {
		error = append(ledger, first);
		told->errors += error != 0;
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

/* Twice, since what opens a log again has other calls. */
int write_log(int patience, struct told *told)
{
	uint64_t next = 0;

	stamp.realtime = BEGINNING;
	for (int start = 0; start < 2; start++) {
		struct problem problem = {0};
		struct ledger *ledger;
		struct keeper *keeper;
		int error = begin(told, &ledger);

		if (error)
			return WRITER_NOT_OPENED;
		if (keeper_new(ledger, &keeper))
			return 1;
		keeper_retain(keeper, 8 * 3600);
		for (int b = 0; !error && b < BATCHES / 2; b++) {
			error = insist(ledger, told, next);
			if (!error)
				next += LINES;
			stamp.realtime += 3600 * CLOCK_SECOND;
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
		if (error)
			break;
	}
	told->ended = true;
	return 0;
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
