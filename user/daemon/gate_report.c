// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/gate_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- sentences ----------------------------------------------------------------------------------------------- */

static const char *figure_words(const struct gate_outcome *outcome, char text[128])
{
	if (outcome->age < 0)
		snprintf(text, 128, "nothing has been measured");
	else if (outcome->last.low < outcome->last.high)
		snprintf(text, 128, "%.4g (%.4g to %.4g, %.0f samples, %lld s old)", outcome->last.point,
			 outcome->last.low, outcome->last.high, outcome->last.samples, (long long)outcome->age);
	else
		snprintf(text, 128, "%.4g (%lld s old)", outcome->last.point, (long long)outcome->age);
	return text;
}

static const char *limit_words(const struct gate_settings *settings, char text[96])
{
	if (settings->breach_below > -INFINITY && settings->breach_above < INFINITY)
		snprintf(text, 96, "outside %.4g to %.4g", settings->breach_below, settings->breach_above);
	else if (settings->breach_below > -INFINITY)
		snprintf(text, 96, "below %.4g", settings->breach_below);
	else
		snprintf(text, 96, "above %.4g", settings->breach_above);
	return text;
}

static const char *action_words(const struct gate_policy *gate, char text[64])
{
	switch (gate->action) {
	case GATE_QUARANTINE:
		return "quarantined";
	case GATE_SHARE:
		snprintf(text, 64, "left %u %% of its weight", gate->share);
		return text;
	case GATE_REROUTE:
		return "new connections are rerouted";
	case GATE_ALERT:
	case GATE_ACTIONS:
		break;
	}
	return "an alert, and no more";
}

const char *gate_sentence(const struct policy *policy, const struct gate_instance *instance, char text[GATE_SENTENCE])
{
	const struct gate_policy *gate = &policy->gates[instance->gate];
	const struct gate_outcome *outcome = &instance->outcome;
	char figure[128], limit[96], action[64];

	figure_words(outcome, figure);
	if (instance->state.state == GATE_BREACHED)
		snprintf(text, GATE_SENTENCE, "%s on %s is breached: %s, which is %s: %s", instance->gate_name,
			 instance->subject_name, figure, limit_words(&gate->settings, limit),
			 action_words(gate, action));
	else if (instance->state.lost)
		snprintf(text, GATE_SENTENCE,
			 "%s on %s: what was known is lost, so it may have been breached: %s until it is good for %u "
			 "s%s; "
			 "now %s",
			 instance->gate_name, instance->subject_name, action_words(gate, action),
			 gate->settings.recover_for, gate->settings.latch ? " and released" : ", or released", figure);
	else if (instance->state.state == GATE_NO_DATA && instance->state.signal == GATE_SIGNAL_FRESH)
		snprintf(text, GATE_SENTENCE,
			 "%s on %s was without data for %u s or longer: %s until its dwell and rate let it go; now %s",
			 instance->gate_name, instance->subject_name, gate->settings.hold, action_words(gate, action),
			 figure);
	else if (instance->state.state == GATE_NO_DATA)
		snprintf(text, GATE_SENTENCE, "%s on %s has been without data for %u s (%s): %s; last %s",
			 instance->gate_name, instance->subject_name, gate->settings.hold,
			 gate_signal_names[instance->state.signal], action_words(gate, action), figure);
	else
		snprintf(text, GATE_SENTENCE, "%s on %s is ok: %s", instance->gate_name, instance->subject_name,
			 figure);
	return text;
}

/* ---- fields -------------------------------------------------------------------------------------------------- */

void gate_report_subject(struct json *to, const struct policy *policy, const struct gate_instance *instance)
{
	const struct gate_policy *gate = &policy->gates[instance->gate];
	const struct version *version;

	json_string(to, "gate", gate->name);
	json_string(to, "on", gate_subject_names[gate->on]);
	if (gate->on != GATE_ON_VERSION) {
		json_string(to, gate_subject_names[gate->on], instance->subject_name);
		return;
	}
	version = &policy->versions[instance->subject];
	json_string(to, "model", policy->models[version->model].name);
	json_string(to, "version", version->name);
}

static void report_figure(struct json *to, const struct gate_instance *instance)
{
	const struct gate_outcome *outcome = &instance->outcome;
	bool measured = outcome->age >= 0;

	json_number(to, "value", measured ? outcome->last.point : NAN);
	json_number(to, "low", measured ? outcome->last.low : NAN);
	json_number(to, "high", measured ? outcome->last.high : NAN);
	json_number(to, "samples", measured ? outcome->last.samples : NAN);
	if (measured)
		json_integer(to, "age", outcome->age);
	else
		json_null(to, "age");
}

void gate_report_state(struct json *to, const struct gate_policy *gate, const struct gate_instance *instance)
{
	const struct gate_outcome *outcome = &instance->outcome;

	json_string(to, "state", gate_state_names[instance->state.state]);
	json_string(to, "was", gate_state_names[outcome->was]);
	json_string(to, "verdict", gate_verdict_names[instance->state.verdict]);
	json_string(to, "signal", gate_signal_names[instance->state.signal]);
	json_string(to, "figure", gate_figure_names[gate->figure]);
	report_figure(to, instance);
	json_integer(to, "state_for", outcome->state_for);
	json_integer(to, "bad_for", outcome->bad_for);
	json_integer(to, "good_for", outcome->good_for);
	json_integer(to, "unknown_for", outcome->unknown_for);
	json_boolean(to, "latched", gate->settings.latch && instance->state.state == GATE_BREACHED);
	json_boolean(to, "alert", outcome->alert || instance->state.state != GATE_OK);
	json_string(to, "action", gate_action_names[gate->action]);
	json_boolean(to, "acts", instance->state.state != GATE_OK && gate->action != GATE_ALERT);
}
