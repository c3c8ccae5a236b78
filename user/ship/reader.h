/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines of one segment of the audit log, from its open file, while it is being written to as well.
 *
 * 1. A line is given only once a seal behind it is in the file: what a write that failed halfway has left, and is taken back, is never seen.
 *    Of a segment that is closed, all whole lines are given.
 * 2. Memory does not grow with the segment: two buffers of READER_LINE. Of a compressed one what lies before the place is unpacked
 *    and dropped.
 */
#ifndef USHER_SHIP_READER_H
#define USHER_SHIP_READER_H

#include <stdbool.h>

#include "ship/cursor.h"

#define READER_LINE (1u << 20) /* no line is that long */

struct reader;

/* Takes over the file, a segment's. cursor: a place in it. Returns 0; -ESTALE: the line before that place is not the one that was sent, or
 * there is none; or -errno, and the file is closed. */
int reader_open(int file, bool compressed, const struct cursor *cursor, struct reader **ret_reader);
void reader_close(struct reader *reader);
/* It is closed: nothing is written to it any more. */
void reader_finish(struct reader *reader);
bool reader_is_finished(const struct reader *reader);

/* The next line, without what ends it, and where it begins; good until the next call. Returns 0; -EAGAIN: there is none yet, or
 * no more; -EFBIG: it is longer than READER_LINE; -ESTALE: the file has become shorter; -EBADMSG: a compressed one is damaged; or -errno. */
int reader_next(struct reader *reader, const char **ret_line, size_t *ret_length, uint64_t *ret_offset);
/* The place behind that line. */
void reader_place(const struct reader *reader, struct cursor *ret_cursor);
/* Bytes of the file that were not given yet; of a compressed one, those of it that were not unpacked. */
uint64_t reader_left(const struct reader *reader);

#endif
