// SPDX-License-Identifier: GPL-2.0-only
#include "audit/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PATH_ROOM 4096
#define TAIL_MAX (1u << 20) /* longer than any line */

struct store {
	char *folder;
	char path[PATH_ROOM];
	int segment;
	off_t length;
	unsigned int number;
};

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->segment >= 0)
		close(store->segment);
	free(store->folder);
	free(store);
}

static void cleanup_store(struct store **store)
{
	store_close(*store);
}

static int sync_folder(const struct store *store)
{
	_cleanup_close_ int folder = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return folder < 0 || fsync(folder) ? -errno : 0;
}

static int begin_segment(struct store *store)
{
	time_t now = (time_t)(clock_realtime() / CLOCK_SECOND);
	char path[PATH_ROOM], stamp[32];
	struct tm broken;
	int segment;

	gmtime_r(&now, &broken);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &broken);
	do {
		if (snprintf(path, sizeof(path), "%s/usher-%s-%04u.jsonl", store->folder, stamp, store->number++) >=
		    (int)sizeof(path))
			return -ENAMETOOLONG;
		segment = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
	} while (segment < 0 && errno == EEXIST && store->number < 10000);
	if (segment < 0)
		return -errno;
	if (store->segment >= 0)
		close(store->segment);
	store->segment = segment;
	store->length = 0;
	memcpy(store->path, path, sizeof(path));
	return sync_folder(store);
}

/* ---- what was there before ---------------------------------------------------------------------------------- */

static int is_segment(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return !strncmp(entry->d_name, "usher-", 6) && length > 6 && !strcmp(entry->d_name + length - 6, ".jsonl");
}

static int newest_segment(const char *folder, char path[PATH_ROOM])
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort);

	if (count < 0)
		return -errno;
	path[0] = '\0';
	for (int i = 0; i < count; i++) {
		if (i == count - 1)
			snprintf(path, PATH_ROOM, "%s/%s", folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static int set_aside(const char *segment, const char *bytes, size_t length)
{
	char path[PATH_ROOM + 8];
	_cleanup_close_ int file = -1;

	snprintf(path, sizeof(path), "%s.torn", segment);
	file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (file < 0)
		return -errno;
	if (write(file, bytes, length) != (ssize_t)length || fsync(file))
		return -EIO;
	return 0;
}

/* Cuts a segment back to its last whole line. */
static int mend(const char *path, size_t *ret_torn)
{
	_cleanup_close_ int file = open(path, O_RDWR | O_CLOEXEC);
	_cleanup_free_ char *tail = NULL;
	struct stat status;
	size_t room, torn = 0;
	ssize_t got;

	if (file < 0 || fstat(file, &status))
		return -errno;
	room = status.st_size < (off_t)TAIL_MAX ? (size_t)status.st_size : TAIL_MAX;
	tail = malloc(room + 1);
	if (!tail)
		return -ENOMEM;
	got = pread(file, tail, room, status.st_size - (off_t)room);
	if (got != (ssize_t)room)
		return got < 0 ? -errno : -EIO;
	while (torn < room && tail[room - torn - 1] != '\n')
		torn++;
	*ret_torn = torn;
	if (!torn)
		return 0;
	int error = set_aside(path, tail + room - torn, torn);

	if (error)
		return error;
	return ftruncate(file, status.st_size - (off_t)torn) || fsync(file) ? -errno : 0;
}

int store_open(const char *folder, struct problem *problem, struct store **ret_store, size_t *ret_torn)
{
	_cleanup_(cleanup_store) struct store *store = calloc(1, sizeof(*store));
	char before[PATH_ROOM];
	int error;

	if (!store)
		return problem_set(problem, -ENOMEM, "no memory");
	store->segment = -1;
	store->folder = strdup(folder);
	if (!store->folder)
		return problem_set(problem, -ENOMEM, "no memory");
	if (mkdir(folder, 0750) && errno != EEXIST)
		return problem_set(problem, -errno, "cannot make the audit folder %s: %s", folder, strerror(errno));
	*ret_torn = 0;
	error = newest_segment(folder, before);
	if (!error && *before)
		error = mend(before, ret_torn);
	if (error)
		return problem_set(problem, error, "cannot read the audit log in %s: %s", folder, strerror(-error));
	error = begin_segment(store);
	if (error)
		return problem_set(problem, error, "cannot write to the audit folder %s: %s", folder, strerror(-error));
	*ret_store = TAKE_PTR(store);
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

int store_append(struct store *store, const char *bytes, size_t length)
{
	size_t written = 0;

	if (store->length && (size_t)store->length + length > STORE_SEGMENT_BYTES) {
		int error = fdatasync(store->segment) ? -errno : begin_segment(store);

		if (error)
			return error;
	}
	while (written < length) {
		ssize_t got = write(store->segment, bytes + written, length - written);

		if (got > 0) {
			written += (size_t)got;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		int error = got < 0 ? -errno : -EIO;

		/* All or nothing: a reader must not find half a line. */
		if (written && ftruncate(store->segment, store->length))
			return -EIO;
		return error;
	}
	store->length += (off_t)length;
	return 0;
}

int store_sync(struct store *store)
{
	return fdatasync(store->segment) ? -errno : 0;
}

const char *store_path(const struct store *store)
{
	return store->path;
}
