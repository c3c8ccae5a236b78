// SPDX-License-Identifier: GPL-2.0-only
/* usher show pools: who is in them, and what has become of their sources. */
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

void show_pools(struct json_object *body)
{
	static const char *const headings[] = {"POOL",	   "SOURCE", "SERVES", ">MEMBERS",
					       ">LEAVING", ">MOST",  "STATE",  NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "pools"); i++) {
		struct json_object *pool = field_at(body, "pools", i);

		table_cell(table, "%s", field_text(pool, "pool"));
		table_cell(table, "%s %s", field(pool, "file") ? "file" : "dns",
			   field_text(pool, field(pool, "file") ? "file" : "dns"));
		table_cell(table, "%s", field_text(pool, "serves"));
		table_cell(table, "%lld", (long long)field_integer(pool, "count"));
		table_cell(table, "%lld", (long long)field_integer(pool, "leaving"));
		table_cell(table, "%lld", (long long)field_integer(pool, "most"));
		if (field(pool, "problem")) {
			table_cell(table, "members are kept: %s", field_text(pool, "problem"));
			table_ink(table, INK_BAD);
		} else if (field(pool, "good_at")) {
			table_cell(table, "good");
		} else {
			table_cell(table, "not heard yet");
			table_ink(table, INK_DOUBTFUL);
		}
	}
	table_finish(table, stdout, "no pools");
}

void pool_facts(struct json_object *overview)
{
	for (size_t i = 0; i < field_count(overview, "pools"); i++) {
		struct json_object *pool = field_at(overview, "pools", i);

		if (field(pool, "problem"))
			fact("pool", "%s: members are kept: %s", field_text(pool, "pool"), field_text(pool, "problem"));
	}
}
