/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a long answer goes: standard output, or a file that has its name only once all of it is there. */
#ifndef USHER_CLI_OUTPUT_H
#define USHER_CLI_OUTPUT_H

#include <stdio.h>

/* Zeroed is closed. */
struct output {
	FILE *file;
	const char *path; /* NULL: standard output */
	char *beside;	  /* what it is called until then */
};

/* path NULL or "-": standard output. A file is written beside PATH, mode 0600; what is there and no regular file is refused. Returns a status,
 * having said what is wrong. */
int output_open(const char *path, struct output *ret_output);
/* All that was written is there, under its name: a status, the same. */
int output_finish(struct output *output);
/* Nothing was written: what was there before is there still. After output_finish: nothing. */
void output_discard(struct output *output);

#endif
