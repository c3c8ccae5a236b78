/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files: read at once, replaced at once; and what is there after a power cut. */
#ifndef USHER_BASE_FILE_H
#define USHER_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* At most `max` bytes, with a final NUL that is not counted. Returns 0, -EFBIG or -errno. */
int file_read(const char *path, size_t max, char **ret_bytes, size_t *ret_length);
/* All of it, where the file stands: 0 or -errno. */
int file_write(int file, const char *bytes, size_t length);
/*
 * Written beside it (PATH.new), synced, renamed, its name synced. A reader finds the old content or the new one. Returns 0 or -errno: then it is the old
 * one, but for an error of the name's sync, where it may be the new one.
 */
int file_replace(const char *path, mode_t mode, const char *bytes, size_t length);
/* The names in a folder are on the disk: 0 or -errno. */
int file_sync_folder(const char *folder);
/* And so is the folder's own. */
int file_sync_above(const char *folder);

#endif
