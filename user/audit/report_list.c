// SPDX-License-Identifier: GPL-2.0-only
#include "audit/report_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* NULL: there is no room for one more. */
static struct report_entry *extend(struct report_list *list)
{
	if (list->count == REPORT_ENTRIES) {
		list->left_out++;
		return NULL;
	}
	list->entries = array_grow(list->entries, list->count, &list->room, sizeof(*list->entries));
	return &list->entries[list->count++];
}

void report_list_add(struct report_list *list, struct arena *arena, const char *time, const char *const *cells,
		     size_t count)
{
	struct report_entry *entry = extend(list);

	if (!entry)
		return;
	*entry = (struct report_entry){0};
	snprintf(entry->time, sizeof(entry->time), "%s", time);
	for (size_t i = 0; i < count; i++)
		entry->cells[i] = arena_strndup(arena, cells[i], strlen(cells[i]));
}

void report_list_append(struct report_list *list, const struct report_list *from)
{
	for (size_t i = 0; i < from->count; i++) {
		struct report_entry *entry = extend(list);

		if (entry)
			*entry = from->entries[i];
	}
	list->left_out += from->left_out;
}

void report_list_free(struct report_list *list)
{
	free(list->entries);
	*list = (struct report_list){0};
}
