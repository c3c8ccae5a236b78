// SPDX-License-Identifier: GPL-2.0-only
#include "compile/intern.h"

#include <stdlib.h>
#include <string.h>

#include "usher/flow_hash.h"

#include "base/array.h"

static uint64_t hash_bytes(const uint8_t *bytes, size_t length)
{
	uint64_t hash = length, word;

	for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = usher_mix64(hash ^ word);
	}
	for (size_t i = 0; i < length; i++)
		hash = usher_mix64(hash ^ bytes[i]);
	return hash;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		abort();
	return memory;
}

static void rehash(struct intern *intern)
{
	free(intern->slots);
	intern->slot_count = intern->slot_count ? intern->slot_count * 2 : 64;
	intern->slots = allocate(intern->slot_count, sizeof(*intern->slots));
	for (size_t i = 0; i < intern->count; i++) {
		size_t slot = intern->items[i].hash & (intern->slot_count - 1);

		while (intern->slots[slot])
			slot = (slot + 1) & (intern->slot_count - 1);
		intern->slots[slot] = (uint32_t)i + 1;
	}
}

/* Returns where the bytes begin. */
static size_t store(struct intern *intern, const void *key, size_t length)
{
	size_t offset = intern->used;

	if (intern->byte_capacity - offset < length) {
		intern->byte_capacity = (offset + length) * 2;
		intern->bytes = realloc(intern->bytes, intern->byte_capacity);
		if (!intern->bytes)
			abort();
	}
	if (length)
		memcpy(intern->bytes + offset, key, length);
	intern->used = offset + length;
	return offset;
}

/* Where the key is, or would be: intern->slots there is 0. There must be a free slot. */
static size_t slot_of(const struct intern *intern, const void *key, size_t length, uint64_t hash)
{
	size_t slot = hash & (intern->slot_count - 1);

	for (; intern->slots[slot]; slot = (slot + 1) & (intern->slot_count - 1)) {
		const struct intern_item *item = &intern->items[intern->slots[slot] - 1];

		if (item->hash == hash && item->length == length &&
		    (!length || !memcmp(intern->bytes + item->offset, key, length)))
			break;
	}
	return slot;
}

size_t intern(struct intern *intern, const void *key, size_t length)
{
	uint64_t hash = hash_bytes(key, length);
	size_t slot;

	if (intern->count * 2 >= intern->slot_count)
		rehash(intern);
	slot = slot_of(intern, key, length, hash);
	if (intern->slots[slot])
		return intern->slots[slot] - 1;
	intern->items = array_grow(intern->items, intern->count, &intern->item_capacity, sizeof(*intern->items));
	intern->items[intern->count] = (struct intern_item){hash, store(intern, key, length), length};
	intern->slots[slot] = (uint32_t)intern->count + 1;
	return intern->count++;
}

size_t intern_find(const struct intern *intern, const void *key, size_t length)
{
	size_t slot;

	if (!intern->count)
		return SIZE_MAX;
	slot = slot_of(intern, key, length, hash_bytes(key, length));
	return intern->slots[slot] ? intern->slots[slot] - 1 : SIZE_MAX;
}

const void *intern_bytes(const struct intern *intern, size_t number)
{
	return intern->bytes + intern->items[number].offset;
}

void intern_clear(struct intern *intern)
{
	if (intern->slots)
		memset(intern->slots, 0, intern->slot_count * sizeof(*intern->slots));
	intern->count = 0;
	intern->used = 0;
}

void intern_free(struct intern *intern)
{
	free(intern->items);
	free(intern->bytes);
	free(intern->slots);
	*intern = (struct intern){0};
}
