// SPDX-License-Identifier: GPL-2.0-only
/* usher history: the policies that were in force, newest first. */
#include "cli/client.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/verbs.h"

static void entry_row(struct table *table, struct json_object *entry)
{
	bool active = field_true(entry, "active"), confirmed = field_true(entry, "confirmed");

	table_cell(table, "%s", field_text(entry, "applied"));
	table_cell(table, "%s", field_text(entry, "verb"));
	if (field(entry, "user"))
		table_cell(table, "%s", field_text(entry, "user"));
	else
		table_cell(table, "uid %lld", (long long)field_integer(entry, "uid"));
	table_cell(table, "%lld", (long long)field_integer(entry, "revision"));
	table_cell(table, "%.*s", DIGEST_SHOWN, field_text(entry, "digest"));
	table_cell(table, "%s", field_text(entry, "name"));
	table_cell(table, "%lld", (long long)field_integer(entry, "generation"));
	table_cell(table, "%s%s", active ? "in force" : "", confirmed ? "" : active ? ", unconfirmed" : "unconfirmed");
	table_ink(table, !active ? INK_PLAIN : confirmed ? INK_GOOD : INK_DOUBTFUL);
	table_cell(table, "%s", field_text(entry, "file"));
}

int cli_history(int argc, char **argv)
{
	static const char *const headings[] = {"APPLIED", "BY",		 "USER",  ">REVISION", "DIGEST",
					       "NAME",	  ">GENERATION", "STATE", "FILE",      NULL};
	struct json_object *body;
	struct table *table;
	int status;

	if (cli_option(argc, argv, NULL) != -1)
		return CLI_USAGE;
	status = cli_operands(argc, 0, NULL);
	if (status)
		return status;
	status = client_read(client_request("history"), &body);
	if (status)
		return status;
	if (cli_json) {
		tree_print(body);
	} else {
		table = table_new(headings);
		for (size_t i = 0; i < field_count(body, "history"); i++)
			entry_row(table, field_at(body, "history", i));
		table_finish(table, stdout, "no policy was ever applied");
	}
	json_object_put(body);
	return CLI_OK;
}
