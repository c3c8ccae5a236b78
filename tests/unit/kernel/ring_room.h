/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings of records that nobody reads, and that are to be full. */
#ifndef USHER_TEST_RING_ROOM_H
#define USHER_TEST_RING_ROOM_H

#include <errno.h>

#include <bpf/bpf.h>

#include "kernel/counters.h"
#include "kernel/program.h"

/* Leaves so many slots free in each CPU's ring of this kind. Returns 0 or -errno. */
static inline int ring_room(const struct program *program, enum usher_ring which, uint32_t slots)
{
	const struct usher_event_ring ring = {.head = program->boot.event_slots - slots,
					      .next = program->boot.event_slots - slots};

	for (uint32_t cpu = 0; cpu < counters_cpus(); cpu++) {
		uint32_t index = USHER_EVENT_RING(cpu, (uint32_t)which);

		if (bpf_map_update_elem(program_map(program, "event_rings"), &index, &ring, BPF_ANY))
			return -errno;
	}
	return 0;
}

#endif
