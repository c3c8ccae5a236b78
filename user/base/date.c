// SPDX-License-Identifier: GPL-2.0-only
#include "base/date.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DAY 86400

/* Days since 1970-01-01, from Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms"; years from 0. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
	int64_t shifted = month <= 2 ? year - 1 : year; /* years begin in March, so that the leap day is their last */
	int64_t era = shifted / 400, of_era = shifted % 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_from_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
	int64_t shifted = days + 719468, era = shifted / 146097, of_era = shifted % 146097;
	int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * years + years / 4 - years / 100), month = (5 * of_year + 2) / 153;

	*ret_day = of_year - (153 * month + 2) / 5 + 1;
	*ret_month = month < 10 ? month + 3 : month - 9;
	*ret_year = years + era * 400 + (*ret_month <= 2);
}

int date_parse(const char *text, int64_t *ret_end_of_day)
{
	static const char form[] = "0000-00-00";
	int64_t year, month, day, days, back_year, back_month, back_day;

	if (strlen(text) != strlen(form))
		return -EINVAL;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return -EINVAL;

	year = (text[0] - '0') * 1000 + (text[1] - '0') * 100 + (text[2] - '0') * 10 + (text[3] - '0');
	month = (text[5] - '0') * 10 + (text[6] - '0');
	day = (text[8] - '0') * 10 + (text[9] - '0');
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
		return -EINVAL;
	days = days_from_civil(year, month, day);
	/* 30 February becomes a day of March: a date that does not come back is none. */
	civil_from_days(days, &back_year, &back_month, &back_day);
	if (back_year != year || back_month != month || back_day != day)
		return -EINVAL;
	*ret_end_of_day = (days + 1) * DAY - 1;
	return 0;
}

void date_print(int64_t seconds, char text[DATE_TEXT])
{
	int64_t year, month, day;
	char wide[64];

	civil_from_days(seconds / DAY, &year, &month, &day);
	snprintf(wide, sizeof(wide), "%04lld-%02lld-%02lld", (long long)year, (long long)month, (long long)day);
	memcpy(text, wide, DATE_TEXT - 1);
	text[DATE_TEXT - 1] = 0;
}
