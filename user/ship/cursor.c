// SPDX-License-Identifier: GPL-2.0-only
#include "ship/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/sha256.h"
#include "audit/line.h"

#define NAME_ROOM 64
#define SUM_KEY ",\"sha256\":\""
#define TAIL (sizeof(SUM_KEY) - 1 + SHA256_HEX - 1 + 3) /* and "}\n */

uint64_t cursor_check(const char *line, size_t length)
{
	uint64_t check = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		check = (check ^ (uint8_t)line[i]) * 0x100000001b3;
	return check;
}

size_t cursor_print(const struct cursor *cursor, const char *destination, char text[CURSOR_TEXT])
{
	char sum[SHA256_HEX];
	/* Names of destinations have nothing that JSON escapes. */
	int length = snprintf(text, CURSOR_TEXT,
			      "{\"destination\":\"%s\",\"log\":\"%s\",\"segment\":%" PRIu32 ",\"offset\":%" PRIu64
			      ",\"check\":\"%016" PRIx64 "\"",
			      destination, cursor->log, cursor->segment, cursor->offset, cursor->check);

	sha256_hex(text, (size_t)length, sum);
	length += snprintf(text + length, CURSOR_TEXT - (size_t)length, SUM_KEY "%s\"}\n", sum);
	return (size_t)length;
}

static int parse_log(struct line_value value, char log[CHAIN_LOG])
{
	uint8_t name[(CHAIN_LOG - 1) / 2];

	if (line_text(value, CHAIN_LOG, log))
		return -EBADMSG;
	return *log && (strlen(log) != CHAIN_LOG - 1 || hex_parse(log, sizeof(name), name)) ? -EBADMSG : 0;
}

int cursor_parse(const char *text, size_t length, const char *destination, struct cursor *ret_cursor)
{
	struct line_value all = {text, length - (length > 0)}, value;
	struct cursor cursor = {0};
	char sum[SHA256_HEX], check[17];
	uint64_t segment;

	if (length <= TAIL || length >= CURSOR_TEXT || text[length - 1] != '\n' || !line_is_json(all.at, all.length))
		return -EBADMSG;
	sha256_hex(text, length - TAIL, sum);
	if (memcmp(text + length - TAIL, SUM_KEY, sizeof(SUM_KEY) - 1) != 0 ||
	    memcmp(text + length - TAIL + sizeof(SUM_KEY) - 1, sum, SHA256_HEX - 1) != 0)
		return -EBADMSG;
	if (!line_find(all, "destination", &value) || !line_equals(value, destination, strlen(destination)) ||
	    !line_find(all, "log", &value) || parse_log(value, cursor.log))
		return -EBADMSG;
	if (!line_find(all, "segment", &value) || line_number(value, &segment) || segment > UINT32_MAX ||
	    !line_find(all, "offset", &value) || line_number(value, &cursor.offset))
		return -EBADMSG;
	if (!line_find(all, "check", &value) || line_text(value, sizeof(check), check) ||
	    sscanf(check, "%16" SCNx64, &cursor.check) != 1)
		return -EBADMSG;
	cursor.segment = (uint32_t)segment;
	*ret_cursor = cursor;
	return 0;
}

static void name_of(const char *id, const char *behind, char name[NAME_ROOM])
{
	snprintf(name, NAME_ROOM, "ship-%s.cursor%s", id, behind);
}

int cursor_read(int folder, const char *id, const char *destination, struct cursor *ret_cursor)
{
	char name[NAME_ROOM], aside[NAME_ROOM], text[CURSOR_TEXT];
	_cleanup_close_ int file = -1;
	ssize_t got;

	name_of(id, "", name);
	file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0 && errno == ENOENT) {
		*ret_cursor = (struct cursor){0};
		return 0;
	}
	got = file < 0 ? -1 : read(file, text, sizeof(text));
	if (got < 0)
		return -errno;
	if (!cursor_parse(text, (size_t)got, destination, ret_cursor))
		return 0;
	name_of(id, ".damaged", aside);
	if (renameat(folder, name, folder, aside))
		return -errno;
	*ret_cursor = (struct cursor){0};
	return 1;
}

int cursor_write(int folder, const char *id, const char *destination, const struct cursor *cursor)
{
	char name[NAME_ROOM], beside[NAME_ROOM], text[CURSOR_TEXT];
	size_t length = cursor_print(cursor, destination, text);
	_cleanup_close_ int file = -1;
	ssize_t got;
	int error = 0;

	name_of(id, "", name);
	name_of(id, ".new", beside);
	file = openat(folder, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file < 0)
		return -errno;
	got = write(file, text, length);
	if (got != (ssize_t)length)
		error = got < 0 ? -errno : -EIO;
	if (!error && (fsync(file) || renameat(folder, beside, folder, name) || fsync(folder)))
		error = -errno;
	if (error)
		unlinkat(folder, beside, 0);
	return error;
}
