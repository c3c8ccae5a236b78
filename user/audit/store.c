// SPDX-License-Identifier: GPL-2.0-only
#include "audit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "audit/segment.h"
#include "audit/syncer.h"
#include "audit/torn.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

#define PATH_ROOM 4096
#define LITTLE (8u << 20) /* bytes that a segment may have to wait for when it ends */
#define LITTLE_PART 4	  /* and of what it is too long by: one of so many */

struct store {
	char *folder;
	char path[PATH_ROOM];
	char name[NAME_MAX + 1]; /* of the newest segment */
	struct store_limits limits;
	int64_t begun; /* CLOCK_MONOTONIC */
	int lock;      /* the folder itself */
	int segment;
	off_t length;
	bool torn;	 /* beyond `length` there is half a batch */
	int doubt;	 /* -errno of the sync that has failed, or may have before it was opened; 0: none has */
	uint32_t number; /* of the newest segment */
	struct syncer *syncer;
	uint64_t written, synced; /* bytes of this opening, of all segments, and of the one that it began with */
	uint64_t syncing;	  /* up to where the one that is under way goes; 0: none is */
};

void store_close(struct store *store)
{
	if (!store)
		return;
	syncer_free(store->syncer);
	if (store->segment >= 0)
		close(store->segment);
	if (store->lock >= 0)
		close(store->lock);
	free(store->folder);
	free(store);
}

static void cleanup_store(struct store **store)
{
	store_close(*store);
}

/* ---- the folder --------------------------------------------------------------------------------------------- */

static int lock_folder(const char *folder, struct problem *problem, int *ret_lock)
{
	_cleanup_close_ int lock = -1;
	bool made = !mkdir(folder, 0750);
	int error;

	if (!made && errno != EEXIST)
		return problem_set(problem, -errno, "cannot make the audit folder %s: %s", folder, strerror(errno));
	lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return problem_set(problem, -errno, "cannot open the audit folder %s: %s", folder, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return problem_set(problem, -EBUSY, "another process writes to the audit folder %s", folder);
		return problem_set(problem, -errno, "cannot lock the audit folder %s: %s", folder, strerror(errno));
	}
	/* Whoever made it may have died before this. Where others made it, they may keep us from looking above it. */
	error = file_sync_above(folder);
	if (error && made)
		return problem_set(problem, error, "cannot bring the audit folder %s to the disk: %s", folder,
				   strerror(-error));
	*ret_lock = TAKE_FD(lock);
	return 0;
}

/* Is the folder where it was? If it was deleted there is another one in its place. -ESTALE: it was taken away, and may come back. */
static int find_folder(struct store *store)
{
	struct stat ours, there;
	struct problem problem = {0};
	int lock = -1, error;

	if (fstat(store->lock, &ours))
		return -errno;
	if (!stat(store->folder, &there) && there.st_ino == ours.st_ino && there.st_dev == ours.st_dev)
		return 0;
	if (ours.st_nlink)
		return -ESTALE;
	error = lock_folder(store->folder, &problem, &lock);
	if (error)
		return error;
	close(store->lock);
	store->lock = lock;
	return 0;
}

int store_begin(struct store *store)
{
	time_t now = (time_t)(clock_realtime() / CLOCK_SECOND);
	char path[PATH_ROOM], stamp[32];
	struct tm broken;
	int segment, error = find_folder(store);

	if (error)
		return error;
	gmtime_r(&now, &broken);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &broken);
	if (snprintf(path, sizeof(path), "%s/usher-%010u-%s.jsonl", store->folder, store->number + 1, stamp) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	segment = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
	if (segment < 0)
		return -errno;
	if (fsync(store->lock)) {
		error = -errno;
		close(segment);
		unlink(path);
		return error;
	}
	/* One that goes on in a file that was deleted has nothing to tell any more. */
	syncer_wait(store->syncer);
	store->syncing = 0;
	store->synced = store->written;
	if (store->segment >= 0)
		close(store->segment);
	store->number++;
	store->segment = segment;
	store->length = 0;
	store->torn = false;
	store->doubt = 0;
	store->begun = clock_monotonic();
	memcpy(store->path, path, sizeof(path));
	snprintf(store->name, sizeof(store->name), "%s", strrchr(path, '/') + 1);
	return 0;
}

/* ---- what was there before ---------------------------------------------------------------------------------- */

/*
 * The newest with something in it: one that was begun and never written to is taken away, and what is left of one that is there compressed.
 * Without one that can be written to, path is "".
 */
static int newest_segment(struct store *store, char path[PATH_ROOM])
{
	_cleanup_(segments_free) struct segments segments = {0};
	int error = segments_list(store->folder, &segments);

	path[0] = '\0';
	for (size_t i = segments.count; i-- > 0 && !error && !store->number;) {
		const struct segment_name *segment = &segments.items[i];
		struct stat status = {.st_size = 1};

		if (snprintf(path, PATH_ROOM, "%s/%s", store->folder, segment->name) >= PATH_ROOM)
			return -ENAMETOOLONG;
		if (segment->plain && stat(path, &status))
			return -errno;
		if (!status.st_size)
			error = unlink(path) ? -errno : 0;
		if (!status.st_size || !segment->plain)
			path[0] = '\0';
		if (error || (!status.st_size && !segment->compressed))
			continue;
		store->number = segment->number;
		snprintf(store->name, sizeof(store->name), "%s", segment->name);
	}
	return error;
}

static int reopen(struct store *store)
{
	struct stat status;

	store->segment = open(store->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (store->segment < 0 || fstat(store->segment, &status))
		return -errno;
	store->length = status.st_size;
	store->written = (uint64_t)status.st_size;
	store->doubt = -EIO;
	return 0;
}

/* The newest segment, mended. */
static int take_newest(struct store *store, size_t *torn)
{
	size_t bytes = 0;
	int error;

	if (store->segment >= 0)
		close(store->segment);
	store->segment = -1;
	store->number = 0;
	store->name[0] = '\0';
	error = newest_segment(store, store->path);
	if (!error && *store->path)
		error = torn_cut(store->path, &bytes);
	if (!error && *store->path)
		error = reopen(store);
	*torn += bytes;
	return error;
}

int store_open(const char *folder, struct problem *problem, struct store **ret_store, size_t *ret_torn)
{
	_cleanup_(cleanup_store) struct store *store = calloc(1, sizeof(*store));
	size_t torn = 0;
	int error;

	if (!store)
		return problem_set(problem, -ENOMEM, "no memory");
	store->lock = store->segment = -1;
	store->limits = (struct store_limits){STORE_SEGMENT_BYTES, STORE_SEGMENT_AGE};
	store->folder = strdup(folder);
	if (!store->folder || syncer_new(&store->syncer))
		return problem_set(problem, -ENOMEM, "no memory");
	error = lock_folder(store->folder, problem, &store->lock);
	if (error)
		return error;
	/* One that held nothing but half a line is empty then, and is taken away. */
	do
		error = take_newest(store, &torn);
	while (!error && store->segment >= 0 && !store->length);
	if (error)
		return problem_set(problem, error, "cannot read the audit log in %s: %s", folder, strerror(-error));
	*ret_torn = torn;
	*ret_store = TAKE_PTR(store);
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* All or nothing: a reader must not find half a line. */
static int cut_back(struct store *store)
{
	if (store->torn && ftruncate(store->segment, store->length))
		return -errno;
	store->torn = false;
	return 0;
}

/* Bytes that it would have too many. */
static uint64_t excess(const struct store *store, size_t length)
{
	uint64_t end = (uint64_t)store->length + length;

	return end > store->limits.bytes ? end - store->limits.bytes : 0;
}

bool store_is_due(const struct store *store, size_t length)
{
	return store->length && (excess(store, length) || clock_monotonic() - store->begun >= store->limits.age);
}

bool store_is_full(const struct store *store, size_t length)
{
	return store_is_due(store, length) &&
	       store->written - store->synced <= LITTLE + excess(store, length) / LITTLE_PART;
}

/* What is written to a file that has no name any more, or to a disk that was taken away from here, nobody can read. */
int store_find(const struct store *store)
{
	struct stat ours, there;

	if (fstat(store->segment, &ours))
		return -errno;
	if (!ours.st_nlink)
		return -EIDRM;
	return stat(store->path, &there) || there.st_ino != ours.st_ino || there.st_dev != ours.st_dev ? -ESTALE : 0;
}

int store_append(struct store *store, const char *bytes, size_t length)
{
	int error = store_find(store);

	if (!error)
		error = cut_back(store);

	for (size_t written = 0; !error && written < length;) {
		ssize_t got = write(store->segment, bytes + written, length - written);

		if (got > 0) {
			written += (size_t)got;
			store->torn = true;
		} else if (got == 0 || errno != EINTR) {
			error = got ? -errno : -EIO;
		}
	}
	if (error) {
		cut_back(store); /* if that fails it is tried again before the next line */
		return error;
	}
	store->torn = false;
	store->length += (off_t)length;
	store->written += length;
	return 0;
}

int store_free(const struct store *store, uint64_t *ret_free, uint64_t *ret_size)
{
	struct statvfs status;

	if (fstatvfs(store->lock, &status))
		return -errno;
	*ret_free = (uint64_t)status.f_bavail * status.f_frsize;
	*ret_size = (uint64_t)status.f_blocks * status.f_frsize;
	return 0;
}

/* ---- to the disk -------------------------------------------------------------------------------------------- */

/* The one that was begun has ended like that. */
static int take_result(struct store *store, int result)
{
	if (result)
		store->doubt = result;
	if (!result && store->syncing > store->synced)
		store->synced = store->syncing;
	store->syncing = 0;
	return result;
}

int store_sync(struct store *store)
{
	int error = take_result(store, syncer_wait(store->syncer));

	if (error)
		return error;
	if (!store->doubt && fdatasync(store->segment))
		store->doubt = -errno;
	if (store->doubt)
		return store->doubt;
	store->synced = store->written;
	return 0;
}

int store_sync_begin(struct store *store)
{
	if (store->syncing || store->synced == store->written)
		return 0;
	if (store->doubt)
		return store->doubt;
	if (syncer_begin(store->syncer, store->segment))
		return store_sync(store);
	store->syncing = store->written;
	return 0;
}

int store_sync_end(struct store *store)
{
	int result;

	return store->syncing && syncer_ended(store->syncer, &result) ? take_result(store, result) : 0;
}

bool store_is_syncing(const struct store *store)
{
	return store->syncing;
}

int store_doubt(const struct store *store)
{
	return store->doubt;
}

/* A descriptor of its own: the segment's appends, wherever it is told to write. Returns it, or -errno. */
static int rewrite(const struct store *store, const char *text, size_t length)
{
	size_t at = (size_t)store->length - (size_t)(store->written - store->synced);
	_cleanup_close_ int file = open(store->path, O_WRONLY | O_CLOEXEC);

	if (file < 0)
		return -errno;
	while (at < length) {
		ssize_t got = pwrite(file, text + at, length - at, (off_t)at);

		if (got <= 0 && (!got || errno != EINTR))
			return got ? -errno : -EIO;
		at += got > 0 ? (size_t)got : 0;
	}
	return TAKE_FD(file);
}

int store_rewrite(struct store *store, const char *text, size_t length)
{
	_cleanup_close_ int file = rewrite(store, text, length);

	if (file < 0)
		return file;
	store->doubt = 0;
	return 0;
}

void store_salvage(struct store *store, const char *text, size_t length)
{
	_cleanup_close_ int file = rewrite(store, text, length);

	if (file >= 0 && fdatasync(file))
		return; /* it is as lost as it was */
}

size_t store_length(const struct store *store)
{
	return (size_t)store->length;
}

uint64_t store_written(const struct store *store)
{
	return store->written;
}

uint64_t store_synced(const struct store *store)
{
	return store->synced;
}

void store_limit(struct store *store, const struct store_limits *limits)
{
	store->limits = *limits;
}

const char *store_name(const struct store *store)
{
	return store->name;
}

bool store_is_closed(const struct store *store)
{
	return store->number && store->segment < 0;
}

const char *store_path(const struct store *store)
{
	return store->path;
}

uint32_t store_number(const struct store *store)
{
	return store->number;
}
