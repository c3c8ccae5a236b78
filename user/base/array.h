/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays that grow by doubling. Allocation failure ends the process, as with arenas. */
#ifndef USHER_BASE_ARRAY_H
#define USHER_BASE_ARRAY_H

#include <stddef.h>

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Room for at least one more item of `size` bytes: returns `items`, or where they are now. Free with free(). */
void *array_grow(void *items, size_t count, size_t *capacity, size_t size);

#endif
