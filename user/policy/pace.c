// SPDX-License-Identifier: GPL-2.0-only
#include "policy/parse.h"

#define EVERY_MAX_MS 3600000
#define TIMEOUT_MIN_MS 50
#define TIMEOUT_MAX_MS 60000

void read_pace(struct document *document, struct node node, const struct pace *pace, uint32_t *ret_every,
	       uint32_t *ret_timeout, uint32_t *ret_stale_after)
{
	uint32_t every = pace->every_ms, timeout, stale_after;

	if (pace->every->given)
		read_duration(document, pace->every->value, pace->every_min, EVERY_MAX_MS, &every);
	timeout = every < pace->timeout_ms ? every : pace->timeout_ms;
	stale_after = every * pace->intervals;
	if (pace->timeout->given)
		read_duration(document, pace->timeout->value, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, &timeout);
	if (pace->stale_after->given)
		read_duration(document, pace->stale_after->value, pace->stale_min, pace->stale_max, &stale_after);
	if (timeout > every)
		node_error(document, pace->timeout->given ? pace->timeout->value : node,
			   "the timeout (%u ms) is longer than the interval (%u ms)", timeout, every);
	if (stale_after < every)
		node_error(document, pace->stale_after->given ? pace->stale_after->value : node,
			   "stale after %u ms, which is before the next %s (%u ms)", stale_after, pace->what, every);
	*ret_every = every;
	*ret_timeout = timeout;
	*ret_stale_after = stale_after;
}

void read_seconds(struct document *document, const struct field *field, uint32_t min, uint32_t max,
		  uint32_t *ret_seconds)
{
	uint64_t ms;

	if (field->given && !read_long_duration(document, field->value, min * 1000ull, max * 1000ull, &ms))
		*ret_seconds = (uint32_t)((ms + 999) / 1000);
}
