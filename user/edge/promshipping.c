// SPDX-License-Identifier: GPL-2.0-only
#include "edge/promshipping.h"

#include "base/array.h"
#include "edge/promtext.h"

void promshipping_print(struct json *to, const struct edge_page *page)
{
	static const struct {
		const char *name, *type, *help;
	} families[] = {
		{"usher_ship_lines_total", "counter",
		 "Lines of the audit log that the destination has taken; some of them twice."},
		{"usher_ship_bytes_total", "counter", "Their bytes."},
		{"usher_ship_errors_total", "counter",
		 "Connections that failed or broke, and whatever else kept records from it."},
		{"usher_ship_lost_segments_total", "counter",
		 "Files of the log that were deleted before all of them was sent."},
		{"usher_ship_behind_bytes", "gauge", "What of the log is still to be sent, as it lies on the disk."},
		{"usher_ship_lag_seconds", "gauge", "Age of the first record that it has not taken; 0: there is none."},
		{"usher_ship_connected", "gauge", "1: records go there; 0: they wait."},
	};

	for (size_t f = 0; page->shipping_count && f < ARRAY_COUNT(families); f++) {
		promtext_family(to, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < page->shipping_count && i < EDGE_SHIPPING_MAX; i++) {
			const struct edge_shipping *at = &page->shipping[i];
			const double values[] = {(double)at->lines,	    (double)at->bytes,	(double)at->errors,
						 (double)at->lost_segments, (double)at->behind, at->lag,
						 (double)at->connected};

			promtext_line(to, "%s{destination=\"%.*s\"} %.15g", families[f].name, EDGE_DESTINATION,
				      at->destination, values[f]);
		}
	}
}
