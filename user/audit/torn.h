/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a crash or a power cut leaves at the end of a segment: half a line, zeros, or what was on the disk before.
 *
 * 1. A whole line begins with `{`, ends with `}` and a newline, and has no control character. What follows the last of them goes, however much it is.
 * 2. So do zeros among lines, with all that follows them, where they are of what was not on the disk yet (hole.h).
 * 3. It is kept in NAME.torn beside the segment, and on the disk there before it is cut off here.
 * 4. Memory does not grow with it; beyond zeros among lines, with the segment.
 */
#ifndef USHER_AUDIT_TORN_H
#define USHER_AUDIT_TORN_H

#include <stddef.h>

/* Returns 0 with how many bytes there were, or -errno. */
int torn_cut(const char *path, size_t *ret_torn);

#endif
