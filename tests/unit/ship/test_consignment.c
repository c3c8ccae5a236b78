// SPDX-License-Identifier: GPL-2.0-only
/* The forms that a line takes: RFC 5424 with its length before it, and journald's native protocol. */
#include "ship/consignment.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIME "2026-03-01T12:00:00.123Z"
#define ALLOWED                                                                                                        \
	"{\"time\":\"" TIME "\",\"type\":\"decision\",\"sequence\":7,\"verdict\":\"forward\",\"reason\":\"admitted\"," \
	"\"tenant\":\"acme\",\"service\":\"credit\",\"backend\":null}"
#define DENIED "{\"time\":\"" TIME "\",\"type\":\"decision\",\"verdict\":\"refuse\",\"reason\":\"no-allow-rule\"}"
#define GAP "{\"time\":\"" TIME "\",\"type\":\"gap\",\"cpu\":0}"
#define OPERATION "{\"time\":\"" TIME "\",\"type\":\"operation\",\"activity\":\"apply\",\"why\":\"a\\nb \xc3\xa4\"}"
#define SEAL "{\"time\":\"" TIME "\",\"type\":\"seal\",\"number\":1}"

static const struct consignment_sender sender = {.facility = 16, .host = "gw-1.example.com", .pid = 4711};

static void expect_syslog(const char *line, const struct consignment_sender *from, const char *header)
{
	struct consignment consignment;
	struct json to = {0};
	char expected[2048];
	size_t length = strlen(header) + strlen(line);
	int size = snprintf(expected, sizeof(expected), "%zu %s%s", length, header, line);

	consignment_read(line, strlen(line), &consignment);
	consignment_syslog(&consignment, from, &to);
	assert_int_equal(to.length, size);
	assert_memory_equal(to.bytes, expected, to.length);
	json_free(&to);
}

static void syslog_messages(void **state)
{
	static const struct consignment_sender odd = {.facility = 23, .host = "two words", .pid = 1};

	(void)state;
	expect_syslog(ALLOWED, &sender, "<134>1 " TIME " gw-1.example.com usher 4711 decision - ");
	expect_syslog(DENIED, &sender, "<132>1 " TIME " gw-1.example.com usher 4711 decision - ");
	expect_syslog(GAP, &sender, "<131>1 " TIME " gw-1.example.com usher 4711 gap - ");
	expect_syslog(OPERATION, &sender, "<133>1 " TIME " gw-1.example.com usher 4711 operation - ");
	expect_syslog(SEAL, &odd, "<190>1 " TIME " - usher 1 seal - ");
}

/* What is no line of ours goes as it is, and says nothing of itself. */
static void what_is_no_record_has_no_value(void **state)
{
	(void)state;
	expect_syslog("not JSON", &sender, "<134>1 - gw-1.example.com usher 4711 - - ");
	expect_syslog("", &sender, "<134>1 - gw-1.example.com usher 4711 - - ");
	expect_syslog("{\"time\":\"2026-03-01 12:00\",\"type\":\"two words\"}", &sender,
		      "<134>1 - gw-1.example.com usher 4711 - - ");
	expect_syslog("{\"type\":\"a-type-that-is-longer-than-a-MSGID-may-be\"}", &sender,
		      "<134>1 - gw-1.example.com usher 4711 - - ");
}

/* Takes an entry apart as journald does. Returns its field's value, to be freed. */
static char *field_of(const struct json *entry, const char *name)
{
	const char *at = entry->bytes, *end = entry->bytes + entry->length;
	char *found = NULL;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		uint64_t length;

		assert_non_null(newline);
		assert_true(end - newline > 9);
		memcpy(&length, newline + 1, sizeof(length));
		length = le64toh(length);
		assert_true(length < (uint64_t)(end - newline - 9));
		assert_int_equal(newline[9 + length], '\n');
		if ((size_t)(newline - at) == strlen(name) && !memcmp(at, name, strlen(name))) {
			assert_null(found);
			found = strndup(newline + 9, length);
		}
		at = newline + 9 + length + 1;
	}
	return found;
}

static void expect_field(const struct json *entry, const char *name, const char *value)
{
	char *found = field_of(entry, name);

	if (!value) {
		assert_null(found);
		return;
	}
	assert_non_null(found);
	assert_string_equal(found, value);
	free(found);
}

static void journal_entries(void **state)
{
	struct consignment consignment;
	struct json to = {0};

	(void)state;
	consignment_read(ALLOWED, strlen(ALLOWED), &consignment);
	memcpy(consignment.log, "37178dae6cdbb630", CHAIN_LOG);
	consignment.segment = 3;
	consignment.offset = 12345678901;
	consignment_journald(&consignment, &to);
	expect_field(&to, "MESSAGE", "decision forward admitted, tenant acme, service credit");
	expect_field(&to, "PRIORITY", "6");
	expect_field(&to, "SYSLOG_IDENTIFIER", "usher");
	expect_field(&to, "USHER_TYPE", "decision");
	expect_field(&to, "USHER_VERDICT", "forward");
	expect_field(&to, "USHER_REASON", "admitted");
	expect_field(&to, "USHER_TENANT", "acme");
	expect_field(&to, "USHER_BACKEND", NULL);
	expect_field(&to, "USHER_LOG", "37178dae6cdbb630");
	expect_field(&to, "USHER_SEGMENT", "3");
	expect_field(&to, "USHER_OFFSET", "12345678901");
	expect_field(&to, "USHER_RECORD", ALLOWED);
	json_clear(&to);
	consignment_read(OPERATION, strlen(OPERATION), &consignment);
	consignment_journald(&consignment, &to);
	expect_field(&to, "MESSAGE", "operation apply");
	expect_field(&to, "PRIORITY", "5");
	expect_field(&to, "USHER_RECORD", OPERATION);
	json_free(&to);
}

/* A value that breaks the protocol's lines cannot: its length is said before it. */
static void a_value_cannot_be_another_field(void **state)
{
	static const char line[] = "{\"type\":\"operation\",\"activity\":\"a\\nPRIORITY=0\\n\"}";
	struct consignment consignment;
	struct json to = {0};

	(void)state;
	consignment_read(line, strlen(line), &consignment);
	consignment_journald(&consignment, &to);
	expect_field(&to, "PRIORITY", "5");
	expect_field(&to, "USHER_ACTIVITY", "a\nPRIORITY=0\n");
	json_free(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syslog_messages),
		cmocka_unit_test(what_is_no_record_has_no_value),
		cmocka_unit_test(journal_entries),
		cmocka_unit_test(a_value_cannot_be_another_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
