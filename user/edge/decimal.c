// SPDX-License-Identifier: GPL-2.0-only
#include "edge/decimal.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#define DIGITS_MAX 19	       /* decimal digits that always fit 64 bits */
#define EXACT_MAX (1ull << 53) /* each integer up to here is a double */
#define POWER_MAX 22	       /* and each power of ten up to this one */
#define EXPONENT_MAX 1000000   /* beyond it, a larger exponent is no different; far above what digits can make up for */

/* The exact way rounds once; wider intermediate results would round twice. */
_Static_assert(FLT_EVAL_METHOD == 0, "double arithmetic rounds to double");

struct decimal {
	/* The first DIGITS_MAX significant digits. With more of them it is above EXACT_MAX, and of no use. */
	uint64_t mantissa;
	int64_t exponent;  /* value = mantissa * 10^exponent */
	int64_t magnitude; /* value < 10^magnitude */
};

static int parse_special(const char *text, size_t length, bool negative, bool has_sign, double *ret_value)
{
	if ((length == 3 && !strncasecmp(text, "inf", 3)) || (length == 8 && !strncasecmp(text, "infinity", 8))) {
		if (ret_value)
			*ret_value = negative ? -INFINITY : INFINITY;
		return 0;
	}
	if (length == 3 && !strncasecmp(text, "nan", 3) && !has_sign) {
		if (ret_value)
			*ret_value = NAN;
		return 0;
	}
	return -EINVAL;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* From the first digit or the point to `end`, which is behind the last: what fits is in the mantissa, leading zeros aside. */
static struct decimal scan_many(const char *at, const char *end)
{
	struct decimal decimal = {0};
	int64_t significant = 0, fraction = 0;
	bool point = false;

	for (; at < end; at++) {
		unsigned int digit = (unsigned char)*at - (unsigned int)'0';

		if (*at == '.') {
			point = true;
			continue;
		}
		fraction += point;
		if (!digit && !significant)
			continue;
		if (significant++ < DIGITS_MAX)
			decimal.mantissa = decimal.mantissa * 10 + digit;
	}
	decimal.exponent = -fraction;
	decimal.magnitude = significant - fraction;
	return decimal;
}

/* Digits and a point; at least one digit. Behind the text is neither, so this ends with it. Returns where they end, or NULL. */
static const char *scan_digits(const char *from, struct decimal *ret_decimal)
{
	const char *at = from;
	uint64_t mantissa = 0;
	ptrdiff_t digits, fraction = 0;

	for (; is_digit(*at); at++)
		mantissa = mantissa * 10 + (uint64_t)(*at - '0');
	digits = at - from;
	if (*at == '.') {
		const char *point = at++;

		for (; is_digit(*at); at++)
			mantissa = mantissa * 10 + (uint64_t)(*at - '0');
		fraction = at - point - 1;
		digits += fraction;
	}
	if (!digits)
		return NULL;
	if (digits <= DIGITS_MAX)
		*ret_decimal =
			(struct decimal){.mantissa = mantissa, .exponent = -fraction, .magnitude = digits - fraction};
	else
		*ret_decimal = scan_many(from, at);
	return at;
}

/* What follows an 'e'. Returns where it ends, or NULL. */
static const char *scan_exponent(const char *at, struct decimal *decimal)
{
	const char *digits;
	int64_t exponent = 0;
	bool negative = false;

	if (*at == '+' || *at == '-')
		negative = *at++ == '-';
	for (digits = at; is_digit(*at); at++)
		if (exponent < EXPONENT_MAX)
			exponent = exponent * 10 + (*at - '0');
	if (at == digits)
		return NULL;
	exponent = negative ? -exponent : exponent;
	decimal->exponent += exponent;
	decimal->magnitude += exponent;
	return at;
}

/* W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990: of two doubles that are exact, the product and the quotient are
 * rounded once. */
static bool exact(const struct decimal *decimal, bool negative, double *ret_value)
{
	static const double powers[POWER_MAX + 1] = {1e0,  1e1,	 1e2,  1e3,  1e4,  1e5,	 1e6,  1e7,
						     1e8,  1e9,	 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
						     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	double value = (double)decimal->mantissa;

	if (decimal->mantissa > EXACT_MAX || decimal->exponent > POWER_MAX || decimal->exponent < -POWER_MAX) {
		if (decimal->mantissa)
			return false;
		value = 0;
	} else if (decimal->exponent < 0) {
		value /= powers[-decimal->exponent];
	} else {
		value *= powers[decimal->exponent];
	}
	*ret_value = negative ? -value : value;
	return true;
}

/* The text is a decimal number by now, so the C library takes just that. */
static int convert(const char *text, double *ret_value)
{
	static locale_t c_locale; /* of the C library's own, never freed */
	double value;

	if (!c_locale)
		c_locale = newlocale(LC_ALL_MASK, "C", NULL);
	value = strtod_l(text, NULL, c_locale);
	if (isinf(value))
		return -ERANGE;
	if (ret_value)
		*ret_value = value;
	return 0;
}

int decimal_parse(const char *text, size_t length, double *ret_value)
{
	const char *at = text, *end = text + length;
	bool negative = false, has_sign = false;
	struct decimal decimal;
	double value;

	if (at < end && (*at == '+' || *at == '-')) {
		has_sign = true;
		negative = *at++ == '-';
	}
	if (at < end && (*at | 0x20) >= 'a' && (*at | 0x20) <= 'z')
		return parse_special(at, (size_t)(end - at), negative, has_sign, ret_value);
	at = scan_digits(at, &decimal);
	if (!at)
		return -EINVAL;
	if (*at == 'e' || *at == 'E')
		at = scan_exponent(at + 1, &decimal);
	if (at != end)
		return -EINVAL;
	if (!ret_value && decimal.magnitude <= DBL_MAX_10_EXP)
		return 0;
	if (!exact(&decimal, negative, &value))
		return convert(text, ret_value);
	if (ret_value)
		*ret_value = value;
	return 0;
}
