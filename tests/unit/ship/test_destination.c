// SPDX-License-Identifier: GPL-2.0-only
/* What --ship takes, and what it does not. */
#include "ship/destination.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"

static void takes_what_there_is(void **state)
{
	struct destination to;

	(void)state;
	assert_int_equal(destination_parse("journald", &to), 0);
	assert_int_equal(to.kind, DESTINATION_JOURNALD);
	assert_int_equal(destination_parse("syslog+tls://logs.example.com:6514", &to), 0);
	assert_int_equal(to.kind, DESTINATION_SYSLOG);
	assert_true(to.tls);
	assert_string_equal(to.host, "logs.example.com");
	assert_string_equal(to.port, "6514");
	assert_int_equal(destination_parse("syslog+tcp://[2001:db8::1]:601", &to), 0);
	assert_false(to.tls);
	assert_string_equal(to.host, "2001:db8::1");
	assert_string_equal(to.port, "601");
	assert_int_equal(destination_parse("kafka://k1:9092,[::1]:9093,10.0.0.1:9094/audit.usher_1", &to), 0);
	assert_int_equal(to.kind, DESTINATION_KAFKA);
	assert_false(to.tls);
	assert_string_equal(to.brokers, "k1:9092,[::1]:9093,10.0.0.1:9094");
	assert_string_equal(to.topic, "audit.usher_1");
	assert_int_equal(destination_parse("kafka+tls://k1:9093/t", &to), 0);
	assert_true(to.tls);
}

static void refuses_the_rest(void **state)
{
	static const char *const refused[] = {
		"",
		"journal",
		"journald:",
		"syslog://logs:514",
		"syslog+udp://logs:514",
		"syslog+tls://logs",
		"syslog+tls://logs:",
		"syslog+tls://logs:0",
		"syslog+tls://logs:65536",
		"syslog+tls://logs:65a",
		"syslog+tls://:6514",
		"syslog+tls://-logs:6514",
		"syslog+tls://lo gs:6514",
		"syslog+tls://logs\":6514",
		"syslog+tls://user@logs:6514",
		"syslog+tls://2001:db8::1:6514",
		"syslog+tls://[2001:db8::g]:6514",
		"syslog+tls://logs:6514/",
		"kafka://",
		"kafka:///t",
		"kafka://k1:9092",
		"kafka://k1:9092/",
		"kafka://k1/t",
		"kafka://k1:9092,/t",
		"kafka://,k1:9092/t",
		"kafka://k1:9092/a/b",
		"kafka://k1:9092/..",
		"kafka://k1:9092/a\"b",
		"kafka+ssl://k1:9092/t",
	};
	char text[DESTINATION_TEXT + 64];
	struct destination to;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
		if (destination_parse(refused[i], &to) != -EINVAL)
			fail_msg("%s is taken", refused[i]);
	snprintf(text, sizeof(text), "kafka://k:1/%0*d", DESTINATION_TOPIC, 0);
	assert_int_equal(destination_parse(text, &to), -EINVAL);
	text[sizeof("kafka://k:1/") - 1 + DESTINATION_TOPIC - 1] = '\0';
	assert_int_equal(destination_parse(text, &to), 0);
	snprintf(text, sizeof(text), "syslog+tls://%0*d:1", DESTINATION_HOST, 0);
	assert_int_equal(destination_parse(text, &to), -EINVAL);
	snprintf(text, sizeof(text), "syslog+tls://%0*d:1", DESTINATION_TEXT, 0);
	assert_int_equal(destination_parse(text, &to), -EINVAL);
}

static void each_has_a_file_of_its_own(void **state)
{
	struct destination a, b, again;

	(void)state;
	assert_int_equal(destination_parse("syslog+tls://logs:6514", &a), 0);
	assert_int_equal(destination_parse("syslog+tcp://logs:6514", &b), 0);
	assert_int_equal(destination_parse("syslog+tls://logs:6514", &again), 0);
	assert_int_equal(strlen(a.id), DESTINATION_ID - 1);
	assert_string_not_equal(a.id, b.id);
	assert_string_equal(a.id, again.id);
}

static void knows_the_facilities(void **state)
{
	uint8_t facility;

	(void)state;
	assert_int_equal(destination_facility("kern", &facility), 0);
	assert_int_equal(facility, 0);
	assert_int_equal(destination_facility("authpriv", &facility), 0);
	assert_int_equal(facility, 10);
	assert_int_equal(destination_facility("audit", &facility), 0);
	assert_int_equal(facility, 13);
	assert_int_equal(destination_facility("local7", &facility), 0);
	assert_int_equal(facility, 23);
	assert_int_equal(destination_facility("local8", &facility), -EINVAL);
	assert_int_equal(destination_facility("", &facility), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_there_is),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(each_has_a_file_of_its_own),
		cmocka_unit_test(knows_the_facilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
