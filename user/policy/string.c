// SPDX-License-Identifier: GPL-2.0-only
/* Strings: scanned, decoded, and quoted for people. */
#include "policy/scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define QUOTED_MAX 64 /* bytes of a string that a message repeats */

static size_t utf8_write(uint32_t code_point, char *to)
{
	if (code_point < 0x80) {
		to[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0x800) {
		to[0] = (char)(0xc0 | code_point >> 6);
		to[1] = (char)(0x80 | (code_point & 0x3f));
		return 2;
	}
	if (code_point < 0x10000) {
		to[0] = (char)(0xe0 | code_point >> 12);
		to[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
		to[2] = (char)(0x80 | (code_point & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | code_point >> 18);
	to[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
	to[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
	to[3] = (char)(0x80 | (code_point & 0x3f));
	return 4;
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* \uXXXX at `bytes`: its number, or -1. */
static int32_t unicode_escape(const char *bytes, size_t left)
{
	int32_t unit = 0;

	if (left < 6 || bytes[0] != '\\' || bytes[1] != 'u')
		return -1;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_digit(bytes[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* The escape at `bytes`: its length and what it means; 0: none that JSON has. */
static size_t escape_sequence(const char *bytes, size_t left, uint32_t *ret_code_point)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter = left > 1 && bytes[1] ? strchr(letters, bytes[1]) : NULL;
	int32_t unit, low;

	if (letter) {
		*ret_code_point = (unsigned char)meanings[letter - letters];
		return 2;
	}
	unit = unicode_escape(bytes, left);
	if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000))
		return 0;
	if (unit < 0xd800 || unit >= 0xe000) {
		*ret_code_point = (uint32_t)unit;
		return 6;
	}
	low = unicode_escape(bytes + 6, left - 6);
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	*ret_code_point = 0x10000 + (((uint32_t)unit - 0xd800) << 10 | ((uint32_t)low - 0xdc00));
	return 12;
}

/* Reports the first fault of a string and overwrites every one of them. */
static void mend(struct scan *scan, uint32_t mark, size_t length, bool *bad, const char *what)
{
	if (!*bad)
		scan_error(scan, scan->at, mark, "%s", what);
	*bad = true;
	memset(scan->text->bytes + scan->at, '?', length);
}

/* Past one character of a string; mends it if it must not be there. */
static void scan_character(struct scan *scan, uint32_t mark, bool *bad)
{
	const char *bytes = scan->text->bytes + scan->at;
	size_t left = scan->text->length - scan->at, length;
	bool escaped = *bytes == '\\';
	uint32_t code_point;

	length = escaped ? escape_sequence(bytes, left, &code_point) : utf8_sequence(bytes, left, &code_point);
	if (!length && escaped) {
		/* A quote after the backslash would have been an escape, so the second byte is not the string's end. */
		length = left > 1 && (unsigned char)bytes[1] >= 0x20 && bytes[1] != '\'' ? 2 : 1;
		mend(scan, mark, length, bad,
		     bytes[1] == 'u' ? "\\u needs four hexadecimal digits, and a surrogate its other half"
				     : "JSON has no such escape; a backslash itself is written \\\\");
	} else if (!length) {
		length = 1;
		mend(scan, mark, length, bad,
		     arena_printf(&scan->scratch, "byte 0x%02x is not UTF-8", (unsigned char)*bytes));
	} else if (utf8_is_control(code_point)) {
		mend(scan, mark, length, bad,
		     arena_printf(&scan->scratch, "control character U+%04X in a string", code_point));
	}
	scan->at += (uint32_t)length;
}

int scan_string(struct scan *scan, uint32_t mark, bool *ret_bad)
{
	char *bytes = scan->text->bytes;
	uint32_t opened = scan->at;
	const char quote = bytes[scan->at];
	bool bad = false;
	int next;

	if (quote == '\'')
		scan_error(scan, opened, mark, "strings are written in double quotes");
	for (scan->at++; (next = scan_peek(scan, 0)) != quote;) {
		if (next == SCAN_END || next == '\n' || next == '\r') {
			scan_error(scan, opened, mark, "the string that begins here has no end on its line");
			return -EINVAL;
		}
		if (next == '"') { /* in single quotes */
			bad = true;
			bytes[scan->at++] = '?';
		} else {
			scan_character(scan, mark, &bad);
		}
	}
	bytes[opened] = bytes[scan->at] = '"';
	scan->at++;
	*ret_bad = bad;
	return 0;
}

size_t text_decode(const struct text *text, uint32_t offset, char *to)
{
	const char *at = text->bytes + offset + 1, *end = text->bytes + text->length;
	size_t length = 0;

	while (at < end && *at != '"') {
		const char *run = at;
		uint32_t code_point = 0;
		size_t escape;

		if (*at == '\\') {
			escape = escape_sequence(at, (size_t)(end - at), &code_point);
			length += utf8_write(code_point, to + length);
			at += escape;
			continue;
		}
		while (at < end && *at != '"' && *at != '\\')
			at++;
		memcpy(to + length, run, (size_t)(at - run));
		length += (size_t)(at - run);
	}
	to[length] = 0;
	return length;
}

char *text_quote(struct arena *arena, const char *bytes, size_t length)
{
	char *quoted = arena_alloc(arena, 6 * QUOTED_MAX + 8), *to = quoted;
	size_t shown = 0;

	*to++ = '"';
	while (shown < length && shown < QUOTED_MAX) {
		uint32_t code_point;
		size_t sequence = utf8_sequence(bytes + shown, length - shown, &code_point);

		if (!sequence) {
			to += sprintf(to, "\\x%02x", (unsigned char)bytes[shown++]);
			continue;
		}
		if (utf8_is_control(code_point)) {
			to += sprintf(to, "\\u%04x", code_point);
		} else {
			if (code_point == '"' || code_point == '\\')
				*to++ = '\\';
			memcpy(to, bytes + shown, sequence);
			to += sequence;
		}
		shown += sequence;
	}
	strcpy(to, shown < length ? "…\"" : "\"");
	return quoted;
}
