// SPDX-License-Identifier: GPL-2.0-only
#include "base/clock.h"
#include "daemon/rollout_report.h"
#include "daemon/show.h"

static void add_word(struct json *to, const struct rollout_word *word)
{
	if (!word->given) {
		json_null(to, "by");
		return;
	}
	json_object_begin(to, "by");
	json_unsigned(to, "uid", word->uid);
	json_string(to, "user", *word->user ? word->user : NULL);
	json_string(to, "why", word->why);
	json_object_end(to);
}

void show_rollouts(struct question *question)
{
	const struct core *core = question->core;
	struct json *to = question->to;
	char text[ROLLOUT_SENTENCE], time[CLOCK_TEXT];

	for (size_t i = 0; core->policy && i < core->standing.rollouts->count; i++) {
		const struct rollout_instance *instance = &core->standing.rollouts->items[i];
		const struct rollout_settings *settings = &core->policy->rollouts[i].settings;

		json_object_begin(to, NULL);
		rollout_report_subject(to, core->policy, instance);
		json_string(to, "state", rollout_state_names[instance->state.state]);
		json_boolean(to, "in_force", instance->in_force);
		json_unsigned(to, "share", rollout_share(settings, &instance->state));
		json_array_begin(to, "steps");
		for (size_t s = 0; s < settings->step_count; s++)
			json_unsigned(to, NULL, settings->steps[s]);
		json_array_end(to);
		json_unsigned(to, "step", instance->state.step);
		json_string(to, "since", instance->since ? clock_print(instance->since, time) : NULL);
		json_integer(to, "watched", instance->state.watched);
		json_unsigned(to, "every", settings->every);
		json_unsigned(to, "flows", instance->state.flows);
		json_unsigned(to, "min_flows", settings->min_flows);
		json_string(to, "on_breach", rollout_breach_names[settings->on_breach]);
		rollout_report_needs(to, core, instance);
		add_word(to, &instance->word);
		json_string(to, "sentence", rollout_sentence(core, instance, text));
		json_object_end(to);
	}
}
