// SPDX-License-Identifier: GPL-2.0-only
/* Where the values of a text stand, and what their paths are. */
#include "policy/text.h"

#include <string.h>

struct place text_place(const struct text *text, uint32_t offset)
{
	size_t low = 0, high = text->line_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (text->lines[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	return (struct place){.line = (uint32_t)low + 1, .column = offset - text->lines[low] + 1, .mark = MARK_NONE};
}

uint32_t text_first(const struct text *text, uint32_t parent)
{
	uint32_t child = parent + 1;

	while (child < text->marks[parent].next && (text->marks[child].flags & MARK_DROPPED))
		child = text->marks[child].next;
	return child < text->marks[parent].next ? child : MARK_NONE;
}

uint32_t text_after(const struct text *text, uint32_t child)
{
	uint32_t end = text->marks[text->marks[child].parent].next;

	do
		child = text->marks[child].next;
	while (child < end && (text->marks[child].flags & MARK_DROPPED));
	return child < end ? child : MARK_NONE;
}

uint32_t text_member(const struct text *text, uint32_t object, const char *key)
{
	size_t length = strlen(key);

	if (object == MARK_NONE || text->bytes[text->marks[object].offset] != '{')
		return MARK_NONE;
	for (uint32_t child = text_first(text, object); child != MARK_NONE; child = text_after(text, child)) {
		const char *raw = text->bytes + text->marks[child].key + 1;

		/* Keys of the language need no escapes; one that is escaped all the same is found by its parent. */
		if (!strncmp(raw, key, length) && raw[length] == '"')
			return child;
	}
	return MARK_NONE;
}

uint32_t text_item(const struct text *text, uint32_t list, size_t index)
{
	uint32_t child;

	if (list == MARK_NONE || text->bytes[text->marks[list].offset] != '[')
		return MARK_NONE;
	child = text_first(text, list);
	while (child != MARK_NONE && index-- > 0)
		child = text_after(text, child);
	return child;
}

static bool is_identifier(const char *key, size_t length)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return length && strlen(key) == length && strspn(key, letters) > 0 && strspn(key, more) == length;
}

char *text_member_path(struct arena *arena, const char *parent, const char *key, size_t length)
{
	if (is_identifier(key, length) && length <= 64)
		return arena_printf(arena, "%s.%s", parent, key);
	/* jq reads .["a-b"], and .a["b-c"] */
	return arena_printf(arena, "%s%s[%s]", parent, *parent ? "" : ".", text_quote(arena, key, length));
}

char *text_path(const struct text *text, uint32_t mark, struct arena *arena)
{
	uint32_t trail[USHER_POLICY_DEPTH_MAX + 2] = {0};
	size_t depth = 0;
	char *path = arena_strndup(arena, "", 0);

	for (; mark != MARK_NONE && text->marks[mark].parent != MARK_NONE; mark = text->marks[mark].parent)
		trail[depth++] = mark;
	while (depth-- > 0) {
		const struct mark *at = &text->marks[trail[depth]];

		if (text->bytes[text->marks[at->parent].offset] == '{') {
			/* The key's string ends before its value begins. */
			char *key = arena_alloc(arena, at->offset - at->key);
			size_t length = text_decode(text, at->key, key);

			path = text_member_path(arena, path, key, length);
		} else if (*path) {
			path = arena_printf(arena, "%s[%u]", path, at->key);
		} else {
			path = arena_printf(arena, ".[%u]", at->key);
		}
	}
	return path;
}
