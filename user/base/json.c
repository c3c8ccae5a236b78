/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_free(struct json *json)
{
	free(json->bytes);
	*json = (struct json){0};
}

void json_clear(struct json *json)
{
	json->length = 0;
	json->comma = false;
}

static __attribute__((noinline)) void grow(struct json *json, size_t length)
{
	size_t capacity = json->capacity ? json->capacity : 1024;

	while (capacity - json->length < length)
		capacity *= 2;
	json->bytes = realloc(json->bytes, capacity);
	if (!json->bytes)
		abort();
	json->capacity = capacity;
}

static inline char *reserve(struct json *json, size_t length)
{
	if (__builtin_expect(json->capacity - json->length < length, 0))
		grow(json, length);
	return json->bytes + json->length;
}

void json_raw(struct json *json, const char *bytes, size_t length)
{
	memcpy(reserve(json, length), bytes, length);
	json->length += length;
}

static void put(struct json *json, char c)
{
	*reserve(json, 1) = c;
	json->length++;
}

/* Bytes of the character that begins here, if it is one (RFC 3629, section 4); 0: it is none. */
static size_t utf8_length(const unsigned char *at)
{
	static const unsigned char least[] = {0, 0, 0x80, 0xa0,
					      0x90}; /* of the second byte: no longer than it need be */
	size_t length = at[0] < 0x80   ? 1
			: at[0] < 0xc2 ? 0
			: at[0] < 0xe0 ? 2
			: at[0] < 0xf0 ? 3
			: at[0] < 0xf5 ? 4
				       : 0;

	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if (length > 2 && (at[0] & 0x0f) == 0 && at[1] < least[length])
		return 0;
	if ((at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f)) /* surrogates; beyond U+10FFFF */
		return 0;
	return length;
}

/* Can each of these bytes stand as it is? Eight at a time: one is too small, or is no ASCII, or is a quotation mark or a backslash if a
 * subtraction borrows from the highest bit of its place. One that is none may follow one that is, and be taken for it. */
static bool is_plain(const char *text, size_t length)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	uint64_t found = 0, bytes;

	for (; length >= sizeof(bytes); text += sizeof(bytes), length -= sizeof(bytes)) {
		uint64_t mark, slash;

		memcpy(&bytes, text, sizeof(bytes));
		mark = bytes ^ ones * '"';
		slash = bytes ^ ones * '\\';
		found |= (bytes | (bytes - ones * 0x20) | (mark - ones) | (slash - ones)) & highs;
	}
	for (; length; text++, length--)
		found |=
			(signed char)*text < 0x20 || *text == '"' || *text == '\\'; /* what is no ASCII is below zero */
	return !found;
}

/* How much of the text can stand as it is: RFC 8259, sections 7 and 8.1. */
static size_t plain_length(const char *text)
{
	const unsigned char *from = (const unsigned char *)text, *at = from;

	for (;;) {
		while (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
			at++;
		if (*at < 0x80 || !utf8_length(at))
			return (size_t)(at - from);
		at += utf8_length(at);
	}
}

static void quote_any(struct json *json, const char *text)
{
	static const char digits[] = "0123456789abcdef";

	put(json, '"');
	for (;; text++) {
		size_t plain = plain_length(text);
		unsigned char c;

		json_raw(json, text, plain);
		text += plain;
		c = (unsigned char)*text;
		if (!c)
			break;
		if (c == '"' || c == '\\') {
			put(json, '\\');
			put(json, (char)c);
		} else if (c < 0x20) {
			char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

			json_raw(json, escape, sizeof(escape));
		} else { /* no character: the one that says so */
			json_raw(json, "\\ufffd", 6);
		}
	}
	put(json, '"');
}

static void quote(struct json *json, const char *text)
{
	size_t length = strlen(text);

	if (!is_plain(text, length)) {
		quote_any(json, text);
		return;
	}
	put(json, '"');
	json_raw(json, text, length);
	put(json, '"');
}

static void begin(struct json *json, const char *key)
{
	if (json->comma)
		put(json, ',');
	json->comma = true;
	if (key) {
		quote(json, key);
		put(json, ':');
	}
}

static void open_with(struct json *json, const char *key, char bracket)
{
	begin(json, key);
	put(json, bracket);
	json->comma = false;
}

static void close_with(struct json *json, char bracket)
{
	put(json, bracket);
	json->comma = true;
}

void json_object_begin(struct json *json, const char *key)
{
	open_with(json, key, '{');
}

void json_object_end(struct json *json)
{
	close_with(json, '}');
}

void json_array_begin(struct json *json, const char *key)
{
	open_with(json, key, '[');
}

void json_array_end(struct json *json)
{
	close_with(json, ']');
}

void json_null(struct json *json, const char *key)
{
	begin(json, key);
	json_raw(json, "null", 4);
}

void json_value(struct json *json, const char *key, const char *bytes, size_t length)
{
	begin(json, key);
	json_raw(json, bytes, length);
}

void json_string(struct json *json, const char *key, const char *text)
{
	if (!text) {
		json_null(json, key);
		return;
	}
	begin(json, key);
	quote(json, text);
}

void json_format(struct json *json, const char *key, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_string(json, key, text);
}

void json_unsigned(struct json *json, const char *key, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	begin(json, key);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	json_raw(json, digits + at, sizeof(digits) - at);
}

void json_integer(struct json *json, const char *key, int64_t value)
{
	if (value >= 0) {
		json_unsigned(json, key, (uint64_t)value);
		return;
	}
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRId64, value);

	begin(json, key);
	json_raw(json, text, (size_t)length);
}

void json_number(struct json *json, const char *key, double value)
{
	char text[32] = "";

	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	begin(json, key);
	json_raw(json, text, (size_t)snprintf(text, sizeof(text), "%.6g", value));
}

void json_boolean(struct json *json, const char *key, bool value)
{
	begin(json, key);
	if (value)
		json_raw(json, "true", 4);
	else
		json_raw(json, "false", 5);
}

void json_newline(struct json *json)
{
	put(json, '\n');
	json->comma = false;
}
