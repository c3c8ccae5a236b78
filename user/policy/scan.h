/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the scanner share: where it is, and how it complains. For text.c, string.c and word.c alone. */
#ifndef USHER_POLICY_SCAN_H
#define USHER_POLICY_SCAN_H

#include "policy/text.h"

struct key {
	uint32_t offset; /* of its opening quote */
	uint32_t comma;	 /* before it */
	uint32_t mark;	 /* of its value */
	size_t length;
	const char *name; /* decoded */
};

struct scan {
	struct text *text;
	struct diagnostics *diagnostics;
	struct arena scratch;
	uint32_t at; /* next byte */
	unsigned int depth;
	struct key *keys; /* of the objects that are open, innermost last */
	size_t key_count, key_capacity;
};

#define SCAN_END (-1)

/* The byte `ahead` of the next one, or SCAN_END. */
static inline int scan_peek(const struct scan *scan, uint32_t ahead)
{
	return (size_t)scan->at + ahead < scan->text->length ? (unsigned char)scan->text->bytes[scan->at + ahead]
							     : SCAN_END;
}

void scan_error(struct scan *scan, uint32_t offset, uint32_t mark, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* "end of the document", "\"=\"", "U+201C" or "byte 0xff": the next character. */
const char *scan_describe(struct scan *scan);

/* From an opening quote past the closing one; mark: the value it belongs to. Returns 0, or -EINVAL if it has no end. */
int scan_string(struct scan *scan, uint32_t mark, bool *ret_bad);
/* A number, true, false or null. Returns 0, or -EINVAL if there is nothing of the kind. */
int scan_word(struct scan *scan, uint32_t mark, bool *ret_bad);

#endif
