// SPDX-License-Identifier: GPL-2.0-only
/* Quarantines, as a list of their own and wherever else something is said of one. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

/* Of the overview, so many; `usher show quarantines` has all of them. */
#define FACTS_MAX 8

/* "credit-scorer@3.1.0", or the backend; to be freed. */
static char *subject(struct json_object *quarantine)
{
	char *text;

	if ((field(quarantine, "backend") ? asprintf(&text, "%s", field_text(quarantine, "backend"))
					  : asprintf(&text, "%s@%s", field_text(quarantine, "model"),
						     field_text(quarantine, "version"))) < 0)
		abort();
	return text;
}

/* By name, or the number of a user without one; to be freed. */
static char *who(struct json_object *quarantine)
{
	char *text;

	if ((field(quarantine, "user") ? asprintf(&text, "%s", field_text(quarantine, "user"))
				       : asprintf(&text, "uid %lld", (long long)field_integer(quarantine, "uid"))) < 0)
		abort();
	return text;
}

char *quarantine_text(struct json_object *quarantine)
{
	_cleanup_free_ char *by = who(quarantine);
	char *text;

	if (asprintf(&text, "%s since %s: %s", by, field_text(quarantine, "since"), field_text(quarantine, "why")) < 0)
		abort();
	return text;
}

void quarantine_facts(struct json_object *body)
{
	size_t count = field_count(body, "quarantines");

	for (size_t i = 0; i < count && i < FACTS_MAX; i++) {
		struct json_object *quarantine = field_at(body, "quarantines", i);
		_cleanup_free_ char *name = subject(quarantine), *text = quarantine_text(quarantine);

		fact_ink(INK_BAD, "quarantine", "%s, by %s", name, text);
	}
	if (count > FACTS_MAX)
		fact("", "and %zu more: usher show quarantines", count - FACTS_MAX);
}

void show_quarantines(struct json_object *body)
{
	static const char *const headings[] = {"QUARANTINE", "OUT", "SINCE", "BY", "WHY", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "quarantines"); i++) {
		struct json_object *quarantine = field_at(body, "quarantines", i);
		_cleanup_free_ char *name = subject(quarantine), *by = who(quarantine);
		_cleanup_free_ char *backends = field_joined(quarantine, "backends", ", ");

		table_cell(table, "%s", name);
		table_cell(table, "%s", field_true(quarantine, "in_policy") ? backends : "not in the policy");
		table_cell(table, "%s", field_text(quarantine, "since"));
		table_cell(table, "%s", by);
		table_cell(table, "%s", field_text(quarantine, "why"));
	}
	table_finish(table, stdout, "no quarantines");
}
