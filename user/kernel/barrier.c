/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/barrier.h"

#include <errno.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"

int barrier_open(struct barrier *ret_barrier)
{
	_cleanup_close_ int inner = -1, outer = -1;

	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "usher_inner", sizeof(__u32), sizeof(__u32), 1, NULL);
	if (inner < 0)
		return -errno;
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = (__u32)inner);
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "usher_barrier", sizeof(__u32), sizeof(__u32), 1, &options);
	if (outer < 0)
		return -errno;
	ret_barrier->inner = TAKE_FD(inner);
	ret_barrier->outer = TAKE_FD(outer);
	return 0;
}

int barrier_wait(const struct barrier *barrier)
{
	__u32 key = 0;

	return bpf_map_update_elem(barrier->outer, &key, &barrier->inner, BPF_ANY) ? -errno : 0;
}

void barrier_close(struct barrier *barrier)
{
	close(barrier->outer);
	close(barrier->inner);
}
