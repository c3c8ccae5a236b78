/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files: read at once, replaced at once. */
#ifndef USHER_DAEMON_FILE_H
#define USHER_DAEMON_FILE_H

#include <stddef.h>

/* At most `max` bytes, with a final NUL that is not counted. Returns 0, -EFBIG or -errno. */
int file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_length);
/* Written beside it, synced, renamed; mode 0600. A reader finds the old content or the new one. Returns 0 or -errno. */
int file_replace(const char *path, const char *bytes, size_t length);

#endif
