// SPDX-License-Identifier: GPL-2.0-only
#include "policy/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MARK "\0usher-file "
#define MARK_LENGTH (sizeof(MARK) - 1)
#define HEADER_MAX 64

/* One file at `at`. Returns what follows it, or NULL. */
static const char *take(const char *at, const char *end, struct arena *arena, struct bundle_file *ret_attachment)
{
	size_t room = (size_t)(end - at), name, length;
	char header[HEADER_MAX + 1], status[8];
	const char *line;
	int used = 0;

	if (room < MARK_LENGTH || memcmp(at, MARK, MARK_LENGTH) != 0)
		return NULL;
	at += MARK_LENGTH;
	room -= MARK_LENGTH;
	line = memchr(at, '\n', room < HEADER_MAX ? room : HEADER_MAX);
	if (!line)
		return NULL;
	memcpy(header, at, (size_t)(line - at));
	header[line - at] = '\0';
	if (sscanf(header, "%7s %9zu %9zu%n", status, &name, &length, &used) != 3 || header[used] ||
	    (strcmp(status, "read") != 0 && strcmp(status, "unread") != 0))
		return NULL;
	at = line + 1;
	room = (size_t)(end - at);
	if (name > USHER_STRING_MAX || name > room || length > room - name)
		return NULL;
	*ret_attachment = (struct bundle_file){.name = arena_strndup(arena, at, name),
					       .bytes = at + name,
					       .length = length,
					       .read = !strcmp(status, "read")};
	return at + name + length;
}

int bundle_split(const char *bytes, size_t length, struct arena *arena, struct bundle *ret_bundle)
{
	const char *end = bytes + length, *at = length ? memmem(bytes, length, MARK, MARK_LENGTH) : NULL;
	struct bundle bundle = {.text = bytes, .length = at ? (size_t)(at - bytes) : length};

	while (at && at != end) {
		if (bundle.count == USHER_GEO_FILES_MAX)
			return -EINVAL;
		at = take(at, end, arena, &bundle.items[bundle.count++]);
		if (!at)
			return -EINVAL;
	}
	*ret_bundle = bundle;
	return 0;
}

const struct bundle_file *bundle_find(const struct bundle *bundle, const char *name)
{
	for (size_t i = 0; i < bundle->count; i++)
		if (!strcmp(bundle->items[i].name, name))
			return &bundle->items[i];
	return NULL;
}

void bundle_attach(struct json *to, const struct bundle_file *file)
{
	char header[HEADER_MAX];
	int length = snprintf(header, sizeof(header), "%s %zu %zu\n", file->read ? "read" : "unread",
			      strlen(file->name), file->length);

	json_raw(to, MARK, MARK_LENGTH);
	json_raw(to, header, (size_t)length);
	json_raw(to, file->name, strlen(file->name));
	json_raw(to, file->bytes, file->length);
}
