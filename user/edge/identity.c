// SPDX-License-Identifier: GPL-2.0-only
#include "edge/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#define DEPTH 32

/* One part of a pointer, from behind its slash, with ~1 and ~0 replaced. Returns where the next one begins. */
static const char *next_part(const char *pointer, char part[USHER_POINTER_MAX + 1])
{
	size_t length = 0;

	while (*pointer && *pointer != '/' && length < USHER_POINTER_MAX) {
		if (*pointer == '~' && (pointer[1] == '0' || pointer[1] == '1')) {
			part[length++] = pointer[1] == '0' ? '~' : '/';
			pointer += 2;
		} else {
			part[length++] = *pointer++;
		}
	}
	part[length] = '\0';
	return pointer;
}

/* Digits without a zero before them. */
static struct json_object *item(struct json_object *list, const char *part)
{
	size_t digits = strspn(part, "0123456789");

	if (!digits || digits > 9 || part[digits] || (*part == '0' && digits > 1))
		return NULL;
	return json_object_array_get_idx(list, strtoul(part, NULL, 10));
}

static struct json_object *find(struct json_object *value, const char *pointer)
{
	char part[USHER_POINTER_MAX + 1];

	while (*pointer) {
		struct json_object *inner = NULL;

		pointer = next_part(pointer + 1, part);
		if (json_object_is_type(value, json_type_array))
			inner = item(value, part);
		else if (!json_object_is_type(value, json_type_object) ||
			 !json_object_object_get_ex(value, part, &inner))
			return NULL;
		value = inner;
	}
	return value;
}

/* Of what is not fit to be shown, a question mark; three dots where there is more. */
static void show(const char *text, size_t length, char to[EDGE_FOUND_MAX + 1])
{
	size_t kept = length < EDGE_FOUND_MAX ? length : EDGE_FOUND_MAX;

	for (size_t i = 0; i < kept; i++)
		to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	if (length > kept)
		memset(to + kept - 3, '.', 3);
	to[kept] = '\0';
}

static int judge(struct json_object *root, const char *pointer, const char *equals, struct edge_identity *ret_identity)
{
	struct json_object *value = find(root, pointer);
	size_t length;
	const char *text;

	switch (json_object_get_type(value)) {
	case json_type_string:
		text = json_object_get_string(value);
		length = (size_t)json_object_get_string_len(value);
		break;
	case json_type_int:
	case json_type_double:
	case json_type_boolean:
		text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
		length = text ? strlen(text) : 0;
		break;
	default:
		return -ENOENT;
	}
	if (!text)
		return -ENOMEM;
	*ret_identity = (struct edge_identity){.matches = length == strlen(equals) && !memcmp(text, equals, length)};
	show(text, length, ret_identity->found);
	return 0;
}

static bool only_blanks(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\r' && bytes[i] != '\n')
			return false;
	return true;
}

int identity_read(const char *body, size_t length, const char *pointer, const char *equals,
		  struct edge_identity *ret_identity)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *root = NULL;
	int error = -EPROTO;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	if (length && length <= IDENTITY_BODY_MAX)
		root = json_tokener_parse_ex(tokener, body, (int)length);
	if (root && json_tokener_get_error(tokener) == json_tokener_success &&
	    only_blanks(body + json_tokener_get_parse_end(tokener), length - json_tokener_get_parse_end(tokener)))
		error = judge(root, pointer, equals, ret_identity);
	json_object_put(root);
	json_tokener_free(tokener);
	return error;
}
