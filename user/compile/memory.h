/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one compilation leaves for the next, which mostly is of the same policy after one backend has changed: the search trees of
 * its sources, its casebook, and its rings. Nothing that is compiled depends on it; a test compiles with and without.
 */
#ifndef USHER_COMPILE_MEMORY_H
#define USHER_COMPILE_MEMORY_H

#include "usher/abi.h"

#include "compile/casebook.h"
#include "compile/intern.h"
#include "compile/sources.h"

/* Rings by what they are made of: `keys` has a number for each, and by it `first` its first line, `error` how far its worst share is off. */
struct rings {
	struct intern keys;
	uint32_t *first;
	double *error;
	size_t first_capacity, error_capacity;
	struct usher_line16 *lines;
	size_t line_count, line_capacity;
};

/* Zeroed is empty. */
struct compile_memory {
	struct source_trees *trees;
	struct casebook *casebook;
	struct rings rings;
};

void rings_free(struct rings *rings);
void compile_memory_free(struct compile_memory *memory);

#endif
