/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A backend that has newly become able to start flows gets a growing part of its weight: in steps, so that rings are built
 * a bounded number of times. Pure; times are seconds since the epoch.
 *
 * 1. Steps end at multiples of their length since 1970 and not since the backend came: however many backends warm up, the
 *    services of one slow start are compiled again at most once a step.
 * 2. The first part is not 0: who may start is never left out of a ring, and a ring of newcomers alone is a whole one.
 * 3. What is warming may start, and what may start has passed all gates: a part is a weight and never a permission.
 */
#ifndef USHER_GOVERN_SLOW_START_H
#define USHER_GOVERN_SLOW_START_H

#include <stdint.h>

#define SLOW_START_WHOLE 120u /* parts that a full weight has; every number of steps up to 10 gives steps that differ */
#define SLOW_START_STEPS 10   /* at most; none is shorter than SLOW_START_STEP seconds */
#define SLOW_START_STEP 2

/*
 * The part that a backend gets which is able to start since `since`: 1 to SLOW_START_WHOLE; full between slow_start_ms and one
 * step later. slow_start_ms 0: always full. `since` after `now` counts as now.
 */
uint32_t slow_start_part(uint32_t slow_start_ms, int64_t since, int64_t now);
/* When that part changes next; INT64_MAX: it is full. */
int64_t slow_start_next(uint32_t slow_start_ms, int64_t since, int64_t now);

#endif
