// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/rollouts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* ---- what they are ------------------------------------------------------------------------------------------- */

static void seal(struct json *text, char hex[SHA256_HEX])
{
	sha256_hex(text->bytes, text->length, hex);
	json_free(text);
}

static void note_version(struct json *to, const struct policy *policy, size_t version)
{
	char text[VERSION_TEXT];

	json_string(to, NULL, version_print(policy, version, text));
	json_string(to, NULL, policy->versions[version].digest);
}

static void note_settings(struct rollout_instance *instance, const struct policy *policy)
{
	const struct rollout_policy *rollout = &policy->rollouts[instance->rollout];
	const struct rollout_settings *settings = &rollout->settings;
	struct json what = {0}, terms = {0};

	json_array_begin(&what, NULL);
	json_string(&what, NULL, policy->services[rollout->service].name);
	note_version(&what, policy, rollout->from);
	note_version(&what, policy, rollout->to);
	for (size_t i = 0; i < settings->step_count; i++)
		json_unsigned(&what, NULL, settings->steps[i]);
	json_array_end(&what);
	seal(&what, instance->what);
	json_array_begin(&terms, NULL);
	json_unsigned(&terms, NULL, settings->every);
	json_unsigned(&terms, NULL, settings->min_flows);
	json_string(&terms, NULL, rollout_breach_names[settings->on_breach]);
	for (size_t i = 0; i < settings->need_count; i++)
		json_string(&terms, NULL, policy->gates[rollout->needs[i]].name);
	json_array_end(&terms);
	seal(&terms, instance->terms);
}

/* ---- making -------------------------------------------------------------------------------------------------- */

static const struct rollout_instance *find_same(const struct rollout_instance *items, size_t count,
						const struct rollout_instance *instance)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(items[i].name, instance->name) && !strcmp(items[i].what, instance->what))
			return &items[i];
	return NULL;
}

static void carry_over(struct rollout_instance *instance, const struct rollout_settings *settings,
		       const struct rollouts *before)
{
	const struct rollout_instance *was = before ? find_same(before->items, before->count, instance) : NULL;
	struct rollout state;

	if (!was && before)
		was = find_same(before->kept, before->kept_count, instance);
	if (!was && before && before->lost) {
		instance->state.state = ROLLOUT_PAUSED;
		instance->lost = true;
	}
	if (!was)
		return;
	state = was->state;
	if (strcmp(was->terms, instance->terms) != 0)
		rollout_forget_evidence(&state);
	if (!rollout_is_sound(settings, &state))
		return;
	instance->state = state;
	instance->outcome = was->outcome;
	instance->since = was->since;
	instance->word = was->word;
	instance->lost = was->lost;
}

/* One that stands still, and that this policy does not have: nothing but that it does. */
static void keep(struct rollouts *rollouts, const struct rollout_instance *was)
{
	struct rollout_instance *to = &rollouts->kept[rollouts->kept_count];

	if ((was->state.state != ROLLOUT_ROLLED_BACK && was->state.state != ROLLOUT_ABORTED &&
	     was->state.state != ROLLOUT_PAUSED) ||
	    rollouts->kept_count == USHER_ROLLOUTS_MAX || find_same(rollouts->items, rollouts->count, was) ||
	    find_same(rollouts->kept, rollouts->kept_count, was))
		return;
	*to = *was;
	to->state = (struct rollout){.state = was->state.state, .breach = was->state.breach};
	to->outcome = (struct rollout_outcome){0};
	to->in_force = false;
	rollouts->kept_count++;
}

/* The latest ones, if there are too many. */
static void keep_stops(struct rollouts *rollouts, const struct rollouts *before)
{
	for (size_t i = 0; before && i < before->count; i++)
		keep(rollouts, &before->items[i]);
	for (size_t i = 0; before && i < before->kept_count; i++)
		keep(rollouts, &before->kept[i]);
}

int rollouts_new(const struct policy *policy, const struct rollouts *before, struct rollouts **ret_rollouts)
{
	struct rollouts *rollouts = calloc(1, sizeof(*rollouts));

	if (!rollouts)
		return -ENOMEM;
	rollouts->items = calloc(policy->rollout_count + 1, sizeof(*rollouts->items));
	rollouts->kept = calloc(USHER_ROLLOUTS_MAX, sizeof(*rollouts->kept));
	rollouts->seen = calloc(USHER_BACKENDS_MAX, sizeof(*rollouts->seen));
	if (!rollouts->items || !rollouts->kept || !rollouts->seen) {
		rollouts_free(rollouts);
		return -ENOMEM;
	}
	rollouts->count = policy->rollout_count;
	for (size_t i = 0; i < rollouts->count; i++) {
		struct rollout_instance *instance = &rollouts->items[i];

		instance->rollout = i;
		snprintf(instance->name, sizeof(instance->name), "%s", policy->rollouts[i].name);
		note_settings(instance, policy);
		carry_over(instance, &policy->rollouts[i].settings, before);
	}
	keep_stops(rollouts, before);
	*ret_rollouts = rollouts;
	return 0;
}

void rollouts_free(struct rollouts *rollouts)
{
	if (!rollouts)
		return;
	free(rollouts->items);
	free(rollouts->kept);
	free(rollouts->seen);
	free(rollouts);
}

struct rollout_instance *rollouts_find(const struct rollouts *rollouts, const char *name)
{
	for (size_t i = 0; rollouts && i < rollouts->count; i++)
		if (!strcmp(rollouts->items[i].name, name))
			return &rollouts->items[i];
	return NULL;
}

void rollouts_fill(const struct rollouts *rollouts, const struct policy *policy, struct facts *facts)
{
	for (size_t s = 0; s < facts->service_count; s++)
		facts->services[s].rollout_share = 0;
	for (size_t i = 0; rollouts && i < rollouts->count; i++) {
		const struct rollout_policy *rollout = &policy->rollouts[i];

		if (rollout->service < facts->service_count)
			facts->services[rollout->service].rollout_share =
				rollout_share(&rollout->settings, &rollouts->items[i].state);
	}
}

/* ---- evidence ------------------------------------------------------------------------------------------------ */

void rollouts_count(struct rollouts *rollouts, const struct catalog *catalog, const struct counters *counters)
{
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++) {
		struct rollouts_seen *seen = &rollouts->seen[b];
		uint64_t flows = counters->backends[b].flows;

		if (!catalog->backends[b].name) {
			*seen = (struct rollouts_seen){0};
			continue;
		}
		seen->since = seen->seen && seen->incarnation == catalog->backends[b].incarnation && flows > seen->flows
				      ? flows - seen->flows
				      : 0;
		seen->seen = true;
		seen->incarnation = catalog->backends[b].incarnation;
		seen->flows = flows;
	}
}

void rollouts_count_nothing(struct rollouts *rollouts)
{
	memset(rollouts->seen, 0, USHER_BACKENDS_MAX * sizeof(*rollouts->seen));
}

uint64_t rollouts_flows(const struct rollouts *rollouts, const struct policy *policy, const struct catalog *catalog,
			size_t version)
{
	const struct version *of = &policy->versions[version];
	uint64_t sum = 0;

	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (rollouts->seen[b].since && !strcmp(catalog->backends[b].version, of->name) &&
		    !strcmp(catalog->backends[b].model, policy->models[of->model].name))
			sum += rollouts->seen[b].since;
	return sum;
}

const struct gate_instance *rollouts_gate(const struct policy *policy, const struct gates *gates,
					  const struct rollout_policy *rollout, size_t need)
{
	char text[VERSION_TEXT];
	size_t at =
		gates_find(gates, policy->gates[rollout->needs[need]].name, version_print(policy, rollout->to, text));

	return at == POLICY_NONE ? NULL : &gates->items[at];
}

void rollouts_needs(const struct policy *policy, const struct gates *gates, const struct rollout_policy *rollout,
		    struct rollout_need *ret_needs)
{
	for (size_t i = 0; i < rollout->settings.need_count; i++) {
		const struct gate_instance *gate = rollouts_gate(policy, gates, rollout, i);

		ret_needs[i] = (struct rollout_need){.verdict = ROLLOUT_UNKNOWN, .age = -1};
		if (!gate)
			continue;
		if (gate->state.state == GATE_BREACHED)
			ret_needs[i].verdict = ROLLOUT_BAD;
		else if (gate->stepped && gate->state.state == GATE_OK && gate->state.verdict == GATE_GOOD)
			ret_needs[i] = (struct rollout_need){ROLLOUT_GOOD, gate->outcome.age};
	}
}
