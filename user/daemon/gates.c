// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/gates.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "edge/exposition.h"

/* ---- series -------------------------------------------------------------------------------------------------- */

static const char *subject_name(const struct policy *policy, const struct gate_policy *gate, size_t subject,
				char text[VERSION_TEXT])
{
	switch (gate->on) {
	case GATE_ON_VERSION:
		return version_print(policy, subject, text);
	case GATE_ON_BACKEND:
		snprintf(text, VERSION_TEXT, "%s", policy->backends[subject].name);
		break;
	case GATE_ON_SERVICE:
		snprintf(text, VERSION_TEXT, "%s", policy->services[subject].name);
		break;
	case GATE_SUBJECTS:
		break;
	}
	return text;
}

/* What {word} of a label stands for. */
static const char *meaning(const struct policy *policy, const struct gate_policy *gate, size_t subject,
			   const char *word, size_t length)
{
	size_t version = gate->on == GATE_ON_BACKEND ? policy->backends[subject].version : subject;

	if (length == 5 && !strncmp(word, "model", length))
		return gate->on == GATE_ON_SERVICE ? policy->models[policy->services[subject].model].name
						   : policy->models[policy->versions[version].model].name;
	if (!strncmp(word, "version", length))
		return policy->versions[version].name;
	return gate->on == GATE_ON_BACKEND ? policy->backends[subject].name : policy->services[subject].name;
}

static void set_label(struct edge_series *series, const char *name, const char *value)
{
	snprintf(series->labels[series->label_count].name, sizeof(series->labels->name), "%s", name);
	snprintf(series->labels[series->label_count].value, sizeof(series->labels->value), "%s", value);
	series->label_count++;
}

/* The value with its words replaced; cut at its bound, which no series' label then has: it is missing, and nothing else is read. */
static void fill_in(const struct policy *policy, const struct gate_policy *gate, size_t subject, const char *value,
		    char text[USHER_LABEL_VALUE_MAX + 1])
{
	size_t length = 0;

	for (const char *at = value; *at && length < USHER_LABEL_VALUE_MAX;) {
		const char *end = *at == '{' ? strchr(at, '}') : NULL;
		int printed;

		if (!end) {
			text[length++] = *at++;
			continue;
		}
		printed = snprintf(text + length, USHER_LABEL_VALUE_MAX + 1 - length, "%s",
				   meaning(policy, gate, subject, at + 1, (size_t)(end - at - 1)));
		length += (size_t)printed;
		if (length > USHER_LABEL_VALUE_MAX)
			length = USHER_LABEL_VALUE_MAX;
		at = end + 1;
	}
	text[length] = '\0';
}

static struct edge_series series_of(const struct policy *policy, const struct gate_policy *gate, size_t subject,
				    size_t number)
{
	bool stability = gate->figure == GATE_STABILITY;
	size_t which = stability ? number / gate->bucket_count : number % 2, group = number / 2;
	struct edge_series series = {.le = NAN};

	snprintf(series.name, sizeof(series.name), "%s%s", gate->series[which], stability ? "_bucket" : "");
	if (stability)
		series.le = gate->buckets[number % gate->bucket_count];
	for (size_t i = 0; i < gate->label_count; i++) {
		char value[USHER_LABEL_VALUE_MAX + 1];

		fill_in(policy, gate, subject, gate->labels[i].value, value);
		set_label(&series, gate->labels[i].name, value);
	}
	if (gate->group_label)
		set_label(&series, gate->group_label, gate->groups[group]);
	return series;
}

struct edge_evaluator gates_evaluator(const struct gates *gates, const struct policy *policy, size_t number)
{
	const struct evaluator *evaluator = &policy->evaluators[number];
	struct edge_evaluator to = {.address = evaluator->address,
				    .port = evaluator->port,
				    .tls = evaluator->tls,
				    .verify = evaluator->verify,
				    .protocol = (uint8_t)evaluator->protocol,
				    .every_ms = evaluator->every_ms,
				    .timeout_ms = evaluator->timeout_ms,
				    .stale_after_ms = evaluator->stale_after_ms,
				    .first = (uint32_t)gates->feeds[number].first,
				    .count = (uint32_t)gates->feeds[number].count};

	snprintf(to.host, sizeof(to.host), "%s", evaluator->host ? evaluator->host : "");
	snprintf(to.path, sizeof(to.path), "%s", evaluator->path);
	return to;
}

/* ---- making -------------------------------------------------------------------------------------------------- */

/* Whoever measures the same of the same subject at the same place goes on with what was read. */
static int note_measures(const struct gates *gates, const struct policy *policy, struct gate_instance *instance)
{
	const struct gate_policy *gate = &policy->gates[instance->gate];
	size_t bytes = instance->series * sizeof(*gates->series);
	struct {
		struct edge_evaluator evaluator;
		uint32_t figure, window_s;
		struct edge_series series[];
	} *what = calloc(1, sizeof(*what) + bytes);

	if (!what)
		return -ENOMEM;
	what->evaluator = gates_evaluator(gates, policy, gate->evaluator);
	what->evaluator.first = what->evaluator.count = 0; /* its place in the list, and how it is asked */
	what->evaluator.every_ms = what->evaluator.timeout_ms = what->evaluator.stale_after_ms = 0;
	what->figure = gate->figure;
	what->window_s = gate->window_s;
	memcpy(what->series, &gates->series[instance->first], bytes);
	sha256_hex(what, sizeof(*what) + bytes, instance->measures);
	free(what);
	return 0;
}

static bool same_names(const struct gate_instance *a, const struct gate_instance *b)
{
	return !strcmp(a->gate_name, b->gate_name) && !strcmp(a->subject_name, b->subject_name);
}

/* Among both of them; mostly behind the one that was found last. */
static const struct gate_instance *find_before(const struct gates *before, const struct gate_instance *instance,
					       size_t *cursor)
{
	for (size_t i = 0; before && i < before->count; i++)
		if (same_names(&before->items[(*cursor + i) % before->count], instance)) {
			*cursor = (*cursor + i + 1) % before->count;
			return &before->items[(*cursor + before->count - 1) % before->count];
		}
	for (size_t i = 0; before && i < before->kept_count; i++)
		if (same_names(&before->kept[i], instance))
			return &before->kept[i];
	return NULL;
}

static int carry_over(struct gate_instance *instance, const struct gate_policy *gate, const struct gates *before,
		      size_t *cursor)
{
	const struct gate_instance *was = find_before(before, instance, cursor);

	if (was) {
		instance->state = was->state;
		if (was->stepped)
			instance->outcome = was->outcome;
		instance->stepped = was->stepped;
		if (!strcmp(was->measures, instance->measures) && was->evidence->series == instance->series)
			return evidence_copy(was->evidence, &instance->evidence);
	} else if (before && before->lost_at && gate->action != GATE_ALERT) {
		gate_lose(&instance->state, before->lost_at);
	}
	return evidence_new(instance->series, &instance->evidence);
}

/* One that denies, and that nobody judges now. */
static int keep(struct gates *gates, const struct gate_instance *was)
{
	struct gate_instance *to = &gates->kept[gates->kept_count];

	if (was->state.state == GATE_OK || gates->kept_count == USHER_GATE_SUBJECTS_MAX ||
	    gates_find(gates, was->gate_name, was->subject_name) != POLICY_NONE)
		return 0;
	*to = *was;
	to->evidence = NULL;
	gates->kept_count++;
	return evidence_copy(was->evidence, &to->evidence);
}

static int keep_denials(struct gates *gates, const struct gates *before)
{
	size_t most = before ? before->count + before->kept_count : 0;
	int error = 0;

	gates->kept = calloc(most + 1, sizeof(*gates->kept));
	if (!gates->kept)
		return -ENOMEM;
	for (size_t i = 0; before && !error && i < before->count; i++)
		error = keep(gates, &before->items[i]);
	for (size_t i = 0; before && !error && i < before->kept_count; i++)
		error = keep(gates, &before->kept[i]);
	return error;
}

static void list_instances(struct gates *gates, const struct policy *policy)
{
	for (size_t g = 0; g < policy->gate_count; g++) {
		const struct gate_policy *gate = &policy->gates[g];

		for (size_t s = 0; s < gate->subjects.count; s++) {
			struct gate_instance *instance = &gates->items[gates->count++];

			instance->gate = g;
			instance->subject = gate->subjects.items[s];
			instance->series = gate_series_count(gate);
			snprintf(instance->gate_name, sizeof(instance->gate_name), "%s", gate->name);
			subject_name(policy, gate, instance->subject, instance->subject_name);
			instance->outcome.age = -1;
		}
	}
}

static void list_series(struct gates *gates, const struct policy *policy)
{
	for (size_t e = 0; e < policy->evaluator_count; e++) {
		gates->feeds[e].first = gates->series_count;
		for (size_t i = 0; i < gates->count; i++) {
			struct gate_instance *instance = &gates->items[i];
			const struct gate_policy *gate = &policy->gates[instance->gate];

			if (gate->evaluator != e)
				continue;
			instance->first = gates->series_count;
			for (size_t n = 0; n < instance->series; n++)
				gates->series[gates->series_count++] = series_of(policy, gate, instance->subject, n);
		}
		gates->feeds[e].count = gates->series_count - gates->feeds[e].first;
	}
}

static void free_gates(struct gates **gates)
{
	gates_free(*gates);
}

int gates_new(const struct policy *policy, const struct gates *before, struct gates **ret_gates)
{
	_cleanup_(free_gates) struct gates *gates = calloc(1, sizeof(*gates));
	size_t instances = 1, series = 1, cursor = 0;
	int error = 0;

	for (size_t g = 0; g < policy->gate_count; g++) {
		instances += policy->gates[g].subjects.count;
		series += policy->gates[g].subjects.count * gate_series_count(&policy->gates[g]);
	}
	if (!gates)
		return -ENOMEM;
	gates->items = calloc(instances, sizeof(*gates->items));
	gates->series = calloc(series, sizeof(*gates->series));
	gates->values = calloc(series, sizeof(*gates->values));
	gates->feeds = calloc(policy->evaluator_count + 1, sizeof(*gates->feeds));
	if (!gates->items || !gates->series || !gates->values || !gates->feeds)
		return -ENOMEM;
	gates->feed_count = policy->evaluator_count;
	list_instances(gates, policy);
	list_series(gates, policy);
	for (size_t i = 0; i < gates->count && !error; i++) {
		error = note_measures(gates, policy, &gates->items[i]);
		if (!error)
			error = carry_over(&gates->items[i], &policy->gates[gates->items[i].gate], before, &cursor);
		if (!error)
			evidence_estimate(gates->items[i].evidence, &policy->gates[gates->items[i].gate],
					  &gates->items[i].estimate);
	}
	if (!error)
		error = keep_denials(gates, before);
	if (!error)
		*ret_gates = TAKE_PTR(gates);
	return error;
}

void gates_free(struct gates *gates)
{
	if (!gates)
		return;
	for (size_t i = 0; i < gates->count; i++)
		evidence_free(gates->items[i].evidence);
	for (size_t i = 0; i < gates->kept_count; i++)
		evidence_free(gates->kept[i].evidence);
	free(gates->items);
	free(gates->kept);
	free(gates->series);
	free(gates->values);
	free(gates->feeds);
	free(gates);
}

size_t gates_find(const struct gates *gates, const char *gate, const char *subject)
{
	for (size_t i = 0; gates && i < gates->count; i++)
		if (!strcmp(gates->items[i].gate_name, gate) && !strcmp(gates->items[i].subject_name, subject))
			return i;
	return POLICY_NONE;
}

/* ---- what they say ------------------------------------------------------------------------------------------- */

bool gate_acts(const struct policy *policy, const struct gate_instance *instance)
{
	return instance->state.state != GATE_OK && policy->gates[instance->gate].action != GATE_ALERT;
}

static void lower_share(uint32_t *share, uint32_t to)
{
	if (!*share || to < *share)
		*share = to;
}

void gates_fill(const struct gates *gates, const struct policy *policy, struct facts *facts)
{
	for (size_t b = 0; b < facts->backend_count; b++) {
		facts->backends[b].gated = false;
		facts->backends[b].share = 0;
	}
	for (size_t v = 0; v < facts->version_count; v++) {
		facts->versions[v].gated = false;
		facts->versions[v].share = 0;
	}
	for (size_t s = 0; s < facts->service_count; s++)
		facts->services[s].rerouted = false;
	for (size_t i = 0; gates && i < gates->count; i++) {
		const struct gate_instance *instance = &gates->items[i];
		const struct gate_policy *gate = &policy->gates[instance->gate];
		bool version = gate->on == GATE_ON_VERSION;

		if (!gate_acts(policy, instance))
			continue;
		if (gate->action == GATE_REROUTE)
			facts->services[instance->subject].rerouted = true;
		else if (gate->action == GATE_QUARANTINE && version)
			facts->versions[instance->subject].gated = true;
		else if (gate->action == GATE_QUARANTINE)
			facts->backends[instance->subject].gated = true;
		else if (version)
			lower_share(&facts->versions[instance->subject].share, gate->share);
		else
			lower_share(&facts->backends[instance->subject].share, gate->share);
	}
}

/* ---- readings ------------------------------------------------------------------------------------------------ */

/* Of a metric its samples may be counted or not. */
static bool is_unfit(const struct gate_policy *gate, size_t number, uint8_t type)
{
	if (gate->figure == GATE_METRIC)
		return number == 0 && type == EXPOSITION_COUNTER;
	return type == EXPOSITION_GAUGE;
}

static void take(struct gates *gates, const struct policy *policy, struct gate_instance *instance, int64_t now)
{
	const struct gate_policy *gate = &policy->gates[instance->gate];
	struct evidence_reading readings[2 * USHER_BUCKETS_MAX];

	for (size_t i = 0; i < instance->series; i++) {
		const struct edge_value *value = &gates->values[instance->first + i];

		readings[i] = (struct evidence_reading){.value = value->value,
							.at = now - value->age_ms,
							.samples = value->samples,
							.unfit = is_unfit(gate, i, value->type)};
	}
	evidence_take(instance->evidence, gate, readings);
	evidence_estimate(instance->evidence, gate, &instance->estimate);
}

bool gates_take(struct gates *gates, const struct policy *policy, const struct edge_fact *fact, int64_t now)
{
	struct gate_feed *feed = &gates->feeds[fact->target];

	if (fact->kind == EDGE_FACT_VALUES) {
		for (size_t i = 0; i < EDGE_VALUES && (size_t)fact->number + i < feed->count; i++)
			gates->values[feed->first + (size_t)fact->number + i] = fact->values[i];
		return false;
	}
	feed->asked = true;
	feed->cause = (struct cause){(enum cause_kind)fact->cause, fact->number};
	if (fact->cause != CAUSE_NONE)
		return false;
	feed->read_at = clock_monotonic();
	for (size_t i = 0; i < gates->count; i++)
		if (policy->gates[gates->items[i].gate].evaluator == fact->target)
			take(gates, policy, &gates->items[i], now);
	return true;
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

void gates_resume(struct gates *gates, int64_t now)
{
	for (size_t i = 0; gates && i < gates->count; i++) {
		gate_resume(&gates->items[i].state, now);
		evidence_set_back(gates->items[i].evidence, now * 1000);
	}
}

void gates_step(struct gates *gates, const struct policy *policy, int64_t now,
		void (*changed)(void *context, const struct gate_instance *instance), void *context)
{
	for (size_t i = 0; gates && i < gates->count; i++) {
		struct gate_instance *instance = &gates->items[i];
		const struct gate_policy *gate = &policy->gates[instance->gate];
		gate_step(&gate->settings, &instance->state, &instance->estimate, now, &instance->outcome);
		instance->stepped = true;
		if (instance->outcome.changed)
			changed(context, instance);
	}
}
