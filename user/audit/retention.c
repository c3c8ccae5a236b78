// SPDX-License-Identifier: GPL-2.0-only
#include "audit/retention.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/moment.h"

#define PATH_ROOM 4096
#define LINE_ROOM 4096

static int read_front(const char *folder, const char *name, struct chain_segment *ret_segment)
{
	char line[LINE_ROOM];
	size_t length;
	int error = segment_first_line(folder, name, sizeof(line), line, &length);

	if (error)
		return error == -ENODATA ? -EBADMSG : error;
	return chain_type(line, length) == CHAIN_SEGMENT && !chain_parse_segment(line, length, ret_segment) ? 0
													    : -EBADMSG;
}

static int path_of(const char *folder, const char *name, const char *behind, char path[PATH_ROOM])
{
	return snprintf(path, PATH_ROOM, "%s/%s%s", folder, name, behind) >= PATH_ROOM ? -ENAMETOOLONG : 0;
}

static int size_of(const char *folder, const struct segment_name *segment, uint64_t *ret_bytes)
{
	char path[PATH_ROOM];
	struct stat status;
	int error = path_of(folder, segment->name, segment->plain ? "" : SEGMENT_COMPRESSED, path);

	if (!error && stat(path, &status))
		error = -errno;
	if (!error)
		*ret_bytes = (uint64_t)status.st_size;
	return error;
}

int retention_due(const char *folder, const struct segments *segments, int64_t now, uint32_t retain,
		  struct retention *ret_retention)
{
	const struct segment_name *oldest = segments->items, *next = segments->items + 1;
	struct chain_segment front, after;
	struct retention retention = {0};
	int64_t latest;
	int error;

	if (segments->count < 2)
		return 0;
	error = read_front(folder, next->name, &after);
	if (error)
		return error;
	if (!after.span.latest[0] || moment_parse(after.span.latest, false, &latest))
		return -EBADMSG;
	if (now - latest / CLOCK_SECOND < retain)
		return 0;
	error = read_front(folder, oldest->name, &front);
	if (!error && (!after.has_previous || strcmp(front.log, after.log) != 0 || after.number != oldest->number + 1 ||
		       front.number != oldest->number || next->number != after.number || after.seal <= front.seal))
		error = -EBADMSG;
	if (!error)
		error = size_of(folder, oldest, &retention.bytes);
	if (error)
		return error;
	retention.number = oldest->number;
	retention.first_seal = front.seal + 1;
	retention.last_seal = after.seal;
	memcpy(retention.hash, after.previous, sizeof(retention.hash));
	memcpy(retention.last_record, after.span.latest, sizeof(retention.last_record));
	snprintf(retention.name, sizeof(retention.name), "%s", oldest->name);
	*ret_retention = retention;
	return 1;
}

void retention_print(const struct retention *retention, uint32_t retain, struct json *to,
		     const struct record_stamp *stamp)
{
	char hash[SHA256_HEX];

	hex_print(retention->hash, sizeof(retention->hash), hash);
	record_operation(to, stamp, RETENTION_ACTIVITY, NULL);
	json_unsigned(to, "number", retention->number);
	json_string(to, "name", retention->name);
	json_unsigned(to, "first_seal", retention->first_seal);
	json_unsigned(to, "last_seal", retention->last_seal);
	json_string(to, "hash", hash);
	json_unsigned(to, "bytes", retention->bytes);
	json_string(to, "last_record", retention->last_record);
	json_unsigned(to, "retain", retain);
	record_operation_end(to);
}

/* The one that is read first goes last: halfway it is still all there. */
int retention_delete(const char *folder, const struct retention *retention)
{
	char path[PATH_ROOM];
	int error = path_of(folder, retention->name, SEGMENT_COMPRESSED, path);

	if (!error && unlink(path) && errno != ENOENT)
		error = -errno;
	if (!error)
		error = path_of(folder, retention->name, "", path);
	if (!error && unlink(path) && errno != ENOENT)
		error = -errno;
	return error;
}

int retention_parse(const char *line, size_t length, uint32_t *ret_number, uint64_t *ret_last_seal,
		    uint8_t ret_hash[SHA256_BYTES])
{
	static const char key[] = ",\"hash\":\"";
	const char *at = memmem(line, length, key, sizeof(key) - 1);
	uint64_t number, seal;

	if (!at || (size_t)(line + length - at) < sizeof(key) - 1 + SHA256_HEX ||
	    chain_number(line, length, "number", &number) || number > UINT32_MAX ||
	    chain_number(line, length, "last_seal", &seal) || hex_parse(at + sizeof(key) - 1, SHA256_BYTES, ret_hash))
		return -EINVAL;
	*ret_number = (uint32_t)number;
	*ret_last_seal = seal;
	return 0;
}
