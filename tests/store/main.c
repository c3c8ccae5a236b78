// SPDX-License-Identifier: GPL-2.0-only
/*
 * The audit log on a disk that fails and under a process that dies: a small log is written, with files that end, are compressed and deleted, and a key
 * that is changed. strace then has each of its calls in turn (open, write, fsync, rename, unlink, ...) fail, once or from there on, or kill the process.
 *
 * The same of a log that a full disk has torn (writer.h), of the small files beside it (state.h), of the state folder (policies.h), and of records that
 * are sent elsewhere (shipping.h).
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
#include "policies.h"
#include "power.h"
#include "receiver.h"
#include "shipping.h"
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
	const char *told_of; /* calls of which whoever writes is told when one fails; NULL: not of each */
	bool once;	     /* what fails for good has nothing to be looked at */
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
	snprintf(receiver_path, sizeof(receiver_path), "/tmp/received-%s", strrchr(folder, '/') + 1);
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

/* Sockets and memory have no path: the latter is advised to be in large pages, if it is a segment's, and that is about the call before it. */
static bool is_about(const char *line)
{
	static const char *const signs[] = {" socket(",	 " socketpair(", " memfd_create(",
					    " connect(", " sendmsg(",	 "MADV_HUGEPAGE"};

	for (size_t i = 0; i < ARRAY_COUNT(signs); i++)
		if (strstr(line, signs[i]))
			return true;
	return strstr(line, folder);
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
	snprintf(command, sizeof(command), "strace -f -y -qq -o %s -e trace=%s%s -e signal=none %s %s %s", log, call,
		 !strcmp(call, "mmap") ? ",madvise" : "", self, subject->option, folder);
	clear_away();
	if (system(command))
		abort();
	file = fopen(log, "re");
	while (file && fgets(line, sizeof(line), file)) {
		long thread = strtol(line, NULL, 10);
		size_t t = 0;

		if (strstr(line, " resumed>"))
			continue;
		if (!strstr(line, call) && !strstr(line, "MADV_HUGEPAGE"))
			continue;
		while (t < thread_count && threads[t].thread != thread)
			t++;
		if (t == ARRAY_COUNT(threads))
			break;
		if (t == thread_count)
			threads[thread_count++].thread = thread;
		threads[t].count += !strstr(line, "MADV_HUGEPAGE");
		if (threads[t].count < CALLS_MAX && is_about(line))
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

static bool tells_of(const struct subject *subject, const char *call)
{
	return subject->told_of && strstr(subject->told_of, call);
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
	if (!killed && tells_of(subject, call) && told->opened && told->errors <= told->refused &&
	    WEXITSTATUS(status) != WRITER_NOT_OPENED)
		say("# nobody was told\n");
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
	{"pwrite64", "error=ENOSPC"},  {"write", "error=EROFS"},     {"fdatasync", "error=EROFS"},
	{"lseek", "error=EIO"},
};
static const char *const log_deaths[] = {"openat",   "write",	   "fsync", "fdatasync", "renameat",
					 "unlinkat", "getdents64", "close", "mkdir",	 "pwrite64"};
static const struct fault torn_faults[] = {
	{"ftruncate", "error=EIO"}, {"ftruncate", "error=EROFS"}, {"lseek", "error=EIO"},
	{"mmap", "error=ENOMEM"},   {"fstatfs", "error=EIO"},
};
static const struct fault shipping_faults[] = {
	{"socket", "error=EMFILE"},	   {"socketpair", "error=EMFILE"}, {"memfd_create", "error=EMFILE"},
	{"connect", "error=ECONNREFUSED"}, {"sendmsg", "error=ENOBUFS"},   {"openat", "error=EMFILE"},
};
static const char *const torn_deaths[] = {"ftruncate"};
static const struct fault state_faults[] = {
	{"openat", "error=EMFILE"}, {"openat", "error=EIO"},  {"openat", "error=ENOSPC"},   {"write", "error=ENOSPC"},
	{"write", "error=EIO"},	    {"fsync", "error=EIO"},   {"renameat", "error=ENOSPC"}, {"renameat", "error=EROFS"},
	{"read", "error=EIO"},	    {"pread64", "error=EIO"}, {"unlinkat", "error=EIO"},    {"openat", "error=EROFS"},
	{"write", "error=EROFS"},   {"fsync", "error=EROFS"}, {"lseek", "error=EIO"},
};
static const char *const state_deaths[] = {"openat", "write", "fsync", "renameat", "close"};
static const struct fault policy_faults[] = {
	{"openat", "error=EMFILE"},   {"openat", "error=EROFS"},   {"openat", "error=EIO"},
	{"openat", "error=ENOSPC"},   {"write", "error=ENOSPC"},   {"write", "error=EIO"},
	{"write", "error=EROFS"},     {"fsync", "error=EIO"},	   {"fsync", "error=ENOSPC"},
	{"renameat", "error=ENOSPC"}, {"renameat", "error=EROFS"}, {"renameat", "error=EIO"},
	{"mkdir", "error=ENOSPC"},    {"mkdir", "error=EROFS"},	   {"read", "error=EIO"},
	{"getdents64", "error=EIO"},  {"unlinkat", "error=EIO"},   {"unlinkat", "error=EROFS"},
	{"newfstatat", "error=EIO"},
};
static const char *const policy_deaths[] = {"openat",	"write", "fsync",      "renameat",
					    "unlinkat", "close", "getdents64", "mkdir"};

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
		bad += !subject->once && !run(subject, fault->call, fault->error, calls[c], "+", NULL);
	}
	printf("%s %u - %s: %s at %zu of %zu %s, %s\n", bad ? "not ok" : "ok", number, subject->name, fault->error,
	       found, all, fault->call, subject->once ? "once" : "once and from there on");
	return !bad;
}

static int write_it(struct told *told)
{
	return write_log(20, told);
}

static int write_it_torn(struct told *told)
{
	return write_torn_log(20, told);
}

static bool look_at_log(const struct told *told)
{
	return look(told->acknowledged, NULL);
}

static const struct subject a_log = {
	"--write", "the log", "it opens, verifies and has what was acknowledged", write_it, look_at_log, NULL, false};
static const struct subject torn_log = {
	"--write-torn", "a torn log", "it opens, verifies and has what was acknowledged", write_it_torn, look_at_log,
	"fstatfs",	false};
static const struct subject a_state = {"--write-state",
				       "keys, cursor, witness",
				       "they open, go on and have what was acknowledged",
				       write_state,
				       look_at_state,
				       NULL,
				       false};
static const struct subject policies = {"--write-policies",
					"policies",
					"the folder opens and has what was said to be kept",
					write_policies,
					look_at_policies,
					"write fsync renameat mkdir getdents64",
					false};

static const struct subject shipped = {"--write-shipped",
				       "records sent elsewhere",
				       "all of them arrive",
				       write_shipped,
				       look_at_shipped,
				       "socket memfd_create connect",
				       true};

static const struct campaign {
	const struct subject *subject;
	const char *const *deaths;
	size_t death_count;
	const struct fault *faults;
	size_t fault_count;
} campaigns[] = {
	{&a_log, log_deaths, ARRAY_COUNT(log_deaths), log_faults, ARRAY_COUNT(log_faults)},
	{&torn_log, torn_deaths, ARRAY_COUNT(torn_deaths), torn_faults, ARRAY_COUNT(torn_faults)},
	{&shipped, NULL, 0, shipping_faults, ARRAY_COUNT(shipping_faults)},
	{&a_state, state_deaths, ARRAY_COUNT(state_deaths), state_faults, ARRAY_COUNT(state_faults)},
	{&policies, policy_deaths, ARRAY_COUNT(policy_deaths), policy_faults, ARRAY_COUNT(policy_faults)},
};

static bool run_campaign(const struct campaign *campaign, unsigned *count)
{
	bool good = true;

	for (size_t i = 0; i < campaign->death_count; i++)
		good &= die_at(campaign->subject, campaign->deaths[i], i, ++*count);
	for (size_t i = 0; i < campaign->fault_count; i++)
		good &= fail_at(campaign->subject, &campaign->faults[i], i, ++*count);
	return good;
}

/* --power: only where the power is cut. The name of a subject: only its calls. */
int main(int argc, char **argv)
{
	const struct subject *const subjects[] = {&a_log, &torn_log, &a_state, &policies, &shipped};
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	unsigned count = 0;
	bool good, receives;
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
	receives = !receiver_begin(receiver_path);
	good = (argc == 2 && strcmp(argv[1], "--power") != 0) || power_cuts(&count);
	for (size_t i = 0; i < ARRAY_COUNT(campaigns); i++)
		if (campaigns[i].subject == &shipped && !receives)
			printf("ok %u - %s # SKIP nobody can have a /run of his own here\n", ++count, shipped.name);
		else if (argc < 2 || !strcmp(argv[1], campaigns[i].subject->name))
			good &= run_campaign(&campaigns[i], &count);
	receiver_end();
	unlink(receiver_path);
	clear_away();
	printf("1..%u\n", count);
	return !good;
}
