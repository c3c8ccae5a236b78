// SPDX-License-Identifier: GPL-2.0-only
/*
 * A segment of the audit log as what sends it elsewhere reads it, line by line, whatever is in it. The first byte says how: the text as it is, while it is
 * written or once it is closed; compressed; or the bytes of a compressed file. The second one says how much of a plain one is there at first.
 *
 * 1. Lines are those of a naive reader: all whole ones of what is closed; of what is not, those up to the last seal, each once, also while it grows.
 * 2. From a place that was noted on, the rest comes; and with the line before it changed, nothing.
 * 3. A compressed file gives lines, -EBADMSG or nothing, and never more than a line's room.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zstd.h>

#include "audit/chain.h"
#include "holds.h"
#include "ship/reader.h"

#define LINES_MAX 4096

struct text {
	const char *bytes;
	size_t length;
};

static int file_of(struct text text)
{
	int file = memfd_create("segment", MFD_CLOEXEC);

	HOLDS(file >= 0 && write(file, text.bytes, text.length) == (ssize_t)text.length);
	HOLDS(!lseek(file, 0, SEEK_SET));
	return file;
}

/* ---- naively ------------------------------------------------------------------------------------------------- */

/* Where lines that may be given end. */
static size_t naive_end(struct text text, bool closed)
{
	size_t end = 0;

	for (size_t at = 0, next; at < text.length; at = next) {
		const char *newline = memchr(text.bytes + at, '\n', text.length - at);

		if (!newline)
			break;
		next = (size_t)(newline + 1 - text.bytes);
		if (closed || chain_type(text.bytes + at, next - at - 1) == CHAIN_SEAL)
			end = next;
	}
	return end;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* Takes lines until there are none, each of which has to be what stands in the text from `at` on. Returns where they end. */
static size_t take_lines(struct reader *reader, struct text text, size_t at, int *ret_error)
{
	const char *line;
	uint64_t offset;
	size_t length;

	while (!(*ret_error = reader_next(reader, &line, &length, &offset))) {
		HOLDS(offset == at && at + length < text.length && text.bytes[at + length] == '\n');
		HOLDS(!memcmp(line, text.bytes + at, length) && !memchr(line, '\n', length));
		at += length + 1;
	}
	return at;
}

/* From the last line but so many on; and from a place whose line was another one. */
static void resume(struct text text, size_t end, bool compressed, int file, unsigned int skip)
{
	struct reader *reader;
	struct cursor place = {0};
	const char *line;
	uint64_t offset;
	size_t length;
	int error;

	HOLDS(!lseek(file, 0, SEEK_SET) && !reader_open(dup(file), compressed, &place, &reader));
	reader_finish(reader);
	for (unsigned int i = 0; i <= skip && !reader_next(reader, &line, &length, &offset); i++)
		reader_place(reader, &place);
	reader_close(reader);
	HOLDS(!lseek(file, 0, SEEK_SET) && !reader_open(dup(file), compressed, &place, &reader));
	reader_finish(reader);
	HOLDS(take_lines(reader, text, place.offset, &error) == end && error == -EAGAIN);
	reader_close(reader);
	if (!place.offset)
		return;
	place.check++;
	HOLDS(!lseek(file, 0, SEEK_SET) && reader_open(dup(file), compressed, &place, &reader) == -ESTALE);
}

static void read_plain(struct text text, size_t first, bool closed, unsigned int skip)
{
	struct text now = {text.bytes, first};
	const struct cursor beginning = {0};
	int file = file_of(now), error;
	struct reader *reader;
	size_t at;

	HOLDS(!reader_open(dup(file), false, &beginning, &reader));
	at = take_lines(reader, now, 0, &error);
	HOLDS(error == -EAGAIN && at == naive_end(now, false));
	HOLDS(pwrite(file, text.bytes + first, text.length - first, (off_t)first) == (ssize_t)(text.length - first));
	if (closed)
		reader_finish(reader);
	at = take_lines(reader, text, at, &error);
	HOLDS(error == -EAGAIN && at == naive_end(text, closed));
	HOLDS(reader_left(reader) == text.length - at);
	reader_close(reader);
	resume(text, naive_end(text, true), false, file, skip);
	close(file);
}

static void read_packed(struct text text, unsigned int skip)
{
	const struct cursor beginning = {0};
	size_t room = ZSTD_compressBound(text.length);
	char *packed = malloc(room);
	struct text all = {packed, ZSTD_compress(packed, room, text.bytes, text.length, 1)};
	size_t end = naive_end(text, true);
	struct reader *reader;
	int file, error;

	HOLDS(!ZSTD_isError(all.length));
	file = file_of(all);
	HOLDS(!reader_open(dup(file), true, &beginning, &reader));
	HOLDS(take_lines(reader, text, 0, &error) == end && error == -EAGAIN);
	reader_close(reader);
	resume(text, end, true, file, skip);
	close(file);
	free(packed);
}

static void read_bytes(struct text packed)
{
	const struct cursor beginning = {0};
	struct reader *reader;
	const char *line;
	uint64_t offset, due = 0;
	size_t length;
	int error;

	HOLDS(!reader_open(file_of(packed), true, &beginning, &reader));
	for (int i = 0; i < LINES_MAX && !(error = reader_next(reader, &line, &length, &offset)); i++) {
		HOLDS(offset == due && length < READER_LINE && !memchr(line, '\n', length));
		due += length + 1;
	}
	HOLDS(!error || error == -EAGAIN || error == -EBADMSG || error == -EFBIG);
	HOLDS(reader_left(reader) <= packed.length);
	reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text text;
	char *copy;

	if (size < 3)
		return 0;
	text.length = size - 2;
	text.bytes = copy = memcpy(malloc(text.length), data + 2, text.length);
	if (data[0] % 4 < 2)
		read_plain(text, data[1] * text.length / 255, data[0] % 4, data[1] % 8);
	else if (data[0] % 4 == 2)
		read_packed(text, data[1] % 8);
	else
		read_bytes(text);
	free(copy);
	return 0;
}
