/* SPDX-License-Identifier: GPL-2.0-only */
/* By which steps a version takes over, and what each of them has to rest on. What comes of it: govern/rollout.h. */
#ifndef USHER_POLICY_ROLLOUT_SETTINGS_H
#define USHER_POLICY_ROLLOUT_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "usher/limits.h"

/* What a breach of a gate that is needed does. */
enum rollout_breach {
	ROLLOUT_BREACH_ROLLBACK, /* the new version gets nothing */
	ROLLOUT_BREACH_PAUSE,	 /* it keeps the share that it has */
	ROLLOUT_BREACHES,
};
extern const char *const rollout_breach_names[ROLLOUT_BREACHES];

struct rollout_settings {
	uint8_t steps[USHER_ROLLOUT_STEPS_MAX]; /* per cent of new flows, 1 to 100, rising */
	size_t step_count;			/* at least 1 */
	uint32_t every;				/* seconds that a step lasts at least; at least 1 */
	uint32_t min_flows;			/* that the new version is given in it */
	size_t need_count;			/* gates; at most USHER_ROLLOUT_NEEDS_MAX */
	enum rollout_breach on_breach;
};

#endif
