// SPDX-License-Identifier: GPL-2.0-only
#include "room.h"

#include <errno.h>
#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/vectors/room.skel.h"

static struct room_bpf *room;
static unsigned int there; /* by itself */

/* How much there is differs from kernel to kernel: it is tried out while nothing is called. */
static int measure(void)
{
	__u8 frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	for (there = 256; there; there--) {
		room->bss->taken = there;
		if (bpf_prog_test_run_opts(bpf_program__fd(room->progs.less_room), &run))
			return -errno;
		if (run.retval)
			return 0;
	}
	return -ENOBUFS;
}

int room_open(int program)
{
	__u32 zero = 0;
	int error;

	room = room_bpf__open_and_load();
	if (!room)
		return -errno;
	error = measure();
	if (!error && bpf_map_update_elem(bpf_map__fd(room->maps.target), &zero, &program, BPF_ANY))
		error = -errno;
	return error;
}

int room_program(unsigned int left)
{
	room->bss->taken = there - left;
	return bpf_program__fd(room->progs.less_room);
}
