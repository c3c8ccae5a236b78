/* SPDX-License-Identifier: GPL-2.0-only */
/* Geography files behind a document: NUL "usher-file read " LENGTH-OF-NAME " " LENGTH "\n" NAME BYTES, and again. */
#ifndef USHER_MODEL_FILES_H
#define USHER_MODEL_FILES_H

#include <stddef.h>

struct files {
	const char *at, *end;
};

/* No more lines than this are in all of them. */
size_t files_lines(const struct files *files);
/* The bytes of one, or NULL. */
const char *files_find(const struct files *files, const char *name, size_t *ret_length);

#endif
