// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/shipping.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core.h"
#include "daemon/show.h"

#define SILENT_FOR (10 * CLOCK_SECOND) /* a sender that has not been round for as long hangs */

/* Seconds since the first record that was not taken; of a sender that says nothing any more, since it did. */
static double lag_of(const struct ship_status *status)
{
	int64_t silent = status->looked ? clock_monotonic() - status->looked : 0;
	int64_t lag = status->oldest ? clock_realtime() - status->oldest : 0;

	if (silent >= SILENT_FOR && silent > lag)
		lag = silent;
	return lag > 0 ? (double)lag / CLOCK_SECOND : 0;
}

static void say(struct core *core, size_t i, const struct ship_status *status)
{
	struct shipping *said = &core->shipping;
	const char *destination = core->options->ship.destinations[i].text;

	if (status->lost_segments != said->lost_said[i]) {
		core_problem(core, "%s: %llu segments of the audit log were deleted before all of them was sent",
			     destination, (unsigned long long)status->lost_segments);
		said->lost_said[i] = status->lost_segments;
		said->errors_said[i] = status->error_at; /* which is that, or came with it */
	}
	/* Once, until it is back. */
	if (status->error_at != said->errors_said[i] && !said->away[i]) {
		log_warning("records wait for %s: %s", destination, status->error);
		said->away[i] = true;
	}
	said->errors_said[i] = status->error_at;
	if (said->away[i] && status->connected) {
		log_info("records go to %s again", destination);
		said->away[i] = false;
	}
}

void shipping_tick(struct core *core)
{
	struct ship_status status;

	if (!core->ship)
		return;
	if (!core->shipping.gone && !ship_is_alive(core->ship)) {
		core_problem(core,
			     "the process that sees to the sending of records has ended: they are sent nowhere until "
			     "usherd is started again");
		core->shipping.gone = true;
	}
	for (size_t i = 0; i < core->options->ship.count; i++) {
		ship_status(core->ship, i, &status);
		say(core, i, &status);
	}
}

void shipping_name(const struct core *core, struct edge_page *page)
{
	page->shipping_count = core->ship ? (uint32_t)core->options->ship.count : 0;
	for (size_t i = 0; i < page->shipping_count; i++) {
		struct edge_shipping *to = &page->shipping[i];
		struct ship_status status;

		ship_status(core->ship, i, &status);
		snprintf(to->destination, sizeof(to->destination), "%s", core->options->ship.destinations[i].text);
		to->lines = status.lines;
		to->bytes = status.bytes;
		to->errors = status.errors;
		to->lost_segments = status.lost_segments;
		to->behind = status.behind;
		to->lag = lag_of(&status);
		to->connected = status.connected == 1;
	}
}

void show_shipping(struct question *question)
{
	const struct core *core = question->core;
	struct json *to = question->to;

	for (size_t i = 0; core->ship && i < core->options->ship.count; i++) {
		struct ship_status status;
		char time[CLOCK_TEXT];

		ship_status(core->ship, i, &status);
		json_object_begin(to, NULL);
		json_string(to, "destination", core->options->ship.destinations[i].text);
		json_boolean(to, "connected", status.connected == 1);
		json_unsigned(to, "lines", status.lines);
		json_unsigned(to, "bytes", status.bytes);
		json_number(to, "lag_seconds", lag_of(&status));
		json_unsigned(to, "behind_bytes", status.behind);
		json_unsigned(to, "segment", status.segment);
		json_unsigned(to, "offset", status.offset);
		json_unsigned(to, "repeats", status.repeats);
		json_unsigned(to, "lost_segments", status.lost_segments);
		json_unsigned(to, "errors", status.errors);
		json_string(to, "error", status.error_at ? status.error : NULL);
		json_string(to, "error_at", status.error_at ? clock_print(status.error_at, time) : NULL);
		json_boolean(to, "gone", core->shipping.gone);
		json_object_end(to);
	}
}
