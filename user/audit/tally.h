/* SPDX-License-Identifier: GPL-2.0-only */
/* How often what has been seen: rows of text, each with a count, and when for the first and last time. Its memory has a limit. */
#ifndef USHER_AUDIT_TALLY_H
#define USHER_AUDIT_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"

#define TALLY_CELLS 8
#define TALLY_ROWS 5000

struct tally_row {
	char *cells[TALLY_CELLS];
	size_t cell_count;
	uint64_t count;
	char first[CLOCK_TEXT], last[CLOCK_TEXT];
};

/* Zeroed: empty. */
struct tally {
	struct arena arena;
	struct tally_row **rows;
	size_t row_count, room;
	uint64_t total, others; /* of all; of those that are in no row, as there were too many */
	void *tree;
	struct tally_row *latest;
};

/* cells: of a number that is the same for all rows, TALLY_CELLS at most. time: as clock_print has it, or "". */
void tally_add(struct tally *tally, const char *const *cells, size_t cell_count, uint64_t count, const char *time);
/* The greatest count first. */
void tally_sort(struct tally *tally);
void tally_free(struct tally *tally);

#endif
