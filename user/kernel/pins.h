/* SPDX-License-Identifier: GPL-2.0-only */
/* The folder of a BPF file system in which everything is pinned. */
#ifndef USHER_KERNEL_PINS_H
#define USHER_KERNEL_PINS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"

#define PINS_PATH_MAX 512

/* Makes the folder if it is not there (mounting /sys/fs/bpf if that is not there either) and locks it for this process.
 * Returns 0, -EBUSY if another process has locked it, or -errno; with a sentence. ret_lock: to be closed. */
int pins_open(const char *folder, struct problem *problem, int *ret_lock);
/* Is `folder` in a BPF file system? 0, -ENOENT if it does not exist, -EINVAL if it is elsewhere, or -errno. */
int pins_check(const char *folder);
int pins_path(const char *folder, const char *name, char path[PINS_PATH_MAX]);
/* Opens what is pinned: file descriptor, -ENOENT or -errno. */
int pins_get(const char *folder, const char *name);
/* Pins under that name, in the place of what was pinned there. */
int pins_put(const char *folder, const char *name, int fd);
/* Removes one: 0 (also if it is not there), or -errno. */
int pins_remove(const char *folder, const char *name);
#define PINS_NAMESPACE_MAX 32
/* Notes the network namespace that this process is in, whose interfaces the pins are attached to. 0 or -errno. */
int pins_note_namespace(const char *folder);
/* Has another one than ours been noted? Its name, as /proc/PID/ns/net has it. */
bool pins_elsewhere(const char *folder, char ret_namespace[PINS_NAMESPACE_MAX]);
/* Unpins all there is in the folder; what only the pins held ends. 0 or -errno. */
int pins_clear(const char *folder);

#endif
