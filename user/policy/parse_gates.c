// SPDX-License-Identifier: GPL-2.0-only
/* The section `gates`: what is measured of versions, backends and services, and what comes of it. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/array.h"

#include "policy/parse.h"
#include "policy/policy.h"

const char *const gate_subject_names[GATE_SUBJECTS] = {"version", "backend", "service"};
const char *const gate_figure_names[GATE_FIGURES] = {"metric", "proportion", "difference", "ratio", "stability"};
const char *const gate_action_names[GATE_ACTIONS] = {"quarantine", "share", "reroute", "alert"};

static const struct naming gate_naming = {"gate", NAME_FORM, is_name};

enum {
	ON,
	OF,
	SOURCE,
	METRIC,
	SAMPLES,
	SUCCESSES,
	TRIALS,
	WINDOW,
	GROUPS,
	ACTUAL,
	EXPECTED,
	BUCKETS,
	LABELS,
	BOUND,
	MIN_SAMPLES,
	BREACH,
	RECOVER,
	DWELL,
	RATE,
	LATCH,
	ON_UNKNOWN,
	ON_BREACH,
	FIELDS,
};

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
	else if (gate->on == GATE_ON_VERSION)
		read_version_references(document, fields[OF].value, policy, &gate->subjects);
	else
		read_references(document, fields[OF].value, gate->on == GATE_ON_BACKEND ? &backends : &services,
				&gate->subjects);
}

/* ---- labels -------------------------------------------------------------------------------------------------- */

/* https://prometheus.io/docs/concepts/data_model/; `le` is that of buckets. */
static bool is_label_name(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	size_t length = strlen(text);

	return *text && length <= USHER_NAME_MAX && strspn(text, allowed) == length && !strchr("0123456789", *text) &&
	       strcmp(text, "le") != 0;
}

static const struct naming label_naming = {"label", "[a-zA-Z_][a-zA-Z0-9_]{0,62} other than le", is_label_name};

/* Each {word} of the value is one that this gate's subjects have. */
static int check_placeholders(struct document *document, struct node node, enum gate_subject on, const char *value)
{
	static const struct {
		const char *word;
		unsigned int subjects; /* that have it */
	} words[] = {
		{"{model}", 1u << GATE_ON_VERSION | 1u << GATE_ON_BACKEND | 1u << GATE_ON_SERVICE},
		{"{version}", 1u << GATE_ON_VERSION | 1u << GATE_ON_BACKEND},
		{"{backend}", 1u << GATE_ON_BACKEND},
		{"{service}", 1u << GATE_ON_SERVICE},
	};

	for (const char *at = strchr(value, '{'); at; at = strchr(at + 1, '{')) {
		size_t i = 0;

		while (i < ARRAY_COUNT(words) && strncmp(at, words[i].word, strlen(words[i].word)) != 0)
			i++;
		if (i == ARRAY_COUNT(words) || !(words[i].subjects & 1u << on)) {
			node_error(document, node, "a gate on a %s has no value for what begins at \"%.20s\"",
				   gate_subject_names[on], at);
			return -EINVAL;
		}
	}
	return 0;
}

static void read_labels(struct document *document, struct node node, struct gate_policy *gate)
{
	size_t most = USHER_SERIES_LABELS_MAX - (gate->group_label != NULL), count;
	struct member *members;

	if (read_named(document, node, &label_naming, most, &members, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		struct gate_label *label = &gate->labels[gate->label_count];

		if (read_string(document, members[i].value, &label->value) ||
		    check_placeholders(document, members[i].value, gate->on, label->value))
			continue;
		if (strlen(label->value) > USHER_LABEL_VALUE_MAX) {
			node_error(document, members[i].value, "the value of a label has at most %d bytes",
				   USHER_LABEL_VALUE_MAX);
			continue;
		}
		label->name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		if (gate->group_label && !strcmp(label->name, gate->group_label))
			key_error(document, members[i].value, "\"groups\" tells its two groups apart by this label");
		gate->label_count++;
	}
}

/* Those that tell one subject's series from another's. */
static void default_labels(struct gate_policy *gate)
{
	static const struct gate_label of_versions[] = {{"model", "{model}"}, {"version", "{version}"}},
				       of_backends[] = {{"backend", "{backend}"}},
				       of_services[] = {{"service", "{service}"}};
	static const struct {
		const struct gate_label *labels;
		size_t count;
	} defaults[GATE_SUBJECTS] = {{of_versions, 2}, {of_backends, 1}, {of_services, 1}};

	gate->label_count = defaults[gate->on].count;
	memcpy(gate->labels, defaults[gate->on].labels, gate->label_count * sizeof(*gate->labels));
}

/* ---- figures ------------------------------------------------------------------------------------------------- */

static int read_group(struct document *document, const struct field *field, const char **ret_group)
{
	if (!field->given || read_string(document, field->value, ret_group))
		return -EINVAL;
	if (strlen(*ret_group) <= USHER_LABEL_VALUE_MAX)
		return 0;
	node_error(document, field->value, "the value of a label has at most %d bytes", USHER_LABEL_VALUE_MAX);
	return -EINVAL;
}

static void read_groups(struct document *document, struct node node, struct gate_policy *gate)
{
	enum { LABEL, FIRST, SECOND, COMPARE, GROUP_FIELDS };
	static const char *const words[] = {"difference", "ratio"};
	struct field fields[GROUP_FIELDS] = {{.key = "label", .required = true},
					     {.key = "first", .required = true},
					     {.key = "second", .required = true},
					     {.key = "compare", .required = true}};
	size_t compare;

	gate->figure = GATE_RATIO;
	if (read_object(document, node, fields, GROUP_FIELDS))
		return;
	if (fields[LABEL].given && !read_string(document, fields[LABEL].value, &gate->group_label) &&
	    !is_label_name(gate->group_label))
		node_error(document, fields[LABEL].value, "the name of a label must match %s", label_naming.form);
	if (!read_group(document, &fields[FIRST], &gate->groups[0]) &&
	    !read_group(document, &fields[SECOND], &gate->groups[1]) && !strcmp(gate->groups[0], gate->groups[1]))
		node_error(document, fields[SECOND].value, "a group is not compared with itself");
	if (fields[COMPARE].given && !read_choice(document, fields[COMPARE].value, words, ARRAY_COUNT(words), &compare))
		gate->figure = compare ? GATE_RATIO : GATE_DIFFERENCE;
}

/* Rising upper bounds; the last bucket has none. */
static void read_buckets(struct document *document, struct node node, struct gate_policy *gate)
{
	struct node *items;
	double *bounds;
	size_t count;

	if (read_list(document, node, 1, USHER_BUCKETS_MAX - 1, &items, &count))
		return;
	bounds = arena_array(document->arena, count + 1, sizeof(*bounds));
	for (size_t i = 0; i < count; i++) {
		if (read_number(document, items[i], -1e300, 1e300, &bounds[i]))
			return;
		if (i && bounds[i] <= bounds[i - 1])
			node_error(document, items[i],
				   "the bounds of buckets rise; this one is not above the one before it");
	}
	bounds[count] = INFINITY;
	gate->buckets = bounds;
	gate->bucket_count = count + 1;
}

static void read_expected(struct document *document, struct node node, struct gate_policy *gate)
{
	struct node *items;
	double *counts;
	size_t count;

	if (node_type(node) == json_type_string) {
		read_metric_name(document, node, &gate->series[1]);
		return;
	}
	if (read_list(document, node, 2, USHER_BUCKETS_MAX, &items, &count))
		return;
	if (gate->bucket_count && count != gate->bucket_count)
		node_error(
			document, node,
			"%zu counts for %zu buckets: one for each of \"buckets\", and one for what is above the last",
			count, gate->bucket_count);
	counts = arena_array(document->arena, count, sizeof(*counts));
	for (size_t i = 0; i < count; i++)
		if (read_number(document, items[i], 0, 1e15, &counts[i]))
			return;
	gate->expected = counts;
}

/* A key that belongs to another kind of figure. */
static void refuse(struct document *document, const struct field *fields, int from, int to, const char *what)
{
	for (int i = from; i <= to; i++)
		if (fields[i].given)
			key_error(document, fields[i].value, "%s has no such key", what);
}

static void require(struct document *document, struct node node, const struct field *fields, int field, const char *of)
{
	if (!fields[field].given)
		node_error(document, node, "\"%s\" is missing; %s needs it", fields[field].key, of);
}

static void read_metric_figure(struct document *document, const struct field *fields, struct gate_policy *gate)
{
	gate->figure = GATE_METRIC;
	refuse(document, fields, SUCCESSES, BUCKETS, "a gate on one \"metric\"");
	read_metric_name(document, fields[METRIC].value, &gate->series[0]);
	if (fields[SAMPLES].given)
		read_metric_name(document, fields[SAMPLES].value, &gate->series[1]);
	else if (fields[MIN_SAMPLES].given)
		key_error(document, fields[MIN_SAMPLES].value,
			  "nothing says how many samples the metric rests on: \"samples\" names the series that does");
}

static void read_counts_figure(struct document *document, struct node node, const struct field *fields,
			       struct gate_policy *gate)
{
	gate->figure = GATE_PROPORTION;
	refuse(document, fields, SAMPLES, SAMPLES, "a gate on \"successes\" and \"trials\"");
	refuse(document, fields, ACTUAL, BUCKETS, "a gate on \"successes\" and \"trials\"");
	require(document, node, fields, SUCCESSES, "a proportion");
	require(document, node, fields, TRIALS, "a proportion");
	require(document, node, fields, WINDOW, "what is counted");
	for (int i = 0; i < 2; i++)
		if (fields[SUCCESSES + i].given)
			read_metric_name(document, fields[SUCCESSES + i].value, &gate->series[i]);
	if (fields[GROUPS].given)
		read_groups(document, fields[GROUPS].value, gate);
}

static void read_stability_figure(struct document *document, struct node node, const struct field *fields,
				  struct gate_policy *gate)
{
	gate->figure = GATE_STABILITY;
	refuse(document, fields, SAMPLES, TRIALS, "a gate on two histograms");
	refuse(document, fields, GROUPS, GROUPS, "a gate on two histograms");
	require(document, node, fields, ACTUAL, "a population stability index");
	require(document, node, fields, EXPECTED, "a population stability index");
	require(document, node, fields, BUCKETS, "a population stability index");
	require(document, node, fields, WINDOW, "what is counted");
	if (fields[BUCKETS].given)
		read_buckets(document, fields[BUCKETS].value, gate);
	if (fields[ACTUAL].given)
		read_metric_name(document, fields[ACTUAL].value, &gate->series[0]);
	if (fields[EXPECTED].given)
		read_expected(document, fields[EXPECTED].value, gate);
}

static void read_figure(struct document *document, struct node node, const struct field *fields,
			struct gate_policy *gate)
{
	uint32_t window_ms;

	if (fields[METRIC].given)
		read_metric_figure(document, fields, gate);
	else if (fields[ACTUAL].given || fields[EXPECTED].given)
		read_stability_figure(document, node, fields, gate);
	else if (fields[SUCCESSES].given || fields[TRIALS].given)
		read_counts_figure(document, node, fields, gate);
	else
		node_error(document, node,
			   "measures nothing: one of \"metric\", \"successes\" with \"trials\", and \"actual\" with "
			   "\"expected\" says what");
	if (fields[WINDOW].given && !read_duration(document, fields[WINDOW].value, 10000, 2592000000u, &window_ms))
		gate->window_s = window_ms / 1000;
}

/* ---- limits -------------------------------------------------------------------------------------------------- */

static void read_seconds(struct document *document, const struct field *field, uint32_t *ret_seconds)
{
	uint32_t ms;

	if (field->given && !read_duration(document, field->value, 0, 2592000000u, &ms))
		*ret_seconds = (ms + 999) / 1000;
}

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
	read_seconds(document, &fields[FOR], zone->seconds);
}

static void read_unknown(struct document *document, struct node node, struct gate_settings *settings)
{
	enum { HOLD, THEN, UNKNOWN_FIELDS };
	struct field fields[UNKNOWN_FIELDS] = {{.key = "hold", .required = true}, {.key = "then", .required = true}};
	size_t then;

	if (read_object(document, node, fields, UNKNOWN_FIELDS))
		return;
	read_seconds(document, &fields[HOLD], &settings->hold);
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
	read_seconds(document, &fields[DWELL], &settings->dwell);
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
	read_figure(document, node, fields, gate);
	if (fields[LABELS].given)
		read_labels(document, fields[LABELS].value, gate);
	else
		default_labels(gate);
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
	size_t count, subjects = 0, series = 0;
	struct member *members;

	if (read_named(document, node, &gate_naming, USHER_GATES_MAX, &members, &count))
		return;
	policy->gates = arena_array(document->arena, count, sizeof(*policy->gates));
	policy->gate_count = count;
	for (size_t i = 0; i < count; i++) {
		struct gate_policy *gate = &policy->gates[i];

		gate->name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		read_gate(document, members[i].value, policy, gate);
		subjects += gate->subjects.count;
		series += gate->subjects.count * gate_series_count(gate);
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
