/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of an array map that the kernel program shares with us (BPF_F_MMAPABLE). */
#ifndef USHER_KERNEL_MAPPING_H
#define USHER_KERNEL_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

struct mapping {
	void *bytes; /* entry i is at i * size */
	size_t size; /* of an entry */
	size_t entries;
};

/* size: what the caller takes an entry to be, a multiple of 8. Returns 0, -EPROTO if the map's entries are of another
 * size, or -errno. */
int mapping_open(int map, size_t size, bool writable, struct mapping *ret_mapping);
void mapping_close(struct mapping *mapping);

#endif
