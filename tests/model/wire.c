// SPDX-License-Identifier: GPL-2.0-only
#include "wire.h"

#include <netinet/in.h>
#include <string.h>

static struct usher_address mapped(const uint8_t *ipv4)
{
	struct usher_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

	memcpy(address.bytes + 12, ipv4, 4);
	return address;
}

static struct usher_address plain(const uint8_t *ipv6)
{
	struct usher_address address;

	memcpy(address.bytes, ipv6, 16);
	return address;
}

/* An IPv6 address that would be taken for an IPv4 one, which has this form everywhere in usher. */
static bool looks_mapped(const struct usher_address *address)
{
	static const uint8_t front[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(address->bytes, front, sizeof(front));
}

/* Nobody can be answered there. An IPv6 address that looks like an IPv4 one belongs on no wire. */
bool wire_bad_source(const struct wire *wire)
{
	static const struct usher_address unspecified, loopback = {.bytes = {[15] = 1}};
	const uint8_t *ipv4 = wire->source.bytes + 12;

	if (!memcmp(&wire->source, &wire->destination, sizeof(wire->source)))
		return true;
	if (wire->ipv6)
		return wire->source.bytes[0] == 0xff || looks_mapped(&wire->source) ||
		       !memcmp(&wire->source, &unspecified, sizeof(unspecified)) ||
		       !memcmp(&wire->source, &loopback, sizeof(loopback));
	return ipv4[0] == 0 || ipv4[0] == 127 || (ipv4[0] >= 224 && ipv4[0] < 240) ||
	       (ipv4[0] == 255 && ipv4[1] == 255 && ipv4[2] == 255 && ipv4[3] == 255);
}

/* What a TCP may send: one of SYN, SYN+ACK, RST, RST+ACK, FIN+ACK, ACK; PSH anywhere, URG where data may be. */
static bool sane_flags(uint8_t flags)
{
	bool urgent = flags & FRAME_URG;

	switch (flags & (FRAME_SYN | FRAME_ACK | FRAME_RST | FRAME_FIN)) {
	case FRAME_SYN:
	case FRAME_ACK:
	case FRAME_FIN | FRAME_ACK:
		return true;
	case FRAME_SYN | FRAME_ACK:
	case FRAME_RST:
	case FRAME_RST | FRAME_ACK:
		return !urgent;
	default:
		return false;
	}
}

/* Known as soon as the header is there, whatever is wrong with it: they say whose packet it is. */
static void read_ports(const uint8_t *transport, struct wire *wire)
{
	wire->source_port = frame_get16(transport);
	wire->destination_port = frame_get16(transport + 2);
	wire->ports = true;
}

static uint8_t read_tcp(const uint8_t *tcp, struct wire *wire)
{
	if (wire->segment < 20)
		return USHER_REASON_TCP_HEADER;
	read_ports(tcp, wire);
	size_t header = (size_t)(tcp[12] >> 4) * 4;

	if (header < 20 || header > wire->segment)
		return USHER_REASON_TCP_HEADER;
	wire->flags = tcp[13] & 0x3f;
	if (!sane_flags(wire->flags))
		return USHER_REASON_TCP_FLAGS;
	wire->payload = wire->segment - header;
	wire->sequence = frame_get32(tcp + 4);
	wire->acknowledgement = frame_get32(tcp + 8);
	return 0;
}

static uint8_t read_udp(const uint8_t *udp, struct wire *wire)
{
	if (wire->segment < 8)
		return USHER_REASON_UDP_HEADER;
	read_ports(udp, wire);
	if (frame_get16(udp + 4) < 8 || frame_get16(udp + 4) > wire->segment)
		return USHER_REASON_UDP_HEADER;
	return 0;
}

static uint8_t read_transport(const struct frame *frame, struct wire *wire)
{
	const uint8_t *at = frame->bytes + wire->transport;
	uint8_t reason;

	if (wire->protocol == (wire->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return USHER_REASON_ICMP_TO_HOST;
	if (wire->protocol != IPPROTO_TCP && wire->protocol != IPPROTO_UDP)
		return USHER_REASON_NOT_FOR_SERVICE;
	reason = wire->protocol == IPPROTO_TCP ? read_tcp(at, wire) : read_udp(at, wire);
	if (reason)
		return reason;
	if (!wire->source_port)
		return USHER_REASON_PORT_ZERO;
	return wire_bad_source(wire) ? USHER_REASON_IP_SOURCE : 0;
}

static uint8_t read_ipv4(const struct frame *frame, struct wire *wire)
{
	const uint8_t *ip = frame->bytes + wire->network;
	size_t header = (size_t)(ip[0] & 0xf) * 4, length = frame_get16(ip + 2);

	if (ip[0] >> 4 != 4 || header < 20 || header > length || wire->network + length > frame->length)
		return USHER_REASON_IP_HEADER;
	if (frame_get16(ip + 6) & 0x3fff) /* more to come, or not the first */
		return USHER_REASON_FRAGMENT;
	wire->hop_limit = ip[8];
	wire->protocol = ip[9];
	wire->source = mapped(ip + 12);
	wire->transport = wire->network + header;
	wire->segment = length - header;
	return read_transport(frame, wire);
}

/* A list of headers, the first hop-by-hop or not at all; segments left to visit hide the last destination. */
static uint8_t read_ipv6(const struct frame *frame, struct wire *wire)
{
	const uint8_t *ip = frame->bytes + wire->network;
	size_t end = wire->network + 40 + frame_get16(ip + 4);

	if (ip[0] >> 4 != 6 || end > frame->length)
		return USHER_REASON_IP_HEADER;
	wire->hop_limit = ip[7];
	wire->source = plain(ip + 8);
	wire->protocol = ip[6];
	wire->transport = wire->network + 40;
	for (int seen = 0;; seen++) {
		const uint8_t *header = frame->bytes + wire->transport;

		if (wire->protocol == IPPROTO_FRAGMENT)
			return USHER_REASON_FRAGMENT;
		if (wire->protocol == IPPROTO_AH || wire->protocol == 135 || wire->protocol == 139 ||
		    wire->protocol == 140 || wire->protocol == 253 || wire->protocol == 254)
			return USHER_REASON_IPV6_EXTENSIONS;
		if (wire->protocol != IPPROTO_HOPOPTS && wire->protocol != IPPROTO_ROUTING &&
		    wire->protocol != IPPROTO_DSTOPTS)
			break;
		if (seen == USHER_IPV6_EXTENSIONS_MAX || wire->transport + 8 > end ||
		    (wire->protocol == IPPROTO_HOPOPTS && seen) || (wire->protocol == IPPROTO_ROUTING && header[3]))
			return USHER_REASON_IPV6_EXTENSIONS;
		wire->protocol = header[0];
		wire->transport += 8 + 8 * (size_t)header[1];
		if (wire->transport > end)
			return USHER_REASON_IPV6_EXTENSIONS;
	}
	wire->segment = end - wire->transport;
	return read_transport(frame, wire);
}

/* Offset of the type behind at most two VLAN tags (IEEE 802.1Q and 802.1ad), or 0: the frame ends before. */
static size_t type_offset(const struct frame *frame)
{
	size_t at = 12;

	for (int tags = 0; tags < 2; tags++) {
		if (frame->length < at + 2)
			return 0;
		uint16_t type = frame_get16(frame->bytes + at);

		if (type != 0x8100 && type != 0x88a8)
			break;
		at += 4;
	}
	return frame->length < at + 2 ? 0 : at;
}

struct wire wire_read(const struct frame *frame)
{
	size_t at = type_offset(frame);
	struct wire wire = {.network = at + 2};
	const uint8_t *ip = frame->bytes + wire.network;

	if (!at || frame->length < wire.network + 20 || frame->bytes[0] & 1)
		return wire;
	uint16_t type = frame_get16(frame->bytes + at);

	wire.ipv6 = type == 0x86dd;
	if (type != 0x0800 && (!wire.ipv6 || frame->length < wire.network + 40))
		return wire;
	wire.destination = wire.ipv6 ? plain(ip + 24) : mapped(ip + 16);
	wire.ip = !wire.ipv6 || !looks_mapped(&wire.destination);
	wire.reason = wire.ipv6 ? read_ipv6(frame, &wire) : read_ipv4(frame, &wire);
	return wire;
}
