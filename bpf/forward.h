/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packet on its way: NAT, direct return on the same segment (l2), or in a tunnel across routers (ipip, gue).
 *
 * 1. Checksums are changed, never computed anew: a damaged packet stays damaged, and the end that gets it notices.
 * 2. What leaves by the interface it came in by is transmitted, everything else redirected.
 * 3. What is larger than the interface that it would be redirected to takes, or than the tunnel's path, is told to its sender. What is
 *    transmitted has come over a link of the same MTU, and may be several packets that the kernel has made one of (GRO, generic XDP).
 */
#ifndef USHER_BPF_FORWARD_H
#define USHER_BPF_FORWARD_H

#include "checksum.h"
#include "link.h"
#include "maps.h"
#include "tunnel.h"

#define FORWARD_TRANSPORT_MAX 0x3fff
#define FORWARD_IPV6_MTU_MIN 1280

/* The XDP action that takes the frame out by this interface (0: the one it came in by). XDP_DROP: usher does not have it. */
static __always_inline __u32 forward_out(const struct xdp_md *ctx, __u32 interface)
{
	if (!interface || interface == ctx->ingress_ifindex)
		return XDP_TX;
	return (__u32)bpf_redirect_map(&egress, interface, XDP_DROP);
}

/* Place of the interface that the frame came in by. */
static __always_inline __u8 forward_place(const struct xdp_md *ctx)
{
	for (__u8 i = 0; i < USHER_INTERFACES_MAX; i++)
		if (usher_boot.interfaces[i] == ctx->ingress_ifindex)
			return i;
	return 0;
}

/* Where a client is: the interface, and what frames that leave there bear as sender. */
struct forward_client {
	__u32 interface;
	__u8 mac[ETH_ALEN];
	__u16 mtu; /* 0: not known, or of no concern */
};

static __always_inline void forward_find_client(const struct xdp_md *ctx, const struct packet *packet, __u32 place,
						struct forward_client *client)
{
	const struct usher_interface *interface = bpf_map_lookup_elem(&interfaces, &place);

	client->interface = interface ? interface->index : 0;
	client->mtu = 0;
	if (interface && client->interface && client->interface != ctx->ingress_ifindex) {
		__builtin_memcpy(client->mac, interface->mac, ETH_ALEN);
		client->mtu = interface->mtu;
	} else {
		__builtin_memcpy(client->mac, packet->receiver_mac, ETH_ALEN);
	}
}

/* What to tell the sender of a packet that does not fit: an IPv6 host takes no less than 1,280 for an answer (RFC 8201, 4). */
static __always_inline __u32 forward_told_mtu(const struct packet *packet, __u32 mtu)
{
	return packet->is_ipv6 && mtu < FORWARD_IPV6_MTU_MIN ? FORWARD_IPV6_MTU_MIN : mtu;
}

/* 0, or of a packet that does not fit the way to this backend: the size that would. A function of its own: its callers' stacks are full. */
__noinline __u32 forward_fit(const struct packet *packet, const struct usher_backend *backend, __u32 ingress)
{
	__u32 overhead, mtu;

	if (!packet || !backend)
		return 0;
	mtu = backend->mtu ? backend->mtu : 0xffff;
	overhead = USHER_FORWARD_IS_TUNNEL(backend->forward) ? tunnel_overhead(backend) : 0;
	if (packet->ip_length + overhead <= mtu ||
	    (!overhead && (!backend->interface || backend->interface == ingress)))
		return 0;
	return forward_told_mtu(packet, mtu - overhead);
}

/* May it go to this backend? UNDECIDED: yes. */
static __always_inline int forward_check(const struct xdp_md *ctx, const struct packet *packet,
					 const struct usher_backend *backend)
{
	if (packet->hop_limit <= 1)
		return USHER_REASON_TTL_EXPIRED;
	if (!(backend->flags & USHER_BACKEND_REACHABLE))
		return USHER_REASON_NEXT_HOP;
	if (packet->ip_length + (USHER_FORWARD_IS_TUNNEL(backend->forward) ? TUNNEL_OVERHEAD_MAX : 0) > backend->mtu &&
	    forward_fit(packet, backend, ctx->ingress_ifindex))
		return USHER_REASON_TOO_BIG;
	return UNDECIDED;
}

/* One hop less. False: the frame ends before its header does. */
static __always_inline bool forward_hop(void *data, const void *end, const struct packet *packet)
{
	struct ipv6hdr *ipv6 = data + PARSE_NETWORK(packet);
	struct iphdr *ipv4 = (void *)ipv6;
	__u16 *hop = &((__u16 *)ipv4)[4], before; /* the hop count and the protocol */

	if (packet->is_ipv6) {
		if ((void *)(ipv6 + 1) > end)
			return false;
		ipv6->hop_limit--;
		return true;
	}
	if ((void *)(ipv4 + 1) > end)
		return false;
	before = *hop;
	*hop = (__u16)(before - 1); /* the hop count comes first, and is not 0 */
	ipv4->check = checksum_update(ipv4->check, (__u64)(__u16)~before + *hop);
	return true;
}

/* Source and destination as in `to`. `change`: what that changes in a sum over both. */
static __always_inline bool forward_addresses(void *data, const void *end, const struct packet *packet,
					      const struct usher_flow_key *to, __u64 change)
{
	struct ipv6hdr *ipv6 = data + PARSE_NETWORK(packet);
	struct iphdr *ipv4 = (void *)ipv6;

	if (packet->is_ipv6) {
		if ((void *)(ipv6 + 1) > end)
			return false;
		__builtin_memcpy(&ipv6->saddr, &to->source, sizeof(ipv6->saddr));
		__builtin_memcpy(&ipv6->daddr, &to->destination, sizeof(ipv6->daddr));
		return true;
	}
	if ((void *)(ipv4 + 1) > end)
		return false;
	ipv4->check = checksum_update(ipv4->check, change);
	ipv4->saddr = to->source.words[3];
	ipv4->daddr = to->destination.words[3];
	return true;
}

static __always_inline void forward_udp_checksum(__sum16 *checksum, __u64 change)
{
	if (!*checksum) /* none was computed (RFC 768) */
		return;
	*checksum = checksum_update(*checksum, change);
	if (!*checksum)
		*checksum = 0xffff;
}

/* Sends the packet on as it is. False: the frame is not as it was parsed. */
static __always_inline bool forward_direct(const struct xdp_md *ctx, const struct packet *packet,
					   const __u8 receiver[ETH_ALEN], const __u8 sender[ETH_ALEN])
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + sizeof(struct ethhdr) > end || !forward_hop(data, end, packet))
		return false;
	link_address(data, receiver, sender);
	return true;
}

/* Sends the packet on in the tunnel to this backend. False: the frame is not as it was parsed, or has no room in front. */
static __always_inline bool forward_tunneled(struct xdp_md *ctx, const struct packet *packet,
					     const struct usher_backend *backend)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return forward_hop(data, end, packet) && tunnel_push(ctx, packet, backend);
}

/* Sends the packet on with the addresses and ports of `to`. False: the frame is not as it was parsed. */
static __always_inline bool forward_translated(const struct xdp_md *ctx, const struct packet *packet,
					       const struct usher_flow_key *to, const __u8 receiver[ETH_ALEN],
					       const __u8 sender[ETH_ALEN])
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *transport = data + (packet->transport & FORWARD_TRANSPORT_MAX);
	struct tcphdr *tcp = transport;
	struct udphdr *udp = transport;
	__u64 change;

	if ((void *)(udp + 1) > end || !forward_direct(ctx, packet, receiver, sender))
		return false;
	change = checksum_change_address(0, &packet->key.source, &to->source);
	change = checksum_change_address(change, &packet->key.destination, &to->destination);
	if (!forward_addresses(data, end, packet, to, change))
		return false;
	change = checksum_change(change, *(const __u32 *)transport, to->ports);
	*(__u32 *)transport = to->ports;
	if (packet->key.protocol == IPPROTO_UDP) {
		forward_udp_checksum(&udp->check, change);
		return true;
	}
	if ((void *)(tcp + 1) > end)
		return false;
	tcp->check = checksum_update(tcp->check, change);
	return true;
}

#endif
