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

static char *reserve(struct json *json, size_t length)
{
	if (json->capacity - json->length < length) {
		size_t capacity = json->capacity ? json->capacity : 1024;

		while (capacity - json->length < length)
			capacity *= 2;
		json->bytes = realloc(json->bytes, capacity);
		if (!json->bytes)
			abort();
		json->capacity = capacity;
	}
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

/* RFC 8259, section 7: only these have to be escaped. */
static void quote(struct json *json, const char *text)
{
	static const char digits[] = "0123456789abcdef";

	put(json, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			put(json, '\\');
			put(json, (char)c);
		} else if (c < 0x20) {
			char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

			json_raw(json, escape, sizeof(escape));
		} else {
			put(json, (char)c);
		}
	}
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
