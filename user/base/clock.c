/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

static const struct clock_times *fake;

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now); /* fails only for a clock that does not exist */
	return now.tv_sec * CLOCK_SECOND + now.tv_nsec;
}

int64_t clock_monotonic(void)
{
	return fake ? fake->monotonic : read_clock(CLOCK_MONOTONIC);
}

int64_t clock_realtime(void)
{
	return fake ? fake->realtime : read_clock(CLOCK_REALTIME);
}

uint32_t clock_jiffy(void)
{
	struct timespec step;

	clock_getres(CLOCK_MONOTONIC_COARSE, &step); /* which is set at each jiffy */
	return (uint32_t)step.tv_nsec;
}

void clock_fake(const struct clock_times *times)
{
	fake = times;
}

/* Records come many to a second: the text of the last one is kept. */
static bool print_second(time_t seconds, char text[CLOCK_TEXT])
{
	static _Thread_local struct {
		time_t seconds;
		size_t length;
		char text[CLOCK_TEXT];
	} last;
	struct tm tm;

	if (!last.length || last.seconds != seconds) {
		last.length = gmtime_r(&seconds, &tm) ? strftime(last.text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
		last.seconds = seconds;
	}
	memcpy(text, last.text, CLOCK_TEXT);
	text[last.length] = '\0';
	return last.length;
}

const char *clock_print(int64_t realtime, char text[CLOCK_TEXT])
{
	int64_t below = realtime % CLOCK_SECOND;
	time_t seconds = (time_t)(realtime / CLOCK_SECOND);
	unsigned int milliseconds;
	char *end;

	if (below < 0) {
		below += CLOCK_SECOND;
		seconds--;
	}
	if (!print_second(seconds, text))
		return text;
	end = text + strlen(text);
	if (end - text + 6 > CLOCK_TEXT)
		return text;
	milliseconds = (unsigned int)(below / CLOCK_MILLISECOND);
	end[0] = '.';
	end[1] = (char)('0' + milliseconds / 100);
	end[2] = (char)('0' + milliseconds / 10 % 10);
	end[3] = (char)('0' + milliseconds % 10);
	end[4] = 'Z';
	end[5] = '\0';
	return text;
}
