// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gateway's own way of a client's packet, up to a step and no further: what a step costs is what a program that stops after it
 * costs more than one that stops before it. In the order of bpf/admit.h, but for the record, which is written before the line is
 * claimed: so all steps but the last leave the flow table as it was.
 */
#include "usher.bpf.c"

#include "steps.h"

const volatile __u32 steps_last;
__u64 steps_failed; /* packets that came to no step */

static __always_inline bool steps_receive(struct xdp_md *ctx, struct desk *desk)
{
	packet_begin(&desk->packet, ctx->data_end - ctx->data, false);
	if (usher_receive(ctx, &desk->packet) != UNDECIDED)
		return false;
	desk->packet.now = flow_tick();
	return true;
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

static __always_inline bool steps_record(struct desk *desk)
{
	struct usher_event *event;

	if (!audit_budget(&desk->packet, desk->decision.tenant, USHER_RECORD_BEGUN))
		return false;
	event = reserve_record(desk->decision.audit_required);
	if (!event)
		return false;
	audit_submit(event, &desk->packet, &desk->decision, USHER_REASON_ADMITTED);
	return true;
}

/* False: it did not get as far as it should. */
static __always_inline bool steps_go(struct xdp_md *ctx, struct desk *desk)
{
	if (!steps_receive(ctx, desk))
		return false;
	if (steps_last == STEP_PARSED)
		return true;
	if (!steps_find(desk) || steps_last == STEP_LOOKED_FOR)
		return steps_last == STEP_LOOKED_FOR;
	account_received(&desk->packet);
	steps_classify(ctx, desk);
	if (steps_last == STEP_CLASSIFIED)
		return true;
	desk->decision.reason = (__u8)admit_decide(ctx, &desk->packet, &desk->decision);
	if (!admit_forwards(FLOW_READ(desk->decision.reason)))
		return false;
	if (steps_last == STEP_ROUTED)
		return true;
	if (limit_new_flow(desk))
		return false;
	if (steps_last == STEP_LIMITED)
		return true;
	if (!steps_record(desk))
		return false;
	return steps_last == STEP_RECORDED || admit_insert(desk) == FLOW_INSERTED;
}

SEC("xdp")
int steps(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct desk *desk = bpf_map_lookup_elem(&desks, &zero);

	if (!desk || !steps_go(ctx, desk))
		steps_failed++;
	return XDP_DROP;
}
