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
#include <time.h>
#include <unistd.h>

#include <zstd.h>

#include "base/cleanup.h"

#define PATH_ROOM 4096
#define PREFIX "usher-"
#define SUFFIX ".jsonl"
#define DESCRIPTOR_AT 4 /* in a frame */
#define CHUNK (256u << 10)
#define TRIES 16
#define SETTLED 2 /* s */

/* The length of the name without .zst, 0: it is no segment's. */
static size_t bare_length(const char *file)
{
	size_t length = strlen(file), behind = sizeof(SEGMENT_COMPRESSED) - 1;

	if (length > behind && !strcmp(file + length - behind, SEGMENT_COMPRESSED))
		length -= behind;
	return !strncmp(file, PREFIX, sizeof(PREFIX) - 1) && length > sizeof(PREFIX) + sizeof(SUFFIX) &&
			       !memcmp(file + length - (sizeof(SUFFIX) - 1), SUFFIX, sizeof(SUFFIX) - 1)
		       ? length
		       : 0;
}

static int is_segment(const struct dirent *entry)
{
	return bare_length(entry->d_name) > 0;
}

/* A file, which may be the second one of the segment before it: NAME sorts before NAME.zst. */
static void add_file(struct segments *segments, const char *file)
{
	size_t length = bare_length(file);
	struct segment_name *last = segments->count ? &segments->items[segments->count - 1] : NULL;

	if (!last || strlen(last->name) != length || memcmp(last->name, file, length) != 0) {
		last = &segments->items[segments->count++];
		last->name = strndup(file, length);
		if (!last->name)
			abort();
		last->number = (uint32_t)strtoul(file + sizeof(PREFIX) - 1, NULL, 10);
	}
	last->plain |= !file[length];
	last->compressed |= file[length] != '\0';
}

int segments_list(const char *folder, struct segments *ret_segments)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort);
	struct segments segments = {0};

	if (count < 0)
		return -errno;
	segments.items = calloc((size_t)count + 1, sizeof(*segments.items));
	if (!segments.items)
		abort();
	for (int i = 0; i < count; i++) {
		add_file(&segments, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	*ret_segments = segments;
	return 0;
}

void segments_free(struct segments *segments)
{
	for (size_t i = 0; i < segments->count; i++)
		free(segments->items[i].name);
	free(segments->items);
	*segments = (struct segments){0};
}

/* The plain file or, where there is none, the compressed one: a descriptor or -errno. */
static int open_segment(const char *folder, const char *name, bool *ret_compressed)
{
	char path[PATH_ROOM];
	int file;

	if (snprintf(path, sizeof(path), "%s/%s" SEGMENT_COMPRESSED, folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	path[strlen(path) - (sizeof(SEGMENT_COMPRESSED) - 1)] = '\0';
	*ret_compressed = false;
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 && errno == ENOENT) {
		strcat(path, SEGMENT_COMPRESSED);
		*ret_compressed = true;
		file = open(path, O_RDONLY | O_CLOEXEC);
	}
	return file < 0 ? -errno : file;
}

/* Memory for so many bytes, in pages that are large where they can be. NULL: there is none. */
static char *map_room(size_t length)
{
	char *bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return NULL;
	madvise(bytes, length, MADV_HUGEPAGE); /* no kernel has to */
	return bytes;
}

/* ---- compressed ones ----------------------------------------------------------------------------------------- */

/* As much as there is before what is damaged. */
static size_t read_prefix(const struct segment_text *packed, char *to, size_t room)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_inBuffer in = {packed->bytes, packed->length, 0};
	ZSTD_outBuffer out = {to, room, 0};
	size_t got = 1, before;

	if (!stream)
		abort();
	do {
		before = in.pos + out.pos;
		got = ZSTD_decompressStream(stream, &out, &in);
	} while (!ZSTD_isError(got) && got && in.pos + out.pos > before);
	ZSTD_freeDStream(stream);
	return out.pos;
}

/* One frame that says how long its text is and has a sum of it, as compressor.c writes them, and nothing behind it. */
static int unpack(const struct segment_text *packed, struct segment_text *ret_text)
{
	struct segment_text text = {.bytes = "", .damaged = true};
	unsigned long long length = ZSTD_getFrameContentSize(packed->bytes, packed->length);
	/* RFC 8878, 3.1.1.1.1: the flag of the sum, and a bit that decoders overlook. */
	bool ours = packed->length > DESCRIPTOR_AT && (packed->bytes[DESCRIPTOR_AT] & 0x14) == 0x04;
	size_t got;
	char *bytes;

	if (length == ZSTD_CONTENTSIZE_ERROR || length == ZSTD_CONTENTSIZE_UNKNOWN || length > SEGMENT_TEXT_MAX ||
	    !length || !ours) {
		*ret_text = text;
		return 0;
	}
	bytes = map_room((size_t)length);
	if (!bytes)
		return -ENOMEM;
	text.bytes = bytes;
	text.mapped = (size_t)length;
	got = ZSTD_decompress(bytes, text.mapped, packed->bytes, packed->length);
	text.damaged = ZSTD_isError(got) || got != text.mapped ||
		       ZSTD_findFrameCompressedSize(packed->bytes, packed->length) != packed->length;
	text.length = ZSTD_isError(got) ? read_prefix(packed, bytes, text.mapped) : got;
	*ret_text = text;
	return 0;
}

/* The beginning of one, up to `room` bytes of text. */
static ssize_t unpack_front(int file, char *to, size_t room)
{
	_cleanup_free_ char *packed = malloc(ZSTD_CStreamOutSize());
	ZSTD_DStream *stream = ZSTD_createDStream();
	ZSTD_outBuffer out = {to, room, 0};
	ssize_t got = 1;
	size_t left = 1;

	if (!packed || !stream)
		abort();
	while (got > 0 && out.pos < room && left && !ZSTD_isError(left)) {
		ZSTD_inBuffer in = {packed, 0, 0};

		got = read(file, packed, ZSTD_CStreamOutSize());
		in.size = got > 0 ? (size_t)got : 0;
		while (in.pos < in.size && out.pos < room && left && !ZSTD_isError(left))
			left = ZSTD_decompressStream(stream, &out, &in);
	}
	ZSTD_freeDStream(stream);
	return got < 0 ? got : (ssize_t)out.pos;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* Up to `length` bytes, fewer only where the file ends. Returns how many, or -errno. */
static ssize_t read_at(int file, char *to, size_t length, size_t at)
{
	size_t done = 0;
	ssize_t got = 1;

	while (done < length && got) {
		got = pread(file, to + done, length - done, (off_t)(at + done));
		if (got < 0 && errno != EINTR)
			return -errno;
		done += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)done;
}

/* Is that what the file has there? Returns 1, 0 or -errno. */
static int is_still(int file, const char *bytes, size_t length, size_t at)
{
	_cleanup_free_ char *again = malloc(CHUNK);

	if (!again)
		return -ENOMEM;
	for (size_t done = 0; done < length;) {
		size_t size = length - done < CHUNK ? length - done : CHUNK;
		ssize_t got = read_at(file, again, size, at + done);

		if (got < 0)
			return (int)got;
		if ((size_t)got != size || memcmp(again, bytes + done, size) != 0)
			return 0;
		done += size;
	}
	return 1;
}

/* When it was last written to; what was written since has another time, by a clock that steps every few ms. */
struct written {
	struct timespec time;
	off_t length;
};

static struct written written_at(const struct stat *status)
{
	return (struct written){status->st_mtim, status->st_size};
}

/* Has nobody written to it since? Only where its last write is old enough for the next one to have another time. */
static bool is_untouched(int file, struct written before, const struct timespec *begun)
{
	struct stat status;
	struct written now;

	if (before.time.tv_sec + SETTLED > begun->tv_sec || fstat(file, &status))
		return false;
	now = written_at(&status);
	return now.length == before.length && now.time.tv_sec == before.time.tv_sec &&
	       now.time.tv_nsec == before.time.tv_nsec;
}

/*
 * As long as it is now. A mapping of the file itself would end whoever looks at it (SIGBUS) where the writer has cut back a torn batch since, or
 * the disk cannot be read.
 *
 * One that was written to a moment ago is read twice. Where the writer has cut back a batch and written another one in its place while it was read,
 * the first reading may have the beginning of the one and the end of the other. If that end is there to its seal, its batch was whole by then, and
 * stays: the second reading has all of it, and differs.
 */
static int read_whole(int file, size_t from, struct segment_text *ret_text)
{
	struct segment_text text = {.bytes = ""};
	struct timespec begun;
	struct stat status;
	int same = 0;
	char *bytes;

	clock_gettime(CLOCK_REALTIME_COARSE, &begun);
	if (fstat(file, &status))
		return -errno;
	if (!status.st_size) {
		*ret_text = text;
		return 0;
	}
	text.mapped = (size_t)status.st_size;
	bytes = map_room(text.mapped);
	if (!bytes)
		return -ENOMEM;
	text.bytes = bytes;
	from = from < text.mapped ? from : text.mapped;
	for (int i = 0; !same && i < TRIES; i++) {
		ssize_t got = read_at(file, bytes + from, text.mapped - from, from);

		text.length = from + (got > 0 ? (size_t)got : 0);
		if (got < 0)
			same = (int)got;
		else if (!i && is_untouched(file, written_at(&status), &begun))
			same = 1;
		else
			same = is_still(file, bytes + from, (size_t)got, from);
	}
	if (same <= 0) {
		segment_release(&text);
		return same ? same : -EBUSY;
	}
	*ret_text = text;
	return 0;
}

int segment_read_from(const char *folder, const char *name, size_t from, struct segment_text *ret_text)
{
	bool compressed;
	_cleanup_close_ int file = open_segment(folder, name, &compressed);
	struct segment_text text = {0};
	int error;

	if (file < 0)
		return file;
	error = read_whole(file, compressed ? 0 : from, &text);
	if (error)
		return error;
	if (!compressed) {
		*ret_text = text;
		return 0;
	}
	error = unpack(&text, ret_text);
	segment_release(&text);
	return error;
}

int segment_read(const char *folder, const char *name, struct segment_text *ret_text)
{
	return segment_read_from(folder, name, 0, ret_text);
}

void segment_release(struct segment_text *text)
{
	if (text->mapped)
		munmap((void *)(uintptr_t)text->bytes, text->mapped);
	*text = (struct segment_text){0};
}

int segment_first_line(const char *folder, const char *name, size_t room, char *ret_line, size_t *ret_length)
{
	bool compressed;
	_cleanup_close_ int file = open_segment(folder, name, &compressed);
	const char *newline;
	ssize_t got;

	if (file < 0)
		return file;
	got = compressed ? unpack_front(file, ret_line, room) : pread(file, ret_line, room, 0);
	if (got < 0)
		return -errno;
	newline = memchr(ret_line, '\n', (size_t)got);
	if (!newline)
		return -ENODATA;
	*ret_length = (size_t)(newline - ret_line);
	return 0;
}
