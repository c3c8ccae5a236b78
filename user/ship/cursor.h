/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far a destination has got: the place in the audit log behind the last line that it has taken, in a file of the state folder.
 *
 * 1. The file is replaced as a whole, and brought to the disk, once the destination has taken the lines before the place, never
 *    sooner. So what it names was taken; more may have been, and is sent twice.
 * 2. It bears a sum of itself. A file that is not what was written is set aside, and the log is sent from its beginning: twice, rather
 *    than not at all.
 */
#ifndef USHER_SHIP_CURSOR_H
#define USHER_SHIP_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "audit/chain.h"

#define CURSOR_TEXT 1024

struct cursor {
	char log[CHAIN_LOG]; /* name of the log; "": nothing was sent yet */
	uint32_t segment;
	uint64_t offset; /* in its text */
	uint64_t check;	 /* of the line before it (cursor_check): is it still the one that was sent? */
};

/* FNV-1a, 64 bits: lines are told from others here, not from forged ones. */
uint64_t cursor_check(const char *line, size_t length);

/* One line, ended by a NUL. destination: whose it is. Returns its length. */
size_t cursor_print(const struct cursor *cursor, const char *destination, char text[CURSOR_TEXT]);
/* Returns 0, or -EBADMSG: that is not what was written, for this destination. */
int cursor_parse(const char *text, size_t length, const char *destination, struct cursor *ret_cursor);

/* folder: an open one. Returns 0, also if there is no file, the cursor zeroed then; 1: it was damaged and is renamed to .damaged, the cursor is
 * zeroed; or -errno. */
int cursor_read(int folder, const char *id, const char *destination, struct cursor *ret_cursor);
/* Returns 0 or -errno: what was there before is still there then, or this one, if only its name could not be brought to the disk. */
int cursor_write(int folder, const char *id, const char *destination, const struct cursor *cursor);

#endif
