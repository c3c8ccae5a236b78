/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A line of the audit log, an object of JSON (RFC 8259), read key by key where it stands: no tree is built and nothing is copied.
 *
 * 1. In a line that is JSON, every key and value is found as any reader of JSON finds it, in whatever order and spacing.
 * 2. What is no JSON is never read beyond its end; line_is_json says so. To step over values is not to check them.
 *
 * Of a key that stands twice, which our lines do not have, readers may see the first one.
 */
#ifndef USHER_AUDIT_LINE_H
#define USHER_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As it stands: a string with its quotation marks and escapes. */
struct line_value {
	const char *at;
	size_t length;
};

struct line {
	const char *at, *end;
};

/* value: an object, a whole line or what line_next gave. */
void line_begin(struct line_value value, struct line *ret_line);
/* The next key, and what stands behind it. False: that was the last one, or what follows is no JSON. */
bool line_next(struct line *line, struct line_value *ret_key, struct line_value *ret_value);
/* The same of an array, whose items have no keys. */
void line_begin_list(struct line_value value, struct line *ret_line);
bool line_item(struct line *line, struct line_value *ret_value);
/* Of one key. False: there is none. */
bool line_find(struct line_value object, const char *key, struct line_value *ret_value);

/* Is it a string, and this one? */
bool line_equals(struct line_value value, const char *text, size_t length);
/* A string without its escapes, ended by a NUL; at most `room` bytes with it. Returns 0, -EINVAL: it is no string, or a broken one;
 * or -ENOSPC. */
int line_text(struct line_value value, size_t room, char *ret_text);
/* A number without sign, fraction and exponent: 0 or -EINVAL. */
int line_number(struct line_value value, uint64_t *ret_number);

/* Is all of it one object of JSON, its text UTF-8? */
bool line_is_json(const char *bytes, size_t length);

#endif
