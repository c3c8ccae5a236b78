// SPDX-License-Identifier: GPL-2.0-only
/* usher show surges: how far services give way to load. */
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

void show_surges(struct json_object *body)
{
	static const char *const headings[] = {"SERVICE", ">LOAD/CAPACITY", ">KNOWN OF", ">TIERS OPEN", "SHED", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "surges"); i++) {
		struct json_object *surge = field_at(body, "surges", i);

		table_cell(table, "%s", field_text(surge, "service"));
		if (field(surge, "ratio"))
			table_cell(table, "%.2f", field_number(surge, "ratio"));
		else
			table_cell(table, "-");
		table_cell(table, "%lld of %lld", (long long)field_integer(surge, "known"),
			   (long long)field_integer(surge, "backends"));
		table_cell(table, "%lld of %lld", (long long)field_integer(surge, "open"),
			   (long long)field_integer(surge, "tiers"));
		if (field(surge, "part_of")) {
			table_cell(table, "%lld %% of priority %lld%s", (long long)field_integer(surge, "shed_part"),
				   (long long)field_integer(surge, "part_of"),
				   field(surge, "below") ? ", all below" : "");
			table_ink(table, INK_BAD);
		} else if (field(surge, "below")) {
			table_cell(table, "priorities below %lld", (long long)field_integer(surge, "below"));
			table_ink(table, INK_BAD);
		} else {
			table_cell(table, "%s", field_integer(surge, "sheds") ? "nobody" : "never");
		}
	}
	table_finish(table, stdout, "no surges");
}
