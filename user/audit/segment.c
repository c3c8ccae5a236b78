// SPDX-License-Identifier: GPL-2.0-only
#include "audit/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PATH_ROOM 4096
#define PREFIX "usher-"
#define SUFFIX ".jsonl"

static int is_segment(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return !strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) && length > sizeof(PREFIX) + sizeof(SUFFIX) &&
	       !strcmp(entry->d_name + length - (sizeof(SUFFIX) - 1), SUFFIX);
}

int segments_list(const char *folder, struct segments *ret_segments)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort);
	struct segment_name *items;

	if (count < 0)
		return -errno;
	items = calloc((size_t)count + 1, sizeof(*items));
	if (!items)
		abort();
	for (int i = 0; i < count; i++) {
		items[i].name = strdup(entries[i]->d_name);
		if (!items[i].name)
			abort();
		items[i].number = (uint32_t)strtoul(entries[i]->d_name + sizeof(PREFIX) - 1, NULL, 10);
		free(entries[i]);
	}
	free(entries);
	*ret_segments = (struct segments){items, (size_t)count};
	return 0;
}

void segments_free(struct segments *segments)
{
	for (size_t i = 0; i < segments->count; i++)
		free(segments->items[i].name);
	free(segments->items);
	*segments = (struct segments){0};
}

int segment_read(const char *folder, const char *name, struct segment_text *ret_text)
{
	_cleanup_close_ int file = -1;
	struct stat status;
	char path[PATH_ROOM];
	void *bytes;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &status))
		return -errno;
	if (!status.st_size) {
		*ret_text = (struct segment_text){0};
		return 0;
	}
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	madvise(bytes, (size_t)status.st_size, MADV_SEQUENTIAL);
	*ret_text = (struct segment_text){bytes, (size_t)status.st_size};
	return 0;
}

void segment_release(struct segment_text *text)
{
	if (text->bytes)
		munmap((void *)(uintptr_t)text->bytes, text->length);
	*text = (struct segment_text){0};
}

int segment_first_line(const char *folder, const char *name, size_t room, char *ret_line, size_t *ret_length)
{
	_cleanup_close_ int file = -1;
	const char *newline;
	char path[PATH_ROOM];
	ssize_t got;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	file = open(path, O_RDONLY | O_CLOEXEC);
	got = file < 0 ? -1 : pread(file, ret_line, room, 0);
	if (got < 0)
		return -errno;
	newline = memchr(ret_line, '\n', (size_t)got);
	if (!newline)
		return -ENODATA;
	*ret_length = (size_t)(newline - ret_line);
	return 0;
}
