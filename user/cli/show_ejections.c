// SPDX-License-Identifier: GPL-2.0-only
/* usher show ejections: who is left out as an outlier. */
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

void show_ejections(struct json_object *body)
{
	static const char *const headings[] = {"BACKEND", "VERSION", "STATE", "WENT OUT", "WHY", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "ejections"); i++) {
		struct json_object *ejection = field_at(body, "ejections", i);
		struct json_object *finding = field(ejection, "finding");

		table_cell(table, "%s", field_text(ejection, "backend"));
		table_cell(table, "%s@%s", field_text(ejection, "model"), field_text(ejection, "version"));
		if (field(ejection, "seconds_left")) {
			table_cell(table, "out, %lld s more", (long long)field_integer(ejection, "seconds_left"));
			table_ink(table, INK_BAD);
		} else {
			table_cell(table, "back");
		}
		table_cell(table, "%s", field_text(ejection, "since"));
		table_cell(table, "%s", finding ? field_text(finding, "text") : "-");
	}
	table_finish(table, stdout, "no ejections");
}
