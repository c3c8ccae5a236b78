/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets into a tunnel, for backends across routers that answer their clients directly: IP in IP (RFC 2003, 2473, 4213) and
 * GUE variant 1, which is the IP packet behind a UDP header (draft-ietf-intarea-gue).
 *
 * 1. The inner packet stays as it is, but for one hop: its checksums are not looked at.
 * 2. Outer UDP headers bear no checksum (RFC 6935; RFC 6936, 4): the inner one covers all that matters, and a
 *    misdelivered outer header leads to a host that does not know the flow.
 * 3. Traffic class and ECN are those of the inner packet (RFC 6040, 4.1); the outer packet must not be fragmented, so that the path's
 *    MTU can be known.
 * 4. The source port, or the IPv6 flow label, is the flow's: paths and queues spread by flow, and no flow is reordered.
 */
#ifndef USHER_BPF_TUNNEL_H
#define USHER_BPF_TUNNEL_H

#include "checksum.h"
#include "link.h"

#define TUNNEL_HOP_LIMIT 64
#define TUNNEL_OVERHEAD_MAX (sizeof(struct ipv6hdr) + sizeof(struct udphdr))
#define TUNNEL_PORT_MIN 0xc000u /* dynamic ports (RFC 6335, 6) */

/* Is the tunnel's end an IPv6 one? */
static __always_inline bool tunnel_is_ipv6(const struct usher_backend *backend)
{
	return !parse_is_mapped(&backend->address);
}

/* Bytes in front of the packet. */
static __always_inline __u32 tunnel_overhead(const struct usher_backend *backend)
{
	return (tunnel_is_ipv6(backend) ? (__u32)sizeof(struct ipv6hdr) : (__u32)sizeof(struct iphdr)) +
	       (backend->forward == USHER_FORWARD_GUE ? (__u32)sizeof(struct udphdr) : 0);
}

static __always_inline void tunnel_udp(struct udphdr *udp, __u64 hash, __u32 length)
{
	udp->source = PARSE_BE16(TUNNEL_PORT_MIN | (__u16)(hash >> 40));
	udp->dest = PARSE_BE16(USHER_GUE_PORT);
	udp->len = PARSE_BE16(length);
	udp->check = 0;
}

/* length: of the inner packet. class: its traffic class. */
static __always_inline void tunnel_ipv4(struct iphdr *ip, const struct usher_backend *backend, __u8 protocol,
					__u32 length, __u8 class)
{
	__u32 first = PARSE_BE32(0x45000000 | (__u32) class << 16 | ((__u32)sizeof(*ip) + length));
	__u32 second = PARSE_BE32(0x4000); /* do not fragment */
	__u32 third = PARSE_BE32(TUNNEL_HOP_LIMIT << 24 | (__u32)protocol << 16);
	__u32 source = backend->source.words[3], destination = backend->address.words[3];
	__u32 *words = (__u32 *)ip;

	words[0] = first;
	words[1] = second;
	/* The checksum is the upper half of the third word as it lies in memory. */
	words[2] = third | (__u32)(__u16)~checksum_fold((__u64)first + second + third + source + destination) << 16;
	words[3] = source;
	words[4] = destination;
}

static __always_inline void tunnel_ipv6(struct ipv6hdr *ip, const struct usher_backend *backend, __u8 protocol,
					__u32 length, __u8 class, __u64 hash)
{
	*(__u32 *)ip = PARSE_BE32(0x60000000 | (__u32) class << 20 | ((__u32)(hash >> 40) & 0xfffff));
	ip->payload_len = PARSE_BE16(length);
	ip->nexthdr = protocol;
	ip->hop_limit = TUNNEL_HOP_LIMIT;
	__builtin_memcpy(&ip->saddr, &backend->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &backend->address, sizeof(ip->daddr));
}

/* Traffic class of the packet, whose IP header is inside the frame. */
static __always_inline __u8 tunnel_class(const __u8 *ip, bool is_ipv6)
{
	return is_ipv6 ? (__u8)(ip[0] << 4 | ip[1] >> 4) : ip[1];
}

/*
 * Puts the packet into the tunnel to this backend. False: there is no room in front of it. The hop that it takes is already
 * counted. The packet's offsets are then those of before.
 */
static __always_inline bool tunnel_push(struct xdp_md *ctx, const struct packet *packet,
					const struct usher_backend *backend)
{
	void *data, *end, *network;
	struct udphdr *udp;
	__u32 room, length;
	bool gue, is_ipv6;
	__u8 protocol, class;

	if (!packet || !backend)
		return false;
	gue = backend->forward == USHER_FORWARD_GUE;
	is_ipv6 = tunnel_is_ipv6(backend);
	room = tunnel_overhead(backend);
	length = packet->ip_length;
	protocol = gue ? IPPROTO_UDP : packet->is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	if (bpf_xdp_adjust_head(ctx, -(int)room))
		return false;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	network = data + PARSE_NETWORK(packet) + (room & 0x3f);
	if (network + 2 > end)
		return false;
	class = tunnel_class(network, packet->is_ipv6);
	network = link_push(data, end, packet, sizeof(struct iphdr), is_ipv6);
	if (!network)
		return false;
	link_address(data, backend->next_hop, backend->own_mac);
	if (is_ipv6) {
		if (network + sizeof(struct ipv6hdr) > end)
			return false;
		tunnel_ipv6(network, backend, protocol, length + room - (__u32)sizeof(struct ipv6hdr), class,
			    packet->hash);
		udp = network + sizeof(struct ipv6hdr);
	} else {
		tunnel_ipv4(network, backend, protocol, length + room - (__u32)sizeof(struct iphdr), class);
		udp = network + sizeof(struct iphdr);
	}
	if (!gue)
		return true;
	if ((void *)(udp + 1) > end)
		return false;
	tunnel_udp(udp, packet->hash, length + (__u32)sizeof(*udp));
	return true;
}

#endif
