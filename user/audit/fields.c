// SPDX-License-Identifier: GPL-2.0-only
#include "audit/fields.h"

#include <string.h>

static const struct {
	const char *text;
	size_t length;
} keys[] = {
#define FIELDS_KEY(name, key) [FIELDS_##name] = {key, sizeof(key) - 1},
	FIELDS(FIELDS_KEY)
#undef FIELDS_KEY
};

static bool is_null(struct line_value value)
{
	return value.length == 4 && !memcmp(value.at, "null", 4);
}

/* Which one, begun with the one that is likely to come next; FIELDS_ALL: none of these. */
static size_t find_key(struct line_value key, size_t likely)
{
	bool escaped = memchr(key.at, '\\', key.length) != NULL;
	size_t length = key.length - 2;

	for (size_t i = 0, at = likely; i < FIELDS_ALL; i++, at = at + 1 < FIELDS_ALL ? at + 1 : 0)
		if (escaped ? line_equals(key, keys[at].text, keys[at].length)
			    : length == keys[at].length && !memcmp(key.at + 1, keys[at].text, length))
			return at;
	return FIELDS_ALL;
}

void fields_read(const char *line, size_t length, struct fields *ret_fields)
{
	struct line_value key, value;
	size_t likely = 0, at;
	struct line rest;

	memset(ret_fields, 0, sizeof(*ret_fields));
	line_begin((struct line_value){line, length}, &rest);
	while (line_next(&rest, &key, &value)) {
		at = find_key(key, likely);
		if (at == FIELDS_ALL)
			continue;
		likely = at + 1 < FIELDS_ALL ? at + 1 : 0;
		if (!ret_fields->values[at].at && !is_null(value))
			ret_fields->values[at] = value;
	}
}

struct line_value fields_inside(const struct fields *fields, enum fields_key key, const char *name)
{
	struct line_value value = {0};

	if (!fields->values[key].at || !line_find(fields->values[key], name, &value) || is_null(value))
		return (struct line_value){0};
	return value;
}

bool fields_is(const struct fields *fields, enum fields_key key, const char *text)
{
	return fields->values[key].at && line_equals(fields->values[key], text, strlen(text));
}

uint64_t fields_number(const struct fields *fields, enum fields_key key)
{
	uint64_t number;

	return fields->values[key].at && !line_number(fields->values[key], &number) ? number : 0;
}
