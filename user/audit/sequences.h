/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers that the kernel has given to events, as the lines of a log have them: per run of the program, CPU and ring from 0, none twice,
 * none left out, in decisions and gaps. For who verifies; lines need not be honest.
 */
#ifndef USHER_AUDIT_SEQUENCES_H
#define USHER_AUDIT_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEQUENCES_BOOT 17 /* of a run of the program, hexadecimal, with the final NUL */

struct sequence_track;

/* Zeroed: nothing has been seen. */
struct sequences {
	char boot[SEQUENCES_BOOT];
	bool from_zero; /* it is not the first run that is seen, whose beginning may be gone */
	struct sequence_track *tracks;
	size_t cpus;
};

void sequences_free(struct sequences *sequences);

/* A record's line of any type. */
void sequences_note_boot(struct sequences *sequences, const char *line, size_t length);
#define SEQUENCES_TEXT 128
/* That of a decision or a gap. Returns NULL, or what is wrong, in `text`. */
const char *sequences_take(struct sequences *sequences, const char *line, size_t length, bool gap,
			   char text[SEQUENCES_TEXT]);
/* Does a seal's line name those that were taken since the last batch ended, and no others? */
bool sequences_are_named(const struct sequences *sequences, const char *line, size_t length);
void sequences_end_batch(struct sequences *sequences);

#endif
