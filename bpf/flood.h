/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes too often to be recorded packet by packet: counted by class, service, rule, reason and tick. When the tick is over
 * the count goes out as one record: see tally.h.
 *
 * 1. Each CPU counts for itself, and a count only grows: whoever reads it when its tick is over reads all of it.
 * 2. Nothing is left out: what finds no room in the table is counted by its reason alone.
 */
#ifndef USHER_BPF_FLOOD_H
#define USHER_BPF_FLOOD_H

#include <linux/errno.h>

#include "generation.h"

static __always_inline void flood_add_rest(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&flood_rest, &reason);

	if (count)
		++*count;
}

/* One more decision like this one. Returns the reason. */
__noinline int flood_count(const struct packet *packet, const struct decision *decision, int reason)
{
	const struct usher_generation *generation;
	struct flood_key key = {.reason = (__u8)reason};
	__u64 one = 1, *count;

	if (!packet || !decision || packet->dry_run)
		return reason;
	generation = generation_of(packet);
	key.generation = generation ? generation->number : 0;
	key.tick = (__u16)packet->now;
	key.class_id = decision->class_id;
	key.tenant = decision->tenant;
	key.rule = decision->route.rule;
	key.service = decision->service;
	key.target = decision->route.target;
	key.ring = decision->audit_required ? USHER_RING_REQUIRED : USHER_RING_EVENTS;
	key.protocol = decision->client.protocol;
	count = bpf_map_lookup_elem(&floods, &key);
	if (!count && bpf_map_update_elem(&floods, &key, &one, BPF_NOEXIST)) {
		count = bpf_map_lookup_elem(&floods, &key); /* another CPU was first? */
		if (!count)
			flood_add_rest((__u32)reason);
	}
	if (count)
		++*count;
	return reason;
}

#endif
