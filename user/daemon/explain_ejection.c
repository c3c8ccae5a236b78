// SPDX-License-Identifier: GPL-2.0-only
/* Of `explain`: who is left out as an outlier, and who would be if not too many were. */
#include "daemon/inquiry.h"

#define SAID_MAX 4 /* one by one; the others are counted */

static void say(struct inquiry *inquiry, const struct candidate *candidate)
{
	const char *name = inquiry->policy->backends[candidate->backend].name;
	const struct ejection_instance *instance = ejections_find(inquiry->core->standing.ejections, name);
	int64_t left = instance ? instance->state.until - core_gate_clock(inquiry->core) / 1000 : 0;
	char text[EJECTION_TEXT] = "a daemon before this one has found so";

	if (instance && instance->found)
		ejection_print(&instance->finding, text);
	if (candidate->start_reason == USHER_REASON_EJECTED)
		inquiry_step(inquiry, "who-may-answer", NULL, "%s is left out as an outlier for %lld s more: %s", name,
			     (long long)(left > 0 ? left : 0), text);
	else
		inquiry_step(
			inquiry, "who-may-answer", NULL,
			"%s is an outlier, but more than %u %% of these backends would be left out: it stays. %s", name,
			inquiry->policy->models[inquiry->policy->services[inquiry->service].model].outlier.most, text);
}

void explain_ejection(struct inquiry *inquiry, const struct shortlist *list)
{
	size_t count = 0;

	for (size_t i = 0; list && i < list->count; i++) {
		const struct candidate *candidate = &list->candidates[i];
		bool stays = !candidate->constraint_reason && !candidate->start_reason &&
			     inquiry->core->effective->backends[candidate->backend].ejected;

		if ((stays || candidate->start_reason == USHER_REASON_EJECTED) && count++ < SAID_MAX)
			say(inquiry, candidate);
	}
	if (count > SAID_MAX)
		inquiry_step(inquiry, "who-may-answer", NULL, "%zu more backends are outliers", count - SAID_MAX);
}
