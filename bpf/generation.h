/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which generation a packet sees.
 *
 * 1. `control.active` is loaded once a packet; every table is read at that slot. A publish touches a slot again only
 *    after an RCU barrier, so no packet ever sees two generations.
 */
#ifndef USHER_BPF_GENERATION_H
#define USHER_BPF_GENERATION_H

#include "maps.h"
#include "packet.h"

/* Entry `index` of a table with `entries` a slot, or NULL. */
#define GENERATION_ENTRY(table, entries, slot, index)                                                                  \
	({                                                                                                             \
		__u32 index_ = (index);                                                                                \
		__u32 key_ = (slot) * (entries) + index_;                                                              \
		index_ < (entries) ? bpf_map_lookup_elem(&(table), &key_) : NULL;                                      \
	})

static __always_inline const struct usher_generation *generation_of(const struct packet *packet)
{
	return GENERATION_ENTRY(generations, 1, packet->slot, 0);
}

static __always_inline const struct usher_generation *generation_read(struct packet *packet)
{
	const struct usher_generation *generation;
	__u32 zero = 0;
	const struct usher_control *entry = bpf_map_lookup_elem(&control, &zero);

	if (!entry)
		return NULL;
	packet->slot = *(const volatile __u32 *)&entry->active % USHER_SLOTS;
	generation = generation_of(packet);
	if (generation)
		packet->epoch = generation->epoch;
	return generation;
}

/* Past the deadline the daemon counts as lost; then new flows depend on what the policy wants. */
static __always_inline bool generation_denies_new(const struct packet *packet)
{
	const struct usher_generation *generation = generation_of(packet);
	__u32 zero = 0;
	const struct usher_control *entry = bpf_map_lookup_elem(&control, &zero);
	__u64 deadline;

	if (!entry || !generation || generation->loss_action != USHER_LOSS_DENY_NEW)
		return false;
	deadline = *(const volatile __u64 *)&entry->deadline;
	return deadline && bpf_ktime_get_coarse_ns() > deadline;
}

#endif
