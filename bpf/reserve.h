/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room for records, in the rings of this CPU (usher_event_ring).
 *
 * 1. XDP and timers run in softirq, on a CPU one at a time and to its end. So a ring has one writer, which takes no lock, and room that was
 *    there is there still. (Kernels with PREEMPT_RT keep to that with their lock of bottom halves; one that is built without it is not for this.
 *    BPF_PROG_TEST_RUN may leave softirqs on, but outside of tests it is for dry runs, which record nothing.)
 * 2. A program may reserve once more before it submits: a flow that makes room ends before the newcomer's record is whole. The reader
 *    sees all of it once the last is submitted. All are, or the ring would stand still.
 * 3. A record is whole before `head` moves past it, and has been read before `tail` does (TSO, as in flow_line.h).
 * 4. A number is taken before room is looked for, so that a record without room leaves a gap that can be counted.
 */
#ifndef USHER_BPF_RESERVE_H
#define USHER_BPF_RESERVE_H

#include <stdbool.h>

#include "maps.h"

static __always_inline __u32 reserve_ring_index(bool required)
{
	return USHER_EVENT_RING(bpf_get_smp_processor_id(), required ? USHER_RING_REQUIRED : USHER_RING_EVENTS);
}

static __always_inline struct usher_event_ring *reserve_ring(bool required)
{
	__u32 index = reserve_ring_index(required);

	return bpf_map_lookup_elem(&event_rings, &index);
}

static __always_inline struct usher_event *reserve_slot(bool required, __u64 place)
{
	__u32 slots = usher_boot.event_slots;
	__u32 slot = reserve_ring_index(required) * slots + ((__u32)place & (slots - 1));

	return bpf_map_lookup_elem(&events, &slot);
}

/* Has the ring room for so many slots? The reader's line is looked at only if it seems not to. */
static __always_inline bool reserve_fits(struct usher_event_ring *ring, __u32 slots)
{
	if (ring->next + slots - ring->tail_known <= usher_boot.event_slots)
		return true;
	ring->tail_known = *(const volatile __u64 *)&ring->tail;
	return ring->next + slots - ring->tail_known <= usher_boot.event_slots;
}

/* The first of so many slots, for a record of a tenant whose audit is required, or of one whose is not. NULL: none left, and counted. */
static __always_inline struct usher_event *reserve_slots(struct usher_event_ring *ring, bool required, __u32 slots)
{
	__u64 number = ring->sequence.taken++;
	struct usher_event *event = reserve_fits(ring, slots) ? reserve_slot(required, ring->next) : NULL;

	if (!event) {
		ring->sequence.lost++;
		return NULL;
	}
	ring->next += slots;
	ring->open++;
	event->sequence = number;
	event->ring = required ? USHER_RING_REQUIRED : USHER_RING_EVENTS;
	event->cpu = (__u16)bpf_get_smp_processor_id();
	return event;
}

/* For one decision. */
static __always_inline struct usher_event *reserve_record(bool required)
{
	struct usher_event_ring *ring = reserve_ring(required);

	return ring ? reserve_slots(ring, required, 1) : NULL;
}

/* For the end of a flow: false, or both slots. */
static __always_inline bool reserve_end(bool required, struct usher_event **ret_first, struct usher_event **ret_second)
{
	struct usher_event_ring *ring = reserve_ring(required);

	*ret_first = ring ? reserve_slots(ring, required, 2) : NULL;
	*ret_second = ring ? reserve_slot(required, ring->next - 1) : NULL;
	return *ret_first &&
	       *ret_second; /* a ring that is there has all its slots: if there is a first, there is a second */
}

/* What has been reserved is whole. Nobody is woken: the reader comes by on a timer. */
static __always_inline void reserve_submit(bool required)
{
	struct usher_event_ring *ring = reserve_ring(required);

	barrier();
	if (ring && !--ring->open)
		*(volatile __u64 *)&ring->head = ring->next;
}

#define RESERVE_KEPT 256 /* one slot of so many */

/* Has a ring so much to spare that what can wait need not? */
static __always_inline bool reserve_has_room(bool required)
{
	struct usher_event_ring *ring = reserve_ring(required);

	return ring && reserve_fits(ring, usher_boot.event_slots / RESERVE_KEPT + 2);
}

#endif
