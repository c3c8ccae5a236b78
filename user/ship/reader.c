// SPDX-License-Identifier: GPL-2.0-only
#include "ship/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "base/cleanup.h"

/* A part of a text: `length` bytes of it from `offset` on. */
struct stretch {
	char *bytes;
	size_t length;
	uint64_t offset;
};

struct reader {
	int file;
	bool finished;
	ZSTD_DStream *unpacker; /* NULL: it is not compressed */
	char *packed;		/* the same */
	ZSTD_inBuffer in;
	bool unpacked;	      /* all of it */
	struct stretch text;  /* of lines to be given; begins with the next one */
	size_t given;	      /* of it: where the next line begins */
	struct stretch ahead; /* of a plain one: where seals are looked for */
	uint64_t sealed;      /* up to here lines may be given */
	const char *line;     /* the last one that was given, and where it ends */
	size_t length;
	uint64_t offset;
};

void reader_close(struct reader *reader)
{
	if (!reader)
		return;
	if (reader->file >= 0)
		close(reader->file);
	ZSTD_freeDStream(reader->unpacker);
	free(reader->packed);
	free(reader->text.bytes);
	free(reader->ahead.bytes);
	free(reader);
}

static void cleanup_reader(struct reader **reader)
{
	reader_close(*reader);
}

static int make(int file, bool compressed, struct reader **ret_reader)
{
	_cleanup_(cleanup_reader) struct reader *reader = calloc(1, sizeof(*reader));

	if (!reader) {
		close(file);
		return -ENOMEM;
	}
	reader->file = file;
	reader->text.bytes = malloc(READER_LINE);
	if (compressed) {
		reader->unpacker = ZSTD_createDStream();
		reader->packed = malloc(ZSTD_DStreamInSize());
		reader->in.src = reader->packed;
		reader->finished = true; /* only what is closed is compressed */
	} else {
		reader->ahead.bytes = malloc(READER_LINE);
	}
	if (!reader->text.bytes || (compressed ? !reader->unpacker || !reader->packed : !reader->ahead.bytes))
		return -ENOMEM;
	*ret_reader = TAKE_PTR(reader);
	return 0;
}

/* ---- what is in the file ------------------------------------------------------------------------------------- */

static int file_length(const struct reader *reader, uint64_t *ret_length)
{
	struct stat status;

	if (fstat(reader->file, &status))
		return -errno;
	*ret_length = (uint64_t)status.st_size;
	return 0;
}

/* Adds to a stretch what comes behind it in a plain file, below `end`. Returns how much, or -errno. */
static ssize_t fill_plain(const struct reader *reader, struct stretch *stretch, uint64_t end)
{
	uint64_t at = stretch->offset + stretch->length;
	size_t room = READER_LINE - stretch->length;
	ssize_t got;

	if (at >= end)
		return 0;
	if (room > end - at)
		room = (size_t)(end - at);
	got = pread(reader->file, stretch->bytes + stretch->length, room, (off_t)at);
	if (got < 0)
		return -errno;
	if (!got)
		return -ESTALE;
	stretch->length += (size_t)got;
	return got;
}

/* The same of a compressed one. */
static ssize_t fill_packed(struct reader *reader, struct stretch *stretch)
{
	ZSTD_outBuffer out = {stretch->bytes, READER_LINE, stretch->length};
	size_t before = stretch->length;

	while (out.pos == before && !reader->unpacked) {
		size_t left;

		if (reader->in.pos == reader->in.size) {
			ssize_t got = read(reader->file, reader->packed, ZSTD_DStreamInSize());

			if (got <= 0)
				return got ? -errno : -EBADMSG; /* before its frame ends */
			reader->in.size = (size_t)got;
			reader->in.pos = 0;
		}
		left = ZSTD_decompressStream(reader->unpacker, &out, &reader->in);
		if (ZSTD_isError(left))
			return -EBADMSG;
		reader->unpacked = !left;
	}
	stretch->length = out.pos;
	return (ssize_t)(out.pos - before);
}

static void drop_front(struct stretch *stretch, size_t length)
{
	memmove(stretch->bytes, stretch->bytes + length, stretch->length - length);
	stretch->length -= length;
	stretch->offset += length;
}

/* Follows a plain file as far as it goes, or a buffer of it. Returns 0: there are seals that were not known; -EAGAIN; or -errno. */
static int look_for_seals(struct reader *reader)
{
	struct stretch *ahead = &reader->ahead;
	uint64_t length = 0, before = reader->sealed;
	size_t done = 0;
	ssize_t got;
	int error = file_length(reader, &length);

	if (error)
		return error;
	if (length < ahead->offset + ahead->length)
		return -ESTALE;
	do {
		const char *newline;

		got = fill_plain(reader, ahead, length);
		if (got < 0)
			return (int)got;
		done = 0;
		while ((newline = memchr(ahead->bytes + done, '\n', ahead->length - done))) {
			size_t size = (size_t)(newline - ahead->bytes) - done;

			if (chain_type(ahead->bytes + done, size) == CHAIN_SEAL)
				reader->sealed = ahead->offset + done + size + 1;
			done += size + 1;
		}
		drop_front(ahead, done);
		if (ahead->length == READER_LINE)
			return -EFBIG;
	} while (got && reader->sealed == before);
	return reader->sealed == before ? -EAGAIN : 0;
}

/* More text. Returns 0; -EAGAIN: there is none that may be given; or -errno. */
static int fill(struct reader *reader)
{
	uint64_t end = reader->sealed;
	ssize_t got;
	int error;

	drop_front(&reader->text, reader->given);
	reader->given = 0;
	if (reader->text.length == READER_LINE)
		return -EFBIG;
	if (reader->unpacker) {
		got = fill_packed(reader, &reader->text);
		return got > 0 ? 0 : got ? (int)got : -EAGAIN;
	}
	if (reader->finished) {
		error = file_length(reader, &end);
		if (error)
			return error;
	} else if (reader->text.offset + reader->text.length >= end) {
		error = look_for_seals(reader);
		if (error)
			return error;
		end = reader->sealed;
	}
	got = fill_plain(reader, &reader->text, end);
	return got > 0 ? 0 : got ? (int)got : -EAGAIN;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

int reader_next(struct reader *reader, const char **ret_line, size_t *ret_length, uint64_t *ret_offset)
{
	struct stretch *text = &reader->text;
	const char *newline;
	int error;

	while (!(newline = memchr(text->bytes + reader->given, '\n', text->length - reader->given))) {
		error = fill(reader);
		if (error)
			return error;
	}
	reader->line = text->bytes + reader->given;
	reader->length = (size_t)(newline - reader->line);
	*ret_line = reader->line;
	*ret_length = reader->length;
	*ret_offset = text->offset + reader->given;
	reader->given += reader->length + 1;
	reader->offset = text->offset + reader->given;
	return 0;
}

void reader_place(const struct reader *reader, struct cursor *ret_cursor)
{
	ret_cursor->offset = reader->offset;
	if (reader->line)
		ret_cursor->check = cursor_check(reader->line, reader->length);
}

uint64_t reader_left(const struct reader *reader)
{
	uint64_t length = 0;
	off_t at = reader->unpacker ? lseek(reader->file, 0, SEEK_CUR) : (off_t)reader->offset;

	if (at < 0 || file_length(reader, &length) || length < (uint64_t)at)
		return 0;
	return length - (uint64_t)at;
}

/* The line before a place in a plain file is looked at where it is. */
static int find_plain(struct reader *reader, const struct cursor *cursor)
{
	uint64_t length = 0, begin = cursor->offset > READER_LINE ? cursor->offset - READER_LINE : 0;
	struct stretch *text = &reader->text;
	const char *newline;
	size_t last;
	int error = file_length(reader, &length);

	if (error)
		return error;
	if (length < cursor->offset)
		return -ESTALE;
	text->offset = begin;
	while (text->length < cursor->offset - begin) {
		ssize_t got = fill_plain(reader, text, cursor->offset);

		if (got <= 0)
			return got ? (int)got : -ESTALE;
	}
	if (!text->length)
		return -ESTALE;
	last = text->length - 1;
	newline = memrchr(text->bytes, '\n', last);
	if (text->bytes[last] != '\n' || (!newline && begin))
		return -ESTALE;
	reader->line = newline ? newline + 1 : text->bytes;
	reader->length = (size_t)(text->bytes + last - reader->line);
	if (cursor_check(reader->line, reader->length) != cursor->check)
		return -ESTALE;
	reader->line = NULL;
	*text = (struct stretch){text->bytes, 0, cursor->offset};
	reader->ahead.offset = cursor->offset;
	reader->sealed = cursor->offset;
	reader->offset = cursor->offset;
	return 0;
}

static int find_packed(struct reader *reader, const struct cursor *cursor)
{
	struct cursor here = {0};
	const char *line;
	size_t length;
	uint64_t offset;
	int error = 0;

	while (!error && reader->offset < cursor->offset)
		error = reader_next(reader, &line, &length, &offset);
	if (error)
		return error == -EAGAIN ? -ESTALE : error;
	reader_place(reader, &here);
	return here.offset == cursor->offset && here.check == cursor->check ? 0 : -ESTALE;
}

int reader_open(int file, bool compressed, const struct cursor *cursor, struct reader **ret_reader)
{
	_cleanup_(cleanup_reader) struct reader *reader = NULL;
	int error = make(file, compressed, &reader);

	if (!error && cursor->offset)
		error = compressed ? find_packed(reader, cursor) : find_plain(reader, cursor);
	if (!error)
		*ret_reader = TAKE_PTR(reader);
	return error;
}

void reader_finish(struct reader *reader)
{
	reader->finished = true;
}

bool reader_is_finished(const struct reader *reader)
{
	return reader->finished;
}
