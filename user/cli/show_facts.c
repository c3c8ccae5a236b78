// SPDX-License-Identifier: GPL-2.0-only
/* usher show facts: what is known of backends, and how old that is. */
#include <math.h>
#include <string.h>

#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

static void figure_cell(struct table *table, struct json_object *telemetry, const char *key, const char *format)
{
	char text[NUMBER_TEXT] = "-";

	if (field(telemetry, key))
		snprintf(text, sizeof(text), format, field_number(telemetry, key));
	table_cell(table, "%s", text);
}

static void use_cell(struct table *table, struct json_object *telemetry)
{
	if (field(telemetry, "use"))
		table_cell(table, "%.0f %%", 100 * field_number(telemetry, "use"));
	else
		table_cell(table, "-");
}

static void state_cell(struct table *table, struct json_object *telemetry)
{
	const char *state = field_text(telemetry, "state");

	if (field(telemetry, "cause_text"))
		table_cell(table, "%s: %s", state, field_text(telemetry, "cause_text"));
	else
		table_cell(table, "%s", state);
	if (strcmp(state, "fresh") != 0 && telemetry)
		table_ink(table, INK_DOUBTFUL);
}

/* What it says it serves, where it is asked. */
static void verification_cell(struct table *table, struct json_object *verification)
{
	const char *state = field_text(verification, "state");

	if (!verification) {
		table_cell(table, "-");
		return;
	}
	if (!strcmp(state, "mismatched"))
		table_cell(table, "%s, not %s", field_text(verification, "found"),
			   field_text(verification, "expected"));
	else if (!strcmp(state, "verified"))
		table_cell(table, "%s", field_text(verification, "found"));
	else if (field(verification, "cause_text"))
		table_cell(table, "%s: %s", state, field_text(verification, "cause_text"));
	else
		table_cell(table, "%s", state);
	table_ink(table, !strcmp(state, "verified") ? INK_GOOD : INK_BAD);
}

void show_facts(struct json_object *body)
{
	static const char *const headings[] = {"BACKEND",  "HEALTH", "SERVES", "METRICS", ">WAITING",
					       ">RUNNING", ">USE",   ">AGE",   "STATE",	  NULL};
	struct table *table = table_new(headings);
	char text[DURATION_TEXT];

	for (size_t i = 0; i < field_count(body, "facts"); i++) {
		struct json_object *backend = field_at(body, "facts", i), *telemetry = field(backend, "telemetry");

		table_cell(table, "%s", field_text(backend, "backend"));
		table_cell(table, "%s", field_text(backend, "health"));
		verification_cell(table, field(backend, "verification"));
		if (field(telemetry, "read_as"))
			table_cell(table, "%s", field_text(telemetry, "read_as"));
		else
			table_cell(table, "%s",
				   !telemetry			? "-"
				   : field(telemetry, "preset") ? field_text(telemetry, "preset")
								: "own");
		figure_cell(table, telemetry, "waiting", "%.0f");
		figure_cell(table, telemetry, "running", "%.0f");
		use_cell(table, telemetry);
		table_cell(table, "%s",
			   field(telemetry, "age_seconds") ? duration_text(field_number(telemetry, "age_seconds"), text)
							   : "-");
		state_cell(table, telemetry);
	}
	table_finish(table, stdout, "no facts");
}
