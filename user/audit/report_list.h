/* SPDX-License-Identifier: GPL-2.0-only */
/* Things one by one, in the order of the log. There is room for REPORT_ENTRIES; what comes later is counted. */
#ifndef USHER_AUDIT_REPORT_LIST_H
#define USHER_AUDIT_REPORT_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"

#define REPORT_CELLS 8
#define REPORT_ENTRIES 2000

/* Zeroed: empty. */
struct report_list {
	struct report_entry {
		char time[CLOCK_TEXT];
		const char *cells[REPORT_CELLS];
	} * entries;
	size_t count, room;
	uint64_t left_out;
};

/* The cells' texts are copied into the arena, which outlives the list. */
void report_list_add(struct report_list *list, struct arena *arena, const char *time, const char *const *cells,
		     size_t count);
/* All of `from` comes behind what is there; it keeps its own. */
void report_list_append(struct report_list *list, const struct report_list *from);
void report_list_free(struct report_list *list);

#endif
