// SPDX-License-Identifier: GPL-2.0-only
#include "base/array.h"

#include <stdlib.h>

void *array_grow(void *items, size_t count, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? *capacity : 16;

	if (count < *capacity)
		return items;
	if (*capacity && __builtin_mul_overflow(*capacity, (size_t)2, &wanted))
		abort();
	items = reallocarray(items, wanted, size);
	if (!items)
		abort();
	*capacity = wanted;
	return items;
}
