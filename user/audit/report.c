// SPDX-License-Identifier: GPL-2.0-only
#include "audit/report.h"

#include <stdio.h>
#include <string.h>

#include "audit/cell.h"
#include "base/array.h"

void report_free(struct report *report)
{
	tally_free(&report->answered);
	tally_free(&report->denied);
	tally_free(&report->revoked);
	tally_free(&report->ended);
	tally_free(&report->operations);
	report_policies_free(&report->policies);
	report_list_free(&report->gates);
	report_list_free(&report->rollouts);
	report_list_free(&report->quarantines);
	report_list_free(&report->gaps);
	arena_free(&report->arena);
}

/* ---- decisions -------------------------------------------------------------------------------------------------- */

static bool opens(const struct fields *fields)
{
	static const char *const openings[] = {"admitted", "rerouted", "adopted"};

	for (size_t i = 0; i < ARRAY_COUNT(openings); i++)
		if (fields_is(fields, FIELDS_REASON, openings[i]))
			return true;
	return false;
}

static void take_answer(struct report *report, const struct fields *fields, uint64_t count, const char *time)
{
	struct cell tenant, region, service, version, backend_region, rule, policy;
	const char *const cells[] = {cell_text(fields, FIELDS_TENANT, &tenant),
				     cell_text(fields, FIELDS_CLIENT_REGION, &region),
				     cell_text(fields, FIELDS_SERVICE, &service),
				     cell_version(fields, &version),
				     cell_text(fields, FIELDS_BACKEND_REGION, &backend_region),
				     cell_text(fields, FIELDS_RULE, &rule),
				     cell_policy(fields, &policy)};

	tally_add(&report->answered, cells, ARRAY_COUNT(cells), count, time);
}

static void take_denial(struct report *report, const struct fields *fields, uint64_t count, const char *time)
{
	struct cell reason, rule, tenant, region, service, policy;
	const char *const cells[] = {
		cell_text(fields, FIELDS_REASON, &reason),   cell_text(fields, FIELDS_RULE, &rule),
		cell_text(fields, FIELDS_TENANT, &tenant),   cell_text(fields, FIELDS_CLIENT_REGION, &region),
		cell_text(fields, FIELDS_SERVICE, &service), cell_policy(fields, &policy)};

	tally_add(&report->denied, cells, ARRAY_COUNT(cells), count, time);
}

static void take_revocation(struct report *report, const struct fields *fields, uint64_t count, const char *time)
{
	struct cell tenant, service, version, backend, rule, policy;
	const char *const cells[] = {cell_text(fields, FIELDS_TENANT, &tenant),
				     cell_text(fields, FIELDS_SERVICE, &service),
				     cell_version(fields, &version),
				     cell_text(fields, FIELDS_BACKEND, &backend),
				     cell_text(fields, FIELDS_RULE, &rule),
				     cell_policy(fields, &policy)};

	tally_add(&report->revoked, cells, ARRAY_COUNT(cells), count, time);
}

static void take_end(struct report *report, const struct fields *fields, const char *time)
{
	struct cell ended, tenant, service, version, region;
	const char *const cells[] = {cell_text(fields, FIELDS_ENDED, &ended), cell_text(fields, FIELDS_TENANT, &tenant),
				     cell_text(fields, FIELDS_SERVICE, &service), cell_version(fields, &version),
				     cell_text(fields, FIELDS_BACKEND_REGION, &region)};

	tally_add(&report->ended, cells, ARRAY_COUNT(cells), 1, time);
}

static void tell_decision(struct report *report, const struct fields *fields, uint64_t count, const char *time)
{
	report->told += count;
	report_policies_name(&report->policies, &report->arena, fields, count);
	if (fields_is(fields, FIELDS_VERDICT, "forward") && opens(fields))
		take_answer(report, fields, count, time);
	else if (fields_is(fields, FIELDS_VERDICT, "refuse") || fields_is(fields, FIELDS_VERDICT, "drop"))
		take_denial(report, fields, count, time);
	else if (fields_is(fields, FIELDS_REASON, "revoked"))
		take_revocation(report, fields, count, time);
}

static void take_decision(struct report *report, const struct fields *fields, const char *time, struct line_value line)
{
	uint64_t count = fields->values[FIELDS_COUNT].at ? fields_number(fields, FIELDS_COUNT) : 1;

	enum filter_answer meant = report->narrow ? filter_ask(report->narrow, line.at, line.length) : FILTER_YES;

	report->decisions += count;
	if (meant == FILTER_YES)
		tell_decision(report, fields, count, time);
	else if (meant == FILTER_UNKNOWN)
		report->unclear += count;
}

static void take_flow(struct report *report, const struct fields *fields, const char *time, struct line_value line)
{
	if (!report->narrow || filter_matches(report->narrow, line.at, line.length))
		take_end(report, fields, time);
}

/* ---- operations and gaps ---------------------------------------------------------------------------------------- */

static void take_gate(struct report *report, const struct fields *fields, const char *time)
{
	struct cell gate, subject, was, state, value, low, high, samples, change, figure;

	snprintf(change.text, sizeof(change.text), "%.200s, then %.200s", cell_text(fields, FIELDS_WAS, &was),
		 cell_text(fields, FIELDS_STATE, &state));
	if (fields->values[FIELDS_VALUE].at)
		snprintf(figure.text, sizeof(figure.text), "%.64s (%.64s to %.64s, %.64s samples)",
			 cell_text(fields, FIELDS_VALUE, &value), cell_text(fields, FIELDS_LOW, &low),
			 cell_text(fields, FIELDS_HIGH, &high), cell_text(fields, FIELDS_SAMPLES, &samples));
	else
		snprintf(figure.text, sizeof(figure.text), "not measured");
	const char *const cells[] = {cell_text(fields, FIELDS_GATE, &gate), cell_subject(fields, &subject), change.text,
				     figure.text};

	report_list_add(&report->gates, &report->arena, time, cells, ARRAY_COUNT(cells));
}

static void take_rollout(struct report *report, const struct fields *fields, const char *time)
{
	struct cell name, model, to, version, change, before, share, shares, actor, why;

	snprintf(version.text, sizeof(version.text), "%.255s@%.255s", cell_text(fields, FIELDS_MODEL, &model),
		 cell_text(fields, FIELDS_TO, &to));
	snprintf(shares.text, sizeof(shares.text), "%.32s to %.32s %%", cell_text(fields, FIELDS_SHARE_BEFORE, &before),
		 cell_text(fields, FIELDS_SHARE, &share));
	const char *const cells[] = {cell_text(fields, FIELDS_ROLLOUT, &name),
				     version.text,
				     cell_text(fields, FIELDS_CHANGE, &change),
				     shares.text,
				     cell_actor(fields, &actor),
				     cell_text(fields, FIELDS_WHY, &why)};

	report_list_add(&report->rollouts, &report->arena, time, cells, ARRAY_COUNT(cells));
}

static void take_quarantine(struct report *report, const struct fields *fields, const char *time)
{
	struct cell activity, subject, gate, actor, why;
	const char *const cells[] = {cell_text(fields, FIELDS_ACTIVITY, &activity), cell_subject(fields, &subject),
				     cell_text(fields, FIELDS_GATE, &gate), cell_actor(fields, &actor),
				     cell_text(fields, FIELDS_WHY, &why)};

	report_list_add(&report->quarantines, &report->arena, time, cells, ARRAY_COUNT(cells));
}

static void take_operation(struct report *report, const struct fields *fields, const char *time)
{
	static const struct {
		const char *activity;
		void (*take)(struct report *report, const struct fields *fields, const char *time);
	} kinds[] = {{"gate", take_gate},	   {"rollout", take_rollout},  {"quarantine", take_quarantine},
		     {"release", take_quarantine}, {"drain", take_quarantine}, {"undrain", take_quarantine}};
	enum fields_key why = fields->values[FIELDS_WHY].at ? FIELDS_WHY : FIELDS_PROBLEM;
	struct cell activity, subject, actor, text;
	const char *const cells[] = {cell_text(fields, FIELDS_ACTIVITY, &activity), cell_subject(fields, &subject),
				     cell_actor(fields, &actor), cell_text(fields, why, &text)};

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
		if (fields_is(fields, FIELDS_ACTIVITY, kinds[i].activity)) {
			kinds[i].take(report, fields, time);
			return;
		}
	if (!report_policies_concern(fields))
		tally_add(&report->operations, cells, ARRAY_COUNT(cells), 1, time);
}

static void take_gap(struct report *report, const struct fields *fields, const char *time)
{
	struct cell boot, cpu, ring, first, last, count;
	const char *const cells[] = {cell_text(fields, FIELDS_BOOT, &boot), cell_text(fields, FIELDS_CPU, &cpu),
				     cell_text(fields, FIELDS_RING, &ring), cell_text(fields, FIELDS_FIRST, &first),
				     cell_text(fields, FIELDS_LAST, &last), cell_text(fields, FIELDS_COUNT, &count)};

	report->lost += fields_number(fields, FIELDS_COUNT);
	report_list_add(&report->gaps, &report->arena, time, cells, ARRAY_COUNT(cells));
}

void report_take(struct report *report, const char *line, size_t length)
{
	struct fields fields;
	struct cell cell;
	const char *time;

	fields_read(line, length, &fields);
	time = cell_time(&fields, &cell);
	report->records++;
	if (!report->first[0])
		snprintf(report->first, sizeof(report->first), "%s", time);
	snprintf(report->last, sizeof(report->last), "%s", time);
	if (fields_is(&fields, FIELDS_TYPE, "decision"))
		take_decision(report, &fields, time, (struct line_value){line, length});
	else if (fields_is(&fields, FIELDS_TYPE, "operation"))
		take_operation(report, &fields, time);
	else if (fields_is(&fields, FIELDS_TYPE, "flow"))
		take_flow(report, &fields, time, (struct line_value){line, length});
	else if (fields_is(&fields, FIELDS_TYPE, "gap"))
		take_gap(report, &fields, time);
}

void report_take_change(struct report *report, const char *since, const char *line, size_t length)
{
	report_policies_take(&report->policies, &report->arena, since, line, length);
}
