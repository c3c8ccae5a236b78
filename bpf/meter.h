/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many bits a tenant may send and get: one bucket of bytes for all CPUs, kept as a point in time like that of new flows
 * (limit.h). Bytes are those of the frames that come in, in direct return therefore the client's alone.
 *
 * 1. Only flows of tenants with a bit rate come here: their entries say so, and the others' pay one test of a bit for it.
 * 2. Each packet that passes adds what it costs, whatever other CPUs do, so over any time at most rate x time + burst pass, and one
 *    packet a CPU more: those that looked at the bucket at once.
 */
#ifndef USHER_BPF_METER_H
#define USHER_BPF_METER_H

#include "flow_line.h"
#include "generation.h"

static __always_inline const struct usher_tenant_limit *limit_of(const struct packet *packet, __u32 tenant)
{
	return GENERATION_ENTRY(tenant_limits, USHER_TENANT_IDS, packet->slot, tenant);
}

/* Is there room for this packet in its tenant's bucket? Then it is taken. */
__noinline int meter_passes(const struct packet *packet, __u32 tenant)
{
	struct usher_tenant_state *state = bpf_map_lookup_elem(&tenants, &tenant);
	const struct usher_tenant_limit *limit;
	__u64 now, cost, arrival;

	if (!packet || !state)
		return true;
	limit = limit_of(packet, tenant);
	if (!limit || !limit->byte_cost)
		return true;
	now = flow_clock() << USHER_METER_SHIFT;
	cost = packet->length * limit->byte_cost >> USHER_METER_COST_SHIFT;
	arrival = FLOW_READ(state->bytes_arrival);
	if (arrival < now) {
		if (__sync_val_compare_and_swap(&state->bytes_arrival, arrival, now + cost) == arrival)
			return true;
		arrival = FLOW_READ(state->bytes_arrival);
	}
	if (arrival + cost > now + limit->byte_tolerance) {
		/* What an earlier, slower limit has left behind. */
		if (arrival > now + limit->byte_tolerance + cost)
			__sync_val_compare_and_swap(&state->bytes_arrival, arrival, now + limit->byte_tolerance);
		__sync_fetch_and_add(&state->packets_refused, 1);
		return false;
	}
	__sync_fetch_and_add(&state->bytes_arrival, cost);
	return true;
}

#endif
