/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that is released all at once. Allocation failure ends the process: a core that cannot hold its policy has
 * nothing to fall back to. */
#ifndef USHER_BASE_ARENA_H
#define USHER_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *last;
};

/* Zeroed, aligned for any type. size 0 gives a unique pointer. Aborts when there is no memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* count * size, with overflow checked. */
void *arena_array(struct arena *arena, size_t count, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);

#endif
