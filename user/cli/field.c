// SPDX-License-Identifier: GPL-2.0-only
#include "cli/field.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_object *field(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &value))
		return NULL;
	return value;
}

const char *field_text(struct json_object *object, const char *key)
{
	struct json_object *value = field(object, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "-";
}

int64_t field_integer(struct json_object *object, const char *key)
{
	struct json_object *value = field(object, key);

	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

double field_number(struct json_object *object, const char *key)
{
	struct json_object *value = field(object, key);

	if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double))
		return json_object_get_double(value);
	return 0;
}

bool field_true(struct json_object *object, const char *key)
{
	struct json_object *value = field(object, key);

	return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

size_t field_count(struct json_object *object, const char *key)
{
	struct json_object *value = field(object, key);

	return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

struct json_object *field_at(struct json_object *object, const char *key, size_t i)
{
	return json_object_array_get_idx(field(object, key), i);
}

char *field_joined(struct json_object *object, const char *key, const char *between)
{
	size_t count = field_count(object, key), length;
	char *text = NULL;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		abort();
	if (!count)
		fputc('-', to);
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = field_at(object, key, i);

		fprintf(to, "%s%s", i ? between : "", item ? json_object_get_string(item) : "-");
	}
	fclose(to);
	return text;
}

void tree_print(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
}

int tree_parse(const void *bytes, size_t length, struct json_object **ret_object)
{
	struct json_tokener *tokener;
	struct json_object *object;
	bool whole;

	while (length && strchr(" \t\r\n", ((const char *)bytes)[length - 1]))
		length--;
	if (!length || length > INT_MAX)
		return -EBADMSG;
	tokener = json_tokener_new();
	if (!tokener)
		abort();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, bytes, (int)length);
	whole = json_tokener_get_error(tokener) == json_tokener_success &&
		json_tokener_get_parse_end(tokener) == length;
	json_tokener_free(tokener);
	if (!whole || !object) {
		json_object_put(object);
		return -EBADMSG;
	}
	*ret_object = object;
	return 0;
}
