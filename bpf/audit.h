/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event records.
 *
 * 1. A tenant that has used up its records of this tick is counted from then on (flood.h): its flood takes nobody's room.
 */
#ifndef USHER_BPF_AUDIT_H
#define USHER_BPF_AUDIT_H

#include "flood.h"
#include "flow.h"
#include "generation.h"

/* Takes one from the tenant's records of this kind and tick. False: none is left. Several CPUs may overshoot by one each. */
static __always_inline int audit_budget(const struct packet *packet, __u32 tenant, __u32 kind)
{
	struct usher_tenant_state *state = bpf_map_lookup_elem(&tenants, &tenant);
	__u32 most = usher_boot.records_max;
	__u64 *word, old, tick;

	if (!packet || !state || kind >= USHER_RECORD_KINDS)
		return false;
	if (kind == USHER_RECORD_REFUSED)
		most = most / USHER_RECORD_REFUSED_SHARE + 1;
	word = &state->records[kind];
	tick = (__u64)packet->now << 32;
	old = FLOW_READ(*word);
	if (old >> 32 != packet->now) {
		if (__sync_val_compare_and_swap(word, old, tick | 1) == old)
			return true;
		old = FLOW_READ(*word);
	}
	if ((__u32)old >= most)
		return false;
	__sync_fetch_and_add(word, 1);
	return true;
}

static __always_inline void audit_submit(struct usher_event *event, const struct packet *packet,
					 const struct decision *decision, int reason)
{
	const struct usher_generation *generation = generation_of(packet);

	event->time = flow_time();
	event->generation = generation ? generation->number : 0;
	event->flow_tag = decision->flow_tag;
	event->count = 1;
	event->client = decision->client.source;
	event->service_address = decision->client.destination;
	event->flow_line = decision->flow_line;
	event->client_next = decision->client_next;
	event->backend_next = decision->backend_next;
	event->client_port_be = decision->client.source_port_be;
	event->service_port_be = decision->client.destination_port_be;
	event->rule = decision->route.rule;
	event->class_id = decision->class_id;
	event->tenant = decision->tenant;
	event->service = decision->service;
	event->target = decision->route.target;
	event->backend = decision->backend;
	event->incarnation = decision->incarnation;
	event->nat_port_be = decision->nat_port_be;
	event->protocol = decision->client.protocol;
	event->reason = (__u8)reason;
	event->nat_index = decision->nat_index;
	event->cut = decision->cut;
	event->interface = decision->interface;
	__builtin_memcpy(event->client_mac, decision->client_mac, ETH_ALEN);
	event->tags[0] = packet->tags[0];
	event->tags[1] = packet->tags[1];
	event->aggregated = 0;
	event->ended = 0;
	reserve_submit(decision->audit_required);
}

/* A record of something that happens whether there is room to record it or not: of its own, or with others. */
__noinline int audit_record(const struct packet *packet, const struct decision *decision, int reason)
{
	struct usher_event *event;

	if (!packet || !decision || packet->dry_run)
		return 0;
	if (reason != USHER_REASON_REVOKED &&
	    !audit_budget(packet, decision->tenant,
			  reason == USHER_REASON_CONFIRMED ? USHER_RECORD_PROVEN : USHER_RECORD_REFUSED))
		return flood_count(packet, decision, reason);
	event = reserve_record(decision->audit_required);
	if (event)
		audit_submit(event, packet, decision, reason);
	return !!event;
}

#endif
