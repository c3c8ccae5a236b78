/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first packet of a flow: decided, recorded, given its lines in the flow table, sent on; or refused.
 *
 * 1. No record, no service: where the audit is required, the record's room is taken before the flow's.
 * 2. A record whose room is taken is always written, if only to say that the flow found no line. What a limit refuses, and what a
 *    tenant does beyond its records of a tick, is counted and recorded together.
 * 3. In direct return a FIN or RST of no flow goes where its flow would be, so that a server hears of the end when the table was lost.
 *    It begins nothing: it has no line, and a record of its own only where the audit is required.
 * 4. A dry run ends with its explanation: it has read everything and changed nothing.
 */
#ifndef USHER_BPF_ADMIT_H
#define USHER_BPF_ADMIT_H

#include "limit.h"
#include "nat.h"

static __always_inline bool admit_forwards(int reason)
{
	return reason >= USHER_REASON_ADMITTED && reason < USHER_REASON_DENY_RULE;
}

static __always_inline bool admit_refuses(int reason)
{
	return reason >= USHER_REASON_DENY_RULE && reason < USHER_REASON_IP_HEADER;
}

/* Is this how a flow begins? In the direct-return modes one may also have begun at another gateway. */
static __always_inline bool admit_opens(const struct packet *packet)
{
	return packet->key.protocol == IPPROTO_UDP || (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* UNDECIDED, or why it cannot go to this backend; it then bears the action. A function of its own: its caller's stack is full. */
__noinline int admit_check(struct xdp_md *ctx, struct packet *packet, const struct usher_backend *backend,
			   __u32 class_id)
{
	int check;

	if (!packet || !backend)
		return USHER_REASON_NEXT_HOP;
	check = forward_check(ctx, packet, backend);
	if (check == USHER_REASON_TOO_BIG)
		follow_too_big(ctx, packet, backend, class_id);
	return check;
}

/* Whether it is sent on, and where to: fills the decision, returns the reason. */
static __always_inline int admit_decide(struct xdp_md *ctx, struct packet *packet, struct decision *decision)
{
	const struct usher_backend *backend;
	int reason, check;

	if (!packet || !decision || !route_find(packet, decision))
		return USHER_REASON_NO_BACKEND;
	if (generation_denies_new(packet))
		return USHER_REASON_CONTROLLER_LOST;
	reason = route_choose(packet, decision);
	if (!admit_forwards(reason))
		return reason;
	if (!admit_opens(packet)) {
		if (decision->forward == USHER_FORWARD_NAT || packet->tcp_flags & TCP_SYN)
			return USHER_REASON_NO_FLOW;
		/* The first candidate: where it went when it began depends on a load that nobody remembers. */
		reason = packet->tcp_flags & (TCP_FIN | TCP_RST) ? USHER_REASON_STRAY_END : USHER_REASON_ADOPTED;
	} else if (decision->balanced) {
		route_balance(packet, decision);
	}
	backend = route_backend(packet, decision->backend);
	if (!backend)
		return USHER_REASON_NO_BACKEND;
	if (packet->dry_run)
		return reason;
	check = admit_check(ctx, packet, backend, decision->class_id);
	return check == UNDECIDED ? reason : check;
}

static __always_inline void admit_explain(const struct packet *packet, const struct decision *decision, int reason)
{
	const struct usher_generation *generation = generation_of(packet);
	__u32 zero = 0;
	struct usher_explanation *answer = bpf_map_lookup_elem(&explanation, &zero);

	if (!generation || !answer)
		return;
	answer->generation = generation->number;
	answer->ring_slot = decision->ring_slot;
	answer->route_id = decision->route_id;
	answer->route = decision->route;
	answer->class_id = decision->class_id;
	answer->tenant = decision->tenant;
	answer->service = decision->service;
	answer->arm = decision->arm;
	answer->backend = decision->backend;
	answer->incarnation = decision->incarnation;
	answer->reason = (__u8)reason;
	answer->rival = decision->rival;
	answer->load = decision->load;
	answer->rival_load = decision->rival_load;
}

static __always_inline void admit_describe(struct desk *desk)
{
	struct usher_flow_forward *forward = &desk->entry.value.forward;

	__builtin_memset(&desk->entry, 0, sizeof(desk->entry));
	desk->entry.status = USHER_FLOW_HALF_OPEN;
	desk->entry.epoch = desk->packet.epoch;
	desk->entry.now = (__u16)desk->packet.now;
	desk->entry.tenant = desk->decision.tenant;
	forward->backend = desk->decision.backend;
	forward->incarnation = desk->decision.incarnation;
	forward->tenant = desk->decision.tenant;
	forward->class_id = desk->decision.class_id;
	forward->service = (__u8)desk->decision.service;
	forward->seen = (__u16)desk->packet.now;
	forward->tcp = desk->decision.reason == USHER_REASON_ADOPTED ? USHER_TCP_ADOPTED : 0;
	forward->cut = (desk->decision.metered ? USHER_FLOW_METERED : 0) | flow_router_mark(desk->packet.sender_mac);
	forward->interface = desk->decision.interface & (USHER_INTERFACES_MAX - 1);
	if (usher_boot.flow_ends) {
		const struct usher_generation *generation = generation_of(&desk->packet);

		desk->entry.generation = generation ? generation->number : 0;
		desk->entry.target = desk->decision.route.target;
		desk->entry.figures = (desk->decision.recorded ? USHER_FIGURES_RECORDED : 0) |
				      (desk->decision.audit_required ? USHER_FIGURES_REQUIRED : 0);
	}
}

/*
 * The flow's own line: a free one, or that of the flow whose place it takes. Who loses it to another CPU at the last moment looks once
 * more. FLOW_INSERTED, or why not.
 */
static __always_inline int admit_line(struct desk *desk)
{
	int result;

	if (desk->hit.ref.tag)
		return flow_replace(&desk->hit.ref, &desk->entry);
	result = flow_insert(&desk->packet.key, desk->packet.hash, &desk->entry, &desk->hit);
	if (result == USHER_REASON_FLOW_CONTENDED)
		result = flow_insert(&desk->packet.key, desk->packet.hash, &desk->entry, &desk->hit);
	return result == FLOW_EXISTS ? USHER_REASON_FLOW_CONTENDED : result;
}

/* All the lines that the flow needs, or none. FLOW_INSERTED, or why not. */
static __always_inline int admit_insert(struct desk *desk)
{
	int result;

	admit_describe(desk);
	desk->hit.value = desk->entry.value;
	if (desk->decision.reason == USHER_REASON_STRAY_END)
		return FLOW_INSERTED;
	result = admit_line(desk);
	if (result != FLOW_INSERTED)
		return result;
	if (desk->decision.forward == USHER_FORWARD_NAT) {
		result = nat_insert(desk);
		if (result != FLOW_INSERTED) {
			flow_withdraw(&desk->hit.ref);
			return result;
		}
	}
	desk->hit.value.forward.nat_port_be = desk->decision.nat_port_be;
	desk->hit.value.forward.nat_index = desk->decision.nat_index;
	desk->decision.flow_line = desk->hit.ref.line;
	desk->decision.flow_tag = desk->hit.ref.tag;
	return FLOW_INSERTED;
}

/* desk->hit.ref.tag: 0, or of the flow whose place a new one takes. Returns the reason with FOLLOW_ON; without, the
 * packet bears the action. */
__noinline int admit(struct xdp_md *ctx, struct desk *desk)
{
	struct decision *decision;
	struct usher_event *event;
	struct packet *packet;
	int reason, result;
	__u16 class_id;
	bool alone; /* has a record of its own */

	if (!desk)
		return USHER_REASON_NO_BACKEND;
	packet = &desk->packet;
	decision = &desk->decision;
	/* First of all: it waits for memory, and so does the look-up of the flow, which is still under way. */
	class_id = classify_source(packet, &packet->key.source);
	decision_begin(decision, &packet->key, packet->service);
	decision->class_id = class_id;
	decision->classified = true;
	decision->interface = forward_place(ctx);
	/* Read back, so that the verifier of Linux 6.1 does not go down the rest once for each way that leads here. */
	decision->reason = (__u8)admit_decide(ctx, packet, decision);
	reason = FLOW_READ(decision->reason);
	if (packet->dry_run) {
		admit_explain(packet, decision, reason);
		return reason;
	}
	if (admit_refuses(reason)) {
		if (!(packet->tcp_flags & TCP_RST))
			audit_record(packet, decision, reason);
		if (decision->route.answer == USHER_ANSWER_RESET)
			packet->action = (__u32)refuse_sender(ctx, packet, decision->class_id);
		return reason;
	}
	if (!admit_forwards(reason))
		return flood_count(packet, decision, reason);
	result = limit_new_flow(desk);
	if (result)
		return flood_count(packet, decision, result);
	alone = (reason != USHER_REASON_STRAY_END || decision->audit_required) &&
		audit_budget(packet, decision->tenant, USHER_RECORD_BEGUN);
	if (!alone && decision->audit_required)
		return flood_count(packet, decision, USHER_REASON_AUDIT_BUDGET);
	event = alone ? reserve_record(decision->audit_required) : NULL;
	if (!event && decision->audit_required)
		return flood_count(packet, decision, USHER_REASON_AUDIT_FULL);
	decision->recorded = !!event;
	result = admit_insert(desk);
	if (result != FLOW_INSERTED)
		reason = result;
	if (event)
		audit_submit(event, packet, decision, reason);
	else if (!alone)
		flood_count(packet, decision, reason);
	if (result != FLOW_INSERTED)
		return reason;
	if (reason != USHER_REASON_STRAY_END) {
		account_backend_flow(decision->backend);
		route_opened(decision);
	}
	return reason | FOLLOW_ON;
}

#endif
