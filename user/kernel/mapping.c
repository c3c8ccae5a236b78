/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/mapping.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

static size_t mapped_length(size_t size, size_t entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size * entries + page - 1) / page * page;
}

int mapping_open(int map, size_t size, bool writable, struct mapping *ret_mapping)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	void *bytes;

	if (bpf_obj_get_info_by_fd(map, &info, &length))
		return -errno;
	if (info.value_size != size || size % 8)
		return -EPROTO;
	bytes = mmap(NULL, mapped_length(size, info.max_entries), writable ? PROT_READ | PROT_WRITE : PROT_READ,
		     MAP_SHARED, map, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	*ret_mapping = (struct mapping){.bytes = bytes, .size = size, .entries = info.max_entries};
	return 0;
}

void mapping_close(struct mapping *mapping)
{
	if (mapping->bytes)
		munmap(mapping->bytes, mapped_length(mapping->size, mapping->entries));
	*mapping = (struct mapping){0};
}
