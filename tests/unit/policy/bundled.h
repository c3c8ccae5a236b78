/* SPDX-License-Identifier: GPL-2.0-only */
/* A document as `usher apply` sends it, with the geography file that an example names behind it. */
#ifndef USHER_TEST_BUNDLED_H
#define USHER_TEST_BUNDLED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "policy/bundle.h"

#define BUNDLED_FILE "clients.csv"

static inline struct bundle_file bundled_file(void)
{
	static char bytes[1 << 16];
	static size_t length;
	FILE *file = length ? NULL : fopen("policies/examples/" BUNDLED_FILE, "re");

	if (file) {
		length = fread(bytes, 1, sizeof(bytes), file);
		fclose(file);
	}
	if (!length)
		abort();
	return (struct bundle_file){.name = BUNDLED_FILE, .bytes = bytes, .length = length, .read = true};
}

static inline bool bundled_names_file(const char *text, size_t length)
{
	return memmem(text, length, "\"geo\"", 5);
}

/* To be freed. Without the file the bytes are a block of their own, so that a look beyond them is one beyond the block. */
static inline char *bundled(const char *text, size_t length, bool with_file, size_t *ret_length)
{
	struct bundle_file file = bundled_file();
	struct json bundle = {0};
	char *alone = malloc(length ? length : 1);

	if (!alone)
		abort();
	memcpy(alone, text, length);
	*ret_length = length;
	if (!with_file)
		return alone;
	free(alone);
	json_raw(&bundle, text, length);
	bundle_attach(&bundle, &file);
	*ret_length = bundle.length;
	return bundle.bytes;
}

#endif
