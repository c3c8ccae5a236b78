/* SPDX-License-Identifier: GPL-2.0-only */
/* What time it is, in nanoseconds. A test may set the time instead. */
#ifndef USHER_BASE_CLOCK_H
#define USHER_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND 1000000000LL
#define CLOCK_MILLISECOND 1000000LL

/* CLOCK_MONOTONIC: what the kernel program's times count in. */
int64_t clock_monotonic(void);
/* CLOCK_REALTIME: since 1970, UTC. */
int64_t clock_realtime(void);

/* How far a step of the kernel's clock of jiffies goes. */
uint32_t clock_jiffy(void);

struct clock_times {
	int64_t monotonic, realtime;
};
/* From now on both clocks say what `times` holds, which the caller may change; NULL: the real time again. */
void clock_fake(const struct clock_times *times);

/* RFC 3339 in UTC with milliseconds: 2026-03-01T12:00:00.123Z */
#define CLOCK_TEXT 32
const char *clock_print(int64_t realtime, char text[CLOCK_TEXT]);

#endif
