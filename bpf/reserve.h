/* SPDX-License-Identifier: GPL-2.0-only */
/* Room for records in the two rings of events. */
#ifndef USHER_BPF_RESERVE_H
#define USHER_BPF_RESERVE_H

#include <stdbool.h>

#include "maps.h"

/* For one decision of a tenant whose audit is required, or of one whose is not. NULL: none left, and counted. */
static __always_inline struct usher_event *reserve_record(bool required)
{
	__u32 ring = required ? USHER_RING_REQUIRED : USHER_RING_EVENTS;
	struct usher_sequence *sequence = bpf_map_lookup_elem(&sequences, &ring);
	struct usher_event *event;
	__u64 number;

	if (!sequence)
		return NULL;
	number = sequence->taken++;
	if (required)
		event = bpf_ringbuf_reserve(&events_required, sizeof(*event), 0);
	else
		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		sequence->lost++;
		return NULL;
	}
	event->sequence = number;
	event->ring = (__u8)ring;
	return event;
}

#define RESERVE_ROOM_KEPT (1 << 16) /* bytes of a ring */

/* Has a ring so much to spare that what can wait need not? */
static __always_inline bool reserve_has_room(bool required)
{
	__u64 taken = required ? bpf_ringbuf_query(&events_required, BPF_RB_AVAIL_DATA)
			       : bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	return taken <= USHER_EVENT_RING_BYTES - RESERVE_ROOM_KEPT;
}

#endif
