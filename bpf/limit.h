/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How fast a tenant may open flows: one bucket for all CPUs, kept as a point in time (the generic cell rate algorithm,
 * ITU-T I.371) so that it is one word. A flow moves the point on by what it costs; a flow that would move it further
 * ahead of now than the burst is refused.
 *
 * 1. A refusal takes no line and no record of its own, and writes nothing but counts: a flood beyond a limit costs nobody room.
 * 2. A bucket is at worst empty: what an earlier, slower limit left behind is cut to what the one in force allows.
 */
#ifndef USHER_BPF_LIMIT_H
#define USHER_BPF_LIMIT_H

#include "nat.h"

#define LIMIT_ATTEMPTS 4

/* 0, or why this tenant may not open a flow now. */
__noinline int limit_new_flow(const struct packet *packet, __u16 tenant)
{
	const struct usher_tenant_limit *limit;
	struct usher_tenant_state *state;
	__u64 now, arrival, next;
	__u32 id = tenant;

	if (!packet)
		return USHER_REASON_NEW_FLOW_LIMIT;
	limit = GENERATION_ENTRY(tenant_limits, USHER_TENANT_IDS, packet->slot, tenant);
	if (!limit || !limit->interval)
		return 0;
	state = bpf_map_lookup_elem(&tenants, &id);
	if (!state)
		return 0;
	now = bpf_ktime_get_coarse_ns();
	for (int i = 0; i < LIMIT_ATTEMPTS; i++) {
		arrival = FLOW_READ(state->arrival);
		next = (arrival > now ? arrival : now) + limit->interval;
		if (next - now > limit->tolerance) {
			if (arrival > now + limit->tolerance)
				__sync_val_compare_and_swap(&state->arrival, arrival, now + limit->tolerance);
			__sync_fetch_and_add(&state->new_flows_refused, 1);
			return USHER_REASON_NEW_FLOW_LIMIT;
		}
		if (__sync_val_compare_and_swap(&state->arrival, arrival, next) == arrival)
			return 0;
	}
	return USHER_REASON_FLOW_CONTENDED;
}

#endif
