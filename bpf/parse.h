/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes to packet. No maps and no helpers, so that it compiles natively as well.
 *
 * 1. Nothing is believed before it is inside both the frame and the IP packet: a frame may be longer (padding).
 * 2. Ports are read only of whole packets: no fragment, no routing header with hops to go.
 * 3. Ports are known before anything else of the transport header is judged: on a port of the host's, all is the host's.
 */
#ifndef USHER_BPF_PARSE_H
#define USHER_BPF_PARSE_H

#include "packet.h"

#define PARSE_NETWORK_MAX (ETH_HLEN + 4 * USHER_VLAN_TAGS_MAX)
/* Where the IP header is, known to the verifier not to be far. */
#define PARSE_NETWORK(packet) ((__u32) * (const volatile __u8 *)&(packet)->network & 0x1f)

#define PARSE_BE16(value) ((__u16)__builtin_bswap16(value))
#define PARSE_BE32(value) ((__u32)__builtin_bswap32(value))

static __always_inline void parse_mapped(struct usher_address *address, __u32 ipv4_be)
{
	address->halves[0] = 0;
	address->halves[1] = (__u64)ipv4_be << 32 | PARSE_BE32(0x0000ffff);
}

/*
 * What is stored here is read again before the store has left the CPU: in pieces of the same size, or the read waits until it has.
 * That is why this copies by halves.
 */
static __always_inline void parse_address(struct usher_address *address, const struct in6_addr *ipv6)
{
	const __u64 *halves = (const __u64 *)ipv6;

	address->halves[0] = halves[0];
	address->halves[1] = halves[1];
}

static __always_inline bool parse_is_mapped(const struct usher_address *address)
{
	return !address->halves[0] && (__u32)address->halves[1] == PARSE_BE32(0x0000ffff);
}

/* Past the link header and its VLAN tags. NULL: no frame, or a multicast one. */
static __always_inline const void *parse_link(const void *data, const void *end, struct packet *packet, __u16 *ret_type)
{
	const struct ethhdr *ethernet = data;
	const __u16 *tag = (const void *)(ethernet + 1);
	__u16 type;

	if ((const void *)(ethernet + 1) > end || ethernet->h_dest[0] & 1)
		return NULL;
	type = ethernet->h_proto;
	packet->network = ETH_HLEN;
	for (int i = 0; i < USHER_VLAN_TAGS_MAX; i++) {
		if (type != PARSE_BE16(ETH_P_8021Q) && type != PARSE_BE16(ETH_P_8021AD))
			break;
		if ((const void *)(tag + 2) > end)
			return NULL;
		packet->tags[i] = (__u32)tag[0] << 16 | type;
		packet->network += 4;
		type = tag[1];
		tag += 2;
	}
	*ret_type = type;
	return tag;
}

/*
 * To whom is it? Reads no more than that takes, since most of what a gateway meets is not for usher.
 * False: a frame that is the host's whatever is in it.
 */
static __always_inline bool parse_destination(const void *data, const void *end, struct packet *packet)
{
	__u16 type;
	const void *network = parse_link(data, end, packet, &type);
	const struct iphdr *ipv4 = network;
	const struct ipv6hdr *ipv6 = network;

	if (!network || (const void *)(ipv4 + 1) > end)
		return false;
	if (type == PARSE_BE16(ETH_P_IP)) {
		parse_mapped(&packet->key.destination, ipv4->daddr);
		return true;
	}
	if (type != PARSE_BE16(ETH_P_IPV6) || (const void *)(ipv6 + 1) > end)
		return false;
	packet->is_ipv6 = 1;
	parse_address(&packet->key.destination, &ipv6->daddr);
	/* Would be taken for an IPv4 one; no such packet is legitimate on a wire (RFC 4942, 2.2). */
	return !parse_is_mapped(&packet->key.destination);
}

/* Sources that nobody may answer (RFC 1122, 3.2.1.3; RFC 4291, 2.5 and 2.7). */
static __always_inline bool parse_bad_source(const struct packet *packet)
{
	const struct usher_address *source = &packet->key.source;
	__u32 ipv4 = PARSE_BE32(source->words[3]);

	if (source->halves[0] == packet->key.destination.halves[0] &&
	    source->halves[1] == packet->key.destination.halves[1])
		return true;
	if (packet->is_ipv6)
		return source->bytes[0] == 0xff || parse_is_mapped(source) ||
		       (!source->halves[0] && !source->words[2] && ipv4 <= 1);
	return ipv4 >> 24 == 0 || ipv4 >> 24 == 127 || ipv4 >> 28 == 0xe || ipv4 == 0xffffffff;
}

/* Combinations that a TCP may send, PSH aside (those of Linux's nf_conntrack_proto_tcp.c). */
#define PARSE_TCP_FLAGS                                                                                                \
	(1ULL << TCP_SYN | 1ULL << (TCP_SYN | TCP_URG) | 1ULL << (TCP_SYN | TCP_ACK) | 1ULL << TCP_RST |               \
	 1ULL << (TCP_RST | TCP_ACK) | 1ULL << (TCP_FIN | TCP_ACK) | 1ULL << (TCP_FIN | TCP_ACK | TCP_URG) |           \
	 1ULL << TCP_ACK | 1ULL << (TCP_ACK | TCP_URG))

static __always_inline int parse_tcp(const void *transport, const void *end, __u32 length, struct packet *packet)
{
	const struct tcphdr *tcp = transport;
	__u32 header;

	if ((const void *)(tcp + 1) > end || length < sizeof(*tcp))
		return USHER_REASON_TCP_HEADER;
	packet->key.ports = *(const __u32 *)transport;
	header = (((const __u8 *)transport)[12] >> 4) * 4;
	if (header < sizeof(*tcp) || header > length)
		return USHER_REASON_TCP_HEADER;
	packet->tcp_flags = ((const __u8 *)transport)[13];
	if (!(PARSE_TCP_FLAGS >> (packet->tcp_flags & (0x3f & ~TCP_PSH)) & 1))
		return USHER_REASON_TCP_FLAGS;
	packet->payload = length - header;
	packet->sequence = PARSE_BE32(tcp->seq);
	packet->acknowledgement = PARSE_BE32(tcp->ack_seq);
	return tcp->source ? UNDECIDED : USHER_REASON_PORT_ZERO;
}

static __always_inline int parse_udp(const void *transport, const void *end, __u32 length, struct packet *packet)
{
	const struct udphdr *udp = transport;

	if ((const void *)(udp + 1) > end || length < sizeof(*udp))
		return USHER_REASON_UDP_HEADER;
	packet->key.ports = *(const __u32 *)transport;
	if (PARSE_BE16(udp->len) < sizeof(*udp) || PARSE_BE16(udp->len) > length)
		return USHER_REASON_UDP_HEADER;
	packet->payload = length - (__u32)sizeof(*udp);
	return udp->source ? UNDECIDED : USHER_REASON_PORT_ZERO;
}

/* length: of what follows the IP headers, by the IP packet's own account. */
static __always_inline int parse_transport(const void *data, const void *end, __u32 offset, __u32 length,
					   struct packet *packet)
{
	__u8 protocol = packet->key.protocol;
	int reason;

	packet->transport = offset;
	if (protocol == (packet->is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return USHER_REASON_ICMP_TO_HOST;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return USHER_REASON_NOT_FOR_SERVICE;
	reason = protocol == IPPROTO_TCP ? parse_tcp(data + offset, end, length, packet)
					 : parse_udp(data + offset, end, length, packet);
	return reason == UNDECIDED && parse_bad_source(packet) ? USHER_REASON_IP_SOURCE : reason;
}

static __always_inline int parse_ipv4(const void *data, const void *end, struct packet *packet)
{
	__u32 network = PARSE_NETWORK(packet), header, length;
	const struct iphdr *ip = data + network;

	if ((const void *)(ip + 1) > end)
		return USHER_REASON_IP_HEADER;
	header = (*(const __u8 *)ip & 0xf) * 4;
	length = PARSE_BE16(ip->tot_len);
	if (*(const __u8 *)ip >> 4 != 4 || header < sizeof(*ip) || header > length || network + length > packet->length)
		return USHER_REASON_IP_HEADER;
	packet->ip_length = length;
	if (ip->frag_off & PARSE_BE16(0x3fff))
		return USHER_REASON_FRAGMENT;
	packet->hop_limit = ip->ttl;
	packet->key.protocol = ip->protocol;
	parse_mapped(&packet->key.source, ip->saddr);
	return parse_transport(data, end, network + header, length - header, packet);
}

/*
 * Walks the extension headers that may come before TCP and UDP (RFC 8200, 4.1), from `offset` to where the last one
 * ends. Returns UNDECIDED, or a reason.
 */
static __always_inline int parse_ipv6_extensions(const void *data, const void *end, __u32 ip_end, __u8 *protocol,
						 __u32 *offset)
{
	for (int i = 0; i <= USHER_IPV6_EXTENSIONS_MAX; i++) {
		const __u8 *extension = data + *offset;

		switch (*protocol) {
		case IPPROTO_FRAGMENT:
			return USHER_REASON_FRAGMENT;
		case IPPROTO_AH:
		case IPPROTO_MH:
		case 139: /* HIP */
		case 140: /* Shim6 */
		case 253: /* experiments */
		case 254:
			return USHER_REASON_IPV6_EXTENSIONS;
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			break;
		default:
			return UNDECIDED;
		}
		if (i == USHER_IPV6_EXTENSIONS_MAX || (const void *)(extension + 8) > end || *offset + 8 > ip_end ||
		    (*protocol == IPPROTO_HOPOPTS && i) || (*protocol == IPPROTO_ROUTING && extension[3]))
			return USHER_REASON_IPV6_EXTENSIONS;
		*protocol = extension[0];
		*offset += ((__u32)extension[1] + 1) * 8;
		if (*offset > ip_end)
			return USHER_REASON_IPV6_EXTENSIONS;
	}
	return USHER_REASON_IPV6_EXTENSIONS;
}

static __always_inline int parse_ipv6(const void *data, const void *end, struct packet *packet)
{
	__u32 network = PARSE_NETWORK(packet), offset = network + (__u32)sizeof(struct ipv6hdr), ip_end;
	const struct ipv6hdr *ip = data + network;
	__u8 protocol;
	int reason;

	if ((const void *)(ip + 1) > end)
		return USHER_REASON_IP_HEADER;
	ip_end = offset + PARSE_BE16(ip->payload_len);
	if (*(const __u8 *)ip >> 4 != 6 || ip_end > packet->length)
		return USHER_REASON_IP_HEADER;
	packet->ip_length = ip_end - network;
	packet->hop_limit = ip->hop_limit;
	parse_address(&packet->key.source, &ip->saddr);
	protocol = ip->nexthdr;
	reason = parse_ipv6_extensions(data, end, ip_end, &protocol, &offset);
	if (reason != UNDECIDED)
		return reason;
	packet->key.protocol = protocol;
	return parse_transport(data, end, offset, ip_end - offset, packet);
}

/* The rest of a packet whose destination is usher's: UNDECIDED, or why it goes no further. */
static __always_inline int parse_packet(const void *data, const void *end, struct packet *packet)
{
	if (data + ETH_HLEN > end)
		return USHER_REASON_IP_HEADER;
	for (__u32 i = 0; i < sizeof(packet->macs) / sizeof(*packet->macs); i++)
		packet->macs[i] = ((const __u32 *)data)[i];
	return packet->is_ipv6 ? parse_ipv6(data, end, packet) : parse_ipv4(data, end, packet);
}

#endif
