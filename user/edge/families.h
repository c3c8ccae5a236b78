/* SPDX-License-Identifier: GPL-2.0-only */
/* The types of a page's metric families, as far as they are remembered. For exposition.c alone. */
#ifndef USHER_EDGE_FAMILIES_H
#define USHER_EDGE_FAMILIES_H

#include "edge/exposition.h"

#define FAMILIES_SLOTS (2 * EXPOSITION_FAMILIES_MAX) /* a power of two */

/*
 * Each family is a key, with its type in the lowest bits; 0: none. It is known by its name's hash: who makes two names of one hash lies
 * about his own page, as he could without.
 */
struct families {
	uint64_t current; /* that was declared last */
	uint64_t slots[FAMILIES_SLOTS];
	uint32_t count;
};

void families_clear(struct families *families);
/* Returns false if the family has another type already. The same once more is what comes of pages that are put together. */
bool families_declare(struct families *families, const char *name, size_t length, enum exposition_type type);
/* As in struct exposition_sample. */
enum exposition_type families_sample_type(const struct families *families, const char *name, size_t length,
					  bool openmetrics);

#endif
