/* SPDX-License-Identifier: GPL-2.0-only */
/* Decimal numbers as text, to the nearest double, whatever the locale. */
#ifndef USHER_EDGE_DECIMAL_H
#define USHER_EDGE_DECIMAL_H

#include <stddef.h>

/*
 * What Go's strconv.ParseFloat takes and Prometheus lets through (neither hexadecimal nor underscores): digits with or without a
 * point, with or without an exponent; Inf, Infinity and NaN in letters of any case, the latter without a sign.
 *
 * text[length] must be readable, and neither letter, digit, point nor sign. ret_value may be NULL: the text is only checked, which is faster.
 * Returns 0; -EINVAL: not such a number; -ERANGE: too large for a double. Too small comes out as 0, as in Go.
 */
int decimal_parse(const char *text, size_t length, double *ret_value);

#endif
