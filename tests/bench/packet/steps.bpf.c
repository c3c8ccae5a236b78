// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gateway's own way of a client's packet, up to a step and no further: what a step costs is what a program that stops after it
 * costs more than one that stops before it. In the order of bpf/admit.h, but for the record, which is written before the line is
 * claimed: so all steps but the last leave the flow table as it was.
 */
#include "usher.bpf.c"

#include "steps.h"

const volatile __u32 steps_last;

static __always_inline int steps_receive(struct xdp_md *ctx, struct desk *desk)
{
	desk->packet =
		(struct packet){.length = ctx->data_end - ctx->data, .service = USHER_SERVICE_NONE, .action = XDP_DROP};
	if (usher_receive(ctx, &desk->packet) != UNDECIDED)
		return XDP_ABORTED;
	desk->packet.now = flow_tick();
	return XDP_DROP;
}

static __always_inline int steps_find(struct desk *desk)
{
	desk->packet.hash = flow_hash(&desk->packet.key);
	return flow_find(&desk->packet.key, desk->packet.hash, &desk->hit.ref, &desk->hit.value);
}

static __always_inline void steps_classify(struct xdp_md *ctx, struct desk *desk)
{
	struct decision *decision = &desk->decision;
	__u16 class_id = classify_source(&desk->packet, &desk->packet.key.source);

	desk->hit.ref.tag = 0;
	decision_begin(decision, &desk->packet.key, desk->packet.service);
	decision->class_id = class_id;
	decision->classified = true;
	decision->interface = forward_place(ctx);
}

static __always_inline int steps_record(struct desk *desk)
{
	struct usher_event *event;

	if (!audit_budget(&desk->packet, desk->decision.tenant, USHER_RECORD_BEGUN))
		return XDP_ABORTED;
	event = audit_reserve(desk->decision.audit_required);
	if (!event)
		return XDP_ABORTED;
	audit_submit(event, &desk->packet, &desk->decision, USHER_REASON_ADMITTED);
	return XDP_DROP;
}

SEC("xdp")
int steps(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct desk *desk = bpf_map_lookup_elem(&desks, &zero);
	int missed;

	if (!desk || steps_receive(ctx, desk) != XDP_DROP)
		return XDP_ABORTED;
	if (steps_last == STEP_PARSED)
		return XDP_DROP;
	missed = steps_find(desk);
	if (!missed || steps_last == STEP_LOOKED_FOR)
		return XDP_DROP;
	account_received(&desk->packet);
	steps_classify(ctx, desk);
	if (steps_last == STEP_CLASSIFIED)
		return XDP_DROP;
	desk->decision.reason = (__u8)admit_decide(ctx, &desk->packet, &desk->decision);
	if (!admit_forwards(FLOW_READ(desk->decision.reason)))
		return XDP_ABORTED;
	if (steps_last == STEP_ROUTED)
		return XDP_DROP;
	if (limit_new_flow(desk))
		return XDP_ABORTED;
	if (steps_last == STEP_LIMITED)
		return XDP_DROP;
	if (steps_record(desk) != XDP_DROP)
		return XDP_ABORTED;
	if (steps_last == STEP_RECORDED)
		return XDP_DROP;
	return admit_insert(desk) == FLOW_INSERTED ? XDP_DROP : XDP_ABORTED;
}
