// SPDX-License-Identifier: GPL-2.0-only
#include "policy/gate_settings.h"

#include <math.h>
#include <stddef.h>

const char *const gate_then_names[GATE_THENS] = {
	[GATE_THEN_QUARANTINE] = "quarantine",
	[GATE_THEN_KEEP] = "keep",
	[GATE_THEN_ALERT] = "alert",
};

const char *const gate_bound_names[GATE_BOUNDS] = {
	[GATE_BOUND_INTERVAL] = "interval",
	[GATE_BOUND_LOWER] = "lower",
	[GATE_BOUND_UPPER] = "upper",
	[GATE_BOUND_POINT] = "point",
};

const char *gate_fault(const struct gate_settings *settings)
{
	if (isnan(settings->breach_below) || isnan(settings->breach_above) || isnan(settings->recover_from) ||
	    isnan(settings->recover_to))
		return "a limit is no number";
	if (settings->breach_below == -INFINITY && settings->breach_above == INFINITY)
		return "nothing is a breach";
	if (settings->breach_below > settings->breach_above)
		return "everything is a breach";
	if (settings->recover_from < settings->breach_below || settings->recover_to > settings->breach_above)
		return "recovers where it breaches";
	if (settings->recover_from > settings->recover_to)
		return "nothing is a recovery";
	if (!(settings->min_samples >= 0) || isinf(settings->min_samples))
		return "min_samples is no count";
	if (settings->stale_after == 0)
		return "stale_after is 0";
	if (settings->transitions_per_hour > GATE_TRANSITIONS_MAX)
		return "more transitions per hour than are kept";
	if (settings->bound >= GATE_BOUNDS || settings->then >= GATE_THENS)
		return "no such choice";
	return NULL;
}
