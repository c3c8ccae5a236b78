// SPDX-License-Identifier: GPL-2.0-only
/* Who is left out as an outlier, or has been before. */
#include "base/clock.h"
#include "daemon/show.h"

static void add_instance(struct question *question, const struct ejection_instance *instance, int64_t now)
{
	const struct core *core = question->core;
	const struct version *version = &core->policy->versions[core->policy->backends[instance->backend].version];
	struct json *to = question->to;
	char text[CLOCK_TEXT];

	json_object_begin(to, NULL);
	json_string(to, "backend", instance->name);
	json_string(to, "model", core->policy->models[version->model].name);
	json_string(to, "version", version->name);
	json_boolean(to, "out", instance->state.out);
	json_string(to, "since", clock_print(instance->state.since * CLOCK_SECOND, text));
	if (instance->state.out)
		json_integer(to, "seconds_left", instance->state.until > now ? instance->state.until - now : 0);
	else
		json_null(to, "seconds_left");
	if (instance->found) {
		json_object_begin(to, "finding");
		ejection_describe(to, &instance->finding);
		json_object_end(to);
	} else {
		json_null(to, "finding");
	}
	json_object_end(to);
}

void show_ejections(struct question *question)
{
	const struct core *core = question->core;

	for (size_t i = 0; core->policy && core->effective && i < core->standing.ejections->count; i++)
		if (core->standing.ejections->items[i].state.since)
			add_instance(question, &core->standing.ejections->items[i], core_gate_clock(core) / 1000);
}
