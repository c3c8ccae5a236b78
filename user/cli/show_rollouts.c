// SPDX-License-Identifier: GPL-2.0-only
/* usher show rollouts. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

static enum ink colour(const char *state)
{
	if (!strcmp(state, "rolled-back") || !strcmp(state, "aborted"))
		return INK_BAD;
	return !strcmp(state, "paused") || !strcmp(state, "waiting") ? INK_DOUBTFUL : INK_GOOD;
}

/* "1 5 [25] 50 100", to be freed. */
static char *steps(struct json_object *rollout)
{
	int64_t at = field_integer(rollout, "step");
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		abort();
	for (size_t i = 0; i < field_count(rollout, "steps"); i++)
		fprintf(to, "%s%s%lld%s", i ? " " : "", (int64_t)i + 1 == at ? "[" : "",
			(long long)json_object_get_int64(field_at(rollout, "steps", i)),
			(int64_t)i + 1 == at ? "]" : "");
	if (fclose(to))
		abort();
	return text;
}

/* Of what takes hours and days. */
static const char *time_text(int64_t seconds, char text[DURATION_TEXT])
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};

	snprintf(text, DURATION_TEXT, "%lld s", (long long)seconds);
	for (size_t i = 0; i < ARRAY_COUNT(units); i++)
		if (seconds >= 2 * units[i].seconds) {
			snprintf(text, DURATION_TEXT, "%.1f %s", (double)seconds / (double)units[i].seconds,
				 units[i].unit);
			break;
		}
	return text;
}

void show_rollouts(struct json_object *body)
{
	static const char *const headings[] = {"ROLL-OUT", "SERVICE", "FROM",  "TO",  ">SHARE", "STEPS",
					       "STATE",	   "FOR",     "FLOWS", "NOW", NULL};
	struct table *table = table_new(headings);
	char time[DURATION_TEXT], every[DURATION_TEXT], flows[NUMBER_TEXT];

	for (size_t i = 0; i < field_count(body, "rollouts"); i++) {
		struct json_object *rollout = field_at(body, "rollouts", i);
		_cleanup_free_ char *all = steps(rollout);

		table_cell(table, "%s", field_text(rollout, "rollout"));
		table_cell(table, "%s", field_text(rollout, "service"));
		table_cell(table, "%s", field_text(rollout, "from"));
		table_cell(table, "%s", field_text(rollout, "to"));
		table_cell(table, "%lld %%", (long long)field_integer(rollout, "share"));
		table_cell(table, "%s", all);
		table_cell(table, "%s", field_text(rollout, "state"));
		table_ink(table, colour(field_text(rollout, "state")));
		table_cell(table, "%s of %s", time_text(field_integer(rollout, "watched"), time),
			   time_text(field_integer(rollout, "every"), every));
		table_cell(table, "%s of %lld", number_text(field_integer(rollout, "flows"), flows),
			   (long long)field_integer(rollout, "min_flows"));
		table_cell(table, "%s", *field_text(rollout, "sentence") ? field_text(rollout, "sentence") : "-");
	}
	table_finish(table, stdout, "no rollouts");
}

void rollout_facts(struct json_object *body)
{
	for (size_t i = 0; i < field_count(body, "rollouts"); i++) {
		struct json_object *rollout = field_at(body, "rollouts", i);
		const char *sentence = field_text(rollout, "sentence");

		fact_ink(colour(field_text(rollout, "state")), "roll-out", "%s is %s: %s@%s gets %lld %% of %s%s%s",
			 field_text(rollout, "rollout"), field_text(rollout, "state"), field_text(rollout, "model"),
			 field_text(rollout, "to"), (long long)field_integer(rollout, "share"),
			 field_text(rollout, "service"), *sentence ? "; " : "", sentence);
	}
}
