// SPDX-License-Identifier: GPL-2.0-only
/* How far services give way to load. */
#include <math.h>

#include "daemon/show.h"

void show_surges(struct question *question)
{
	const struct core *core = question->core;
	struct json *to = question->to;

	for (size_t i = 0; core->policy && i < core->surges->count; i++) {
		const struct surge_instance *instance = &core->surges->items[i];
		const struct service_facts *facts = &core->facts.services[instance->service];
		bool measured = instance->state.stepped && instance->measure.known;

		json_object_begin(to, NULL);
		json_string(to, "service", instance->name);
		json_unsigned(to, "tiers", instance->settings.tiers - 1);
		json_unsigned(to, "open", facts->open);
		json_unsigned(to, "sheds", instance->settings.sheds);
		json_unsigned(to, "shed", facts->shed);
		if (core->effective && facts->shed)
			json_unsigned(to, "below", core->effective->floors[instance->service]);
		else
			json_null(to, "below");
		json_number(to, "ratio", measured ? instance->outcome.ratio : NAN);
		json_string(to, "verdict", surge_verdict_names[instance->state.verdict]);
		json_unsigned(to, "known", instance->measure.known);
		json_unsigned(to, "backends", instance->measure.backends);
		json_number(to, "open_at", instance->settings.open_at);
		json_number(to, "close_at", instance->settings.close_at);
		json_integer(to, "close_after", instance->outcome.close_after);
		json_object_end(to);
	}
}
