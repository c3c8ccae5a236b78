// SPDX-License-Identifier: GPL-2.0-only
/* Gates, and the evaluators that they are read from. */
#include <math.h>
#include <stdio.h>

#include "base/address.h"
#include "base/clock.h"
#include "daemon/gate_report.h"
#include "daemon/show.h"

#define SERIES_TEXT 1024

/* name{label="value"}, as PromQL has it. */
static const char *series_text(const struct edge_series *series, char text[SERIES_TEXT])
{
	size_t length = (size_t)snprintf(text, SERIES_TEXT, "%s{", series->name);

	for (size_t i = 0; i < series->label_count; i++)
		length += (size_t)snprintf(text + length, SERIES_TEXT - length, "%s%s=\"%s\"", i ? "," : "",
					   series->labels[i].name, series->labels[i].value);
	if (!isnan(series->le))
		length += (size_t)snprintf(text + length, SERIES_TEXT - length, ",le=\"%g\"", series->le);
	snprintf(text + length, SERIES_TEXT - length, "}");
	return text;
}

static const char *gap_text(const struct evidence *evidence)
{
	static const char *const texts[EVIDENCE_GAPS] = {
		[EVIDENCE_MISSING] = "is not there, or no number",
		[EVIDENCE_UNFIT] = "is a gauge where a counter belongs, or the other way round",
		[EVIDENCE_SEVERAL] = "is several gauges: more labels have to say which one",
		[EVIDENCE_APART] = "was measured at another time than what it is compared with",
		[EVIDENCE_EARLIER] = "was measured before what is known already",
	};

	return texts[evidence->gap];
}

/* Why the last reading did not count. */
static void add_gap(struct json *to, const struct gates *gates, const struct gate_instance *instance)
{
	const struct evidence *evidence = instance->evidence;
	char text[SERIES_TEXT];

	if (evidence->gap == EVIDENCE_WHOLE) {
		json_null(to, "gap");
		return;
	}
	json_object_begin(to, "gap");
	json_string(to, "code", evidence_gap_names[evidence->gap]);
	json_string(to, "series", series_text(&gates->series[instance->first + evidence->gap_series], text));
	json_string(to, "text", gap_text(evidence));
	json_object_end(to);
}

void show_gates(struct question *question)
{
	const struct core *core = question->core;
	const struct policy *policy = core->policy;
	struct json *to = question->to;
	char text[GATE_SENTENCE];

	for (size_t i = 0; policy && i < core->standing.gates->count; i++) {
		const struct gate_instance *instance = &core->standing.gates->items[i];
		const struct gate_policy *gate = &policy->gates[instance->gate];

		json_object_begin(to, NULL);
		gate_report_subject(to, policy, instance);
		json_string(to, "source", policy->evaluators[gate->evaluator].name);
		gate_report_state(to, gate, instance);
		json_number(to, "breach_below", gate->settings.breach_below); /* infinite ones come out as null */
		json_number(to, "breach_above", gate->settings.breach_above);
		json_number(to, "min_samples", gate->settings.min_samples);
		json_string(to, "sentence", gate_sentence(policy, instance, text));
		add_gap(to, core->standing.gates, instance);
		json_object_end(to);
	}
}

static const char *feed_state(const struct evaluator *evaluator, const struct gate_feed *feed, int64_t now)
{
	if (!feed->asked)
		return "unasked";
	if (!feed->read_at)
		return "missing";
	return now - feed->read_at <= evaluator->stale_after_ms * CLOCK_MILLISECOND ? "fresh" : "stale";
}

void show_evaluators(struct question *question)
{
	const struct core *core = question->core;
	struct json *to = question->to;
	int64_t now = clock_monotonic();

	for (size_t e = 0; core->policy && e < core->policy->evaluator_count; e++) {
		const struct evaluator *evaluator = &core->policy->evaluators[e];
		const struct gate_feed *feed = &core->standing.gates->feeds[e];
		char endpoint[ENDPOINT_TEXT];

		json_object_begin(to, NULL);
		json_string(to, "evaluator", evaluator->name);
		json_string(to, "protocol", evaluator->protocol == EVALUATOR_PROMETHEUS ? "prometheus" : "page");
		json_string(to, "address", endpoint_print(&evaluator->address, evaluator->port, endpoint));
		json_string(to, "path", evaluator->path);
		json_unsigned(to, "series", feed->count);
		json_string(to, "state", feed_state(evaluator, feed, now));
		show_cause(to, feed->cause, evaluator->path);
		if (feed->read_at)
			json_number(to, "age_seconds", (double)(now - feed->read_at) / CLOCK_SECOND);
		else
			json_null(to, "age_seconds");
		json_object_end(to);
	}
}
