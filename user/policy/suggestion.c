// SPDX-License-Identifier: GPL-2.0-only
#include "policy/suggestion.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 63

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment distance (Damerau 1964, restricted); both words are at most WORD_MAX long. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_length; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[b_length];
}

const char *suggestion_find(const char *word, const void *names, size_t count, size_t stride)
{
	size_t length = strlen(word), nearest = length / 3 > 1 ? length / 3 + 1 : 2; /* one more than is allowed */
	const char *found = NULL;

	if (!length || length > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const char *name = *(const char *const *)((const char *)names + i * stride);
		size_t name_length = strlen(name), far;

		if (name_length > WORD_MAX || name_length + nearest <= length || length + nearest <= name_length)
			continue;
		far = distance(word, length, name, name_length);
		if (far < nearest && far < length) {
			nearest = far;
			found = name;
		}
	}
	return found;
}
