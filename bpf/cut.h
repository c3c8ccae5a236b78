/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open flows that policy does not allow any more.
 *
 * 1. One packet in, one out. The first packet after a revocation becomes the reset of the end that it was going to; every
 *    later one is answered with a reset of its sender; a reset from either end passes. What is still missing the daemon
 *    sends, and knows from the record which.
 * 2. Datagrams have nothing to reset: a revoked UDP flow is forgotten, and the next datagram decided anew.
 */
#ifndef USHER_BPF_CUT_H
#define USHER_BPF_CUT_H

#include "audit.h"
#include "forward.h"
#include "path.h"
#include "refuse.h"

/* This packet becomes the reset of the end that it was going to. Returns the XDP action. */
static __always_inline int cut_reset_receiver(struct xdp_md *ctx, const struct packet *packet,
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
static __always_inline void cut_reset_sender(struct xdp_md *ctx, struct desk *desk, enum path_end from)
{
	struct packet *packet = &desk->packet;

	packet->action = (__u32)refuse_sender(ctx, packet, desk->hit.value.forward.class_id);
	if (packet->action == XDP_TX && packet->key.protocol == IPPROTO_TCP)
		flow_mark(&desk->hit.ref, 0, from == PATH_CLIENT ? USHER_CUT_CLIENT : USHER_CUT_BACKEND);
}

/* What each end expects next, as far as this packet shows it. */
static __always_inline void cut_expected(struct desk *desk, enum path_end from)
{
	const struct packet *packet = &desk->packet;
	__u32 heard = packet->tcp_flags & TCP_ACK ? packet->acknowledgement : 0;

	desk->decision.client_next = from == PATH_CLIENT ? heard : packet->sequence;
	desk->decision.backend_next = from == PATH_CLIENT ? packet->sequence : heard;
}

/* Revokes a UDP flow. */
static __always_inline int cut_datagrams(struct xdp_md *ctx, struct desk *desk, enum path_end from)
{
	if (flow_delete(&desk->hit.ref))
		return USHER_REASON_REVOKED_TAIL;
	audit_record(&desk->packet, &desk->decision, USHER_REASON_REVOKED);
	if (from == PATH_CLIENT)
		cut_reset_sender(ctx, desk, from);
	return USHER_REASON_REVOKED;
}

/* Revokes the flow of a client's packet. */
__noinline int cut_client(struct xdp_md *ctx, struct desk *desk)
{
	const struct usher_backend *backend;
	struct packet *packet;

	if (!desk)
		return USHER_REASON_REVOKED_TAIL;
	packet = &desk->packet;
	if (packet->key.protocol == IPPROTO_UDP)
		return cut_datagrams(ctx, desk, PATH_CLIENT);
	if (flow_cut(&desk->hit.ref))
		return USHER_REASON_REVOKED_TAIL;
	cut_expected(desk, PATH_CLIENT);
	__builtin_memcpy(desk->decision.client_mac, packet->sender_mac, ETH_ALEN);
	backend = route_backend(packet, desk->hit.value.forward.backend);
	if (!backend || !path_find(packet, &packet->key, &desk->hit, backend, &desk->path)) {
		cut_reset_sender(ctx, desk, PATH_CLIENT);
		desk->decision.cut = packet->action == XDP_TX ? USHER_CUT_CLIENT : 0;
	} else {
		packet->action =
			(__u32)cut_reset_receiver(ctx, packet, &desk->path, backend->next_hop, backend->own_mac);
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
__noinline int cut_backend(struct xdp_md *ctx, struct desk *desk)
{
	struct forward_client client;
	struct packet *packet;

	if (!desk)
		return USHER_REASON_REVOKED_TAIL;
	packet = &desk->packet;
	if (packet->key.protocol == IPPROTO_UDP)
		return cut_datagrams(ctx, desk, PATH_BACKEND);
	if (flow_cut(&desk->hit.ref))
		return USHER_REASON_REVOKED_TAIL;
	cut_expected(desk, PATH_BACKEND);
	__builtin_memcpy(desk->decision.client_mac, desk->back.value.back.client_mac, ETH_ALEN);
	refuse_turn(&desk->decision.client, &desk->path);
	forward_find_client(ctx, packet, desk->decision.interface, &client);
	packet->action = (__u32)cut_reset_receiver(ctx, packet, &desk->path, desk->decision.client_mac, client.mac);
	if (packet->action == XDP_TX)
		packet->action = forward_out(ctx, client.interface);
	desk->decision.cut = USHER_CUT_CLIENT;
	flow_mark(&desk->hit.ref, 0, USHER_CUT_CLIENT);
	audit_record(packet, &desk->decision, USHER_REASON_REVOKED);
	return USHER_REASON_REVOKED;
}

#endif
