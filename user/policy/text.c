// SPDX-License-Identifier: GPL-2.0-only
#include "policy/scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/utf8.h"

static int scan_value(struct scan *scan, uint32_t parent, uint32_t key);

void scan_error(struct scan *scan, uint32_t offset, uint32_t mark, const char *format, ...)
{
	struct place place = text_place(scan->text, offset);
	char *path = text_path(scan->text, mark, &scan->scratch);
	char message[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	diagnostics_add(scan->diagnostics, SEVERITY_ERROR, place.line, place.column, path, "%s", message);
}

const char *scan_describe(struct scan *scan)
{
	const char *bytes = scan->text->bytes + scan->at;
	size_t left = scan->text->length - scan->at, length;
	uint32_t code_point;

	if (!left)
		return "the end of the document";
	length = utf8_sequence(bytes, left, &code_point);
	if (!length)
		return arena_printf(&scan->scratch, "byte 0x%02x, which is not UTF-8", (unsigned char)*bytes);
	if (length > 1 || utf8_is_control(code_point))
		return arena_printf(&scan->scratch, "U+%04X", code_point);
	return arena_printf(&scan->scratch, *bytes == '"' ? "a string" : "'%c'", *bytes);
}

/* Newlines are known to `lines` already, so everything may become a space. */
static void blank(struct scan *scan, uint32_t from, uint32_t to)
{
	memset(scan->text->bytes + from, ' ', to - from);
}

static void skip_comment(struct scan *scan, uint32_t mark)
{
	const char *bytes = scan->text->bytes, *from = bytes + scan->at, *end;
	size_t left = scan->text->length - scan->at;

	scan_error(scan, scan->at, mark, "JSON has no comments");
	if (from[0] == '/' && from[1] == '*') {
		end = left >= 4 ? memmem(from + 2, left - 2, "*/", 2) : NULL;
		end = end ? end + 2 : from + left;
	} else {
		end = memchr(from, '\n', left);
		end = end ? end : from + left;
	}
	blank(scan, scan->at, (uint32_t)(end - bytes));
	scan->at = (uint32_t)(end - bytes);
}

/* mark: what a comment would stand in. */
static void skip_space(struct scan *scan, uint32_t mark)
{
	for (;;) {
		int next = scan_peek(scan, 0);

		if (next == ' ' || next == '\t' || next == '\r' || next == '\n')
			scan->at++;
		else if (next == '#' || (next == '/' && (scan_peek(scan, 1) == '/' || scan_peek(scan, 1) == '*')))
			skip_comment(scan, mark);
		else
			return;
	}
}

static int add_mark(struct scan *scan, uint32_t parent, uint32_t key, uint32_t *ret_mark)
{
	struct text *text = scan->text;

	if (text->mark_count >= USHER_POLICY_VALUES_MAX) {
		scan_error(scan, scan->at, MARK_NONE, "a document has at most %u values", USHER_POLICY_VALUES_MAX);
		return -EINVAL;
	}
	text->marks = array_grow(text->marks, text->mark_count, &text->mark_capacity, sizeof(*text->marks));
	*ret_mark = (uint32_t)text->mark_count;
	text->marks[text->mark_count++] =
		(struct mark){.offset = scan->at, .end = scan->at, .parent = parent, .key = key, .next = *ret_mark + 1};
	return 0;
}

static int compare_keys(const void *left, const void *right)
{
	const struct key *a = left, *b = right;
	int order = memcmp(a->name, b->name, a->length < b->length ? a->length : b->length);

	if (order)
		return order;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The first of several members of one name stays. */
static void drop_duplicates(struct scan *scan, size_t first)
{
	size_t count = scan->key_count - first;
	struct key *keys, *kept;

	scan->key_count = first;
	if (!count)
		return;
	keys = kept = scan->keys + first;
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < count; i++) {
		struct mark *mark = &scan->text->marks[keys[i].mark];
		struct place place;

		if (keys[i].length != kept->length || memcmp(keys[i].name, kept->name, kept->length) != 0) {
			kept = &keys[i];
			continue;
		}
		place = text_place(scan->text, kept->offset);
		if (!(mark->flags & MARK_BAD_KEY))
			scan_error(scan, keys[i].offset, keys[i].mark, "this key is already at %u:%u", place.line,
				   place.column);
		mark->flags |= MARK_DROPPED;
		blank(scan, keys[i].comma, mark->end);
	}
}

/* From a key past its value. */
static int scan_member(struct scan *scan, uint32_t object, uint32_t comma)
{
	struct key key = {.offset = scan->at, .comma = comma};
	bool bad = false;
	char *name;
	int next = scan_peek(scan, 0);

	if (next != '"' && next != '\'') {
		scan_error(scan, scan->at, object, "expected a key in double quotes or '}', got %s",
			   scan_describe(scan));
		return -EINVAL;
	}
	if (scan_string(scan, object, &bad))
		return -EINVAL;
	name = arena_alloc(&scan->scratch, scan->at - key.offset);
	key.length = text_decode(scan->text, key.offset, name);
	key.name = name;

	skip_space(scan, object);
	if (scan_peek(scan, 0) != ':') {
		scan_error(scan, scan->at, object, "expected ':' after the key %s, got %s",
			   text_quote(&scan->scratch, name, key.length), scan_describe(scan));
		return -EINVAL;
	}
	scan->at++;
	skip_space(scan, object);
	key.mark = (uint32_t)scan->text->mark_count;
	if (scan_value(scan, object, key.offset))
		return -EINVAL;
	if (bad)
		scan->text->marks[key.mark].flags |= MARK_BAD_KEY;
	scan->keys = array_grow(scan->keys, scan->key_count, &scan->key_capacity, sizeof(*scan->keys));
	scan->keys[scan->key_count++] = key;
	return 0;
}

/*
 * From the opening bracket past the closing one. `comma` is the last comma seen; a closing bracket right after it is an
 * error that is mended by blanking the comma.
 */
static int scan_container(struct scan *scan, uint32_t mark, bool object)
{
	uint32_t opened = scan->at, comma = MARK_NONE, index = 0;
	size_t first_key = scan->key_count;
	const char close = object ? '}' : ']';

	if (++scan->depth > USHER_POLICY_DEPTH_MAX) {
		scan_error(scan, opened, mark, "nested more than %d deep", USHER_POLICY_DEPTH_MAX);
		return -EINVAL;
	}
	scan->at++;
	for (;;) {
		struct place place = text_place(scan->text, opened);

		skip_space(scan, mark);
		if (scan_peek(scan, 0) == close && (comma != MARK_NONE || index == 0)) {
			if (comma != MARK_NONE) {
				scan_error(scan, comma, mark, "a comma with nothing after it");
				blank(scan, comma, comma + 1);
			}
			break;
		}
		if (scan_peek(scan, 0) == SCAN_END) {
			scan_error(scan, scan->at, mark, "the document ends inside the %s that begins at %u:%u",
				   object ? "object" : "list", place.line, place.column);
			return -EINVAL;
		}
		if (object ? scan_member(scan, mark, comma) : scan_value(scan, mark, index))
			return -EINVAL;
		index++;
		skip_space(scan, mark);
		comma = MARK_NONE;
		if (scan_peek(scan, 0) == ',')
			comma = scan->at++;
		else if (scan_peek(scan, 0) == close)
			break;
		else if (scan_peek(scan, 0) != SCAN_END) {
			scan_error(scan, scan->at, mark, "expected ',' or '%c', got %s", close, scan_describe(scan));
			return -EINVAL;
		}
	}
	scan->at++;
	scan->depth--;
	if (object)
		drop_duplicates(scan, first_key);
	return 0;
}

/* key: as in a mark. */
static int scan_value(struct scan *scan, uint32_t parent, uint32_t key)
{
	bool bad = false;
	uint32_t mark;
	int error = add_mark(scan, parent, key, &mark);

	if (error)
		return error;
	switch (scan_peek(scan, 0)) {
	case '{':
		error = scan_container(scan, mark, true);
		break;
	case '[':
		error = scan_container(scan, mark, false);
		break;
	case '"':
	case '\'':
		error = scan_string(scan, mark, &bad);
		break;
	default:
		error = scan_word(scan, mark, &bad);
	}
	scan->text->marks[mark].end = scan->at;
	scan->text->marks[mark].next = (uint32_t)scan->text->mark_count;
	if (bad)
		scan->text->marks[mark].flags |= MARK_BAD;
	return error;
}

static void find_lines(struct text *text)
{
	const char *at = text->bytes, *end = text->bytes + text->length;

	while (at) {
		text->lines = array_grow(text->lines, text->line_count, &text->line_capacity, sizeof(*text->lines));
		text->lines[text->line_count++] = (uint32_t)(at - text->bytes);
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
}

static int scan_document(struct scan *scan)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct text *text = scan->text;

	if (text->length >= 3 && !memcmp(text->bytes, byte_order_mark, 3)) {
		scan_error(scan, 0, MARK_NONE, "a byte order mark has no place in JSON");
		blank(scan, 0, 3);
	}
	skip_space(scan, MARK_NONE);
	if (scan->at == text->length) {
		scan_error(scan, 0, MARK_NONE, "the document is empty");
		return -EINVAL;
	}
	if (scan_value(scan, MARK_NONE, 0))
		return -EINVAL;
	skip_space(scan, MARK_NONE);
	if (scan->at < text->length) {
		scan_error(scan, scan->at, MARK_NONE, "the document has ended, but here is %s", scan_describe(scan));
		blank(scan, scan->at, (uint32_t)text->length);
	}
	return 0;
}

int text_scan(const void *bytes, size_t length, struct diagnostics *diagnostics, struct text *ret_text)
{
	struct text text = {.length = length};
	struct scan scan = {.text = &text, .diagnostics = diagnostics};
	int error;

	if (length > USHER_POLICY_BYTES_MAX) {
		diagnostics_add(diagnostics, SEVERITY_ERROR, 0, 0, "", "the document has %zu bytes; at most %u", length,
				USHER_POLICY_BYTES_MAX);
		return -EINVAL;
	}
	text.bytes = malloc(length + 1);
	if (!text.bytes)
		abort();
	if (length)
		memcpy(text.bytes, bytes, length);
	text.bytes[length] = 0;
	find_lines(&text);

	error = scan_document(&scan);
	arena_free(&scan.scratch);
	free(scan.keys);
	if (error) {
		text_free(&text);
		return error;
	}
	*ret_text = text;
	return 0;
}

void text_free(struct text *text)
{
	free(text->bytes);
	free(text->marks);
	free(text->lines);
	*text = (struct text){0};
}
