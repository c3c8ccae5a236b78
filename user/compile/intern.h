/* SPDX-License-Identifier: GPL-2.0-only */
/* Equal byte strings get one number, from 0, in the order of their first appearance. */
#ifndef USHER_COMPILE_INTERN_H
#define USHER_COMPILE_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern_item {
	uint64_t hash;
	size_t offset, length; /* in bytes */
};

/* Zeroed is empty. Allocation failure ends the process, as in an arena. */
struct intern {
	struct intern_item *items;
	size_t count, item_capacity;
	uint8_t *bytes;
	size_t used, byte_capacity;
	uint32_t *slots;   /* number + 1; 0: free */
	size_t slot_count; /* power of two */
};

/* The number of `key`; it is new if and only if the count has grown. */
size_t intern(struct intern *intern, const void *key, size_t length);
/* The same, SIZE_MAX if it is none of them. */
size_t intern_find(const struct intern *intern, const void *key, size_t length);
/* Valid until the next intern(). */
const void *intern_bytes(const struct intern *intern, size_t number);
/* Forgets everything, keeps the memory. */
void intern_clear(struct intern *intern);
void intern_free(struct intern *intern);

#endif
