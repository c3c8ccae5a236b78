// SPDX-License-Identifier: GPL-2.0-only
#include "govern/slow_start.h"

/* How long a step is, and how many come before the full weight. */
struct steps {
	int64_t length, count;
};

static struct steps steps_of(uint32_t slow_start_ms, int64_t since)
{
	int64_t seconds = ((int64_t)slow_start_ms + 999) / 1000;
	int64_t length = (seconds + SLOW_START_STEPS - 1) / SLOW_START_STEPS;

	if (length < SLOW_START_STEP)
		length = SLOW_START_STEP;
	/* The step in which it came is cut short by the grid, and the last one ends when the whole time has passed. */
	return (struct steps){length, (since + seconds + length - 1) / length - since / length};
}

/* The step in which `now` lies, from 0 in which it came. */
static int64_t step_of(const struct steps *steps, int64_t since, int64_t now)
{
	return now <= since ? 0 : now / steps->length - since / steps->length;
}

uint32_t slow_start_part(uint32_t slow_start_ms, int64_t since, int64_t now)
{
	const struct steps steps = steps_of(slow_start_ms, since);
	int64_t step = step_of(&steps, since, now);

	if (!slow_start_ms || step >= steps.count)
		return SLOW_START_WHOLE;
	return (uint32_t)(SLOW_START_WHOLE * (step + 1) / (steps.count + 1));
}

int64_t slow_start_next(uint32_t slow_start_ms, int64_t since, int64_t now)
{
	const struct steps steps = steps_of(slow_start_ms, since);

	if (slow_start_part(slow_start_ms, since, now) == SLOW_START_WHOLE)
		return INT64_MAX;
	return ((now > since ? now : since) / steps.length + 1) * steps.length;
}
