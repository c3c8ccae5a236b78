// SPDX-License-Identifier: GPL-2.0-only
/*
 * json-c 0.16 takes duplicate keys, NaN, single quotes and NUL even in its strict mode, and converts what it is asked
 * to. It is therefore given a text that has been proven sound, and its tree is compared with that text value by value
 * before anyone reads it.
 */
#include "policy/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SEARCHES_MAX 200

int document_open(struct document *document, const void *bytes, size_t length, struct arena *arena,
		  struct diagnostics *diagnostics)
{
	struct json_tokener *tokener;
	enum json_tokener_error outcome;
	int error;

	*document = (struct document){.arena = arena, .diagnostics = diagnostics, .searches = SEARCHES_MAX};
	error = text_scan(bytes, length, diagnostics, &document->text);
	if (error)
		return error;

	tokener = json_tokener_new_ex(USHER_POLICY_DEPTH_MAX + 2);
	if (!tokener)
		abort();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With the final NUL, so that a number may end the document. */
	document->root = json_tokener_parse_ex(tokener, document->text.bytes, (int)(document->text.length + 1));
	outcome = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (outcome != json_tokener_success || !document_agrees(document, document_root(document))) {
		mark_report(document, SEVERITY_ERROR, MARK_NONE, "json-c reads this document differently (%s)",
			    json_tokener_error_desc(outcome));
		return -EINVAL;
	}
	return 0;
}

void document_close(struct document *document)
{
	json_object_put(document->root);
	document->root = NULL;
	text_free(&document->text);
	arena_free(&document->scratch);
}

struct node document_root(const struct document *document)
{
	return (struct node){document->root, 0};
}

/* ---- the tree against the text --------------------------------------------------------------------------- */

static bool object_agrees(struct document *document, struct node node, char *decoded)
{
	const struct text *text = &document->text;
	uint32_t child = text_first(text, node.mark);

	json_object_object_foreach(node.json, key, value)
	{
		size_t length;

		if (child == MARK_NONE)
			return false;
		length = text_decode(text, text->marks[child].key, decoded);
		if (strlen(key) != length || memcmp(key, decoded, length) != 0 ||
		    !document_agrees(document, (struct node){value, child}))
			return false;
		child = text_after(text, child);
	}
	return child == MARK_NONE;
}

static bool list_agrees(struct document *document, struct node node)
{
	const struct text *text = &document->text;
	uint32_t child = text_first(text, node.mark);

	for (size_t i = 0; i < json_object_array_length(node.json); i++) {
		struct node item = {json_object_array_get_idx(node.json, i), child};

		if (child == MARK_NONE || !document_agrees(document, item))
			return false;
		child = text_after(text, child);
	}
	return child == MARK_NONE;
}

static bool number_agrees(struct node node, const char *bytes, size_t length)
{
	if (memchr(bytes, '.', length) || memchr(bytes, 'e', length) || memchr(bytes, 'E', length)) {
		double tree = json_object_get_double(node.json), text = strtod(bytes, NULL);

		return node_type(node) == json_type_double && tree == text;
	}
	return node_type(node) == json_type_int && json_object_get_int64(node.json) == strtoll(bytes, NULL, 10);
}

bool document_agrees(struct document *document, struct node node)
{
	const struct mark *mark = &document->text.marks[node.mark];
	const char *bytes = document->text.bytes + mark->offset;
	enum json_type type = node_type(node);
	char *decoded = NULL;
	size_t length;
	bool agrees;

	switch (*bytes) {
	case '{':
		if (type != json_type_object)
			return false;
		/* One buffer serves all the keys: none of them is longer than the object. */
		decoded = malloc(mark->end - mark->offset);
		if (!decoded)
			abort();
		agrees = object_agrees(document, node, decoded);
		free(decoded);
		return agrees;
	case '[':
		return type == json_type_array && list_agrees(document, node);
	case '"':
		if (type != json_type_string)
			return false;
		decoded = malloc(mark->end - mark->offset);
		if (!decoded)
			abort();
		length = text_decode(&document->text, mark->offset, decoded);
		agrees = (size_t)json_object_get_string_len(node.json) == length &&
			 !memcmp(json_object_get_string(node.json), decoded, length);
		free(decoded);
		return agrees;
	case 't':
	case 'f':
		return type == json_type_boolean && json_object_get_boolean(node.json) == (*bytes == 't');
	case 'n':
		return type == json_type_null;
	default:
		return number_agrees(node, bytes, mark->end - mark->offset);
	}
}

/* ---- nodes ------------------------------------------------------------------------------------------------- */

bool node_is_bad(const struct document *document, struct node node)
{
	return document->text.marks[node.mark].flags & MARK_BAD;
}

enum json_type node_type(struct node node)
{
	return json_object_get_type(node.json);
}

struct member *node_members(struct document *document, struct node object, size_t *ret_count)
{
	size_t wanted = (size_t)json_object_object_length(object.json), count = 0;
	struct member *members = arena_array(&document->scratch, wanted, sizeof(*members));
	uint32_t child = text_first(&document->text, object.mark);

	json_object_object_foreach(object.json, key, value)
	{
		if (!(document->text.marks[child].flags & MARK_BAD_KEY))
			members[count++] = (struct member){key, {value, child}};
		child = text_after(&document->text, child);
	}
	*ret_count = count;
	return members;
}

struct node *node_items(struct document *document, struct node list, size_t *ret_count)
{
	size_t count = json_object_array_length(list.json);
	struct node *items = arena_array(&document->scratch, count, sizeof(*items));
	uint32_t child = text_first(&document->text, list.mark);

	for (size_t i = 0; i < count; i++) {
		items[i] = (struct node){json_object_array_get_idx(list.json, i), child};
		child = text_after(&document->text, child);
	}
	*ret_count = count;
	return items;
}

struct place node_place(const struct document *document, struct node node)
{
	struct place place = text_place(&document->text, document->text.marks[node.mark].offset);

	place.mark = node.mark;
	return place;
}

const char *node_describe(struct document *document, struct node node)
{
	const struct mark *mark = &document->text.marks[node.mark];

	switch (node_type(node)) {
	case json_type_object:
		return "an object";
	case json_type_array:
		return "a list";
	case json_type_string:
		return arena_printf(&document->scratch, "the string %s",
				    text_quote(&document->scratch, json_object_get_string(node.json),
					       (size_t)json_object_get_string_len(node.json)));
	case json_type_null:
	case json_type_boolean:
	case json_type_int:
	case json_type_double:
		break;
	}
	return arena_printf(&document->scratch, "%.*s",
			    (int)(mark->end - mark->offset > 64 ? 64 : mark->end - mark->offset),
			    document->text.bytes + mark->offset);
}

/* ---- errors ------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 5, 0))) static void report(struct document *document, enum severity severity,
							 uint32_t offset, uint32_t mark, const char *format,
							 va_list arguments)
{
	struct place place = text_place(&document->text, offset);
	char *path = text_path(&document->text, mark, &document->scratch), *message;

	if (vasprintf(&message, format, arguments) < 0)
		abort();
	diagnostics_add(document->diagnostics, severity, place.line, place.column, path, "%s", message);
	free(message);
}

void node_error(struct document *document, struct node node, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(document, SEVERITY_ERROR, document->text.marks[node.mark].offset, node.mark, format, arguments);
	va_end(arguments);
}

void key_error(struct document *document, struct node value, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(document, SEVERITY_ERROR, document->text.marks[value.mark].key, value.mark, format, arguments);
	va_end(arguments);
}

void mark_report(struct document *document, enum severity severity, uint32_t mark, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(document, severity, mark == MARK_NONE ? 0 : document->text.marks[mark].offset, mark, format, arguments);
	va_end(arguments);
}
