/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets of flows that have been decided: sent on, judged again when policy has changed, cut.
 *
 * 1. A flow is judged again by its constraint set alone: a drain or a failed probe cuts nobody.
 * 2. One packet in, one out. The first packet after a revocation becomes the reset of the end that it was going to; every
 *    later one is answered with a reset of its sender; a reset from either end passes. What is still missing the daemon
 *    sends, and knows from the record which.
 * 3. Datagrams have nothing to reset: a revoked UDP flow is forgotten, and the next datagram decided anew.
 */
#ifndef USHER_BPF_FOLLOW_H
#define USHER_BPF_FOLLOW_H

#include "account.h"
#include "audit.h"
#include "forward.h"
#include "meter.h"
#include "refuse.h"
#include "route.h"
#include "tcp.h"

/* More than a server sends before it has heard from the client (RFC 6928), little enough that guessing is in vain. */
#define FOLLOW_PROOF_WINDOW 0x10000u

enum follow_end { FOLLOW_CLIENT, FOLLOW_BACKEND };

/* With a reason: the packet goes on to the backend of the flow in desk->hit. */
#define FOLLOW_ON 0x100

static __always_inline __u64 flow_hash(const struct usher_flow_key *key)
{
	const __u64 keys[USHER_HASH_KEYS] = {usher_boot.hash_key[0], usher_boot.hash_key[1], usher_boot.hash_key[2],
					     usher_boot.hash_key[3], usher_boot.hash_key[4]};

	return usher_hash_flow(key->source.halves, key->destination.halves, USHER_FLOW_WORD(key), keys);
}

/* An empty decision on the flow that its client sees as `client`. */
static __always_inline void decision_begin(struct decision *decision, const struct usher_flow_key *client,
					   __u32 service)
{
	__builtin_memset(decision, 0, sizeof(*decision));
	decision->client = *client;
	decision->service = (__u16)service;
	decision->backend = USHER_NONE;
	decision->arm = USHER_NONE;
	decision->route.rule = USHER_NONE;
	decision->route.target = (__u16)service;
}

/* What the flow's entry says of it. */
static __always_inline void follow_describe(struct decision *decision, const struct flow_hit *hit)
{
	decision->backend = hit->value.forward.backend;
	decision->incarnation = hit->value.forward.incarnation;
	decision->nat_port_be = hit->value.forward.nat_port_be;
	decision->nat_index = hit->value.forward.nat_index;
	decision->interface = hit->value.forward.interface;
	decision->flow_line = hit->ref.line;
	decision->flow_tag = hit->ref.tag;
}

/* Was the flow judged by what this packet sees, or by what came after it? */
static __always_inline bool follow_is_current(const struct packet *packet, __u64 tag)
{
	return (__s32)(packet->epoch - USHER_TAG_EPOCH(tag)) <= 0;
}

/* May the packet just be sent on? It begins nothing, and there is nothing to prove, to judge, to meter or to cut. */
static __always_inline bool follow_is_settled(const struct packet *packet, const struct flow_hit *hit)
{
	return USHER_TAG_STATUS(hit->ref.tag) == USHER_FLOW_LIVE && follow_is_current(packet, hit->ref.tag) &&
	       !(hit->value.forward.cut & USHER_FLOW_METERED) && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

/* ---- to the backend ------------------------------------------------------------------------------------- */

/* Is the flow's backend the one that it was, and is there a way to it? */
static __always_inline bool follow_reaches(const struct flow_hit *hit, const struct usher_backend *backend)
{
	return backend->incarnation == hit->value.forward.incarnation && backend->flags & USHER_BACKEND_REACHABLE;
}

/* Addresses and ports between usher and a backend that it does NAT for. False: not known. */
static __always_inline bool follow_nat_path(const struct packet *packet, const struct flow_hit *hit,
					    const struct usher_backend *backend, struct usher_flow_key *ret_path)
{
	const struct usher_nat_address *nat =
		GENERATION_ENTRY(nat_addresses, USHER_NAT_ADDRESSES_MAX, packet->slot, hit->value.forward.nat_index);
	if (!nat || !nat->used || !hit->value.forward.nat_port_be)
		return false;
	ret_path->source = nat->address;
	ret_path->destination = backend->address;
	ret_path->ports = (__u32)backend->port_be << 16 | hit->value.forward.nat_port_be;
	return true;
}

/* Addresses and ports between usher and the backend. False: there is no way to it now. */
static __always_inline bool follow_path(const struct packet *packet, const struct usher_flow_key *client,
					const struct flow_hit *hit, const struct usher_backend *backend,
					struct usher_flow_key *ret_path)
{
	if (!follow_reaches(hit, backend))
		return false;
	if (backend->forward == USHER_FORWARD_NAT)
		return follow_nat_path(packet, hit, backend, ret_path);
	*ret_path = *client;
	return true;
}

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
	return !backend || !follow_path(packet, &packet->key, &desk->hit, backend, &desk->path);
}

/* Sends a client's packet on. `reason` is returned if that can be done. There is one place where that is done: see FOLLOW_ON. */
static __always_inline int follow_send(struct xdp_md *ctx, struct desk *desk, int reason)
{
	struct packet *packet = &desk->packet;
	const struct usher_backend *backend;
	int check;
	bool sent;

	backend = route_backend(packet, desk->hit.value.forward.backend);
	if (!backend)
		return USHER_REASON_NEXT_HOP;
	check = forward_check(packet, backend);
	if (check == USHER_REASON_TOO_BIG)
		packet->action = (__u32)refuse_too_big(ctx, packet, desk->hit.value.forward.class_id,
						       tunnel_mtu(packet, backend));
	if (check != UNDECIDED)
		return check;
	if (!follow_reaches(&desk->hit, backend) ||
	    (backend->forward == USHER_FORWARD_NAT && !follow_nat_path(packet, &desk->hit, backend, &desk->path)))
		return USHER_REASON_NEXT_HOP;
	/* First: what ends a flow that was silent for long must not leave it overdue. */
	flow_touch(&desk->hit.ref, &desk->hit.value, (__u16)packet->now);
	if (packet->key.protocol == IPPROTO_TCP)
		tcp_from_client(desk);
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

/* Does this packet acknowledge what the backend said, which only the real client can have seen? */
static __always_inline bool follow_proves(struct desk *desk)
{
	const struct packet *packet = &desk->packet;
	const struct usher_backend *backend = route_backend(packet, desk->hit.value.forward.backend);
	__u32 acknowledged;

	if (!backend)
		return false;
	if (backend->forward != USHER_FORWARD_NAT) /* the answer went another way */
		return true;
	if (!(desk->hit.value.forward.tcp & USHER_TCP_ANSWERED) ||
	    !follow_path(packet, &packet->key, &desk->hit, backend, &desk->path))
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
	follow_describe(&desk->decision, &desk->hit);
	audit_record(&desk->packet, &desk->decision, USHER_REASON_CONFIRMED);
	return USHER_REASON_CONFIRMED;
}

/* ---- cut ------------------------------------------------------------------------------------------------- */

/* This packet becomes the reset of the end that it was going to. Returns the XDP action. */
static __always_inline int follow_reset_receiver(struct xdp_md *ctx, const struct packet *packet,
						 const struct usher_flow_key *path, const __u8 receiver[ETH_ALEN],
						 const __u8 sender[ETH_ALEN])
{
	struct reset reset = {.path = *path,
			      .sequence = packet->sequence,
			      .frame_length = packet->length,
			      .flags = TCP_RST,
			      .network = packet->network,
			      .is_ipv6 = packet->is_ipv6};

	if (packet->tcp_flags & TCP_ACK) {
		reset.acknowledgement = packet->acknowledgement;
		reset.flags |= TCP_ACK;
	}
	__builtin_memcpy(reset.receiver_mac, receiver, ETH_ALEN);
	__builtin_memcpy(reset.sender_mac, sender, ETH_ALEN);
	return refuse_send_reset(ctx, &reset);
}

/* The end from which this packet came gets a reset. */
static __always_inline void follow_reset_sender(struct xdp_md *ctx, struct desk *desk, enum follow_end from)
{
	struct packet *packet = &desk->packet;

	packet->action = (__u32)refuse_sender(ctx, packet, desk->hit.value.forward.class_id);
	if (packet->action == XDP_TX && packet->key.protocol == IPPROTO_TCP)
		flow_mark(&desk->hit.ref, 0, from == FOLLOW_CLIENT ? USHER_CUT_CLIENT : USHER_CUT_BACKEND);
}

/* What each end expects next, as far as this packet shows it. */
static __always_inline void follow_expected(struct desk *desk, enum follow_end from)
{
	const struct packet *packet = &desk->packet;
	__u32 heard = packet->tcp_flags & TCP_ACK ? packet->acknowledgement : 0;

	desk->decision.client_next = from == FOLLOW_CLIENT ? heard : packet->sequence;
	desk->decision.backend_next = from == FOLLOW_CLIENT ? packet->sequence : heard;
}

/* Revokes a UDP flow. */
static __always_inline int follow_forget(struct xdp_md *ctx, struct desk *desk, enum follow_end from)
{
	if (flow_delete(&desk->hit.ref))
		return USHER_REASON_REVOKED_TAIL;
	audit_record(&desk->packet, &desk->decision, USHER_REASON_REVOKED);
	if (from == FOLLOW_CLIENT)
		follow_reset_sender(ctx, desk, from);
	return USHER_REASON_REVOKED;
}

/* Revokes the flow of a client's packet. */
__noinline int follow_cut_client(struct xdp_md *ctx, struct desk *desk)
{
	const struct usher_backend *backend;
	struct packet *packet;

	if (!desk)
		return USHER_REASON_REVOKED_TAIL;
	packet = &desk->packet;
	if (packet->key.protocol == IPPROTO_UDP)
		return follow_forget(ctx, desk, FOLLOW_CLIENT);
	if (flow_cut(&desk->hit.ref))
		return USHER_REASON_REVOKED_TAIL;
	follow_expected(desk, FOLLOW_CLIENT);
	__builtin_memcpy(desk->decision.client_mac, packet->sender_mac, ETH_ALEN);
	backend = route_backend(packet, desk->hit.value.forward.backend);
	if (!backend || !follow_path(packet, &packet->key, &desk->hit, backend, &desk->path)) {
		follow_reset_sender(ctx, desk, FOLLOW_CLIENT);
		desk->decision.cut = packet->action == XDP_TX ? USHER_CUT_CLIENT : 0;
	} else {
		packet->action =
			(__u32)follow_reset_receiver(ctx, packet, &desk->path, backend->next_hop, backend->own_mac);
		if (USHER_FORWARD_IS_TUNNEL(backend->forward) && packet->action == XDP_TX) {
			packet->ip_length = REFUSE_RESET_LENGTH(packet->is_ipv6);
			packet->action = tunnel_push(ctx, packet, backend) ? XDP_TX : XDP_DROP;
		}
		if (packet->action == XDP_TX)
			packet->action = forward_out(ctx, backend->interface);
		desk->decision.cut = USHER_CUT_BACKEND;
		flow_mark(&desk->hit.ref, 0, USHER_CUT_BACKEND);
	}
	audit_record(packet, &desk->decision, USHER_REASON_REVOKED);
	return USHER_REASON_REVOKED;
}

/* Revokes the flow of a backend's packet. */
__noinline int follow_cut_backend(struct xdp_md *ctx, struct desk *desk)
{
	struct forward_client client;
	struct packet *packet;

	if (!desk)
		return USHER_REASON_REVOKED_TAIL;
	packet = &desk->packet;
	if (packet->key.protocol == IPPROTO_UDP)
		return follow_forget(ctx, desk, FOLLOW_BACKEND);
	if (flow_cut(&desk->hit.ref))
		return USHER_REASON_REVOKED_TAIL;
	follow_expected(desk, FOLLOW_BACKEND);
	__builtin_memcpy(desk->decision.client_mac, desk->back.value.back.client_mac, ETH_ALEN);
	refuse_turn(&desk->decision.client, &desk->path);
	forward_find_client(ctx, packet, desk->decision.interface, &client);
	packet->action = (__u32)follow_reset_receiver(ctx, packet, &desk->path, desk->decision.client_mac, client.mac);
	if (packet->action == XDP_TX)
		packet->action = forward_out(ctx, client.interface);
	desk->decision.cut = USHER_CUT_CLIENT;
	flow_mark(&desk->hit.ref, 0, USHER_CUT_CLIENT);
	audit_record(packet, &desk->decision, USHER_REASON_REVOKED);
	return USHER_REASON_REVOKED;
}

/* ---- judged again ---------------------------------------------------------------------------------------- */

/* Whether a tenant has a bit rate changes with the epoch only: the flow's entry says it until then. */
static __always_inline void follow_note_meter(struct desk *desk)
{
	struct usher_flow_forward *forward = &desk->hit.value.forward;
	const struct usher_tenant_limit *limit = limit_of(&desk->packet, forward->tenant);
	__u8 metered = limit && limit->byte_cost ? USHER_FLOW_METERED : 0;

	if ((forward->cut & USHER_FLOW_METERED) == metered)
		return;
	flow_update(&desk->hit.ref, 1, (__u64)USHER_FLOW_METERED << 56, (__u64)metered << 56);
	forward->cut ^= USHER_FLOW_METERED;
}

/*
 * Is this packet, of the flow of desk->decision, beyond its tenant's bit rate? Then it is dropped, and on record with the others of
 * this second. Returns the reason, or 0.
 */
__noinline int follow_meter(struct desk *desk)
{
	if (!desk || meter_passes(&desk->packet, desk->hit.value.forward.tenant))
		return 0;
	route_find(&desk->packet, &desk->decision);
	desk->decision.tenant = desk->hit.value.forward.tenant;
	return flood_count(&desk->packet, &desk->decision, USHER_REASON_BIT_RATE_LIMIT);
}

/* Is what the flow's client calls still the service that it was? */
static __always_inline bool follow_is_served(const struct desk *desk)
{
	const struct decision *decision = &desk->decision;
	const struct usher_generation *generation = generation_of(&desk->packet);
	const struct usher_endpoint *endpoint;

	if (!generation)
		return false;
	endpoint = classify_endpoint(generation, desk->packet.slot, &decision->client.destination,
				     decision->client.destination_port_be, decision->client.protocol);
	return endpoint && endpoint->kind == USHER_ENDPOINT_SERVICE && endpoint->service == decision->service;
}

/*
 * The class of the flow's client, if no source has got another one since the flow was judged: most new epochs are about backends, and
 * the look-up of a source is what judging again would cost most.
 */
static __always_inline void follow_recall_class(struct desk *desk)
{
	const struct usher_generation *generation = generation_of(&desk->packet);
	__u16 class_id = desk->hit.value.forward.class_id;

	desk->decision.class_id = class_id;
	desk->decision.classified = generation && class_id != USHER_NONE &&
				    (__s32)(USHER_TAG_EPOCH(desk->hit.ref.tag) - generation->classes_epoch) >= 0;
}

/*
 * Another class than when the flow began is never written to its entry, only that there was one: packets of two generations may be
 * here at once, and what the older of them knows must not outlive it. False: the entry could not be changed.
 */
static __always_inline bool follow_note_class(const struct desk *desk)
{
	__u16 class_id = desk->hit.value.forward.class_id;

	return class_id == USHER_NONE || class_id == desk->decision.class_id ||
	       !flow_update(&desk->hit.ref, 0, 0, 0xffffULL << 48);
}

/* Does what is in force now keep the flow, whose service is there, on its backend? */
static __always_inline bool follow_is_kept(struct desk *desk, bool is_served)
{
	struct decision *decision = &desk->decision;

	follow_describe(decision, &desk->hit);
	follow_recall_class(desk);
	if (!is_served || !route_find(&desk->packet, decision) || !route_keeps(&desk->packet, decision)) {
		if (decision->route.reason < USHER_REASON_DENY_RULE) /* the rule that admits, not one that revokes */
			decision->route.rule = USHER_NONE;
		return false;
	}
	if (follow_note_class(desk))
		flow_stamp(&desk->hit.ref, desk->packet.epoch);
	follow_note_meter(desk);
	return true;
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
		follow_reset_sender(ctx, desk, FOLLOW_CLIENT);
		return USHER_REASON_REVOKED_TAIL;
	}
	if (!follow_is_current(packet, desk->hit.ref.tag)) {
		decision_begin(&desk->decision, &packet->key, desk->hit.value.forward.service);
		if (!follow_is_kept(desk, desk->hit.value.forward.service == packet->service))
			return follow_cut_client(ctx, desk);
		reason = USHER_REASON_REAFFIRMED;
	}
	if (desk->hit.value.forward.cut & USHER_FLOW_METERED) {
		decision_begin(&desk->decision, &packet->key, packet->service);
		if (follow_meter(desk))
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
	refuse_turn(&desk->key, &desk->path);
	flow_touch(&desk->hit.ref, &desk->hit.value, (__u16)packet->now);
	if (packet->key.protocol == IPPROTO_TCP)
		tcp_from_backend(desk);
	else
		flow_promote(&desk->hit.ref);
	forward_find_client(ctx, packet, desk->hit.value.forward.interface, &client);
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
			follow_reset_sender(ctx, desk, FOLLOW_BACKEND);
			return reason;
		}
	} else if (!follow_is_current(packet, desk->hit.ref.tag)) {
		decision_begin(&desk->decision, &desk->key, packet->service);
		if (!follow_is_kept(desk, follow_is_served(desk)))
			return follow_cut_backend(ctx, desk);
	}
	if (packet->tcp_flags & TCP_SYN && tcp_is_forgotten(desk))
		return USHER_REASON_BACKEND_FORGOT;
	if (desk->hit.value.forward.cut & USHER_FLOW_METERED) {
		decision_begin(&desk->decision, &desk->key, packet->service);
		if (follow_meter(desk))
			return USHER_REASON_BIT_RATE_LIMIT;
	}
	return follow_to_client(ctx, desk, reason);
}

#endif
