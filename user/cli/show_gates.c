// SPDX-License-Identifier: GPL-2.0-only
/* usher show gates, usher show evaluators. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

/* "credit-scorer@3.1.0", or the backend or service; to be freed. */
static char *subject(struct json_object *gate)
{
	char *text;

	if ((field(gate, "version") ? asprintf(&text, "%s@%s", field_text(gate, "model"), field_text(gate, "version"))
				    : asprintf(&text, "%s", field_text(gate, field_text(gate, "on")))) < 0)
		abort();
	return text;
}

static void figure_cells(struct table *table, struct json_object *gate)
{
	char text[NUMBER_TEXT], age[DURATION_TEXT];

	if (!field(gate, "age")) {
		for (int i = 0; i < 4; i++)
			table_cell(table, "-");
		return;
	}
	table_cell(table, "%.4g", field_number(gate, "value"));
	if (field_number(gate, "low") < field_number(gate, "high"))
		table_cell(table, "%.4g to %.4g", field_number(gate, "low"), field_number(gate, "high"));
	else
		table_cell(table, "-");
	table_cell(table, "%s", number_text((long long)field_number(gate, "samples"), text));
	/* In whole seconds. */
	table_cell(table, "%s", field_number(gate, "age") < 1 ? "0 s" : duration_text(field_number(gate, "age"), age));
}

/* What is known, or why nothing is. */
static void knows_cell(struct table *table, struct json_object *gate)
{
	struct json_object *gap = field(gate, "gap");
	const char *signal = field_text(gate, "signal");

	if (gap)
		table_cell(table, "%s %s", field_text(gap, "series"), field_text(gap, "text"));
	else if (strcmp(signal, "fresh") != 0)
		table_cell(table, "unknown: %s", signal);
	else
		table_cell(table, "%s", field_text(gate, "verdict"));
}

void show_gates(struct json_object *body)
{
	static const char *const headings[] = {"GATE",	"OF",	    "STATE", "DOES",  ">VALUE",
					       ">95 %", ">SAMPLES", ">AGE",  "KNOWS", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "gates"); i++) {
		struct json_object *gate = field_at(body, "gates", i);
		_cleanup_free_ char *of = subject(gate);
		bool ok = !strcmp(field_text(gate, "state"), "ok");

		table_cell(table, "%s", field_text(gate, "gate"));
		table_cell(table, "%s", of);
		table_cell(table, "%s%s", field_text(gate, "state"), field_true(gate, "latched") ? ", latched" : "");
		table_ink(table, !ok ? INK_BAD : field_true(gate, "alert") ? INK_DOUBTFUL : INK_GOOD);
		table_cell(table, "%s", ok ? "-" : field_text(gate, "action"));
		figure_cells(table, gate);
		knows_cell(table, gate);
	}
	table_finish(table, stdout, "no gates");
}

void show_evaluators(struct json_object *body)
{
	static const char *const headings[] = {"EVALUATOR", "ADDRESS", "PROTOCOL", ">SERIES", ">AGE", "STATE", NULL};
	struct table *table = table_new(headings);
	char text[DURATION_TEXT];

	for (size_t i = 0; i < field_count(body, "evaluators"); i++) {
		struct json_object *evaluator = field_at(body, "evaluators", i);
		const char *state = field_text(evaluator, "state");

		table_cell(table, "%s", field_text(evaluator, "evaluator"));
		table_cell(table, "%s%s", field_text(evaluator, "address"), field_text(evaluator, "path"));
		table_cell(table, "%s", field_text(evaluator, "protocol"));
		table_number(table, field_integer(evaluator, "series"));
		table_cell(table, "%s",
			   field(evaluator, "age_seconds") ? duration_text(field_number(evaluator, "age_seconds"), text)
							   : "-");
		if (field(evaluator, "cause_text"))
			table_cell(table, "%s: %s", state, field_text(evaluator, "cause_text"));
		else
			table_cell(table, "%s", state);
		if (strcmp(state, "fresh") != 0 || field(evaluator, "cause_text"))
			table_ink(table, INK_DOUBTFUL);
	}
	table_finish(table, stdout, "no evaluators");
}

void gate_facts(struct json_object *body)
{
	for (size_t i = 0; i < field_count(body, "gates"); i++) {
		struct json_object *gate = field_at(body, "gates", i);

		if (strcmp(field_text(gate, "state"), "ok") != 0)
			fact_ink(INK_BAD, "gate", "%s", field_text(gate, "sentence"));
	}
}
