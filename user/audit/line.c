// SPDX-License-Identifier: GPL-2.0-only
#include "audit/line.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

#define DEPTH_MAX 16 /* our lines have 4 */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && is_space(*at))
		at++;
	return at;
}

/* ---- stepping over -------------------------------------------------------------------------------------------- */

/* at: behind the first quotation mark. Behind the last one, or NULL. */
static const char *skip_string(const char *at, const char *end)
{
	for (;;) {
		const char *quote = memchr(at, '"', (size_t)(end - at)), *back;

		if (!quote)
			return NULL;
		for (back = quote; back > at && back[-1] == '\\'; back--)
			;
		if ((quote - back) % 2 == 0)
			return quote + 1;
		at = quote + 1; /* that one was escaped, and so is nothing that follows */
	}
}

/* at: behind the first bracket. */
static const char *skip_nested(const char *at, const char *end)
{
	for (int depth = 1; at && at < end;) {
		char c = *at++;

		if (c == '"')
			at = skip_string(at, end);
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && !--depth)
			return at;
	}
	return NULL;
}

static const char *skip_value(const char *at, const char *end)
{
	if (at == end)
		return NULL;
	if (*at == '"')
		return skip_string(at + 1, end);
	if (*at == '{' || *at == '[')
		return skip_nested(at + 1, end);
	while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
		at++;
	return at;
}

static struct line begin(struct line_value value, char bracket)
{
	const char *end = value.at + value.length, *at = skip_space(value.at, end);

	return (struct line){at < end && *at == bracket ? at + 1 : end, end};
}

void line_begin(struct line_value value, struct line *ret_line)
{
	*ret_line = begin(value, '{');
}

void line_begin_list(struct line_value value, struct line *ret_line)
{
	*ret_line = begin(value, '[');
}

/* The value that stands here, and what follows its comma. */
static bool take_value(struct line *line, const char *value, struct line_value *ret_value)
{
	const char *end = line->end, *behind = skip_value(value, end);

	if (!behind)
		return false;
	*ret_value = (struct line_value){value, (size_t)(behind - value)};
	behind = skip_space(behind, end);
	if (behind < end && *behind == ',')
		line->at = behind + 1;
	return true;
}

bool line_item(struct line *line, struct line_value *ret_value)
{
	const char *value = skip_space(line->at, line->end);

	line->at = line->end;
	return take_value(line, value, ret_value) && ret_value->length;
}

bool line_next(struct line *line, struct line_value *ret_key, struct line_value *ret_value)
{
	const char *end = line->end, *key = skip_space(line->at, end), *behind, *value;

	line->at = end;
	if (key == end || *key != '"')
		return false;
	behind = skip_string(key + 1, end);
	if (!behind)
		return false;
	value = skip_space(behind, end);
	if (value == end || *value != ':')
		return false;
	value = skip_space(value + 1, end);
	*ret_key = (struct line_value){key, (size_t)(behind - key)};
	return take_value(line, value, ret_value);
}

bool line_find(struct line_value object, const char *key, struct line_value *ret_value)
{
	struct line_value name, value;
	struct line line;
	size_t length = strlen(key);

	line_begin(object, &line);
	while (line_next(&line, &name, &value)) {
		if (!line_equals(name, key, length))
			continue;
		*ret_value = value;
		return true;
	}
	return false;
}

/* ---- strings and numbers -------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits: -1 if they are none. */
static int32_t code_unit(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

static size_t put_utf8(uint32_t code, char to[4])
{
	size_t count = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = count - 1; i > 0; i--, code >>= 6)
		to[i] = (char)(0x80 | (code & 0x3f));
	to[0] = (char)(lead[count] | code);
	return count;
}

/* at: behind the backslash. What it stands for, as UTF-8; behind it, or NULL. */
static const char *unescape(const char *at, const char *end, char to[4], size_t *ret_count)
{
	static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
	const char *known = at < end && *at ? strchr(from, *at) : NULL;
	int32_t unit, low;

	if (known) {
		to[0] = plain[known - from];
		*ret_count = 1;
		return at + 1;
	}
	if (at == end || *at != 'u' || (unit = code_unit(at + 1, end)) < 0)
		return NULL;
	at += 5;
	if (unit >= 0xd800 && unit < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
	    (low = code_unit(at + 2, end)) >= 0xdc00 && low < 0xe000) {
		*ret_count = put_utf8(0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00), to);
		return at + 6;
	}
	*ret_count = put_utf8(unit >= 0xd800 && unit < 0xe000 ? 0xfffd : (uint32_t)unit, to);
	return at;
}

bool line_equals(struct line_value value, const char *text, size_t length)
{
	const char *at = value.at + 1, *end = value.at + value.length - 1, *wanted = text + length;
	char piece[4];
	size_t count;

	if (value.length < 2 || *value.at != '"')
		return false;
	if (!memchr(at, '\\', (size_t)(end - at)))
		return (size_t)(end - at) == length && !memcmp(at, text, length);
	while (at < end) {
		if (*at != '\\') {
			piece[0] = *at++;
			count = 1;
		} else if (!(at = unescape(at + 1, end, piece, &count))) {
			return false;
		}
		if ((size_t)(wanted - text) < count || memcmp(text, piece, count) != 0)
			return false;
		text += count;
	}
	return text == wanted;
}

int line_text(struct line_value value, size_t room, char *ret_text)
{
	const char *at = value.at + 1, *end = value.at + value.length - 1;
	size_t used = 0, count;
	char piece[4];

	if (value.length < 2 || *value.at != '"')
		return -EINVAL;
	while (at < end) {
		if (*at != '\\') {
			piece[0] = *at++;
			count = 1;
		} else if (!(at = unescape(at + 1, end, piece, &count))) {
			return -EINVAL;
		}
		if (used + count >= room)
			return -ENOSPC;
		memcpy(ret_text + used, piece, count);
		used += count;
	}
	if (used >= room)
		return -ENOSPC;
	ret_text[used] = '\0';
	return 0;
}

int line_number(struct line_value value, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!value.length || value.length > 19)
		return -EINVAL;
	for (size_t i = 0; i < value.length; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return -EINVAL;
		number = number * 10 + (uint64_t)(value.at[i] - '0');
	}
	*ret_number = number;
	return 0;
}

/* ---- checking ------------------------------------------------------------------------------------------------- */

static const char *check_string(const char *at, const char *end)
{
	if (at == end || *at++ != '"')
		return NULL;
	while (at < end) {
		unsigned char c = (unsigned char)*at;
		char piece[4];
		uint32_t code;
		size_t count = 1;

		if (c == '"')
			return at + 1;
		if (c == '\\') {
			at = unescape(at + 1, end, piece, &count);
			if (!at)
				return NULL;
			continue;
		}
		if (c >= 0x80)
			count = utf8_sequence(at, (size_t)(end - at), &code);
		if (c < 0x20 || !count)
			return NULL;
		at += count;
	}
	return NULL;
}

static const char *check_digits(const char *at, const char *end)
{
	const char *begins = at;

	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at == begins ? NULL : at;
}

static const char *check_number(const char *at, const char *end)
{
	const char *begins;

	if (at < end && *at == '-')
		at++;
	begins = at;
	at = check_digits(at, end);
	if (!at || (*begins == '0' && at > begins + 1))
		return NULL;
	if (at < end && *at == '.' && !(at = check_digits(at + 1, end)))
		return NULL;
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = check_digits(at, end);
	}
	return at;
}

static const char *check_word(const char *at, const char *end, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(end - at) >= length && !memcmp(at, word, length) ? at + length : NULL;
}

static const char *check_value(const char *at, const char *end, int depth);

/* An object or an array: at its bracket. */
static const char *check_members(const char *at, const char *end, int depth)
{
	bool object = *at == '{';
	char close = object ? '}' : ']';

	if (depth == DEPTH_MAX)
		return NULL;
	at = skip_space(at + 1, end);
	if (at < end && *at == close)
		return at + 1;
	for (;;) {
		if (object) {
			at = check_string(skip_space(at, end), end);
			if (!at)
				return NULL;
			at = skip_space(at, end);
			if (at == end || *at++ != ':')
				return NULL;
		}
		at = check_value(skip_space(at, end), end, depth + 1);
		if (!at)
			return NULL;
		at = skip_space(at, end);
		if (at < end && *at == close)
			return at + 1;
		if (at == end || *at++ != ',')
			return NULL;
	}
}

static const char *check_value(const char *at, const char *end, int depth)
{
	if (at == end)
		return NULL;
	switch (*at) {
	case '{':
	case '[':
		return check_members(at, end, depth);
	case '"':
		return check_string(at, end);
	case 't':
		return check_word(at, end, "true");
	case 'f':
		return check_word(at, end, "false");
	case 'n':
		return check_word(at, end, "null");
	default:
		return check_number(at, end);
	}
}

bool line_is_json(const char *bytes, size_t length)
{
	const char *end = bytes + length, *at = skip_space(bytes, end);

	if (at == end || *at != '{')
		return false;
	at = check_value(at, end, 0);
	return at && skip_space(at, end) == end;
}
