// SPDX-License-Identifier: GPL-2.0-only
/* How far services give way to load. */
#include <math.h>

#include "daemon/show.h"

void show_surges(struct question *question)
{
	const struct core *core = question->core;
	struct json *to = question->to;

	for (size_t i = 0; core->policy && i < core->standing.surges->count; i++) {
		const struct surge_instance *instance = &core->standing.surges->items[i];
		const struct service_facts *facts = &core->facts.services[instance->service];
		bool measured = instance->state.stepped && instance->measure.known;

		json_object_begin(to, NULL);
		json_string(to, "service", instance->name);
		json_unsigned(to, "tiers", instance->settings.tiers - 1);
		json_unsigned(to, "open", facts->open);
		json_unsigned(to, "sheds", surge_whole(&instance->settings, instance->settings.sheds));
		json_unsigned(to, "shed", facts->shed);
		json_unsigned(to, "shed_part", facts->shed_part);
		if (core->effective && facts->shed)
			json_unsigned(to, "below", core->effective->floors[instance->service]);
		else
			json_null(to, "below");
		if (core->effective && core->effective->browns[instance->service].part)
			json_unsigned(to, "part_of", core->effective->browns[instance->service].priority);
		else
			json_null(to, "part_of");
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
