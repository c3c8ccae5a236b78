// SPDX-License-Identifier: GPL-2.0-only
/*
 * What backends say they serve. An input is a pointer, as long as its first byte says, and behind it a document. Whatever they are:
 *
 * 1. No byte outside the document is read: it has a heap block of its own.
 * 2. It is a document with something there, one without, or none; a part of an object is none.
 * 3. What was found is printable, and ends; it matches itself, as far as it was shown whole.
 */
#include <errno.h>
#include <string.h>

#include "edge/identity.h"
#include "holds.h"

static int identify(const uint8_t *data, size_t size, const char *pointer, const char *equals,
		    struct edge_identity *ret)
{
	char *copy = malloc(size ? size : 1);
	int error;

	HOLDS(copy);
	memcpy(copy, data, size);
	error = identity_read(copy, size, pointer, equals, ret);
	free(copy);
	return error;
}

static void check_found(const uint8_t *data, size_t size, const char *pointer, const struct edge_identity *found)
{
	size_t length = strnlen(found->found, sizeof(found->found));
	struct edge_identity again;

	HOLDS(length < sizeof(found->found) && found->matches <= 1);
	for (size_t i = 0; i < length; i++)
		HOLDS(found->found[i] >= ' ' && found->found[i] <= '~');
	if (length == EDGE_FOUND_MAX || memchr(found->found, '?', length))
		return;
	HOLDS(!identify(data, size, pointer, found->found, &again) && again.matches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char pointer[USHER_POINTER_MAX + 1] = "";
	struct edge_identity found;
	size_t length;
	int error;

	if (!size)
		return 0;
	length = data[0] % (USHER_POINTER_MAX + 1);
	data++;
	size--;
	if (length > size)
		length = size;
	memcpy(pointer, data, length);
	data += length;
	size -= length;
	error = identify(data, size, pointer, "3.1.0", &found);
	HOLDS(!error || error == -EPROTO || error == -ENOENT);
	if (!error)
		check_found(data, size, pointer, &found);
	while (size && strchr(" \t\r\n", data[size - 1]) && data[size - 1])
		size--;
	if (error != -EPROTO && data[size - 1] == '}')
		HOLDS(identify(data, size - 1, pointer, "x", &found) == -EPROTO);
	return 0;
}
