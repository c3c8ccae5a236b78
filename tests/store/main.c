// SPDX-License-Identifier: GPL-2.0-only
/*
 * The audit log on a disk that fails and under a process that dies: a small log is written, with files that end, are compressed and deleted, and a key
 * that is changed. strace then has each of its calls in turn (open, write, fsync, rename, unlink, ...) fail, once or from there on, or kill the process.
 *
 * Whatever happens, the process does not crash by itself; the log opens again and goes on; `verify` finds nothing that does not hold; and what
 * was acknowledged is in the log, once. Of each kind of call some are chosen; STORE_FAULTS=all takes each.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "audit/keeper.h"
#include "audit/query.h"
#include "audit/verify.h"
#include "base/array.h"

#define BATCHES 12
#define LINES 3
#define NUMBERS_MAX 1000
#define CALLS_MAX 2000
#define TRIES 4
#define NOT_BEGUN 127 /* exit status, as the loader has it: it did not come to the log */
#define NOT_OPENED 3  /* exit status: the log could not be opened, and that was said */

/* What the one who writes has been told; in memory that outlives it, and costs no call. */
struct told {
	uint64_t acknowledged; /* numbers below this are in the log */
	uint64_t errors;
	bool opened, ended;
};

static char self[4096], folder[64], key_path[96], told_path[96];

/* ---- the one who writes ------------------------------------------------------------------------------------- */

static struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 0x1234};

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

static void tend(struct keeper *keeper, struct told *told)
{
	const struct timespec pause = {.tv_nsec = 500000};
	struct keeper_totals totals, before;

	keeper_totals(keeper, &before);
	for (int idle = 0; idle < 20; idle++) {
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
static int write_log(struct told *told)
{
	uint64_t next = 0;

	for (int start = 0; start < 2; start++) {
		struct problem problem = {0};
		struct ledger *ledger;
		struct keeper *keeper;
		int error = begin(told, &ledger);

		if (error)
			return NOT_OPENED;
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
			told->errors += ledger_sync(ledger) != 0;
			if (b == 4)
				told->errors += ledger_rotate(ledger, &stamp, NULL, "due", &problem) != 0;
		}
		tend(keeper, told);
		keeper_free(keeper);
		ledger_close(ledger, &stamp);
		if (error)
			break;
	}
	told->ended = true;
	return 0;
}

static struct told *map_told(void)
{
	int file = open(told_path, O_RDWR | O_CREAT, 0600);
	void *told;

	if (file < 0 || ftruncate(file, sizeof(struct told)))
		exit(NOT_BEGUN);
	told = mmap(NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (told == MAP_FAILED)
		exit(NOT_BEGUN);
	return told;
}

static void name_paths(const char *name)
{
	snprintf(folder, sizeof(folder), "%s", name);
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	snprintf(told_path, sizeof(told_path), "/tmp/told-%s", strrchr(folder, '/') + 1); /* none of the log's calls */
}

/* ---- the one who looks --------------------------------------------------------------------------------------- */

static char said[8192];

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
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

static struct verify_summary verify(void)
{
	struct signer_key *keys[32];
	struct verify_trust trust = {.keys = keys};
	struct verify_summary summary = {0};
	char command[128], path[256];
	FILE *list;

	snprintf(command, sizeof(command), "ls %s/*.pem 2>/dev/null", folder);
	list = popen(command, "re");
	while (list && fgets(path, sizeof(path), list) && trust.key_count < ARRAY_COUNT(keys)) {
		path[strcspn(path, "\n")] = '\0';
		if (!signer_key_read(path, &keys[trust.key_count]))
			trust.key_count++;
	}
	if (list)
		pclose(list);
	if (verify_folder(folder, &trust, note, NULL, &summary))
		summary.findings = 1;
	for (size_t i = 0; i < trust.key_count; i++)
		signer_key_free(keys[i]);
	return summary;
}

/* The log goes on, holds, and has what was acknowledged. */
static bool look(const struct told *told)
{
	struct verify_summary summary;
	struct told more = {0};
	struct ledger *ledger;
	uint64_t next = read_numbers(), first = 0;

	stamp.realtime = (1767225600 + 30 * 3600) * CLOCK_SECOND;
	if (begin(&more, &ledger)) {
		say("# it does not open again\n");
		return false;
	}
	if (append(ledger, next))
		say("# it does not go on\n");
	ledger_close(ledger, &stamp);
	summary = verify();
	read_numbers();
	while (first < NUMBERS_MAX && !seen[first])
		first++;
	if (first && !summary.deleted)
		say("# it begins with number %" PRIu64 ", and nothing was deleted\n", first);
	for (uint64_t i = first; i < told->acknowledged; i++)
		if (seen[i] != 1)
			say("# number %" PRIu64 " of %" PRIu64 " acknowledged is there %u times\n", i,
			    told->acknowledged, seen[i]);
	if (told->acknowledged > first + LINES * BATCHES)
		say("# more than was given\n");
	return !summary.findings && !*said;
}

/* ---- strace -------------------------------------------------------------------------------------------------- */

static void clear_away(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s %s", folder, told_path);
	if (system(command))
		abort();
}

/* Which calls of this name, counted by thread, are about the log. Returns how many. */
static size_t find_calls(const char *call, unsigned calls[CALLS_MAX])
{
	static struct {
		long thread;
		unsigned count;
	} threads[256];
	size_t thread_count = 0, found = 0;
	char command[4600], line[8192], log[96];
	bool about[CALLS_MAX] = {false};
	FILE *file;

	memset(threads, 0, sizeof(threads));
	snprintf(log, sizeof(log), "%s.log", folder);
	snprintf(command, sizeof(command), "strace -f -y -qq -o %s -e trace=%s -e signal=none %s --write %s", log, call,
		 self, folder);
	clear_away();
	if (system(command))
		abort();
	file = fopen(log, "re");
	while (file && fgets(line, sizeof(line), file)) {
		long thread = strtol(line, NULL, 10);
		size_t t = 0;

		if (strstr(line, " resumed>"))
			continue;
		while (t < thread_count && threads[t].thread != thread)
			t++;
		if (t == ARRAY_COUNT(threads))
			break;
		if (t == thread_count)
			threads[thread_count++].thread = thread;
		threads[t].count++;
		if (threads[t].count < CALLS_MAX && strstr(line, folder))
			about[threads[t].count] = true;
	}
	if (file)
		fclose(file);
	unlink(log);
	for (unsigned i = 1; i < CALLS_MAX; i++)
		if (about[i])
			calls[found++] = i;
	return found;
}

/* STORE_FAULTS=all: each of them. Otherwise about `most`, spread over them, others for each `salt`. */
static size_t choose(unsigned calls[CALLS_MAX], size_t found, size_t most, size_t salt)
{
	size_t apart = getenv("STORE_FAULTS") || found <= most ? 1 : (found + most - 1) / most, chosen = 0;

	for (size_t i = salt % apart; i < found; i += apart)
		calls[chosen++] = calls[i];
	return chosen;
}

/* Returns whether all is as it should be; otherwise that has been said. */
static bool run(const char *call, const char *fault, unsigned when, const char *onwards, unsigned *killed)
{
	char command[4600];
	struct told *told;
	int status;
	bool good;

	clear_away();
	said[0] = '\0';
	told = map_told();
	snprintf(command, sizeof(command),
		 "exec strace -f -qq -o /dev/null -e trace=%s -e inject=%s:%s:when=%u%s %s --write %s 2>/dev/null",
		 call, call, fault, when, onwards, self, folder);
	status = system(command);
	if (killed)
		*killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (killed ? WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL
		   : !WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != NOT_OPENED &&
					    !(WEXITSTATUS(status) == NOT_BEGUN && !told->opened)))
		say("# it ended with status %#x\n", (unsigned)status);
	good = look(told);
	if (!good)
		printf("# %s %s:when=%u%s (%" PRIu64 " acknowledged, %" PRIu64 " errors)\n%s", call, fault, when,
		       onwards, told->acknowledged, told->errors, said);
	munmap(told, sizeof(*told));
	return good;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *call, *error;
	} cases[] = {
		{"openat", "error=EMFILE"},	{"openat", "error=EACCES"},  {"openat", "error=EROFS"},
		{"write", "error=ENOSPC"},	{"write", "error=EIO"},	     {"fsync", "error=EIO"},
		{"fdatasync", "error=EIO"},	{"rename", "error=EROFS"},   {"unlink", "error=EIO"},
		{"unlink", "error=EROFS"},	{"ftruncate", "error=EIO"},  {"read", "error=EIO"},
		{"pread64", "error=EIO"},	{"getdents64", "error=EIO"}, {"flock", "error=EIO"},
		{"newfstatat", "error=ENOENT"}, {"mkdir", "error=ENOSPC"},
	};
	static const char *const deaths[] = {"openat", "write",	    "fsync",	  "fdatasync", "rename",
					     "unlink", "ftruncate", "getdents64", "close",     "mkdir"};
	unsigned calls[CALLS_MAX], count = 0, failed = 0, runs = 0;
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		abort();
	self[length] = '\0';
	if (argc == 3 && !strcmp(argv[1], "--write")) {
		name_paths(argv[2]);
		return write_log(map_told());
	}
	/* In memory, where there is such a place: what is looked for are calls, not disks. */
	snprintf(folder, sizeof(folder), "%s/usher-faults-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
		 (int)getpid());
	name_paths(strdup(folder));
	for (size_t i = 0; i < ARRAY_COUNT(deaths); i++) {
		size_t all = find_calls(deaths[i], calls), found = choose(calls, all, 10, i), bad = 0;
		unsigned killed = 0;

		for (size_t c = 0; c < found; c++)
			bad += !run(deaths[i], "signal=SIGKILL", calls[c], "", &killed);
		/* Which calls there are differs by a few from run to run, as the thread that compresses is sooner or later. */
		if (killed < found - found / 4) {
			printf("# only %u were killed\n", killed);
			bad++;
		}
		runs += (unsigned)found;
		failed += bad > 0;
		printf("%s %u - killed at %zu of %zu %s: the log opens, verifies and has what was acknowledged\n",
		       bad ? "not ok" : "ok", ++count, found, all, deaths[i]);
		fflush(stdout);
	}
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		size_t all = find_calls(cases[i].call, calls), found = choose(calls, all, 5, i), bad = 0;

		for (size_t c = 0; c < found; c++) {
			bad += !run(cases[i].call, cases[i].error, calls[c], "", NULL);
			bad += !run(cases[i].call, cases[i].error, calls[c], "+", NULL);
		}
		runs += (unsigned)(2 * found);
		failed += bad > 0;
		printf("%s %u - %s at %zu of %zu %s, once and from there on\n", bad ? "not ok" : "ok", ++count,
		       cases[i].error, found, all, cases[i].call);
		fflush(stdout);
	}
	clear_away();
	printf("# %u runs\n1..%u\n", runs, count);
	return failed > 0;
}
