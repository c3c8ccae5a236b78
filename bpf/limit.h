/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a tenant may open. How fast: one bucket for all CPUs, kept as a point in time (the generic cell rate algorithm,
 * ITU-T I.371) so that it is one word. A flow moves the point on by what it costs; a flow that would move it further
 * ahead of now than the burst is refused. And how many at once: those that count as active (flow_line.h, 5).
 *
 * 1. A refusal takes no line and no record of its own, and nothing from any bucket: a flood beyond one limit costs nobody room, and
 *    not the tenant's open flows the bits that they share with its new ones.
 * 2. A bucket is at worst empty: what an earlier, slower limit left behind is cut to what the one in force allows.
 * 3. CPUs that look at the number of active flows at once may each let one pass that is too many.
 */
#ifndef USHER_BPF_LIMIT_H
#define USHER_BPF_LIMIT_H

#include "meter.h"
#include "nat.h"

#define LIMIT_ATTEMPTS 4

static __always_inline int limit_rate(const struct usher_tenant_limit *limit, struct usher_tenant_state *state)
{
	__u64 now = flow_clock(), arrival, next;

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

/* Is the flow whose place it would take (if any) among those that count as its tenant's? */
static __always_inline bool limit_counts_old(const struct desk *desk)
{
	__u32 status = USHER_TAG_STATUS(desk->hit.ref.tag);

	return (status == USHER_FLOW_HALF_OPEN || status == USHER_FLOW_LIVE) &&
	       desk->hit.value.forward.tenant == desk->decision.tenant;
}

/* 0, or why its limits are in the way. */
static __always_inline int limit_apply(struct desk *desk)
{
	const struct usher_tenant_limit *limit;
	struct usher_tenant_state *state;
	__u32 tenant;
	__s64 active;
	int refused;

	if (!desk)
		return USHER_REASON_NEW_FLOW_LIMIT;
	tenant = desk->decision.tenant;
	limit = limit_of(&desk->packet, tenant);
	state = bpf_map_lookup_elem(&tenants, &tenant);
	if (!limit || !state)
		return 0;
	desk->decision.metered = !!limit->byte_cost;
	active = FLOW_READ(state->half_open) + FLOW_READ(state->live) - limit_counts_old(desk);
	if (limit->active_flows && active >= (__s64)limit->active_flows) {
		__sync_fetch_and_add(&state->active_flows_refused, 1);
		return USHER_REASON_ACTIVE_FLOW_LIMIT;
	}
	refused = limit->interval ? limit_rate(limit, state) : 0;
	if (refused || !limit->byte_cost || meter_passes(&desk->packet, tenant))
		return refused;
	__sync_fetch_and_add(&state->arrival, -(__u64)limit->interval);
	return USHER_REASON_BIT_RATE_LIMIT;
}

/* 0, or why the tenant of desk->decision may not open a flow now. The flow whose place it would take (desk->hit) is not in its way. */
static __always_inline int limit_new_flow(struct desk *desk)
{
	const struct usher_tenant_limit *limit = limit_of(&desk->packet, desk->decision.tenant);

	return limit && limit->interval | limit->byte_cost | limit->active_flows ? limit_apply(desk) : 0;
}

#endif
