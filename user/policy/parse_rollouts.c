// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "policy/parse.h"
#include "policy/policy.h"

const char *const rollout_breach_names[ROLLOUT_BREACHES] = {
	[ROLLOUT_BREACH_ROLLBACK] = "rollback",
	[ROLLOUT_BREACH_PAUSE] = "pause",
};

#define EVERY_MIN_MS 1000u
#define EVERY_MAX_MS (30u * 86400 * 1000)

enum { SERVICE, FROM, TO, STEPS, EVERY, NEEDS, MIN_FLOWS, ON_BREACH, FIELDS };

static void read_versions(struct document *document, const struct field *fields, const struct policy *policy,
			  struct rollout_policy *rollout)
{
	size_t model = policy->services[rollout->service].model;
	const struct named versions = versions_of(policy, model);
	size_t *const to[] = {&rollout->from, &rollout->to};

	for (size_t i = 0; i < 2; i++) {
		const struct node node = fields[FROM + i].value;
		const char *name;
		size_t at;

		if (!fields[FROM + i].given || read_name(document, node, "version", &name))
			continue;
		at = named_find(&versions, name);
		if (at == POLICY_NONE)
			node_error(document, node, "model \"%s\" has no version \"%s\"%s", policy->models[model].name,
				   name, did_you_mean(document, name, &versions));
		else
			*to[i] = policy->models[model].versions.items[at];
	}
	if (rollout->to != POLICY_NONE && rollout->from == rollout->to)
		node_error(document, fields[TO].value, "version \"%s\" would take over from itself",
			   policy->versions[rollout->to].name);
}

static void read_steps(struct document *document, struct node node, struct rollout_settings *settings)
{
	struct node *items;
	uint32_t last = 0, step;
	size_t count;

	if (read_list(document, node, 1, USHER_ROLLOUT_STEPS_MAX, &items, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		if (read_count(document, items[i], 1, 100, &step))
			continue;
		if (step <= last)
			node_error(document, items[i],
				   "%u %% after %u %%: each step gives the new version more than the one before", step,
				   last);
		last = step;
		settings->steps[settings->step_count++] = (uint8_t)step;
	}
}

static void check_need(struct document *document, struct node node, const struct policy *policy,
		       const struct rollout_policy *rollout, size_t need)
{
	const struct gate_policy *gate = &policy->gates[need];
	char text[VERSION_TEXT];

	if (gate->on != GATE_ON_VERSION)
		node_error(document, node, "gate \"%s\" judges %ss; a roll-out needs gates on versions", gate->name,
			   gate_subject_names[gate->on]);
	else if (rollout->to != POLICY_NONE && !index_list_has(&gate->subjects, rollout->to))
		node_error(document, node, "gate \"%s\" does not judge %s", gate->name,
			   version_print(policy, rollout->to, text));
}

static void read_needs(struct document *document, struct node node, const struct policy *policy,
		       struct rollout_policy *rollout)
{
	const struct named gates = NAMED("gate", policy->gates, policy->gate_count);
	struct node *items;
	size_t *needs, count;

	if (read_list(document, node, 0, USHER_ROLLOUT_NEEDS_MAX, &items, &count))
		return;
	needs = arena_array(document->arena, count, sizeof(*needs));
	for (size_t i = 0; i < count; i++) {
		size_t need;

		if (read_reference(document, items[i], &gates, &need))
			continue;
		check_need(document, items[i], policy, rollout, need);
		needs[rollout->settings.need_count++] = need;
	}
	rollout->needs = needs;
}

/* Two of them could not both say what the service's shares are. */
static void check_alone(struct document *document, struct node node, const struct policy *policy,
			const struct rollout_policy *rollout)
{
	for (const struct rollout_policy *other = policy->rollouts; other < rollout; other++)
		if (other->service == rollout->service)
			node_error(document, node, "service \"%s\" has a roll-out already, \"%s\"",
				   policy->services[rollout->service].name, other->name);
}

static void read_rollout(struct document *document, struct node node, const struct policy *policy,
			 struct rollout_policy *rollout)
{
	const struct named services = NAMED("service", policy->services, policy->service_count);
	struct field fields[FIELDS] = {
		[SERVICE] = {.key = "service", .required = true},
		[FROM] = {.key = "from", .required = true},
		[TO] = {.key = "to", .required = true},
		[STEPS] = {.key = "steps", .required = true},
		[EVERY] = {.key = "every", .required = true},
		[NEEDS] = {.key = "needs"},
		[MIN_FLOWS] = {.key = "min_flows"},
		[ON_BREACH] = {.key = "on_breach"},
	};
	uint32_t every_ms = EVERY_MIN_MS;
	size_t choice;

	rollout->place = node_place(document, node);
	rollout->service = rollout->from = rollout->to = POLICY_NONE;
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[SERVICE].given && !read_reference(document, fields[SERVICE].value, &services, &rollout->service)) {
		check_alone(document, fields[SERVICE].value, policy, rollout);
		if (policy->services[rollout->service].model != POLICY_NONE)
			read_versions(document, fields, policy, rollout);
	}
	if (fields[STEPS].given)
		read_steps(document, fields[STEPS].value, &rollout->settings);
	if (fields[EVERY].given)
		read_duration(document, fields[EVERY].value, EVERY_MIN_MS, EVERY_MAX_MS, &every_ms);
	rollout->settings.every = (every_ms + 999) / 1000;
	if (fields[NEEDS].given)
		read_needs(document, fields[NEEDS].value, policy, rollout);
	if (fields[MIN_FLOWS].given)
		read_count(document, fields[MIN_FLOWS].value, 0, UINT32_MAX, &rollout->settings.min_flows);
	if (fields[ON_BREACH].given &&
	    !read_choice(document, fields[ON_BREACH].value, rollout_breach_names, ROLLOUT_BREACHES, &choice))
		rollout->settings.on_breach = (enum rollout_breach)choice;
}

static const struct naming rollout_naming = {"roll-out", NAME_FORM, is_name};

void parse_rollouts(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	size_t count;

	if (read_named(document, node, &rollout_naming, USHER_ROLLOUTS_MAX, &members, &count))
		return;
	policy->rollouts = arena_array(document->arena, count, sizeof(*policy->rollouts));
	policy->rollout_count = count;
	for (size_t i = 0; i < count; i++) {
		policy->rollouts[i].name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		read_rollout(document, members[i].value, policy, &policy->rollouts[i]);
	}
}

/* ---- what is legal and suspicious ---------------------------------------------------------------------------- */

static bool is_served(const struct policy *policy, size_t version)
{
	for (size_t b = 0; b < policy->backend_count; b++)
		if (policy->backends[b].version == version)
			return true;
	return false;
}

/* The kernel counts flows by backend, whichever service they came by. */
static size_t other_service(const struct policy *policy, const struct rollout_policy *rollout)
{
	for (size_t s = 0; s < policy->service_count; s++)
		if (s != rollout->service && policy->services[s].model == policy->services[rollout->service].model)
			return s;
	return POLICY_NONE;
}

void suspect_rollouts(struct document *document, const struct policy *policy)
{
	for (size_t i = 0; i < policy->rollout_count; i++) {
		const struct rollout_policy *rollout = &policy->rollouts[i];
		const struct rollout_settings *settings = &rollout->settings;
		const size_t versions[] = {rollout->from, rollout->to};
		size_t other = other_service(policy, rollout);
		uint8_t last = settings->steps[settings->step_count - 1];

		for (size_t v = 0; v < 2; v++)
			if (!is_served(policy, versions[v]))
				mark_report(document, SEVERITY_WARNING, rollout->place.mark,
					    "no backend serves version \"%s\"", policy->versions[versions[v]].name);
		if (!settings->need_count)
			mark_report(document, SEVERITY_WARNING, rollout->place.mark,
				    "it needs no gate: time%s alone takes it forward, whatever the new version does",
				    settings->min_flows ? " and traffic" : "");
		if (last < 100)
			mark_report(document, SEVERITY_WARNING, rollout->place.mark,
				    "its last step is %u %%: version \"%s\" keeps the rest", last,
				    policy->versions[rollout->from].name);
		if (settings->min_flows && other != POLICY_NONE)
			mark_report(document, SEVERITY_WARNING, rollout->place.mark,
				    "flows of service \"%s\", which serves the same model, count towards \"min_flows\" "
				    "as well",
				    policy->services[other].name);
	}
}
