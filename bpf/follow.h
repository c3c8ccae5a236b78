/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets of flows that have been decided: sent on, after judging again what policy has changed for; or cut. */
#ifndef USHER_BPF_FOLLOW_H
#define USHER_BPF_FOLLOW_H

#include "account.h"
#include "cut.h"
#include "judge.h"
#include "tcp.h"

/* More than a server sends before it has heard from the client (RFC 6928), little enough that guessing is in vain. */
#define FOLLOW_PROOF_WINDOW 0x10000u

#define FOLLOW_MAC 0xffffffffffffULL /* in the second word of a return entry */
#define FOLLOW_LOOK_MASK 15	     /* ticks */

/* With a reason: the packet goes on to the backend of the flow in desk->hit. */
#define FOLLOW_ON 0x100

/* May the packet just be sent on? It begins nothing, and there is nothing to prove, to judge, to meter or to cut. */
static __always_inline bool follow_is_settled(const struct packet *packet, const struct flow_hit *hit)
{
	__u64 tag = hit->ref.tag;

	/* What a datagram proves, flow_touch knows. */
	return (USHER_TAG_STATUS(tag) == USHER_FLOW_LIVE ||
		(tag & (USHER_TAG_STATUS_MASK | USHER_TAG_UDP)) == (USHER_FLOW_HALF_OPEN | USHER_TAG_UDP)) &&
	       judge_is_current(packet, tag) && !(hit->value.forward.cut & USHER_FLOW_METERED) &&
	       (packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

/* ---- to the backend ------------------------------------------------------------------------------------- */

/*
 * Does this packet begin anew where a flow is? A SYN does, unless it belongs to the flow that it began, or the flow is one that
 * its backend can speak for (tcp.h).
 */
static __always_inline bool follow_begins(struct desk *desk)
{
	const struct packet *packet = &desk->packet;
	const struct usher_backend *backend;

	if (packet->key.protocol != IPPROTO_TCP || (packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return false;
	if (!tcp_is_vouched(&desk->hit))
		return true;
	if (USHER_TAG_STATUS(desk->hit.ref.tag) == USHER_FLOW_HALF_OPEN)
		return false;
	backend = route_backend(packet, desk->hit.value.forward.backend);
	return !backend || !path_find(packet, &packet->key, &desk->hit, backend, &desk->path);
}

/* The packet is larger than the way to this backend takes: its sender is told, and it bears the action. */
__noinline int follow_too_big(struct xdp_md *ctx, struct packet *packet, const struct usher_backend *backend,
			      __u32 class_id)
{
	if (packet && backend)
		packet->action = (__u32)refuse_too_big(ctx, packet, class_id,
						       forward_fit(packet, backend, ctx->ingress_ifindex));
	return 0;
}

/*
 * Through NAT answers go to the router that the client came by. Where its packets come by another one (a failover, equal paths), the
 * flow's entries learn that, from a packet that is near where the client was last seen (tcp.h): who knows no more than addresses and
 * ports moves nobody's answers. A datagram proves nothing. `place`: of the interface.
 */
__noinline int follow_router(struct desk *desk, __u32 place)
{
	const struct packet *packet = desk ? &desk->packet : NULL;
	const struct usher_flow_moment *moment;
	__u64 mac = 0, known = 0;

	if (!desk || !packet)
		return 0;
	__builtin_memset(&desk->key, 0, sizeof(desk->key));
	refuse_turn(&desk->path, &desk->key);
	desk->key.protocol = IPPROTO_TCP;
	desk->key.is_return = 1;
	moment = tcp_moment(desk);
	if (!moment || flow_find(&desk->key, flow_hash(&desk->key), &desk->back.ref, &desk->back.value))
		return 0;
	__builtin_memcpy(&mac, packet->sender_mac, ETH_ALEN);
	__builtin_memcpy(&known, desk->back.value.back.client_mac, ETH_ALEN);
	if (mac != known || desk->hit.value.forward.interface != place) {
		if (!tcp_is_near(packet, moment)) {
			tcp_set(desk, 0, USHER_TCP_LOST);
			return 0;
		}
		flow_update(&desk->back.ref, 1, FOLLOW_MAC, mac);
	}
	flow_update(&desk->hit.ref, 1, (__u64)USHER_FLOW_ROUTER << 56 | (USHER_INTERFACES_MAX - 1ULL) << 45,
		    (__u64)flow_router_mark(packet->sender_mac) << 56 | (__u64)(place & (USHER_INTERFACES_MAX - 1))
										<< 45);
	return 0;
}

/* May the client have come by another router than before? Asked once a tick. Marks may agree by chance: so some ticks look anyway. */
static __always_inline bool follow_may_have_moved(const struct desk *desk, __u32 place)
{
	const struct usher_flow_forward *forward = &desk->hit.value.forward;

	return flow_is_live(desk->hit.ref.tag) &&
	       ((forward->cut & USHER_FLOW_ROUTER) != flow_router_mark(desk->packet.sender_mac) ||
		forward->interface != place || !((desk->packet.now ^ desk->hit.ref.line) & FOLLOW_LOOK_MASK));
}

/* Sends a client's packet on. `reason` is returned if that can be done. There is one place where that is done: see FOLLOW_ON. */
static __always_inline int follow_send(struct xdp_md *ctx, struct desk *desk, int reason)
{
	struct packet *packet = &desk->packet;
	const struct usher_backend *backend;
	bool sent, first; /* of its tick */
	int check;

	backend = route_backend(packet, desk->hit.value.forward.backend);
	if (!backend)
		return USHER_REASON_NEXT_HOP;
	check = forward_check(ctx, packet, backend);
	if (check == USHER_REASON_TOO_BIG)
		follow_too_big(ctx, packet, backend, desk->hit.value.forward.class_id);
	if (check != UNDECIDED)
		return check;
	if (!path_reaches(&desk->hit, backend) ||
	    (backend->forward == USHER_FORWARD_NAT && !path_through_nat(packet, &desk->hit, backend, &desk->path)))
		return USHER_REASON_NEXT_HOP;
	first = desk->hit.value.forward.seen != (__u16)packet->now;
	/* First: what ends a flow that was silent for long must not leave it overdue. */
	flow_touch(&desk->hit.ref, &desk->hit.value, (__u16)packet->now);
	if (first && backend->forward == USHER_FORWARD_NAT && packet->key.protocol == IPPROTO_TCP &&
	    follow_may_have_moved(desk, forward_place(ctx)))
		follow_router(desk, forward_place(ctx));
	if (packet->key.protocol == IPPROTO_TCP)
		tcp_from_client(desk);
	if (usher_boot.flow_ends)
		flow_figures_add(&desk->hit.ref, packet->ip_length, false);
	if (backend->forward == USHER_FORWARD_NAT)
		sent = forward_translated(ctx, packet, &desk->path, backend->next_hop, backend->own_mac);
	else if (USHER_FORWARD_IS_TUNNEL(backend->forward))
		sent = forward_tunneled(ctx, packet, backend);
	else
		sent = forward_direct(ctx, packet, backend->next_hop, backend->own_mac);
	if (!sent)
		return USHER_REASON_NO_HEADROOM;
	packet->action = forward_out(ctx, backend->interface);
	if (packet->action == XDP_DROP)
		return USHER_REASON_NEXT_HOP;
	account_backend(packet, desk->hit.value.forward.backend, ACCOUNT_TO_BACKEND);
	return reason;
}

/*
 * Does this packet acknowledge what the backend said, which only the real client can have seen? In direct return the answer went
 * another way; but what was adopted began with no handshake either, and must be heard in more than one tick.
 */
static __always_inline bool follow_proves(struct desk *desk)
{
	const struct packet *packet = &desk->packet;
	const struct usher_backend *backend = route_backend(packet, desk->hit.value.forward.backend);
	__u32 acknowledged;

	if (!backend)
		return false;
	if (backend->forward != USHER_FORWARD_NAT)
		return !(desk->hit.value.forward.tcp & USHER_TCP_ADOPTED) ||
		       desk->hit.value.forward.seen != (__u16)packet->now;
	if (!(desk->hit.value.forward.tcp & USHER_TCP_ANSWERED) ||
	    !path_find(packet, &packet->key, &desk->hit, backend, &desk->path))
		return false;
	__builtin_memset(&desk->key, 0, sizeof(desk->key));
	refuse_turn(&desk->path, &desk->key);
	desk->key.protocol = IPPROTO_TCP;
	desk->key.is_return = 1;
	if (flow_find(&desk->key, flow_hash(&desk->key), &desk->back.ref, &desk->back.value))
		return false;
	acknowledged = packet->acknowledgement - desk->back.value.back.backend_next;
	return acknowledged < FOLLOW_PROOF_WINDOW;
}

/* A handshake that this packet completes is recorded, by the CPU that sees it first. Returns the packet's reason. */
__noinline int follow_confirm(struct desk *desk, int reason)
{
	if (!desk || (desk->packet.tcp_flags & (TCP_ACK | TCP_SYN | TCP_RST)) != TCP_ACK || !follow_proves(desk) ||
	    flow_promote(&desk->hit.ref))
		return reason;
	decision_begin(&desk->decision, &desk->packet.key, desk->packet.service);
	if (!route_find(&desk->packet, &desk->decision))
		return reason;
	path_describe(&desk->decision, &desk->hit);
	audit_record(&desk->packet, &desk->decision, USHER_REASON_CONFIRMED);
	return USHER_REASON_CONFIRMED;
}

/* A client's packet of a flow that is in the table. Returns the reason with FOLLOW_ON; without, the packet bears the action. */
static __always_inline int follow_client(struct xdp_md *ctx, struct desk *desk)
{
	int reason = USHER_REASON_ESTABLISHED;
	struct packet *packet;

	if (!desk)
		return USHER_REASON_NEXT_HOP;
	packet = &desk->packet;
	if (USHER_TAG_STATUS(desk->hit.ref.tag) == USHER_FLOW_CUT) {
		if (packet->tcp_flags & TCP_RST)
			return USHER_REASON_REVOKED_TAIL | FOLLOW_ON;
		cut_reset_sender(ctx, desk, PATH_CLIENT);
		return USHER_REASON_REVOKED_TAIL;
	}
	if (!judge_is_current(packet, desk->hit.ref.tag)) {
		decision_begin(&desk->decision, &packet->key, desk->hit.value.forward.service);
		if (!judge_keeps(desk, desk->hit.value.forward.service == packet->service))
			return cut_client(ctx, desk);
		reason = USHER_REASON_REAFFIRMED;
	}
	if (desk->hit.value.forward.cut & USHER_FLOW_METERED) {
		decision_begin(&desk->decision, &packet->key, packet->service);
		if (judge_meter(desk))
			return USHER_REASON_BIT_RATE_LIMIT;
	}
	if (USHER_TAG_STATUS(desk->hit.ref.tag) == USHER_FLOW_HALF_OPEN && packet->key.protocol == IPPROTO_TCP)
		reason = follow_confirm(desk, reason);
	return reason | FOLLOW_ON;
}

/* ---- back to the client ---------------------------------------------------------------------------------- */

/* Sends a backend's packet on as the service's. */
static __always_inline int follow_to_client(struct xdp_md *ctx, struct desk *desk, int reason)
{
	struct packet *packet = &desk->packet;
	struct forward_client client;

	if (packet->hop_limit <= 1)
		return USHER_REASON_TTL_EXPIRED;
	forward_find_client(ctx, packet, desk->hit.value.forward.interface, &client);
	if (client.mtu && packet->ip_length > client.mtu) {
		packet->action = (__u32)refuse_too_big(ctx, packet, desk->hit.value.forward.class_id,
						       forward_told_mtu(packet, client.mtu));
		return USHER_REASON_TOO_BIG;
	}
	refuse_turn(&desk->key, &desk->path);
	flow_touch(&desk->hit.ref, &desk->hit.value, (__u16)packet->now);
	if (packet->key.protocol == IPPROTO_TCP)
		tcp_from_backend(desk);
	else
		flow_promote(&desk->hit.ref);
	if (usher_boot.flow_ends)
		flow_figures_add(&desk->hit.ref, packet->ip_length, true);
	if (!forward_translated(ctx, packet, &desk->path, desk->back.value.back.client_mac, client.mac))
		return USHER_REASON_NO_HEADROOM;
	packet->action = forward_out(ctx, client.interface);
	if (packet->action == XDP_DROP)
		return USHER_REASON_NEXT_HOP;
	account_backend(packet, desk->hit.value.forward.backend, ACCOUNT_FROM_BACKEND);
	return reason;
}

/* The flow that a packet to a NAT address answers: both its entries, and the client's key. */
static __always_inline bool follow_answers(struct desk *desk)
{
	const struct usher_flow_key *key = &desk->packet.key;

	return !flow_find(key, flow_hash(key), &desk->back.ref, &desk->back.value) &&
	       !flow_follow(&desk->back.value, key->destination_port_be, &desk->hit.ref, &desk->key, &desk->hit.value);
}

/* A packet to a NAT address: a backend's answer, or nobody's. */
__noinline int follow_backend(struct xdp_md *ctx, struct desk *desk)
{
	int reason = USHER_REASON_RETURNED;
	struct packet *packet;
	bool found;

	if (!desk)
		return USHER_REASON_NAT_NO_FLOW;
	packet = &desk->packet;
	packet->key.is_return = 1;
	__builtin_memset(&desk->key, 0, sizeof(desk->key));
	found = follow_answers(desk);
	if (found)
		packet->service = desk->hit.value.forward.service;
	account_received(packet);
	if (!found)
		return USHER_REASON_NAT_NO_FLOW;
	if (USHER_TAG_STATUS(desk->hit.ref.tag) == USHER_FLOW_CUT) {
		reason = USHER_REASON_REVOKED_TAIL;
		if (!(packet->tcp_flags & TCP_RST)) {
			cut_reset_sender(ctx, desk, PATH_BACKEND);
			return reason;
		}
	} else if (!judge_is_current(packet, desk->hit.ref.tag)) {
		decision_begin(&desk->decision, &desk->key, packet->service);
		if (!judge_keeps(desk, judge_is_served(desk)))
			return cut_backend(ctx, desk);
	}
	if (packet->tcp_flags & TCP_SYN && tcp_is_forgotten(desk))
		return USHER_REASON_BACKEND_FORGOT;
	if (desk->hit.value.forward.cut & USHER_FLOW_METERED) {
		decision_begin(&desk->decision, &desk->key, packet->service);
		if (judge_meter(desk))
			return USHER_REASON_BIT_RATE_LIMIT;
	}
	return follow_to_client(ctx, desk, reason);
}

#endif
