// SPDX-License-Identifier: GPL-2.0-only
#include "power.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "policies.h"
#include "writer.h"

#define OPERATIONS_MAX 4000
#define FILES_MAX 200
#define DESCRIPTORS_MAX 256
#define NAME_ROOM 96
#define FOLDER (-1) /* the descriptor's file is the folder */
#define OTHER (-2)  /* is none of ours */
#define ABOVE (-3)  /* is the folder that ours is in */

enum change { NAMED, WRITTEN, CUT, SYNCED, RENAMED, REMOVED, FOLDER_SYNCED };

struct operation {
	enum change change;
	int file;
	char name[NAME_ROOM], to[NAME_ROOM];
	size_t at, length;
	char *bytes;
	bool dropped;	      /* by a kernel that could not write it */
	struct told promised; /* before */
};

static struct operation operations[OPERATIONS_MAX];
static size_t operation_count;
static struct told told;

/* What there is while it is recorded. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool recording;
static struct {
	int file;
	bool appends;
	size_t at;
} descriptors[DESCRIPTORS_MAX];
static size_t lengths[FILES_MAX];
static int file_count;
static unsigned sync_count, failing; /* of those that may fail; the one that does: 0 none does */
static bool above_synced;	     /* the folder is there after a power cut */

/* What is written, and how it has to be after a power cut. */
struct recorded {
	const char *name, *outcome;
	bool makes_folder; /* the one who writes does */
	bool any_sync;	   /* may fail; otherwise those of a file's bytes alone */
	unsigned syncs;	   /* that fail, each in a recording of its own */
	int (*write)(int patience, struct told *told);
	bool (*is_whole)(void); /* what was recorded */
	bool (*look)(const struct told *promised, size_t end);
};
static const struct recorded *subject;

/* The names of a folder, as they are or as they would be. */
struct names {
	size_t count;
	struct {
		char name[NAME_ROOM];
		int file;
	} items[FILES_MAX];
};
static struct names live;

static int find_name(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->items[i].name, name))
			return (int)i;
	return -1;
}

static void change_names(struct names *names, const struct operation *operation)
{
	const char *name = operation->change == RENAMED ? operation->to : operation->name;
	int at = find_name(names, name), from = find_name(names, operation->name), file = operation->file;

	if (operation->change == RENAMED) {
		if (from < 0)
			return;
		file = names->items[from].file;
	}
	if (at >= 0)
		names->items[at] = names->items[--names->count];
	if (operation->change == REMOVED)
		return;
	from = operation->change == RENAMED ? find_name(names, operation->name) : (int)names->count++;
	snprintf(names->items[from].name, NAME_ROOM, "%s", name);
	names->items[from].file = file;
}

/* ---- recording ----------------------------------------------------------------------------------------------- */

static struct operation *record(enum change change, int file)
{
	struct operation *operation = &operations[operation_count++];

	if (operation_count == OPERATIONS_MAX)
		abort();
	*operation = (struct operation){.change = change, .file = file, .promised = told};
	return operation;
}

/* The name in the log's folder, or NULL. */
static const char *name_of(const char *path)
{
	size_t length = strlen(folder);

	return recording && !strncmp(path, folder, length) && path[length] == '/' ? path + length + 1 : NULL;
}

static void record_named(enum change change, int file, const char *name, const char *to)
{
	struct operation *operation = record(change, file);

	snprintf(operation->name, NAME_ROOM, "%s", name);
	snprintf(operation->to, NAME_ROOM, "%s", to);
	change_names(&live, operation);
}

static void record_bytes(int file, size_t at, const void *bytes, size_t length)
{
	struct operation *operation = record(WRITTEN, file);

	operation->at = at;
	operation->length = length;
	operation->bytes = malloc(length);
	if (!operation->bytes)
		abort();
	memcpy(operation->bytes, bytes, length);
	lengths[file] = at + length > lengths[file] ? at + length : lengths[file];
}

static bool is_above(const char *path)
{
	size_t length = strlen(folder);

	return !strncmp(path, folder, length) && !strcmp(path + length, "/..");
}

static void record_open(int descriptor, const char *path, int flags)
{
	const char *name = name_of(path);
	int at = name ? find_name(&live, name) : -1;

	if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX)
		return;
	descriptors[descriptor].file = !strcmp(path, folder) ? FOLDER : is_above(path) ? ABOVE : OTHER;
	if (!recording || !name)
		return;
	if (at < 0) {
		if (!(flags & O_CREAT) || file_count == FILES_MAX)
			return;
		record_named(NAMED, file_count++, name, "");
		at = find_name(&live, name);
	} else if (flags & O_TRUNC) {
		record(CUT, live.items[at].file);
		lengths[live.items[at].file] = 0;
	}
	descriptors[descriptor].file = live.items[at].file;
	descriptors[descriptor].appends = flags & O_APPEND;
	descriptors[descriptor].at = 0;
}

/* What stdio has written comes by no call of ours: it is seen when it is brought to the disk. */
static void record_unseen(int descriptor, int file)
{
	char path[64], bytes[4096];
	int again;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	again = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	got = pread(again, bytes, sizeof(bytes), 0);
	if (got > 0)
		record_bytes(file, 0, bytes, (size_t)got);
	syscall(SYS_close, again);
}

static void record_sync(int descriptor)
{
	int file = recording && descriptor < DESCRIPTORS_MAX ? descriptors[descriptor].file : OTHER;

	above_synced |= file == ABOVE;
	if (file == FOLDER)
		record(FOLDER_SYNCED, FOLDER);
	if (file < 0)
		return;
	if (!lengths[file])
		record_unseen(descriptor, file);
	record(SYNCED, file);
}

/* ---- the calls, in the place of the C library's -------------------------------------------------------------- */

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list arguments;
	int descriptor;

	va_start(arguments, flags);
	if (flags & O_CREAT)
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	pthread_mutex_lock(&lock);
	descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	record_open(descriptor, path, flags);
	pthread_mutex_unlock(&lock);
	return descriptor;
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
	ssize_t got;
	int file;

	pthread_mutex_lock(&lock);
	got = syscall(SYS_write, descriptor, bytes, length);
	file = recording && descriptor < DESCRIPTORS_MAX ? descriptors[descriptor].file : OTHER;
	if (got > 0 && file >= 0) {
		size_t at = descriptors[descriptor].appends ? lengths[file] : descriptors[descriptor].at;

		record_bytes(file, at, bytes, (size_t)got);
		descriptors[descriptor].at = at + (size_t)got;
	}
	pthread_mutex_unlock(&lock);
	return got;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at)
{
	ssize_t got;
	int file;

	pthread_mutex_lock(&lock);
	got = syscall(SYS_pwrite64, descriptor, bytes, length, at);
	file = recording && descriptor < DESCRIPTORS_MAX ? descriptors[descriptor].file : OTHER;
	if (got > 0 && file >= 0)
		record_bytes(file, (size_t)at, bytes, (size_t)got);
	pthread_mutex_unlock(&lock);
	return got;
}

/* If it is the one that fails, all bytes that it was to bring to the disk are dropped: no later one brings them there. */
static bool is_failing(long call, int descriptor)
{
	int file = recording && descriptor < DESCRIPTORS_MAX ? descriptors[descriptor].file : OTHER;
	bool may = subject->any_sync ? file >= 0 || file == FOLDER : file >= 0 && call == SYS_fdatasync;

	if (!may || ++sync_count != failing)
		return false;
	for (size_t i = operation_count; i-- > 0;) {
		if (operations[i].file != file)
			continue;
		if (operations[i].change == SYNCED)
			break;
		operations[i].dropped = operations[i].change == WRITTEN;
	}
	errno = EIO;
	return true;
}

static int sync_by(long call, int descriptor)
{
	int result;

	pthread_mutex_lock(&lock);
	result = recording && is_failing(call, descriptor) ? -1 : (int)syscall(call, descriptor);
	if (!result)
		record_sync(descriptor);
	pthread_mutex_unlock(&lock);
	return result;
}

int fsync(int descriptor)
{
	return sync_by(SYS_fsync, descriptor);
}

int fdatasync(int descriptor)
{
	return sync_by(SYS_fdatasync, descriptor);
}

int ftruncate(int descriptor, off_t length)
{
	int result, file;

	pthread_mutex_lock(&lock);
	result = (int)syscall(SYS_ftruncate, descriptor, length);
	file = recording && descriptor < DESCRIPTORS_MAX ? descriptors[descriptor].file : OTHER;
	if (!result && file >= 0) {
		record(CUT, file)->length = (size_t)length;
		lengths[file] = (size_t)length;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

int rename(const char *from, const char *to)
{
	int result;

	pthread_mutex_lock(&lock);
	result = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
	if (!result && name_of(from) && name_of(to))
		record_named(RENAMED, OTHER, name_of(from), name_of(to));
	pthread_mutex_unlock(&lock);
	return result;
}

int unlink(const char *path)
{
	int result;

	pthread_mutex_lock(&lock);
	result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (!result && name_of(path))
		record_named(REMOVED, OTHER, name_of(path), "");
	pthread_mutex_unlock(&lock);
	return result;
}

/* ---- after the cut ------------------------------------------------------------------------------------------- */

/* What is left of what was not on the disk. */
enum left { ALL, NONE, HALF, ZEROS, HOLE, REMOVALS };

/* The operations of `of` (a file, or FOLDER) before `end`, and how many of those are on the disk. */
static bool concerns(const struct operation *operation, int of)
{
	bool about_names = operation->change == NAMED || operation->change == RENAMED || operation->change == REMOVED;

	return of == FOLDER ? about_names
			    : operation->file == of && (operation->change == WRITTEN || operation->change == CUT);
}

static void count_pending(size_t end, int of, size_t *ret_durable, size_t *ret_all)
{
	*ret_durable = *ret_all = 0;
	for (size_t i = 0; i < end; i++) {
		*ret_all += concerns(&operations[i], of);
		if (operations[i].file == of && operations[i].change == (of == FOLDER ? FOLDER_SYNCED : SYNCED))
			*ret_durable = *ret_all;
	}
}

static void put(const char *name, size_t end, int of, enum left left)
{
	static char bytes[1 << 16];
	size_t durable, all, seen = 0, length = 0, half;
	char path[256];
	FILE *file;

	count_pending(end, of, &durable, &all);
	half = durable + (all - durable) / 2;
	for (size_t i = 0; i < end; i++) {
		const struct operation *operation = &operations[i];
		size_t size = operation->length;

		if (!concerns(operation, of))
			continue;
		seen++;
		if (seen > durable && (left == NONE || (left == HALF && seen > half + 1)))
			break;
		if (operation->change == CUT) {
			length = size;
			continue;
		}
		if (operation->dropped && left != ALL)
			continue;
		if (left == HALF && seen == half + 1)
			size /= 2;
		if (operation->at + size > sizeof(bytes))
			abort();
		if (operation->at > length)
			memset(bytes + length, 0, operation->at - length);
		/* What is written again in its place leaves there what was there. */
		if (seen <= durable || (left != ZEROS && (left != HOLE || seen > half)))
			memcpy(bytes + operation->at, operation->bytes, size);
		else if (operation->at + size > length)
			memset(bytes + length, 0, operation->at + size - length);
		length = operation->at + size > length ? operation->at + size : length;
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	if (!file || fwrite(bytes, 1, length, file) != length || fclose(file) ||
	    chmod(path, strcmp(name, "private") ? 0640 : 0600))
		abort();
}

static void empty_folder(void)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;
	char path[512];

	while (entries && (entry = readdir(entries))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (entries)
		closedir(entries);
	mkdir(folder, 0750);
}

/* The folder after the first `end` operations. */
static void build(size_t end, enum left names_left, enum left bytes_left)
{
	struct names names = {0};
	size_t durable, all, seen = 0;

	empty_folder();
	count_pending(end, FOLDER, &durable, &all);
	if (names_left == HALF || names_left == NONE)
		all = names_left == HALF ? durable + (all - durable) / 2 : durable;
	for (size_t i = 0; i < end && seen < all; i++) {
		if (!concerns(&operations[i], FOLDER))
			continue;
		if (seen < durable || names_left != REMOVALS || operations[i].change == REMOVED)
			change_names(&names, &operations[i]);
		seen++;
	}
	for (size_t i = 0; i < names.count; i++)
		put(names.items[i].name, end, names.items[i].file, bytes_left);
}

/* The last checkpoint that anybody could have read by then, and keeps: head.json as it was, on the disk or not. NULL: none. */
static const char *kept_elsewhere(size_t end)
{
	static char line[4096];
	struct names names = {0};
	const char *kept = NULL;
	int at;

	for (size_t i = 0; i < end; i++)
		if (concerns(&operations[i], FOLDER))
			change_names(&names, &operations[i]);
	at = find_name(&names, "head.json");
	for (size_t i = 0; at >= 0 && i < end; i++) {
		if (operations[i].change != WRITTEN || operations[i].file != names.items[at].file)
			continue;
		snprintf(line, sizeof(line), "%.*s", (int)operations[i].length, operations[i].bytes);
		kept = line;
	}
	return kept;
}

/* Does a segment go for good? */
static bool deletes(void)
{
	for (size_t i = 0; i < operation_count; i++)
		if (operations[i].change == REMOVED && strstr(operations[i].name, ".zst"))
			return true;
	return false;
}

static void forget(void)
{
	for (size_t i = 0; i < operation_count; i++)
		free(operations[i].bytes);
	operation_count = live.count = 0;
	file_count = 0;
	memset(lengths, 0, sizeof(lengths));
	told = (struct told){0};
	sync_count = 0;
	above_synced = false;
}

/* One that fails may be that of what is opened again, and who cannot have that does not begin; or the last, which nobody is told of. */
static bool record_all(void)
{
	int status;

	forget();
	empty_folder();
	if (subject->makes_folder && rmdir(folder))
		abort();
	for (size_t i = 0; i < DESCRIPTORS_MAX; i++)
		descriptors[i].file = OTHER;
	recording = true;
	status = subject->write(4000, &told); /* the thread that compresses gives way to all others */
	recording = false;
	printf("# %zu operations on %d files\n", operation_count, file_count);
	if (failing)
		return status == WRITER_NOT_OPENED || (!status && told.ended && (told.errors || !subject->any_sync));
	return !status && told.ended && !told.errors && above_synced && subject->is_whole();
}

/* ---- what is recorded ---------------------------------------------------------------------------------------- */

static bool is_whole_log(void)
{
	return told.synced && deletes();
}

static bool look_after_cut(const struct told *promised, size_t end)
{
	return look(promised->synced, kept_elsewhere(end));
}

static int write_folder(int patience, struct told *to)
{
	(void)patience;
	return write_policies(to);
}

static bool is_whole_folder(void)
{
	return told.kept && told.kept == told.listed && told.states_saved == told.states_given;
}

static bool look_at_folder(const struct told *promised, size_t end)
{
	struct told kept = *promised;

	(void)end;
	kept.gone = 0; /* what is refused may come back */
	return look_at_policies(&kept);
}

static const struct recorded a_log = {.name = "a log",
				      .outcome = "it opens, verifies and has what was synced",
				      .syncs = 4,
				      .write = write_log,
				      .is_whole = is_whole_log,
				      .look = look_after_cut};
static const struct recorded a_folder = {.name = "a state folder",
					 .outcome = "it opens, and has what was said to be kept",
					 .makes_folder = true,
					 .any_sync = true,
					 .syncs = 9, /* of a number that goes through all kinds of them */
					 .write = write_folder,
					 .is_whole = is_whole_folder,
					 .look = look_at_folder};

/* ---- the cuts ------------------------------------------------------------------------------------------------ */

struct kind {
	enum left names, bytes;
	const char *text;
};

/* The power is cut after each operation. Returns how often what should be there is not. */
static size_t cut_at_each(const struct kind *kind)
{
	size_t bad = 0;

	for (size_t end = 1; end <= operation_count; end++) {
		const struct told promised = end < operation_count ? operations[end].promised : told;

		build(end, kind->names, kind->bytes);
		said[0] = '\0';
		if (subject->look(&promised, end))
			continue;
		if (++bad <= 5)
			printf("# after %zu operations, the last of kind %u to %s (%" PRIu64 " synced)\n%s", end,
			       operations[end - 1].change, operations[end - 1].name, promised.synced, said);
	}
	return bad;
}

/* One sync fails, and what the kernel dropped then is not on the disk, whatever the next ones say. STORE_FAULTS=all: each in turn. */
static bool failing_syncs(unsigned *count, unsigned all)
{
	static const struct kind kinds[] = {{NONE, NONE, ""}, {ALL, NONE, ""}, {ALL, ZEROS, ""}};
	unsigned most = subject->syncs, failed = 0;
	unsigned apart = getenv("STORE_FAULTS") || all <= most ? 1 : (all + most - 1) / most;
	size_t bad = 0;

	for (failing = 1; failing <= all; failing += apart, failed++) {
		bad += !record_all();
		for (size_t k = 0; k < ARRAY_COUNT(kinds); k++)
			bad += cut_at_each(&kinds[k]);
	}
	failing = 0;
	printf("%s %u - %s: %u of %u syncs fail, and the kernel drops what they were to write: %s\n",
	       bad || !failed ? "not ok" : "ok", ++*count, subject->name, failed, all, subject->outcome);
	return !bad && failed;
}

static bool cut(const struct recorded *what, unsigned *count)
{
	static const struct kind kinds[] = {
		{ALL, ALL, "all there"},
		{NONE, NONE, "nothing that was not synced"},
		{ALL, NONE, "names, but no bytes"},
		{NONE, ALL, "bytes, but no names"},
		{HALF, HALF, "half of both"},
		{ALL, HALF, "names, and half of the bytes"},
		{ALL, ZEROS, "names, and zeros"},
		{ALL, HOLE, "names, zeros, and good bytes behind them"},
		{REMOVALS, ALL, "bytes, and names are gone but none has come"},
	};
	unsigned syncs;
	bool good;

	subject = what;
	good = record_all();
	syncs = sync_count;
	printf("%s %u - %s is recorded, and its folder is on the disk\n", good ? "ok" : "not ok", ++*count,
	       subject->name);
	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		size_t bad = cut_at_each(&kinds[k]);

		printf("%s %u - %s: the power is cut after each of %zu operations, %s: %s\n", bad ? "not ok" : "ok",
		       ++*count, subject->name, operation_count, kinds[k].text, subject->outcome);
		good &= !bad;
	}
	return failing_syncs(count, syncs) && good;
}

bool power_cuts(unsigned *count)
{
	bool good = cut(&a_log, count);

	return cut(&a_folder, count) && good;
}
