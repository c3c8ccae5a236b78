/* SPDX-License-Identifier: GPL-2.0-only */
/* Decimal numbers: which are some, and that they come out to the last bit in any locale. */
#include "edge/decimal.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *number, double *ret_value)
{
	char room[2048];
	int length = snprintf(room, sizeof(room), "%s\n", number) - 1;
	int checked = decimal_parse(room, (size_t)length, NULL), error = decimal_parse(room, (size_t)length, ret_value);

	assert_int_equal(checked, error);
	return error;
}

/* Go's strconv.ParseFloat, without what it takes since 1.13. */
static void test_what_is_a_number(void **state)
{
	static const char *const bad[] = {"",	       "+",	"-",	 ".",	 "-.",	 "e5",	   ".e5",   "1e",
					  "1e+",       "1e5.5", "1.2.3", "1,5",	 "0x",	 "0x1p3",  "0x10",  "1_000",
					  "1p3",       "--1",	"+-1",	 "1 ",	 "1f",	 "in",	   "infi",  "infinit",
					  "infinityy", "nanx",	"na",	 "+nan", "-nan", "nan(1)", "1e5e5", "\xd9\xa1"};
	static const struct {
		const char *text;
		double value;
	} good[] = {{"0", 0},
		    {"-0", -0.0},
		    {"+1", 1},
		    {"007", 7},
		    {"1.", 1},
		    {".5", .5},
		    {"-.5e1", -5},
		    {"1E3", 1000},
		    {"1e+03", 1000},
		    {"1e-3", 1e-3},
		    {"9007199254740993", 9007199254740992},
		    {"9007199254740993.0000000000001", 9007199254740994},
		    {"123456789012345678", 123456789012345680.0},
		    {"1e22", 1e22},
		    {"1e23", 1e23},
		    {"8.5e-23", 8.5e-23},
		    {"1.7976931348623157e308", 1.7976931348623157e308},
		    {"2.2250738585072011e-308", 2.2250738585072011e-308},
		    {"5e-324", 5e-324},
		    {"2e-324", 0},
		    {"1e-999999999999999999999", 0},
		    {"0e999999999999999999999", 0},
		    {"0.000000000000000000000000000000000000001e39", 1},
		    {"inf", INFINITY},
		    {"+Inf", INFINITY},
		    {"-iNFinity", -INFINITY},
		    {"1764032184.12", 1764032184.12},
		    {"9223372036854775794", 9223372036854775794.0}};
	double value;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &value) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (parse(good[i].text, &value))
			fail_msg("refused: '%s'", good[i].text);
		if (memcmp(&value, &good[i].value, sizeof(value)) != 0)
			fail_msg("%s is %.17g", good[i].text, value);
	}
	assert_int_equal(parse("NaN", &value), 0);
	assert_true(isnan(value));
	assert_int_equal(parse("1.7976931348623159e308", &value), -ERANGE);
	assert_int_equal(parse("-1e309", &value), -ERANGE);
	assert_int_equal(parse("1e99999999999999999999", &value), -ERANGE);
}

/* The quick way and the C library agree to the last bit, and what is printed is read as what it was. */
static void test_numbers_are_exact(void **state)
{
	unsigned int seed = 7;
	double value, read;
	char number[1400];

	(void)state;
	for (int i = 0; i < 300000; i++) {
		uint64_t bits = (uint64_t)rand_r(&seed) << 42 ^ (uint64_t)rand_r(&seed) << 21 ^ (uint64_t)rand_r(&seed);

		switch (i % 4) {
		case 0:
			memcpy(&value, &bits, sizeof(value));
			if (!isfinite(value))
				continue;
			snprintf(number, sizeof(number), "%.17g", value);
			break;
		case 1:
			snprintf(number, sizeof(number), "%llu.%u", (unsigned long long)(bits >> (bits & 63)),
				 (unsigned int)rand_r(&seed));
			break;
		case 2:
			snprintf(number, sizeof(number), "%llue%d", (unsigned long long)(bits >> (bits & 63)),
				 rand_r(&seed) % 60 - 30);
			break;
		default:
			snprintf(number, sizeof(number), "0.%03d%llu", rand_r(&seed) % 1000, (unsigned long long)bits);
		}
		assert_int_equal(parse(number, &read), 0);
		value = strtod(number, NULL);
		if (memcmp(&value, &read, sizeof(value)) != 0)
			fail_msg("%s: %.17g, not %.17g", number, read, value);
	}
	/* All of its digits. */
	snprintf(number, sizeof(number), "%.1074f", 4.9406564584124654e-324);
	assert_int_equal(parse(number, &read), 0);
	assert_true(read > 0);
	snprintf(number, sizeof(number), "%f", 1.7976931348623157e308);
	assert_int_equal(parse(number, &read), 0);
	assert_true(read == 1.7976931348623157e308);
}

/* A locale with a comma, of the host's or made here. */
static bool set_comma_locale(const char *folder)
{
	char command[256], number[8];

	if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
		snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
			 folder);
		if (system(command))
			return false;
		setenv("LOCPATH", folder, 1);
		if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
			return false;
	}
	snprintf(number, sizeof(number), "%.1f", 0.5);
	return !strcmp(number, "0,5");
}

static void test_the_locale_does_not_matter(void **state)
{
	char folder[] = "/tmp/usher-locale-XXXXXX", command[64];
	bool comma;
	double value = 0;

	(void)state;
	assert_non_null(mkdtemp(folder));
	comma = set_comma_locale(folder);
	if (comma)
		assert_int_equal(parse("0.12345678901234567", &value), 0); /* not by the exact way */
	setlocale(LC_NUMERIC, "C");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
	if (comma)
		assert_true(value == 0.12345678901234567);
	else
		print_message("# no locale with a comma on this host\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_number),
		cmocka_unit_test(test_numbers_are_exact),
		cmocka_unit_test(test_the_locale_does_not_matter),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
