// SPDX-License-Identifier: GPL-2.0-only
/* usher show shipping: how records get on with those that they are sent to. */
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

const char *shipping_state(struct json_object *destination)
{
	if (json_object_get_boolean(field(destination, "gone")))
		return "ended: start usherd again";
	if (json_object_get_boolean(field(destination, "connected")))
		return "sent";
	return field(destination, "error") ? field_text(destination, "error") : "not heard of yet";
}

void show_shipping(struct json_object *body)
{
	static const char *const headings[] = {"DESTINATION", ">LINES",	 ">LAG",  ">BEHIND", ">REPEATS",
					       ">LOST",	      ">ERRORS", "STATE", NULL};
	struct table *table = table_new(headings);
	char text[NUMBER_TEXT];

	for (size_t i = 0; i < field_count(body, "shipping"); i++) {
		struct json_object *at = field_at(body, "shipping", i);

		table_cell(table, "%s", field_text(at, "destination"));
		table_number(table, field_integer(at, "lines"));
		table_cell(table, "%.1f s", json_object_get_double(field(at, "lag_seconds")));
		table_cell(table, "%s", bytes_text(field_integer(at, "behind_bytes"), text));
		table_number(table, field_integer(at, "repeats"));
		table_number(table, field_integer(at, "lost_segments"));
		if (field_integer(at, "lost_segments"))
			table_ink(table, INK_BAD);
		table_number(table, field_integer(at, "errors"));
		table_cell(table, "%s", shipping_state(at));
		if (!json_object_get_boolean(field(at, "connected")))
			table_ink(table, INK_BAD);
	}
	table_finish(table, stdout, "no shipping");
}

void shipping_facts(struct json_object *overview)
{
	for (size_t i = 0; i < field_count(overview, "shipping"); i++) {
		struct json_object *at = field_at(overview, "shipping", i);

		if (!json_object_get_boolean(field(at, "connected")))
			fact("records", "wait for %s: %s", field_text(at, "destination"), shipping_state(at));
	}
}
