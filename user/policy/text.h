/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes of a document, proven to be JSON (RFC 8259) and nothing more before any library sees them, and where each
 * value of it stands.
 *
 * What can be mended without guessing is reported and overwritten in place, so that the rest of the document is still
 * read and all of its errors come out in one run:
 *   a duplicate key's second member, comments, trailing commas, a byte order mark   blanked
 *   NaN, 007, .5, True and their like                                              0, marked bad
 *   bad bytes and escapes in a string                                              ?, marked bad
 *   single quotes around a string                                                  double ones
 * Invariants once text_scan() has returned 0:
 *   1. `bytes` is strict JSON in UTF-8, with no control character in any string and no duplicate key.
 *   2. Marks are in document order: a value's children follow it, `next` leads to what follows its last descendant.
 *   3. Every mark that is MARK_BAD or MARK_DROPPED has an error in the diagnostics.
 */
#ifndef USHER_POLICY_TEXT_H
#define USHER_POLICY_TEXT_H

#include "base/arena.h"
#include "base/diagnostics.h"
#include "policy/model.h"

#define MARK_NONE UINT32_MAX

#define MARK_BAD 0x1	 /* nothing is to be read from the value */
#define MARK_BAD_KEY 0x2 /* nothing is to be read from the member */
#define MARK_DROPPED 0x4 /* blanked out: the tree does not have it */

struct mark {
	uint32_t offset, end; /* of its bytes */
	uint32_t parent;      /* mark, or MARK_NONE */
	uint32_t key;	      /* of a member: offset of its key's opening quote; of an item: its index */
	uint32_t next;
	uint32_t flags;
};

struct text {
	char *bytes; /* length, and a final NUL */
	size_t length;
	struct mark *marks;
	size_t mark_count, mark_capacity;
	uint32_t *lines; /* offset of each line */
	size_t line_count, line_capacity;
};

/* Copies the document. Returns 0, with errors or without, or -EINVAL if what is left of it is not JSON. */
int text_scan(const void *bytes, size_t length, struct diagnostics *diagnostics, struct text *ret_text);
void text_free(struct text *text);

/* ---- where things stand ----------------------------------------------------------------------------------- */

struct place text_place(const struct text *text, uint32_t offset);
/* JSON path as jq writes it, "" for the document itself. */
char *text_path(const struct text *text, uint32_t mark, struct arena *arena);
/* Of an object's mark: the member's value; of a list's: the item. MARK_NONE if there is none. */
uint32_t text_member(const struct text *text, uint32_t object, const char *key);
uint32_t text_item(const struct text *text, uint32_t list, size_t index);
/* First child that the tree has, and the one after a child; MARK_NONE at the end. */
uint32_t text_first(const struct text *text, uint32_t parent);
uint32_t text_after(const struct text *text, uint32_t child);

/* ---- strings ------------------------------------------------------------------------------------------------- */

/* What the string whose opening quote is at `offset` says; `to` holds as many bytes as the document. Returns how many
 * were written, a final NUL not counted. */
size_t text_decode(const struct text *text, uint32_t offset, char *to);
/* Bytes in double quotes, fit for a terminal: escaped where JSON would, bad UTF-8 as \xff, long ones cut short. */
char *text_quote(struct arena *arena, const char *bytes, size_t length);
/* The path of a member of what `parent` is the path of. */
char *text_member_path(struct arena *arena, const char *parent, const char *key, size_t length);

#endif
