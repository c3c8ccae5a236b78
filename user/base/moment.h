/* SPDX-License-Identifier: GPL-2.0-only */
/* Points in time as people write them. */
#ifndef USHER_BASE_MOMENT_H
#define USHER_BASE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * RFC 3339 (2026-03-01T12:00:00Z, with a fraction or an offset if there is one; without either of Z and offset it is UTC), or a date:
 * that is its first moment, or, if it `ends` a range, the one after its last. Years 1970 to 2261. In ns since 1970, to the
 * millisecond. Returns 0 or -EINVAL.
 */
int moment_parse(const char *text, bool ends, int64_t *ret_realtime);

/* Is it of the form that clock_print gives, in which later is greater? */
bool moment_is_canonical(const char *text);

#endif
