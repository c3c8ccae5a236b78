/* SPDX-License-Identifier: GPL-2.0-only */
/* "did you mean": the known name nearest to one that is not known. */
#ifndef USHER_POLICY_SUGGESTION_H
#define USHER_POLICY_SUGGESTION_H

#include <stddef.h>

/*
 * names: `count` pointers to names, `stride` bytes apart (as the first members of structs). Returns the nearest within
 * a third of the word's length in insertions, deletions, changes and swaps of neighbours (at least one), or NULL.
 */
const char *suggestion_find(const char *word, const void *names, size_t count, size_t stride);

#endif
