/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors about packets of a flow: to the end that sent those packets, as it knows them. Path-MTU discovery depends on it.
 *
 * 1. An error is believed as far as it quotes a flow that is in the table and judged by what is in force; any other is the
 *    host's. What it says is for the end to judge, as it would without us (RFC 5927).
 * 2. Through NAT the quoted packet becomes what that end has sent (RFC 5508, REQ-4), and the error comes from usher: from the NAT
 *    address to a backend, from the service to a client, so that neither learns of the other's routers.
 * 3. Checksums are changed, never computed anew. A quoted transport checksum is changed where the quote is long enough to have it.
 */
#ifndef USHER_BPF_RELAY_H
#define USHER_BPF_RELAY_H

#include "admit.h"

#define RELAY_ICMP_HEADER 8
/* Of the quoted packet's transport header (RFC 792): ports, and of UDP the checksum. */
#define RELAY_QUOTE_MIN 8
#define RELAY_QUOTE_TCP (offsetof(struct tcphdr, check) + sizeof(__sum16))

/* Errors of RFC 792 and RFC 4443, 3; the rest asks or answers. */
static __always_inline bool relay_is_error(__u8 type, bool is_ipv6)
{
	return is_ipv6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
}

/* Addresses and ports of the quoted packet, receiver first: as its answers would have them. */
static __always_inline bool relay_read_ports(const void *data, const void *end, struct desk *desk)
{
	const __u16 *ports = data + (desk->quote.transport & FORWARD_TRANSPORT_MAX);

	if ((desk->key.protocol != IPPROTO_TCP && desk->key.protocol != IPPROTO_UDP) ||
	    desk->quote.transport + RELAY_QUOTE_MIN > desk->quote.end || (const void *)ports + RELAY_QUOTE_MIN > end)
		return false;
	desk->key.source_port_be = ports[1];
	desk->key.destination_port_be = ports[0];
	return true;
}

static __always_inline bool relay_read_ipv4(const void *data, const void *end, struct desk *desk)
{
	const struct iphdr *ip = data + (desk->quote.network & FORWARD_TRANSPORT_MAX);
	__u32 header;

	if ((const void *)(ip + 1) > end)
		return false;
	header = (*(const __u8 *)ip & 0xf) * 4;
	if (*(const __u8 *)ip >> 4 != 4 || header < sizeof(*ip) || ip->frag_off & PARSE_BE16(0x1fff))
		return false;
	desk->quote.transport = desk->quote.network + header;
	desk->key.protocol = ip->protocol;
	parse_mapped(&desk->key.source, ip->daddr);
	parse_mapped(&desk->key.destination, ip->saddr);
	return relay_read_ports(data, end, desk);
}

static __always_inline bool relay_read_ipv6(const void *data, const void *end, struct desk *desk)
{
	const struct ipv6hdr *ip = data + (desk->quote.network & FORWARD_TRANSPORT_MAX);

	if ((const void *)(ip + 1) > end || *(const __u8 *)ip >> 4 != 6)
		return false;
	desk->quote.transport = desk->quote.network + (__u32)sizeof(*ip);
	desk->key.protocol = ip->nexthdr;
	__builtin_memcpy(&desk->key.source, &ip->daddr, sizeof(ip->daddr));
	__builtin_memcpy(&desk->key.destination, &ip->saddr, sizeof(ip->saddr));
	return relay_read_ports(data, end, desk);
}

/* What the error quotes, into desk->key and desk->quote. False: it is none, or cannot be about a flow. */
__noinline int relay_read(struct xdp_md *ctx, struct desk *desk)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct packet *packet;
	const __u8 *icmp;
	bool read;

	if (!desk)
		return false;
	packet = &desk->packet;
	icmp = data + (packet->transport & FORWARD_TRANSPORT_MAX);
	__builtin_memset(&desk->key, 0, sizeof(desk->key));
	if ((const void *)(icmp + RELAY_ICMP_HEADER) > end || !relay_is_error(icmp[0], packet->is_ipv6) ||
	    parse_bad_source(packet))
		return false;
	desk->quote.network = packet->transport + RELAY_ICMP_HEADER;
	desk->quote.end = packet->network + packet->ip_length; /* what lies behind is not the error's */
	read = packet->is_ipv6 ? relay_read_ipv6(data, end, desk) : relay_read_ipv4(data, end, desk);
	/* Whoever sent the quoted packet is whom the error is sent to. */
	return read && classify_same_address(&desk->key.destination, &packet->key.destination);
}

/* Changes a checksum that lies at an even offset of what ICMP covers. Returns what that adds to the sum over it. */
static __always_inline __u64 relay_change_checksum(__u16 *checksum, __u64 change)
{
	__u16 before = *checksum;

	*checksum = checksum_update(before, change);
	return (__u64)(__u16)~before + *checksum;
}

/* The quoted packet as `inner`. ret_change: what that changes in the sum that ICMP's checksum is of. */
static __always_inline bool relay_rewrite_quote(void *data, const void *end, const struct desk *desk,
						const struct usher_flow_key *inner, __u64 *ret_change)
{
	void *network = data + (desk->quote.network & FORWARD_TRANSPORT_MAX);
	void *transport = data + (desk->quote.transport & FORWARD_TRANSPORT_MAX);
	struct iphdr *ipv4 = network;
	struct ipv6hdr *ipv6 = network;
	struct tcphdr *tcp = transport;
	struct udphdr *udp = transport;
	__u64 change, total;

	if ((void *)(ipv4 + 1) > end || (void *)(udp + 1) > end)
		return false;
	change = checksum_change_address(0, &desk->key.destination, &inner->source);
	change = checksum_change_address(change, &desk->key.source, &inner->destination);
	total = change;
	if (desk->packet.is_ipv6) {
		if ((void *)(ipv6 + 1) > end)
			return false;
		__builtin_memcpy(&ipv6->saddr, &inner->source, sizeof(ipv6->saddr));
		__builtin_memcpy(&ipv6->daddr, &inner->destination, sizeof(ipv6->daddr));
	} else {
		ipv4->saddr = inner->source.words[3];
		ipv4->daddr = inner->destination.words[3];
		total += relay_change_checksum(&ipv4->check, change);
	}
	change = checksum_change(change, *(__u32 *)transport, inner->ports);
	total = checksum_change(total, *(__u32 *)transport, inner->ports);
	*(__u32 *)transport = inner->ports;
	if (desk->key.protocol == IPPROTO_UDP) {
		/* All of it is in the quote; 0 and 0xffff add the same to ICMP's sum. */
		total += (__u16)~udp->check;
		forward_udp_checksum(&udp->check, change);
		total += udp->check;
	} else if (desk->quote.transport + RELAY_QUOTE_TCP <= desk->quote.end && transport + RELAY_QUOTE_TCP <= end) {
		total += relay_change_checksum(&tcp->check, change);
	}
	*ret_change = total;
	return true;
}

/*
 * Sends the error on through NAT: the quoted packet as desk->path, the error itself from that packet's receiver to its sender.
 * False: the frame is not as it was read.
 */
static __always_inline bool relay_translated(struct xdp_md *ctx, struct desk *desk, const __u8 receiver[ETH_ALEN],
					     const __u8 sender[ETH_ALEN])
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct usher_flow_key outer = {};
	struct packet *packet = &desk->packet;
	__u64 change, outside;
	__u16 *checksum;

	checksum = data + (packet->transport & FORWARD_TRANSPORT_MAX) + 2;
	outer.source = desk->path.destination;
	outer.destination = desk->path.source;
	if ((void *)(checksum + 1) > end || !relay_rewrite_quote(data, end, desk, &desk->path, &change))
		return false;
	outside = checksum_change_address(0, &packet->key.source, &outer.source);
	outside = checksum_change_address(outside, &packet->key.destination, &outer.destination);
	*checksum = checksum_update(*checksum, packet->is_ipv6 ? change + outside : change);
	return forward_direct(ctx, packet, receiver, sender) && forward_addresses(data, end, packet, &outer, outside);
}

/* About what a backend sent to a client: to that backend. */
static __always_inline int relay_to_backend(struct xdp_md *ctx, struct desk *desk)
{
	struct packet *packet = &desk->packet;
	const struct usher_backend *backend = route_backend(packet, desk->hit.value.forward.backend);
	struct usher_flow_key path;
	bool sent;
	int check;

	if (!backend)
		return USHER_REASON_NEXT_HOP;
	check = forward_check(ctx, packet, backend);
	if (check != UNDECIDED)
		return check;
	if (!path_find(packet, &desk->key, &desk->hit, backend, &desk->path))
		return USHER_REASON_NEXT_HOP;
	if (backend->forward == USHER_FORWARD_NAT) {
		path = desk->path;
		refuse_turn(&path, &desk->path);
		sent = relay_translated(ctx, desk, backend->next_hop, backend->own_mac);
	} else if (USHER_FORWARD_IS_TUNNEL(backend->forward)) {
		sent = forward_tunneled(ctx, packet, backend);
	} else {
		sent = forward_direct(ctx, packet, backend->next_hop, backend->own_mac);
	}
	if (!sent)
		return USHER_REASON_NO_HEADROOM;
	packet->action = forward_out(ctx, backend->interface);
	return packet->action == XDP_DROP ? USHER_REASON_NEXT_HOP : USHER_REASON_ICMP_RELAYED;
}

/* About what usher sent to a backend in a client's place: to that client. */
static __always_inline int relay_to_client(struct xdp_md *ctx, struct desk *desk)
{
	struct packet *packet = &desk->packet;
	struct forward_client client;

	if (packet->hop_limit <= 1)
		return USHER_REASON_TTL_EXPIRED;
	forward_find_client(ctx, packet, desk->hit.value.forward.interface, &client);
	if (!relay_translated(ctx, desk, desk->back.value.back.client_mac, client.mac))
		return USHER_REASON_NO_HEADROOM;
	packet->action = forward_out(ctx, client.interface);
	return packet->action == XDP_DROP ? USHER_REASON_NEXT_HOP : USHER_REASON_ICMP_RELAYED;
}

/* Is the flow one that what this packet sees lets go on? */
static __always_inline bool relay_allowed(const struct desk *desk)
{
	return USHER_TAG_STATUS(desk->hit.ref.tag) != USHER_FLOW_CUT &&
	       judge_is_current(&desk->packet, desk->hit.ref.tag);
}

/* ICMP to an address of usher's. Returns its reason; the packet then bears the service and the action. */
__noinline int relay(struct xdp_md *ctx, struct desk *desk)
{
	struct packet *packet;
	__u64 hash;

	if (!desk || desk->packet.dry_run || !relay_read(ctx, desk))
		return USHER_REASON_ICMP_TO_HOST;
	packet = &desk->packet;
	hash = flow_hash(&desk->key);
	packet->hash = hash; /* of the flow, for the tunnel */
	if (!flow_find(&desk->key, hash, &desk->hit.ref, &desk->hit.value)) {
		packet->service = desk->hit.value.forward.service;
		return relay_allowed(desk) ? relay_to_backend(ctx, desk) : USHER_REASON_ICMP_UNJUDGED;
	}
	desk->key.is_return = 1;
	if (flow_find(&desk->key, flow_hash(&desk->key), &desk->back.ref, &desk->back.value) ||
	    flow_follow(&desk->back.value, desk->key.destination_port_be, &desk->hit.ref, &desk->path,
			&desk->hit.value))
		return USHER_REASON_ICMP_TO_HOST;
	packet->service = desk->hit.value.forward.service;
	return relay_allowed(desk) ? relay_to_client(ctx, desk) : USHER_REASON_ICMP_UNJUDGED;
}

#endif
