// SPDX-License-Identifier: GPL-2.0-only
#include "audit/torn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/hole.h"
#include "base/cleanup.h"
#include "base/file.h"

#define CHUNK (64u << 10)

/* A line, as it is read from its end to its beginning. */
struct backward {
	bool ended;    /* the newline behind it has been met */
	bool odd;      /* it has something that no line has */
	bool empty;    /* nothing of it has been met yet */
	off_t end;     /* behind that newline */
	char earliest; /* the byte of it that was met last */
};

/* Returns whether the line that begins behind this newline, or at the beginning of the file, is whole. */
static bool is_whole(const struct backward *line)
{
	return line->ended && !line->odd && !line->empty && line->earliest == '{';
}

static void take(struct backward *line, char byte)
{
	if (line->empty)
		line->odd |= byte != '}';
	line->odd |= (unsigned char)byte < ' ';
	line->empty = false;
	line->earliest = byte;
}

static int read_all(int file, char *to, size_t length, off_t at)
{
	while (length) {
		ssize_t got = pread(file, to, length, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		to += got;
		at += got;
		length -= (size_t)got;
	}
	return 0;
}

/* Where the last whole line ends; 0: there is none. */
static int find_end(int file, off_t length, char *chunk, off_t *ret_end)
{
	struct backward line = {.empty = true};

	for (off_t at = length; at > 0;) {
		size_t size = at < (off_t)CHUNK ? (size_t)at : CHUNK;
		int error = read_all(file, chunk, size, at - (off_t)size);

		if (error)
			return error;
		for (size_t i = size; i-- > 0;) {
			if (chunk[i] != '\n') {
				take(&line, chunk[i]);
				continue;
			}
			if (is_whole(&line)) {
				*ret_end = line.end;
				return 0;
			}
			line = (struct backward){.ended = true, .empty = true, .end = at - (off_t)size + (off_t)i + 1};
		}
		at -= (off_t)size;
	}
	*ret_end = is_whole(&line) ? line.end : 0;
	return 0;
}

static bool all_zeros(const char *bytes, size_t length)
{
	return !*bytes && !memcmp(bytes, bytes + 1, length - 1);
}

/* Zeros become a hole: they may be more than the disk has room for. */
static int set_aside(int from, off_t at, off_t end, const char *path, char *chunk)
{
	_cleanup_close_ int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	off_t begins = file < 0 ? -1 : lseek(file, 0, SEEK_END);

	if (begins < 0)
		return -errno;
	for (off_t done = at; done < end;) {
		size_t size = end - done < (off_t)CHUNK ? (size_t)(end - done) : CHUNK;
		int error = read_all(from, chunk, size, done);

		if (!error && all_zeros(chunk, size))
			error = lseek(file, (off_t)size, SEEK_CUR) < 0 ? -errno : 0;
		else if (!error)
			error = file_write(file, chunk, size);
		if (error)
			return error;
		done += (off_t)size;
	}
	return ftruncate(file, begins + (end - at)) || fsync(file) ? -errno : 0;
}

/* The first zero before `length`; `length`: there is none. */
static int find_zero(int file, off_t length, char *chunk, off_t *ret_at)
{
	for (off_t at = 0; at < length;) {
		size_t size = length - at < (off_t)CHUNK ? (size_t)(length - at) : CHUNK;
		int error = read_all(file, chunk, size, at);
		const char *zero = error ? NULL : memchr(chunk, '\0', size);

		if (error)
			return error;
		if (zero) {
			*ret_at = at + (zero - chunk);
			return 0;
		}
		at += (off_t)size;
	}
	*ret_at = length;
	return 0;
}

/* What follows zeros goes too, where they are what was not on the disk yet. */
static int find_hole(int file, const char *path, char *chunk, off_t *end)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	off_t at;
	int error = find_zero(file, *end, chunk, &at);

	if (error || at == *end || !slash)
		return error;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	return hole_is_unsynced_at(folder, slash + 1, (size_t)at) ? find_end(file, at, chunk, end) : 0;
}

int torn_cut(const char *path, size_t *ret_torn)
{
	_cleanup_close_ int file = open(path, O_RDWR | O_CLOEXEC);
	_cleanup_free_ char *chunk = malloc(CHUNK);
	char aside[PATH_MAX];
	struct stat status;
	off_t end;
	int error;

	if (file < 0 || fstat(file, &status))
		return -errno;
	if (!chunk)
		return -ENOMEM;
	if (snprintf(aside, sizeof(aside), "%s.torn", path) >= (int)sizeof(aside))
		return -ENAMETOOLONG;
	error = find_end(file, status.st_size, chunk, &end);
	if (!error)
		error = find_hole(file, path, chunk, &end);
	if (error)
		return error;
	*ret_torn = (size_t)(status.st_size - end);
	if (!*ret_torn)
		return 0;
	error = set_aside(file, end, status.st_size, aside, chunk);
	if (error)
		return error;
	return ftruncate(file, end) || fsync(file) ? -errno : 0;
}
