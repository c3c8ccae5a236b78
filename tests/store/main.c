// SPDX-License-Identifier: GPL-2.0-only
/*
 * The audit log on a disk that fails and under a process that dies: a small log is written, with files that end, are compressed and deleted, and a key
 * that is changed. strace then has each of its calls in turn (open, write, fsync, rename, unlink, ...) fail, once or from there on, or kill the process.
 *
 * The same of the small files beside it (state.h).
 *
 * Whatever happens, the process does not crash by itself; the log opens again and goes on; `verify` finds nothing that does not hold; and what
 * was acknowledged is in the log, once. Of each kind of call some are chosen; STORE_FAULTS=all takes each.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "power.h"
#include "state.h"
#include "writer.h"

#define CALLS_MAX 2000
#define TRIES 3	      /* at a call that was not come to */
#define NOT_BEGUN 127 /* exit status, as the loader has it: it did not come to the log */

/* What is written, and how it has to be afterwards. */
struct subject {
	const char *option, *name, *outcome;
	int (*write)(struct told *told);
	bool (*look)(const struct told *told);
};

/* What the one who writes was told is in memory that outlives it, and costs no call. */
static char self[4096], told_path[96];

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

/* ---- strace -------------------------------------------------------------------------------------------------- */

static void clear_away(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s %s", folder, told_path);
	if (system(command))
		abort();
}

/* Which calls of this name, counted by thread, are about the log. Returns how many. */
static size_t find_calls(const struct subject *subject, const char *call, unsigned calls[CALLS_MAX])
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
	snprintf(command, sizeof(command), "strace -f -y -qq -o %s -e trace=%s -e signal=none %s %s %s", log, call,
		 self, subject->option, folder);
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
static bool run(const struct subject *subject, const char *call, const char *fault, unsigned when, const char *onwards,
		unsigned *killed)
{
	char command[4600];
	struct told *told;
	int status;
	bool good;

	clear_away();
	said[0] = '\0';
	told = map_told();
	snprintf(command, sizeof(command),
		 "exec strace -f -qq -o /dev/null -e trace=%s -e inject=%s:%s:when=%u%s %s %s %s 2>/dev/null", call,
		 call, fault, when, onwards, self, subject->option, folder);
	status = system(command);
	if (killed)
		*killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (killed ? WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL
		   : !WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != WRITER_NOT_OPENED &&
					    !(WEXITSTATUS(status) == NOT_BEGUN && !told->opened)))
		say("# it ended with status %#x\n", (unsigned)status);
	good = subject->look(told);
	if (!good)
		printf("# %s %s:when=%u%s (%" PRIu64 " acknowledged, %" PRIu64 " errors)\n%s", call, fault, when,
		       onwards, told->acknowledged, told->errors, said);
	munmap(told, sizeof(*told));
	return good;
}

struct fault {
	const char *call, *error;
};
static const struct fault log_faults[] = {
	{"openat", "error=EMFILE"},    {"openat", "error=EACCES"},   {"openat", "error=EROFS"},
	{"write", "error=ENOSPC"},     {"write", "error=EIO"},	     {"fsync", "error=EIO"},
	{"fdatasync", "error=EIO"},    {"renameat", "error=EROFS"},  {"unlinkat", "error=EIO"},
	{"unlinkat", "error=EROFS"},   {"read", "error=EIO"},	     {"pread64", "error=EIO"},
	{"getdents64", "error=EIO"},   {"flock", "error=EIO"},	     {"newfstatat", "error=ENOENT"},
	{"mkdir", "error=ENOSPC"},     {"openat", "error=ENOSPC"},   {"openat", "error=EIO"},
	{"renameat", "error=EIO"},     {"renameat", "error=ENOSPC"}, {"fsync", "error=ENOSPC"},
	{"fdatasync", "error=ENOSPC"}, {"newfstatat", "error=EIO"},  {"mkdir", "error=EIO"},
	{"flock", "error=ENOLCK"},     {"openat", "error=ENFILE"},   {"pwrite64", "error=EIO"},
	{"pwrite64", "error=ENOSPC"},
};
static const char *const log_deaths[] = {"openat",   "write",	   "fsync", "fdatasync", "renameat",
					 "unlinkat", "getdents64", "close", "mkdir",	 "pwrite64"};
static const struct fault state_faults[] = {
	{"openat", "error=EMFILE"}, {"openat", "error=EIO"},  {"openat", "error=ENOSPC"},   {"write", "error=ENOSPC"},
	{"write", "error=EIO"},	    {"fsync", "error=EIO"},   {"renameat", "error=ENOSPC"}, {"renameat", "error=EROFS"},
	{"read", "error=EIO"},	    {"pread64", "error=EIO"}, {"unlinkat", "error=EIO"},
};
static const char *const state_deaths[] = {"openat", "write", "fsync", "renameat", "close"};

static bool die_at(const struct subject *subject, const char *call, size_t salt, unsigned number)
{
	unsigned calls[CALLS_MAX], killed = 0;
	size_t all = find_calls(subject, call, calls), found = choose(calls, all, 10, salt), bad = !all;

	/* Which calls there are differs by a few from run to run, as the threads that compress and sync are sooner or later. */
	for (size_t c = 0; c < found; c++)
		for (unsigned before = killed, tries = 0; killed == before && tries < TRIES; tries++)
			bad += !run(subject, call, "signal=SIGKILL", calls[c], "", &killed);
	if (killed < found - found / 4) {
		printf("# only %u were killed\n", killed);
		bad++;
	}
	printf("%s %u - %s: killed at %zu of %zu %s: %s\n", bad ? "not ok" : "ok", number, subject->name, found, all,
	       call, subject->outcome);
	return !bad;
}

static bool fail_at(const struct subject *subject, const struct fault *fault, size_t salt, unsigned number)
{
	unsigned calls[CALLS_MAX];
	size_t all = find_calls(subject, fault->call, calls), found = choose(calls, all, 5, salt), bad = !all;

	for (size_t c = 0; c < found; c++) {
		bad += !run(subject, fault->call, fault->error, calls[c], "", NULL);
		bad += !run(subject, fault->call, fault->error, calls[c], "+", NULL);
	}
	printf("%s %u - %s: %s at %zu of %zu %s, once and from there on\n", bad ? "not ok" : "ok", number,
	       subject->name, fault->error, found, all, fault->call);
	return !bad;
}

static int write_it(struct told *told)
{
	return write_log(20, told);
}

static bool look_at_log(const struct told *told)
{
	return look(told->acknowledged, NULL);
}

static const struct subject a_log = {"--write", "the log", "it opens, verifies and has what was acknowledged", write_it,
				     look_at_log};
static const struct subject a_state = {"--write-state", "keys, cursor, witness",
				       "they open, go on and have what was acknowledged", write_state, look_at_state};

/* --power: only where the power is cut. */
int main(int argc, char **argv)
{
	const struct subject *const subjects[] = {&a_log, &a_state};
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	unsigned count = 0;
	bool good;
	char name[64];

	if (length < 0)
		abort();
	self[length] = '\0';
	for (size_t i = 0; i < ARRAY_COUNT(subjects); i++)
		if (argc == 3 && !strcmp(argv[1], subjects[i]->option)) {
			name_paths(argv[2]);
			return subjects[i]->write(map_told());
		}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* In memory, where there is such a place: what is looked for are calls, not disks. */
	snprintf(name, sizeof(name), "%s/usher-faults-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
		 (int)getpid());
	name_paths(name);
	good = power_cuts(&count);
	if (argc < 2) {
		for (size_t i = 0; i < ARRAY_COUNT(log_deaths); i++)
			good &= die_at(&a_log, log_deaths[i], i, ++count);
		for (size_t i = 0; i < ARRAY_COUNT(log_faults); i++)
			good &= fail_at(&a_log, &log_faults[i], i, ++count);
		for (size_t i = 0; i < ARRAY_COUNT(state_deaths); i++)
			good &= die_at(&a_state, state_deaths[i], i, ++count);
		for (size_t i = 0; i < ARRAY_COUNT(state_faults); i++)
			good &= fail_at(&a_state, &state_faults[i], i, ++count);
	}
	clear_away();
	printf("1..%u\n", count);
	return !good;
}
