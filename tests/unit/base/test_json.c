// SPDX-License-Identifier: GPL-2.0-only
/* Every character, and bytes that are none: what is written can be read, and says what can be said of it. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <cmocka.h>

#include "base/array.h"

#define SIGN "\xef\xbf\xbd" /* U+FFFD */

static char *encode(uint32_t code, char *to)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	*to = '\0';
	return to;
}

/* Where a character begins here: its length. Found by writing down all that it could be: slow, and another way. */
static size_t character(const char *text)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {{1, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, 0x10ffff}};

	for (size_t r = 0; r < ARRAY_COUNT(ranges); r++) {
		char bytes[5];
		size_t length = (size_t)(encode(ranges[r].first, bytes) - bytes);
		uint32_t code = (unsigned char)text[0];

		if (strnlen(text, length) < length)
			continue;
		code = length > 1 ? code & (0x7fu >> length) : code;
		for (size_t i = 1; i < length; i++)
			code = code << 6 | ((unsigned char)text[i] & 0x3f);
		if (code < ranges[r].first || code > ranges[r].last)
			continue;
		encode(code, bytes);
		if (!memcmp(bytes, text, length))
			return length;
	}
	return 0;
}

/* The text with a sign for each byte that belongs to no character. */
static void expected(const char *text, char *to)
{
	while (*text) {
		size_t length = character(text);

		if (length) {
			memcpy(to, text, length);
			to += length;
			text += length;
		} else {
			memcpy(to, SIGN, 3);
			to += 3;
			text++;
		}
	}
	*to = '\0';
}

static struct json_tokener *tokener;
static struct json json;

static int begin(void **state)
{
	(void)state;
	tokener = json_tokener_new();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	return tokener ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	json_tokener_free(tokener);
	json_free(&json);
	return 0;
}

static void check(const char *text)
{
	struct json_object *read;
	char wanted[64];

	expected(text, wanted);
	json_clear(&json);
	json_string(&json, NULL, text);
	for (size_t i = 0; i < json.length; i++)
		assert_in_range((unsigned char)json.bytes[i], 0x20, 0xff);
	json_tokener_reset(tokener);
	read = json_tokener_parse_ex(tokener, json.bytes, (int)json.length);
	if (!read || strcmp(json_object_get_string(read), wanted) != 0)
		fail_msg("%.*s is not what was to be written", (int)json.length, json.bytes);
	json_object_put(read);
}

static void test_every_character(void **state)
{
	char text[8] = "a";

	(void)state;
	for (uint32_t code = 1; code < 0x110000; code += code < 0x10000 ? 1 : 17) {
		if (code >= 0xd800 && code < 0xe000)
			continue;
		memcpy(encode(code, text + 1), "z", 2);
		assert_int_equal(character(text + 1), strlen(text) - 2);
		check(text);
	}
}

static void test_every_pair_of_bytes(void **state)
{
	char text[3] = "";

	(void)state;
	for (unsigned int pair = 0x0101; pair < 0x10000; pair++) {
		text[0] = (char)(pair >> 8);
		text[1] = (char)pair;
		check(text);
	}
}

/* The bytes at which RFC 3629 draws its lines, four of them in every order. */
static void test_the_edges_of_utf8(void **state)
{
	static const char edges[] = "\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3"
				    "\xf4\xf5\xff\"";
	const size_t count = sizeof(edges) - 1;
	char text[5] = "";

	(void)state;
	for (size_t i = 0; i < count * count * count * count; i++) {
		size_t rest = i;

		for (size_t b = 0; b < 4; b++, rest /= count)
			text[b] = edges[rest % count];
		check(text);
	}
}

static void test_commas_stand_between_values(void **state)
{
	(void)state;
	json_clear(&json);
	json_object_begin(&json, NULL);
	json_array_begin(&json, "empty");
	json_array_end(&json);
	json_object_begin(&json, "key \"");
	json_null(&json, "a");
	json_boolean(&json, "b", false);
	json_object_end(&json);
	json_array_begin(&json, "list");
	json_integer(&json, NULL, -1);
	json_unsigned(&json, NULL, 0);
	json_array_begin(&json, NULL);
	json_number(&json, NULL, 0.25);
	json_array_end(&json);
	json_array_end(&json);
	json_object_end(&json);
	json_newline(&json);
	json_null(&json, NULL);
	json_raw(&json, "", 1);
	assert_string_equal(json.bytes, "{\"empty\":[],\"key \\\"\":{\"a\":null,\"b\":false},\"list\":[-1,0,[0.25]]}\n"
					"null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_every_pair_of_bytes),
		cmocka_unit_test(test_the_edges_of_utf8),
		cmocka_unit_test(test_commas_stand_between_values),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
