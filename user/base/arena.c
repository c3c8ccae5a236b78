// SPDX-License-Identifier: GPL-2.0-only
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)64 << 10)
#define ALIGNMENT _Alignof(max_align_t)

struct arena_block {
	struct arena_block *previous;
	size_t used, size; /* of data */
	_Alignas(ALIGNMENT) unsigned char data[];
};

static struct arena_block *add_block(struct arena *arena, size_t size)
{
	struct arena_block *block = calloc(1, sizeof(*block) + size);

	if (!block)
		abort();
	block->size = size;
	block->previous = arena->last;
	arena->last = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->last;
	void *memory;

	if (size > SIZE_MAX / 2)
		abort();
	size = size ? (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1) : ALIGNMENT;
	if (!block || block->size - block->used < size)
		block = add_block(arena, size > BLOCK_SIZE ? size : BLOCK_SIZE);
	memory = block->data + block->used;
	block->used += size;
	return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		abort();
	return arena_alloc(arena, bytes);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
	char *copy;

	if (length == SIZE_MAX)
		abort();
	copy = arena_alloc(arena, length + 1);
	if (length)
		memcpy(copy, text, length);
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char text[256], *copy; /* most fit */
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	if ((size_t)length < sizeof(text))
		return arena_strndup(arena, text, (size_t)length);
	copy = arena_alloc(arena, (size_t)length + 1);
	va_start(arguments, format);
	vsnprintf(copy, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return copy;
}

void arena_free(struct arena *arena)
{
	while (arena->last) {
		struct arena_block *block = arena->last;

		arena->last = block->previous;
		free(block);
	}
}
