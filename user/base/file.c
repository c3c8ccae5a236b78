// SPDX-License-Identifier: GPL-2.0-only
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

int file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_length)
{
	_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *bytes = NULL;
	size_t length = 0, room = 0;

	if (file < 0)
		return -errno;
	for (;;) {
		ssize_t got;

		if (room - length < 2) {
			char *larger;

			room = room ? room * 2 : 65536;
			larger = realloc(bytes, room);
			if (!larger)
				return -ENOMEM;
			bytes = larger;
		}
		got = read(file, bytes + length, room - length - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		length += (size_t)got;
		if (length > max)
			return -EFBIG;
	}
	bytes[length] = '\0';
	*ret_bytes = TAKE_PTR(bytes);
	*ret_length = length;
	return 0;
}

int file_write(int file, const char *bytes, size_t length)
{
	while (length) {
		ssize_t got = write(file, bytes, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		bytes += got;
		length -= (size_t)got;
	}
	return 0;
}

int file_sync_folder(const char *folder)
{
	_cleanup_close_ int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return file < 0 || fsync(file) ? -errno : 0;
}

int file_sync_above(const char *folder)
{
	_cleanup_free_ char *above = NULL;

	if (asprintf(&above, "%s/..", folder) < 0) {
		above = NULL;
		return -ENOMEM;
	}
	return file_sync_folder(above);
}

static int sync_folder_of(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	return copy ? file_sync_folder(dirname(copy)) : -ENOMEM;
}

int file_replace(const char *path, mode_t mode, const char *bytes, size_t length)
{
	_cleanup_free_ char *beside = NULL;
	_cleanup_close_ int file = -1;
	int error;

	if (asprintf(&beside, "%s.new", path) < 0) {
		beside = NULL;
		return -ENOMEM;
	}
	/* What another one has left of it may have another mode, or be a link. */
	unlink(beside);
	file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (file < 0)
		return -errno;
	error = file_write(file, bytes, length);
	if (!error && fsync(file))
		error = -errno;
	if (!error && rename(beside, path))
		error = -errno;
	if (error) {
		unlink(beside);
		return error;
	}
	return sync_folder_of(path);
}
