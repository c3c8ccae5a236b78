// SPDX-License-Identifier: GPL-2.0-only
/* The section `gates`: what is measured of versions, backends and services, and what comes of it. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/array.h"

#include "policy/gate_fields.h"
#include "policy/parse.h"
#include "policy/policy.h"

const char *const gate_subject_names[GATE_SUBJECTS] = {"version", "backend", "service"};
const char *const gate_figure_names[GATE_FIGURES] = {"metric", "proportion", "difference", "ratio", "stability"};
const char *const gate_action_names[GATE_ACTIONS] = {"quarantine", "share", "reroute", "alert"};

static const struct naming gate_naming = {"gate", NAME_FORM, is_name};

/* ---- of whom ------------------------------------------------------------------------------------------------- */

static void all_of(struct document *document, size_t count, struct index_list *ret_list)
{
	size_t *items = arena_array(document->arena, count, sizeof(*items));

	for (size_t i = 0; i < count; i++)
		items[i] = i;
	*ret_list = (struct index_list){.items = items, .count = count};
}

static void read_subjects(struct document *document, const struct field *fields, const struct policy *policy,
			  struct gate_policy *gate)
{
	const struct named backends = NAMED("backend", policy->backends, policy->backend_count);
	const struct named services = NAMED("service", policy->services, policy->service_count);
	const size_t counts[] = {policy->version_count, policy->backend_count, policy->service_count};
	size_t on;

	if (!fields[ON].given || read_choice(document, fields[ON].value, gate_subject_names, GATE_SUBJECTS, &on))
		return;
	gate->on = (enum gate_subject)on;
	if (!fields[OF].given)
		all_of(document, counts[on], &gate->subjects);
	gate->all_subjects = !fields[OF].given;
	if (gate->all_subjects)
		return;
	if (gate->on == GATE_ON_VERSION)
		read_version_references(document, fields[OF].value, policy, &gate->subjects);
	else
		read_references(document, fields[OF].value, gate->on == GATE_ON_BACKEND ? &backends : &services,
				&gate->subjects);
}

/* ---- limits -------------------------------------------------------------------------------------------------- */

#define MONTH 2592000 /* seconds */

static void read_limit(struct document *document, const struct field *field, double *ret_limit)
{
	if (field->given)
		read_number(document, field->value, -1e300, 1e300, ret_limit);
}

/* Two limits at once. */
static void read_both(struct document *document, const struct field *field, double *low, double *high)
{
	struct node *items;
	size_t count;

	if (!field->given || read_list(document, field->value, 2, 2, &items, &count))
		return;
	if (!read_number(document, items[0], -1e300, 1e300, low))
		read_number(document, items[1], -1e300, 1e300, high);
}

/* Where limits of one zone are to be written; those of `both` are low and high. */
struct zone {
	const char *both; /* "outside" or "inside" */
	double *below, *above, *low, *high;
	uint32_t *seconds;
};

static void read_zone(struct document *document, struct node node, const struct zone *zone)
{
	enum { BELOW, ABOVE, BOTH, FOR, ZONE_FIELDS };
	struct field fields[ZONE_FIELDS] = {{.key = "below"}, {.key = "above"}, {.key = zone->both}, {.key = "for"}};

	if (read_object(document, node, fields, ZONE_FIELDS))
		return;
	if (fields[BOTH].given && (fields[BELOW].given || fields[ABOVE].given))
		key_error(document, fields[BOTH].value, "there is \"%s\" as well; one way to say it is enough",
			  fields[fields[BELOW].given ? BELOW : ABOVE].key);
	if (!fields[BOTH].given && !fields[BELOW].given && !fields[ABOVE].given)
		node_error(document, node, "says no limit: \"below\", \"above\" or \"%s\"", zone->both);
	read_limit(document, &fields[BELOW], zone->below);
	read_limit(document, &fields[ABOVE], zone->above);
	read_both(document, &fields[BOTH], zone->low, zone->high);
	read_seconds(document, &fields[FOR], 0, MONTH, zone->seconds);
}

static void read_unknown(struct document *document, struct node node, struct gate_settings *settings)
{
	enum { HOLD, THEN, UNKNOWN_FIELDS };
	struct field fields[UNKNOWN_FIELDS] = {{.key = "hold", .required = true}, {.key = "then", .required = true}};
	size_t then;

	if (read_object(document, node, fields, UNKNOWN_FIELDS))
		return;
	read_seconds(document, &fields[HOLD], 0, MONTH, &settings->hold);
	if (fields[THEN].given && !read_choice(document, fields[THEN].value, gate_then_names, GATE_THENS, &then))
		settings->then = (enum gate_then)then;
}

static void read_limits(struct document *document, struct node node, const struct field *fields,
			struct gate_settings *settings)
{
	const struct zone breach = {"outside",
				    &settings->breach_below,
				    &settings->breach_above,
				    &settings->breach_below,
				    &settings->breach_above,
				    &settings->breach_for};
	/* To recover above a limit is to be good from it on. */
	const struct zone recover = {"inside",
				     &settings->recover_to,
				     &settings->recover_from,
				     &settings->recover_from,
				     &settings->recover_to,
				     &settings->recover_for};
	size_t errors = document->diagnostics->errors;
	size_t bound;

	if (fields[BREACH].given)
		read_zone(document, fields[BREACH].value, &breach);
	settings->recover_from = settings->breach_below;
	settings->recover_to = settings->breach_above;
	settings->recover_for = settings->breach_for;
	if (fields[RECOVER].given)
		read_zone(document, fields[RECOVER].value, &recover);
	if (fields[BOUND].given && !read_choice(document, fields[BOUND].value, gate_bound_names, GATE_BOUNDS, &bound))
		settings->bound = (enum gate_bound)bound;
	if (fields[MIN_SAMPLES].given)
		read_number(document, fields[MIN_SAMPLES].value, 1, 1e15, &settings->min_samples);
	read_seconds(document, &fields[DWELL], 0, MONTH, &settings->dwell);
	if (fields[RATE].given)
		read_count(document, fields[RATE].value, 1, GATE_TRANSITIONS_MAX, &settings->transitions_per_hour);
	if (fields[LATCH].given)
		read_boolean(document, fields[LATCH].value, &settings->latch);
	if (fields[ON_UNKNOWN].given)
		read_unknown(document, fields[ON_UNKNOWN].value, settings);
	if (errors == document->diagnostics->errors && gate_fault(settings))
		node_error(document, fields[BREACH].given ? fields[BREACH].value : node, "%s", gate_fault(settings));
}

/* ---- what comes of it ---------------------------------------------------------------------------------------- */

static void read_action(struct document *document, struct node node, struct gate_policy *gate)
{
	static const char *const words[] = {"quarantine", "reroute", "alert"};
	static const enum gate_action actions[] = {GATE_QUARANTINE, GATE_REROUTE, GATE_ALERT};
	struct field share = {.key = "share", .required = true};
	size_t choice;

	if (node_type(node) == json_type_object) {
		gate->action = GATE_SHARE;
		if (!read_object(document, node, &share, 1) && share.given)
			read_count(document, share.value, 1, 99, &gate->share);
	} else if (!read_choice(document, node, words, ARRAY_COUNT(words), &choice)) {
		gate->action = actions[choice];
	}
	if (gate->on == GATE_ON_SERVICE && (gate->action == GATE_QUARANTINE || gate->action == GATE_SHARE))
		node_error(document, node, "a gate on a service can be \"reroute\" or \"alert\"");
	if (gate->on != GATE_ON_SERVICE && gate->action == GATE_REROUTE)
		node_error(document, node,
			   "only a gate on a service can be \"reroute\": the others quarantine, and a "
			   "service without backends is rerouted by rule");
}

static void read_gate(struct document *document, struct node node, const struct policy *policy,
		      struct gate_policy *gate)
{
	const struct named evaluators = NAMED("evaluator", policy->evaluators, policy->evaluator_count);
	struct field fields[FIELDS] = {
		[ON] = {.key = "on", .required = true},
		[OF] = {.key = "of"},
		[SOURCE] = {.key = "source", .required = true},
		[METRIC] = {.key = "metric"},
		[SAMPLES] = {.key = "samples"},
		[SUCCESSES] = {.key = "successes"},
		[TRIALS] = {.key = "trials"},
		[WINDOW] = {.key = "window"},
		[GROUPS] = {.key = "groups"},
		[ACTUAL] = {.key = "actual"},
		[EXPECTED] = {.key = "expected"},
		[BUCKETS] = {.key = "buckets"},
		[LABELS] = {.key = "labels"},
		[BOUND] = {.key = "bound"},
		[MIN_SAMPLES] = {.key = "min_samples"},
		[BREACH] = {.key = "breach", .required = true},
		[RECOVER] = {.key = "recover"},
		[DWELL] = {.key = "dwell"},
		[RATE] = {.key = "transitions_per_hour"},
		[LATCH] = {.key = "latch"},
		[ON_UNKNOWN] = {.key = "on_unknown"},
		[ON_BREACH] = {.key = "on_breach", .required = true},
	};

	gate->place = node_place(document, node);
	gate->settings = (struct gate_settings){
		.breach_below = -INFINITY,
		.breach_above = INFINITY,
		.then = GATE_THEN_ALERT,
		.stale_after = 1,
	};
	if (read_object(document, node, fields, FIELDS))
		return;
	read_subjects(document, fields, policy, gate);
	if (fields[SOURCE].given && !read_reference(document, fields[SOURCE].value, &evaluators, &gate->evaluator))
		gate->settings.stale_after = (policy->evaluators[gate->evaluator].stale_after_ms + 999) / 1000;
	read_gate_figure(document, node, fields, gate);
	read_limits(document, node, fields, &gate->settings);
	if (fields[ON_BREACH].given)
		read_action(document, fields[ON_BREACH].value, gate);
}

size_t gate_series_count(const struct gate_policy *gate)
{
	switch (gate->figure) {
	case GATE_METRIC:
		return gate->series[1] ? 2 : 1;
	case GATE_PROPORTION:
		return 2;
	case GATE_DIFFERENCE:
	case GATE_RATIO:
		return 4;
	case GATE_STABILITY:
		return gate->expected ? gate->bucket_count : 2 * gate->bucket_count;
	case GATE_FIGURES:
		break;
	}
	return 0;
}

void parse_gates(struct document *document, struct node node, struct policy *policy)
{
	size_t count, subjects = 0, series = 0, most = 0;
	struct member *members;

	if (read_named(document, node, &gate_naming, USHER_GATES_MAX, &members, &count))
		return;
	policy->gates = arena_array(document->arena, count, sizeof(*policy->gates));
	policy->gate_count = count;
	for (size_t p = 0; p < policy->pool_count; p++)
		most += policy->pools[p].most;
	for (size_t i = 0; i < count; i++) {
		struct gate_policy *gate = &policy->gates[i];

		gate->name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		read_gate(document, members[i].value, policy, gate);
		size_t judged = gate->subjects.count;

		if (gate->on == GATE_ON_BACKEND && gate->all_subjects)
			judged += most;
		subjects += judged;
		series += judged * gate_series_count(gate);
	}
	if (subjects > USHER_GATE_SUBJECTS_MAX)
		node_error(document, node,
			   "all gates together judge %zu versions, backends and services; at most %d are "
			   "possible: \"of\" says which",
			   subjects, USHER_GATE_SUBJECTS_MAX);
	if (series > USHER_SERIES_MAX)
		node_error(document, node, "all gates together read %zu series; at most %d are possible", series,
			   USHER_SERIES_MAX);
}
