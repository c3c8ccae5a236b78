/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/frame.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/address.h"

#define HOP_LIMIT 64
#define WINDOW 65535
#define GUE_PORT_MIN 0xc000

/* RFC 1071, not folded: the bytes are summed in memory order, so that the result needs no swapping. */
static uint32_t sum(const void *bytes, size_t length, uint32_t start)
{
	const uint8_t *at = bytes;
	uint16_t word;

	for (size_t i = 0; i < length; i += 2) {
		memcpy(&word, at + i, 2); /* every header here is of even length */
		start += word;
	}
	return start;
}

static uint16_t fold(uint32_t value)
{
	value = (value & 0xffff) + (value >> 16);
	value = (value & 0xffff) + (value >> 16);
	return (uint16_t)~value;
}

static uint32_t pseudo(const struct frame *frame, size_t length)
{
	unsigned int size;
	const void *source = address_bytes(&frame->source, &size);
	const void *destination = address_bytes(&frame->destination, &size);
	uint32_t value = sum(source, size, 0);

	value = sum(destination, size, value);
	return value + htons(frame->protocol) + htons((uint16_t)length);
}

static size_t write_transport(const struct frame *frame, uint8_t *to)
{
	if (frame->protocol == IPPROTO_UDP) {
		struct udphdr udp = {.source = htons(frame->source_port),
				     .dest = htons(frame->destination_port),
				     .len = htons(sizeof(udp))};

		udp.check = fold(sum(&udp, sizeof(udp), pseudo(frame, sizeof(udp))));
		if (!udp.check)
			udp.check = 0xffff;
		memcpy(to, &udp, sizeof(udp));
		return sizeof(udp);
	}
	struct tcphdr tcp = {.th_sport = htons(frame->source_port),
			     .th_dport = htons(frame->destination_port),
			     .th_seq = htonl(frame->sequence),
			     .th_off = sizeof(tcp) / 4,
			     .th_flags = frame->tcp_flags,
			     .th_win = frame->tcp_flags & FRAME_TCP_RESET ? 0 : htons(WINDOW)};

	tcp.th_sum = fold(sum(&tcp, sizeof(tcp), pseudo(frame, sizeof(tcp))));
	memcpy(to, &tcp, sizeof(tcp));
	return sizeof(tcp);
}

static size_t write_ipv4(const struct usher_address *source, const struct usher_address *destination, uint8_t protocol,
			 size_t payload, uint8_t *to)
{
	struct iphdr ip = {.version = 4,
			   .ihl = sizeof(ip) / 4,
			   .tot_len = htons((uint16_t)(sizeof(ip) + payload)),
			   .frag_off = htons(IP_DF),
			   .ttl = HOP_LIMIT,
			   .protocol = protocol,
			   .saddr = source->words[3],
			   .daddr = destination->words[3]};

	ip.check = fold(sum(&ip, sizeof(ip), 0));
	memcpy(to, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t write_ipv6(const struct usher_address *source, const struct usher_address *destination, uint8_t protocol,
			 size_t payload, uint8_t *to)
{
	struct ip6_hdr ip = {.ip6_plen = htons((uint16_t)payload), .ip6_hlim = HOP_LIMIT};

	ip.ip6_nxt = protocol;
	ip.ip6_vfc = 6 << 4;
	memcpy(&ip.ip6_src, source->bytes, 16);
	memcpy(&ip.ip6_dst, destination->bytes, 16);
	memcpy(to, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t write_ip(const struct usher_address *source, const struct usher_address *destination, uint8_t protocol,
		       size_t payload, uint8_t *to)
{
	return address_is_ipv4(source) ? write_ipv4(source, destination, protocol, payload, to)
				       : write_ipv6(source, destination, protocol, payload, to);
}

/* The outer headers around `length` bytes of IP packet; those of bpf/tunnel.h. */
static size_t write_tunnel(const struct frame *frame, size_t length, uint8_t *to)
{
	bool gue = frame->tunnel == USHER_FORWARD_GUE, ipv4 = address_is_ipv4(&frame->source);
	struct udphdr udp = {.source = htons((uint16_t)(GUE_PORT_MIN | ntohs(frame->source_port))),
			     .dest = htons(USHER_GUE_PORT),
			     .len = htons((uint16_t)(sizeof(udp) + length))};
	uint8_t protocol = gue ? IPPROTO_UDP : ipv4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	size_t written = write_ip(&frame->tunnel_source, &frame->tunnel_destination, protocol,
				  length + (gue ? sizeof(udp) : 0), to);

	if (!gue)
		return written;
	memcpy(to + written, &udp, sizeof(udp));
	return written + sizeof(udp);
}

/* Addresses, tags and type of what comes behind them. */
static size_t write_link(const struct frame *frame, bool ipv4, uint8_t *to)
{
	uint16_t type = htons(ipv4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	size_t length = 12;

	memcpy(to, frame->destination_mac, 6);
	memcpy(to + 6, frame->source_mac, 6);
	for (size_t i = 0; i < USHER_VLAN_TAGS_MAX && frame->tags[i]; i++) {
		memcpy(to + length, &frame->tags[i], 4);
		length += 4;
	}
	memcpy(to + length, &type, 2);
	return length + 2;
}

size_t frame_write(const struct frame *frame, uint8_t bytes[FRAME_MAX])
{
	uint8_t transport[sizeof(struct tcphdr)], packet[40 + sizeof(transport)];
	size_t payload = write_transport(frame, transport);
	size_t inner = write_ip(&frame->source, &frame->destination, frame->protocol, payload, packet);
	bool tunnelled = USHER_FORWARD_IS_TUNNEL(frame->tunnel);
	size_t length;

	memcpy(packet + inner, transport, payload);
	inner += payload;
	memset(bytes, 0, FRAME_MAX);
	length = write_link(frame, address_is_ipv4(tunnelled ? &frame->tunnel_source : &frame->source), bytes);
	if (tunnelled)
		length += write_tunnel(frame, inner, bytes + length);
	memcpy(bytes + length, packet, inner);
	length += inner;
	return length < FRAME_MIN ? FRAME_MIN : length;
}
