/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
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

const char *clock_print(int64_t realtime, char text[CLOCK_TEXT])
{
	int64_t below = realtime % CLOCK_SECOND;
	time_t seconds = (time_t)(realtime / CLOCK_SECOND);
	struct tm tm;

	if (below < 0) {
		below += CLOCK_SECOND;
		seconds--;
	}
	if (!gmtime_r(&seconds, &tm) || !strftime(text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm)) {
		text[0] = '\0';
		return text;
	}
	size_t length = 0;

	while (text[length])
		length++;
	snprintf(text + length, CLOCK_TEXT - length, ".%03dZ", (int)(below / CLOCK_MILLISECOND));
	return text;
}
