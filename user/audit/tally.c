// SPDX-License-Identifier: GPL-2.0-only
#include "audit/tally.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int compare(const void *a, const void *b)
{
	const struct tally_row *left = a, *right = b;
	int order = 0;

	for (size_t i = 0; !order && i < left->cell_count; i++)
		order = strcmp(left->cells[i], right->cells[i]);
	return order;
}

static struct tally_row *copy(struct tally *tally, const struct tally_row *wanted)
{
	struct tally_row *row = arena_alloc(&tally->arena, sizeof(*row));

	row->cell_count = wanted->cell_count;
	for (size_t i = 0; i < wanted->cell_count; i++)
		row->cells[i] = arena_strndup(&tally->arena, wanted->cells[i], strlen(wanted->cells[i]));
	tally->rows = array_grow(tally->rows, tally->row_count, &tally->room, sizeof(struct tally_row *));
	tally->rows[tally->row_count++] = row;
	return row;
}

/* NULL: it is a new one, and there are enough. */
static struct tally_row *row_of(struct tally *tally, const struct tally_row *wanted)
{
	struct tally_row *row;
	void *found;

	if (tally->latest && !compare(tally->latest, wanted))
		return tally->latest;
	found = tfind(wanted, &tally->tree, compare);
	if (found)
		return *(struct tally_row **)found;
	if (tally->row_count == TALLY_ROWS)
		return NULL;
	row = copy(tally, wanted);
	if (!tsearch(row, &tally->tree, compare))
		abort();
	return row;
}

void tally_add(struct tally *tally, const char *const *cells, size_t cell_count, uint64_t count, const char *time)
{
	struct tally_row wanted = {.cell_count = cell_count}, *row;

	for (size_t i = 0; i < cell_count; i++)
		wanted.cells[i] = (char *)(uintptr_t)cells[i];
	tally->total += count;
	row = row_of(tally, &wanted);
	if (!row) {
		tally->others += count;
		return;
	}
	tally->latest = row;
	row->count += count;
	if (!row->first[0])
		snprintf(row->first, sizeof(row->first), "%s", time);
	snprintf(row->last, sizeof(row->last), "%s", time);
}

static int by_count(const void *a, const void *b)
{
	const struct tally_row *left = *(struct tally_row *const *)a, *right = *(struct tally_row *const *)b;

	return left->count != right->count ? (left->count < right->count ? 1 : -1) : compare(left, right);
}

void tally_sort(struct tally *tally)
{
	if (tally->row_count)
		qsort(tally->rows, tally->row_count, sizeof(struct tally_row *), by_count);
}

static void nothing(void *row)
{
	(void)row; /* is the arena's */
}

void tally_free(struct tally *tally)
{
	tdestroy(tally->tree, nothing);
	arena_free(&tally->arena);
	free(tally->rows);
	*tally = (struct tally){0};
}
