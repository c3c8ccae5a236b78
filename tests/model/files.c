// SPDX-License-Identifier: GPL-2.0-only
#include "files.h"

#include <stdio.h>
#include <string.h>

size_t files_lines(const struct files *files)
{
	size_t count = 0;

	for (const char *at = files->at; at < files->end; at++)
		count += *at == '\n';
	return count;
}

const char *files_find(const struct files *files, const char *name, size_t *ret_length)
{
	size_t name_length, length;
	int used = 0;

	for (const char *at = files->at; at < files->end; at += name_length + length) {
		at++;
		if (sscanf(at, "usher-file read %zu %zu%n", &name_length, &length, &used) != 2)
			return NULL;
		at += used + 1;
		if (name_length == strlen(name) && !memcmp(at, name, name_length)) {
			*ret_length = length;
			return at + name_length;
		}
	}
	return NULL;
}
