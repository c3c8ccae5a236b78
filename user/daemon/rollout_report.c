// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/rollout_report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct sentence {
	char *text;
	size_t length;
};

/* One part after the other, with "; " in between; what does not fit is left out whole. */
static void say(struct sentence *sentence, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct sentence *sentence, const char *format, ...)
{
	const char *between = sentence->length ? "; " : "";
	char part[ROLLOUT_SENTENCE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(part, sizeof(part), format, arguments);
	va_end(arguments);
	if (sentence->length + strlen(between) + strlen(part) >= ROLLOUT_SENTENCE)
		return;
	sentence->length += (size_t)snprintf(sentence->text + sentence->length, ROLLOUT_SENTENCE - sentence->length,
					     "%s%s", between, part);
}

static const struct rollout_policy *policy_of(const struct core *core, const struct rollout_instance *instance)
{
	return &core->policy->rollouts[instance->rollout];
}

/* ---- sentences ----------------------------------------------------------------------------------------------- */

/* What the gate knows, in a word. */
static const char *knowledge(const struct gate_instance *gate)
{
	if (!gate || !gate->stepped)
		return "not judged yet";
	if (gate->state.state == GATE_NO_DATA)
		return gate_state_names[GATE_NO_DATA];
	if (gate->state.verdict == GATE_UNKNOWN)
		return gate_signal_names[gate->state.signal];
	return gate->state.verdict == GATE_BETWEEN ? "between good and bad" : "bad, not for long enough";
}

static void say_need(struct sentence *sentence, const struct core *core, const struct rollout_instance *instance,
		     size_t need)
{
	const struct rollout_policy *rollout = policy_of(core, instance);
	const char *name = core->policy->gates[rollout->needs[need]].name;

	switch (instance->outcome.holds[need]) {
	case ROLLOUT_HOLD_UNKNOWN:
		say(sentence, "%s is unknown (%s)", name,
		    knowledge(rollouts_gate(core->policy, core->standing.gates, rollout, need)));
		break;
	case ROLLOUT_HOLD_EARLIER:
		say(sentence, "%s was measured before this step", name);
		break;
	case ROLLOUT_HOLD_BREACHED:
		say(sentence, "%s is breached", name);
		break;
	case ROLLOUT_HOLD_NOT:
	case ROLLOUT_HOLDS:
		break;
	}
}

/* "4.5 h": nobody counts hours in seconds. */
static void say_time(struct sentence *sentence, int64_t seconds)
{
	if (seconds >= 7200)
		say(sentence, "%.1f h to go", (double)seconds / 3600);
	else if (seconds >= 120)
		say(sentence, "%.1f min to go", (double)seconds / 60);
	else
		say(sentence, "%lld s to go", (long long)seconds);
}

static void say_missing(struct sentence *sentence, const struct core *core, const struct rollout_instance *instance)
{
	const struct rollout_outcome *outcome = &instance->outcome;

	if (!instance->in_force) {
		say(sentence, "its shares are not in force yet");
		return;
	}
	if (outcome->time_left)
		say_time(sentence, outcome->time_left);
	if (outcome->flows_left)
		say(sentence, "%llu of %u flows", (unsigned long long)instance->state.flows,
		    policy_of(core, instance)->settings.min_flows);
	for (size_t i = 0; i < policy_of(core, instance)->settings.need_count; i++)
		say_need(sentence, core, instance, i);
}

/* Whose doing it is that it stands still. */
static void say_cause(struct sentence *sentence, const struct core *core, const struct rollout_instance *instance)
{
	const struct rollout_word *word = &instance->word;
	const struct rollout_policy *rollout = policy_of(core, instance);

	if (instance->lost)
		say(sentence, "where it stood is lost, so it waits for `usher rollout resume`");
	if (instance->state.breach)
		say(sentence, "%s was breached", core->policy->gates[rollout->needs[instance->state.breach - 1]].name);
	if (word->given && *word->user)
		say(sentence, "by %s: %s", word->user, word->why);
	else if (word->given)
		say(sentence, "by uid %u: %s", word->uid, word->why);
}

const char *rollout_sentence(const struct core *core, const struct rollout_instance *instance,
			     char text[ROLLOUT_SENTENCE])
{
	struct sentence sentence = {.text = text};

	*text = '\0';
	switch ((enum rollout_state)instance->state.state) {
	case ROLLOUT_WAITING:
	case ROLLOUT_RUNNING:
		say_missing(&sentence, core, instance);
		break;
	case ROLLOUT_PAUSED:
	case ROLLOUT_ROLLED_BACK:
	case ROLLOUT_ABORTED:
		say_cause(&sentence, core, instance);
		break;
	case ROLLOUT_DONE:
		if (!instance->in_force)
			say(&sentence, "its shares are not in force yet");
		break;
	case ROLLOUT_STATES:
		break;
	}
	return text;
}

/* ---- fields -------------------------------------------------------------------------------------------------- */

void rollout_report_subject(struct json *to, const struct policy *policy, const struct rollout_instance *instance)
{
	const struct rollout_policy *rollout = &policy->rollouts[instance->rollout];

	json_string(to, "rollout", rollout->name);
	json_string(to, "service", policy->services[rollout->service].name);
	json_string(to, "model", policy->models[policy->versions[rollout->to].model].name);
	json_string(to, "from", policy->versions[rollout->from].name);
	json_string(to, "to", policy->versions[rollout->to].name);
}

void rollout_report_needs(struct json *to, const struct core *core, const struct rollout_instance *instance)
{
	const struct rollout_policy *rollout = policy_of(core, instance);
	struct rollout_need needs[USHER_ROLLOUT_NEEDS_MAX];

	rollouts_needs(core->policy, core->standing.gates, rollout, needs);
	json_array_begin(to, "needs");
	for (size_t i = 0; i < rollout->settings.need_count; i++) {
		const struct gate_instance *gate = rollouts_gate(core->policy, core->standing.gates, rollout, i);
		bool measured = gate && gate->outcome.age >= 0;

		json_object_begin(to, NULL);
		json_string(to, "gate", core->policy->gates[rollout->needs[i]].name);
		json_string(to, "says",
			    needs[i].verdict == ROLLOUT_GOOD  ? "good"
			    : needs[i].verdict == ROLLOUT_BAD ? "breached"
							      : "unknown");
		json_string(to, "knows", needs[i].verdict == ROLLOUT_UNKNOWN ? knowledge(gate) : NULL);
		json_string(to, "hold", rollout_hold_names[instance->outcome.holds[i]]);
		json_number(to, "value", measured ? gate->outcome.last.point : NAN);
		json_number(to, "low", measured ? gate->outcome.last.low : NAN);
		json_number(to, "high", measured ? gate->outcome.last.high : NAN);
		json_number(to, "samples", measured ? gate->outcome.last.samples : NAN);
		if (measured)
			json_integer(to, "age", gate->outcome.age);
		else
			json_null(to, "age");
		json_object_end(to);
	}
	json_array_end(to);
}
