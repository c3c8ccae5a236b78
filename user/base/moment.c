// SPDX-License-Identifier: GPL-2.0-only
#include "base/moment.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/date.h"

#define DAY 86400
#define LAST (INT64_MAX / CLOCK_SECOND - 1) /* in the year 2262 */

/* form: '0' is any digit. */
static bool has_form(const char *text, const char *form)
{
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

static int two(const char *digits)
{
	return (digits[0] - '0') * 10 + (digits[1] - '0');
}

/* ".123456" in ns, cut to milliseconds, as records have them. */
static const char *take_fraction(const char *text, int64_t *ret_ns)
{
	int64_t unit = CLOCK_SECOND / 10, ns = 0;

	if (*text != '.' || text[1] < '0' || text[1] > '9')
		return text;
	for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
		ns += (*text - '0') * unit;
	*ret_ns = ns - ns % CLOCK_MILLISECOND;
	return text;
}

/* What follows the seconds. */
static int take_offset(const char *text, int64_t *ret_seconds)
{
	if (!*text || !strcmp(text, "Z") || !strcmp(text, "z"))
		return 0;
	if ((*text != '+' && *text != '-') || !has_form(text + 1, "00:00") || text[6] || two(text + 1) > 23 ||
	    two(text + 4) > 59)
		return -EINVAL;
	*ret_seconds = (*text == '-' ? -1 : 1) * (two(text + 1) * 3600 + two(text + 4) * 60);
	return 0;
}

int moment_parse(const char *text, bool ends, int64_t *ret_realtime)
{
	int64_t day_end, seconds, offset = 0, ns = 0;
	char date[DATE_TEXT] = "";

	if (strlen(text) < DATE_TEXT - 1)
		return -EINVAL;
	memcpy(date, text, DATE_TEXT - 1);
	if (date_parse(date, &day_end))
		return -EINVAL;
	text += DATE_TEXT - 1;
	if (!*text) {
		seconds = ends ? day_end + 1 : day_end + 1 - DAY;
		if (seconds > LAST)
			return -EINVAL;
		*ret_realtime = seconds * CLOCK_SECOND;
		return 0;
	}
	/* RFC 3339 has a second 60; the clock has none, and it is the one before. */
	if ((*text != 'T' && *text != 't' && *text != ' ') || !has_form(text + 1, "00:00:00") || two(text + 1) > 23 ||
	    two(text + 4) > 59 || two(text + 7) > 60)
		return -EINVAL;
	seconds = day_end + 1 - DAY + two(text + 1) * 3600 + two(text + 4) * 60 +
		  (two(text + 7) == 60 ? 59 : two(text + 7));
	text = take_fraction(text + 9, &ns);
	if (take_offset(text, &offset))
		return -EINVAL;
	seconds -= offset;
	if (seconds < 0 || seconds > LAST)
		return -EINVAL;
	*ret_realtime = seconds * CLOCK_SECOND + ns;
	return 0;
}

bool moment_is_canonical(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";

	return strlen(text) == sizeof(form) - 1 && has_form(text, form);
}
