/* SPDX-License-Identifier: GPL-2.0-only */
/* Calendar dates (ISO 8601 YYYY-MM-DD, proleptic Gregorian, UTC) as the last second of that day. */
#ifndef USHER_BASE_DATE_H
#define USHER_BASE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define DATE_TEXT 11 /* with the final NUL */

/* text: exactly "YYYY-MM-DD", years 1970 to 9999. Returns 0 or -EINVAL. */
int date_parse(const char *text, int64_t *ret_end_of_day);
/* The day that holds this second. */
void date_print(int64_t seconds, char text[DATE_TEXT]);

/* end_of_day 0 means no date, which never passes. now: seconds since the epoch. */
static inline bool date_passed(int64_t end_of_day, int64_t now)
{
	return end_of_day != 0 && now > end_of_day;
}

#endif
