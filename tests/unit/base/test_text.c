// SPDX-License-Identifier: GPL-2.0-only
/* What is written for people and machines to read: addresses, dates, times, JSON, digests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <json-c/json.h>

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/date.h"
#include "base/diagnostics.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/utf8.h"

static void test_addresses(void **state)
{
	static const char *const good[] = {"0.0.0.0", "203.0.113.255", "::", "2001:db8::1", "fe80::1"};
	static const char *const bad[] = {
		"",	    "1.2.3",	      "1.2.3.4.5",	  "256.1.1.1", " 1.2.3.4", "1.2.3.4 ",
		"01.2.3.4", "::ffff:1.2.3.4", "2001:db8::1%eth0", "g::",       "1.2.3.4/8"};
	struct usher_address address;
	char text[ADDRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		assert_int_equal(address_parse(good[i], &address), 0);
		assert_string_equal(address_print(&address, text), good[i]);
	}
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (address_parse(bad[i], &address) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
	address_parse("10.1.2.3", &address);
	assert_true(address_is_ipv4(&address));
	assert_int_equal(address.bytes[10], 0xff);
	assert_int_equal(address.bytes[15], 3);
	assert_int_equal(address_family(&address), AF_INET);
}

static void test_endpoints(void **state)
{
	static const char *const bad[] = {"1.2.3.4:",	  "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4: 80", "[::1",
					  "[1.2.3.4]:80", "[::1]80",	   ":80",	 "1.2.3.4:80x"};
	struct usher_address address;
	char text[ENDPOINT_TEXT];
	uint16_t port;

	(void)state;
	assert_int_equal(endpoint_parse("[2001:db8::1]:65535", &address, &port), 0);
	assert_int_equal(port, 65535);
	assert_string_equal(endpoint_print(&address, port, text), "[2001:db8::1]:65535");
	assert_int_equal(endpoint_parse("10.0.0.1:80", &address, &port), 0);
	assert_string_equal(endpoint_print(&address, port, text), "10.0.0.1:80");
	assert_int_equal(endpoint_parse("10.0.0.1", &address, &port), 0);
	assert_int_equal(port, 0);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (endpoint_parse(bad[i], &address, &port) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
}

static void test_dates(void **state)
{
	static const char *const bad[] = {"2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01",
					  "2026-01-32", "26-01-01",   "1969-12-31", "2026-01-01T00:00:00Z",
					  "",		"2026/01/01"};
	int64_t end;
	char text[DATE_TEXT];

	(void)state;
	assert_int_equal(date_parse("1970-01-01", &end), 0);
	assert_int_equal(end, 86399);
	assert_int_equal(date_parse("2024-02-29", &end), 0);
	assert_int_equal(end, 1709251199);
	date_print(end, text);
	assert_string_equal(text, "2024-02-29");
	assert_false(date_passed(end, end));
	assert_true(date_passed(end, end + 1));
	assert_false(date_passed(0, INT64_MAX));
	for (int64_t day = 0; day < 140000; day += 13) {
		int64_t back;

		date_print(day * 86400, text);
		assert_int_equal(date_parse(text, &back), 0);
		assert_int_equal(back, day * 86400 + 86399);
	}
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (date_parse(bad[i], &end) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
}

static void test_times(void **state)
{
	struct clock_times times = {.monotonic = 5, .realtime = 1709251199123000000};
	char text[CLOCK_TEXT];

	(void)state;
	clock_fake(&times);
	assert_int_equal(clock_monotonic(), 5);
	assert_string_equal(clock_print(clock_realtime(), text), "2024-02-29T23:59:59.123Z");
	clock_fake(NULL);
	assert_true(clock_monotonic() > 5);
}

/* Whatever a name holds, the line can be read, and holds it. */
static void test_json_text_can_be_read_back(void **state)
{
	static const char *const texts[] = {
		"", "plain", "\"\\/\b\f\n\r\t", "\x01\x1f\x7f", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", NULL};
	struct json json = {0};
	struct json_object *root, *list;

	(void)state;
	json_object_begin(&json, NULL);
	json_array_begin(&json, "texts");
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		json_string(&json, NULL, texts[i]);
	json_array_end(&json);
	json_integer(&json, "least", INT64_MIN);
	json_unsigned(&json, "most", UINT64_MAX);
	json_boolean(&json, "yes", true);
	json_number(&json, "not finite", 0.0 / (json.length ? 0.0 : 1.0));
	json_null(&json, "nothing");
	json_format(&json, "format", "%d \"%s\"", 7, "x");
	json_object_end(&json);
	json_raw(&json, "", 1);
	root = json_tokener_parse(json.bytes);
	assert_non_null(root);
	assert_true(json_object_object_get_ex(root, "texts", &list));
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		if (texts[i])
			assert_string_equal(json_object_get_string(item), texts[i]);
		else
			assert_null(item);
	}
	assert_string_equal(json_object_get_string(json_object_object_get(root, "format")), "7 \"x\"");
	assert_int_equal(json_object_get_int64(json_object_object_get(root, "least")), INT64_MIN);
	assert_true(json_object_get_uint64(json_object_object_get(root, "most")) == UINT64_MAX);
	assert_null(json_object_object_get(root, "not finite"));
	json_object_put(root);
	json_free(&json);
}

static void test_what_is_not_utf8_becomes_a_sign(void **state)
{
	static const char *const bad[] = {"a\xffz", "\xc3", "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		struct json json = {0};
		struct json_object *item;
		struct json_tokener *tokener = json_tokener_new();

		json_string(&json, NULL, bad[i]);
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		item = json_tokener_parse_ex(tokener, json.bytes, (int)json.length);
		assert_non_null(item);
		assert_non_null(strstr(json_object_get_string(item), "\xef\xbf\xbd"));
		json_object_put(item);
		json_tokener_free(tokener);
		json_free(&json);
	}
}

/* FIPS 180-4's own example. */
static void test_sha256(void **state)
{
	char hex[SHA256_HEX];

	(void)state;
	sha256_hex("abc", 3, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256_hex("", 0, hex);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_a_line_is_what_it_shows(void **state)
{
	static const char *const good[] = {"x", "biased against \"women\": ticket 4711", "nicht geprüft", "未验证",
					   " x "};
	static const char *const bad[] = {"",
					  "   ",
					  "two\nlines",
					  "a\rb",
					  "tab\t",
					  "\033[31m",
					  "\177",
					  "c1 \302\233",
					  "\377",
					  "cut \303",
					  "\300\200",
					  "\355\240\200",
					  "\342\200\250",
					  "\342\200\256x",
					  "\342\201\246x",
					  "123456789012345678901234567890123"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(good); i++)
		if (!utf8_is_line(good[i], 38))
			fail_msg("not taken: '%s'", good[i]);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (utf8_is_line(bad[i], 32))
			fail_msg("taken: %zu", i);
	assert_true(utf8_is_line("1234", 4));
	assert_false(utf8_is_line("12345", 4));
}

static void test_diagnostics_come_in_order(void **state)
{
	struct diagnostics all = {.file = "f"};
	char text[256] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");

	(void)state;
	diagnostics_add(&all, SEVERITY_WARNING, 2, 1, ".b", "second %d", 2);
	diagnostics_add(&all, SEVERITY_ERROR, 1, 9, "", "first");
	diagnostics_add(&all, SEVERITY_ERROR, 0, 0, "", "as a whole");
	assert_int_equal(all.errors, 2);
	diagnostics_sort(&all);
	diagnostics_print(&all, to);
	fclose(to);
	assert_string_equal(text, "f: as a whole\nf:1:9: first\nf:2:1: .b: warning: second 2\n");
	diagnostics_cut(&all, 1);
	assert_int_equal(all.errors, 1);
	diagnostics_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_json_text_can_be_read_back),
		cmocka_unit_test(test_what_is_not_utf8_becomes_a_sign),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_a_line_is_what_it_shows),
		cmocka_unit_test(test_diagnostics_come_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
