// SPDX-License-Identifier: GPL-2.0-only
/* Of a gate: what is measured, and in which series. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/array.h"

#include "policy/gate_fields.h"
#include "policy/parse.h"

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
static void default_labels(struct document *document, struct node node, struct gate_policy *gate)
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
	for (size_t i = 0; gate->group_label && i < gate->label_count; i++)
		if (!strcmp(gate->labels[i].name, gate->group_label))
			node_error(document, node,
				   "\"groups\" tells its two groups apart by the label \"%s\", which tells versions, "
				   "backends or "
				   "services apart unless \"labels\" says otherwise",
				   gate->group_label);
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

/* Whose buckets have a longer name. */
static void read_histogram_name(struct document *document, struct node node, const char **ret_name)
{
	const size_t most = USHER_METRIC_NAME_MAX - (sizeof("_bucket") - 1);

	if (!read_metric_name(document, node, ret_name) && strlen(*ret_name) > most)
		node_error(document, node, "the name of a histogram has at most %zu characters", most);
}

static void read_expected(struct document *document, struct node node, struct gate_policy *gate)
{
	struct node *items;
	double *counts;
	size_t count;
	bool any = false;

	if (node_type(node) == json_type_string) {
		read_histogram_name(document, node, &gate->series[1]);
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
	for (size_t i = 0; i < count; i++)
		any |= counts[i] > 0;
	if (!any)
		node_error(document, node, "nothing is expected: every count is 0");
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
		read_histogram_name(document, fields[ACTUAL].value, &gate->series[0]);
	if (fields[EXPECTED].given)
		read_expected(document, fields[EXPECTED].value, gate);
}

void read_gate_figure(struct document *document, struct node node, const struct field *fields, struct gate_policy *gate)
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
	if (fields[LABELS].given)
		read_labels(document, fields[LABELS].value, gate);
	else
		default_labels(document, node, gate);
}
