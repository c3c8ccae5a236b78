// SPDX-License-Identifier: GPL-2.0-only
#include "rewrite.h"

#include <netinet/in.h>
#include <string.h>

static void put_link(struct rewrite_link link, struct frame *frame)
{
	uint8_t to[6], from[6];

	memcpy(to, link.to, 6); /* both may lie in this very frame */
	memcpy(from, link.from, 6);
	memcpy(frame->bytes, to, 6);
	memcpy(frame->bytes + 6, from, 6);
}

static uint8_t *addresses_of(const struct wire *wire, struct frame *frame)
{
	return frame->bytes + wire->network + (wire->ipv6 ? 8 : 12);
}

static size_t network_header(const struct wire *wire, const struct frame *frame)
{
	return wire->ipv6 ? 40 : (size_t)(frame->bytes[wire->network] & 0xf) * 4;
}

/* ---- checksums that stay as right or wrong as they are ----------------------------------------------------- */

/*
 * One's complement: a checksum is right if it and the words under it add up to 0 modulo 65535. `error` is what they add up
 * to; the new checksum is the one with the same error. 0 and 0xffff are the same number: 0xffff is never the result
 * unless all words are 0, which an address never is.
 */
static uint16_t checksum_with_error(uint16_t sum_of_others, uint16_t error)
{
	uint32_t value = (error % 65535u + 65535u - sum_of_others % 65535u) % 65535u;

	return (uint16_t)value;
}

static uint16_t transport_sum(const struct wire *wire, struct frame *frame)
{
	return frame_transport_sum(wire->ipv6, addresses_of(wire, frame), wire->protocol,
				   frame->bytes + wire->transport, wire->segment);
}

struct errors {
	uint16_t network, transport;
};

static uint8_t *transport_checksum(const struct wire *wire, struct frame *frame)
{
	return frame->bytes + wire->transport + (wire->protocol == IPPROTO_TCP ? 16 : 6);
}

static struct errors errors_of(const struct wire *wire, struct frame *frame)
{
	return (struct errors){
		.network = frame_sum(frame->bytes + wire->network, network_header(wire, frame)),
		.transport = transport_sum(wire, frame),
	};
}

static void restore_network(const struct wire *wire, const struct errors *errors, struct frame *frame)
{
	uint8_t *ip = frame->bytes + wire->network;

	if (wire->ipv6)
		return;
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, checksum_with_error(frame_sum(ip, network_header(wire, frame)), errors->network));
}

static void restore_transport(const struct wire *wire, const struct errors *errors, struct frame *frame)
{
	uint8_t *field = transport_checksum(wire, frame);

	if (wire->protocol == IPPROTO_UDP && !frame_get16(field)) /* none was sent */
		return;
	frame_put16(field, 0);
	uint16_t checksum = checksum_with_error(transport_sum(wire, frame), errors->transport);

	frame_put16(field, wire->protocol == IPPROTO_UDP && !checksum ? 0xffff : checksum);
}

/* ---- sent on ----------------------------------------------------------------------------------------------- */

void rewrite_direct(const struct wire *wire, struct rewrite_link link, struct frame *frame)
{
	struct errors errors = errors_of(wire, frame);

	put_link(link, frame);
	frame->bytes[wire->network + (wire->ipv6 ? 7 : 8)]--;
	restore_network(wire, &errors, frame);
}

void rewrite_translate(const struct wire *wire, struct rewrite_link link, const struct rewrite_path *path,
		       struct frame *frame)
{
	struct errors errors = errors_of(wire, frame);
	uint8_t *addresses = addresses_of(wire, frame);
	size_t width = wire->ipv6 ? 16 : 4;

	put_link(link, frame);
	frame->bytes[wire->network + (wire->ipv6 ? 7 : 8)]--;
	memcpy(addresses, path->source.bytes + 16 - width, width);
	memcpy(addresses + width, path->destination.bytes + 16 - width, width);
	frame_put16(frame->bytes + wire->transport, path->source_port);
	frame_put16(frame->bytes + wire->transport + 2, path->destination_port);
	restore_network(wire, &errors, frame);
	restore_transport(wire, &errors, frame);
}

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* A checksum of which only some words under it can be seen: what these were and are, added up, says what it becomes. */
static void follow_sum(uint8_t *field, uint16_t before, uint16_t after, bool zero_is_none)
{
	uint16_t checksum = checksum_with_error(after, (uint16_t)((frame_get16(field) + before) % 65535u));

	frame_put16(field, zero_is_none && !checksum ? 0xffff : checksum);
}

/* Addresses and ports of the quoted packet; its transport checksum as far as the quote goes. */
static void rewrite_quoted(bool ipv6, const struct rewrite_quote *quote, const struct rewrite_path *inner,
			   struct frame *frame)
{
	uint8_t *ip = frame->bytes + quote->network, *addresses = ip + (ipv6 ? 8 : 12);
	uint8_t *ports = frame->bytes + quote->transport, seen[36];
	bool tcp = quote->protocol == IPPROTO_TCP;
	uint8_t *checksum = ports + (tcp ? 16 : 6);
	size_t width = ipv6 ? 16 : 4;
	uint16_t addresses_before = frame_sum(addresses, 2 * width), before;

	memcpy(seen, addresses, 2 * width);
	memcpy(seen + 2 * width, ports, 4);
	before = frame_sum(seen, 2 * width + 4);
	memcpy(addresses, inner->source.bytes + 16 - width, width);
	memcpy(addresses + width, inner->destination.bytes + 16 - width, width);
	frame_put16(ports, inner->source_port);
	frame_put16(ports + 2, inner->destination_port);
	if (!ipv6)
		follow_sum(ip + 10, addresses_before, frame_sum(addresses, 2 * width), false);
	memcpy(seen, addresses, 2 * width);
	memcpy(seen + 2 * width, ports, 4);
	if (quote->length >= (tcp ? 18u : 8u) && (tcp || frame_get16(checksum)))
		follow_sum(checksum, before, frame_sum(seen, 2 * width + 4), !tcp);
}

/* The sum that is 0xffff if the error's checksum is right; ICMP for IPv4 has no pseudo header. */
static uint16_t error_sum(const struct wire *wire, struct frame *frame)
{
	return wire->ipv6 ? transport_sum(wire, frame) : frame_sum(frame->bytes + wire->transport, wire->segment);
}

void rewrite_error(const struct wire *wire, struct rewrite_link link, const struct rewrite_quote *quote,
		   const struct rewrite_path *inner, struct frame *frame)
{
	struct errors errors = errors_of(wire, frame);
	uint8_t *addresses = addresses_of(wire, frame), *field = frame->bytes + wire->transport + 2;
	uint16_t error = error_sum(wire, frame);
	size_t width = wire->ipv6 ? 16 : 4;

	put_link(link, frame);
	frame->bytes[wire->network + (wire->ipv6 ? 7 : 8)]--;
	memcpy(addresses, inner->destination.bytes + 16 - width, width);
	memcpy(addresses + width, inner->source.bytes + 16 - width, width);
	restore_network(wire, &errors, frame);
	rewrite_quoted(wire->ipv6, quote, inner, frame);
	frame_put16(field, 0);
	frame_put16(field, checksum_with_error(error_sum(wire, frame), error));
}

/* ---- answered ---------------------------------------------------------------------------------------------- */

void rewrite_reset(bool ipv6, struct rewrite_link link, const struct rewrite_path *path, uint32_t sequence,
		   uint32_t acknowledgement, uint8_t flags, struct frame *ret_frame)
{
	struct frame_plan plan = {
		.ipv6 = ipv6,
		.source = path->source,
		.destination = path->destination,
		.source_port = path->source_port,
		.destination_port = path->destination_port,
		.hop_limit = 64,
		.fragment = ipv6 ? 0 : 0x4000,
		.protocol = IPPROTO_TCP,
		.sequence = sequence,
		.acknowledgement = acknowledgement,
		.flags = flags,
	};

	memcpy(plan.destination_mac, link.to, 6);
	memcpy(plan.source_mac, link.from, 6);
	frame_build(&plan, ret_frame);
}

static struct rewrite_path backwards(const struct wire *wire)
{
	return (struct rewrite_path){wire->destination, wire->source, wire->destination_port, wire->source_port};
}

/* What is built in a frame's place is on the same VLANs. */
void rewrite_tags(const struct wire *wire, const struct frame *from, struct frame *frame)
{
	frame_insert_tags(from->bytes + 12, wire->network - 14, frame);
}

/* RFC 9293, 3.5.2 */
void rewrite_refuse_tcp(const struct wire *wire, struct frame *frame)
{
	const uint8_t *macs = frame->bytes;
	struct rewrite_link link = {.to = macs + 6, .from = macs};
	struct rewrite_path path = backwards(wire);
	uint32_t length = (uint32_t)wire->payload + (wire->flags & FRAME_SYN ? 1 : 0);
	struct frame reset;

	if (wire->flags & FRAME_ACK)
		rewrite_reset(wire->ipv6, link, &path, wire->acknowledgement, 0, FRAME_RST, &reset);
	else
		rewrite_reset(wire->ipv6, link, &path, 0, wire->sequence + length, FRAME_RST | FRAME_ACK, &reset);
	rewrite_tags(wire, frame, &reset);
	*frame = reset;
}

/* RFC 792, RFC 1812, 5.2.7.1, and RFC 1191: the IP header and 8 bytes. RFC 4443, 3.1 and 3.2: as much as fits into 1280 bytes. */
void rewrite_icmp(const struct wire *wire, uint32_t mtu, struct frame *frame)
{
	size_t quote = wire->transport - wire->network + 8, header = wire->ipv6 ? 40 : 20, most = 1280 - 40 - 8;
	struct frame icmp = {0};
	uint8_t *ip = icmp.bytes + 14, *message = ip + header;

	if (wire->ipv6) {
		quote = wire->transport - wire->network + wire->segment;
		quote = (quote > most ? most : quote) / 4 * 4; /* usher adds up whole words */
	}
	memcpy(icmp.bytes, frame->bytes + 6, 6);
	memcpy(icmp.bytes + 6, frame->bytes, 6);
	frame_put16(icmp.bytes + 12, wire->ipv6 ? 0x86dd : 0x0800);
	if (mtu) {
		message[0] = wire->ipv6 ? 2 : 3;
		message[1] = wire->ipv6 ? 0 : 4;
		frame_put32(message + 4, mtu);
	} else {
		message[0] = wire->ipv6 ? 1 : 3;
		message[1] = wire->ipv6 ? 1 : 13;
	}
	memcpy(message + 8, frame->bytes + wire->network, quote);
	if (wire->ipv6) {
		ip[0] = 0x60;
		frame_put16(ip + 4, (uint16_t)(8 + quote));
		ip[6] = IPPROTO_ICMPV6;
		ip[7] = 64;
		memcpy(ip + 8, wire->destination.bytes, 16);
		memcpy(ip + 24, wire->source.bytes, 16);
		frame_put16(message + 2,
			    (uint16_t)~frame_transport_sum(true, ip + 8, IPPROTO_ICMPV6, message, 8 + quote));
	} else {
		ip[0] = 0x45;
		frame_put16(ip + 2, (uint16_t)(28 + quote));
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = IPPROTO_ICMP;
		memcpy(ip + 12, wire->destination.bytes + 12, 4);
		memcpy(ip + 16, wire->source.bytes + 12, 4);
		frame_put16(ip + 10, (uint16_t)~frame_sum(ip, 20));
		frame_put16(message + 2, (uint16_t)~frame_sum(message, 8 + quote));
	}
	icmp.length = 14 + header + 8 + quote;
	rewrite_tags(wire, frame, &icmp);
	*frame = icmp;
}

/* ---- in a tunnel ------------------------------------------------------------------------------------------- */

size_t rewrite_tunnel_room(const struct rewrite_tunnel *tunnel)
{
	return (tunnel->ipv6 ? 40u : 20u) + (tunnel->gue ? 8u : 0u);
}

/*
 * RFC 2003, 2473, 4213; GUE variant 1: UDP to port 6080 without checksum. Which flow it is of shows in the source port or in the flow
 * label, which are the program's choice: they are taken from what it sent.
 */
void rewrite_into_tunnel(const struct rewrite_tunnel *tunnel, size_t network, bool ipv6, const struct frame *sent,
			 struct frame *frame)
{
	size_t header = tunnel->ipv6 ? 40 : 20, room = rewrite_tunnel_room(tunnel), length;
	uint8_t *ip = frame->bytes + network, class = ipv6 ? (uint8_t)(ip[0] << 4 | ip[1] >> 4) : ip[1];
	const uint8_t *theirs = sent->bytes + network;

	length = ipv6 ? 40u + frame_get16(ip + 4) : frame_get16(ip + 2);
	if (frame->length + room > FRAME_MAX || sent->length < network + room)
		return;
	memmove(ip + room, ip, frame->length - network);
	memset(ip, 0, room);
	frame_put16(ip - 2, tunnel->ipv6 ? 0x86dd : 0x0800);
	if (tunnel->gue) {
		frame_put16(ip + header, (uint16_t)(0xc000 | frame_get16(theirs + header)));
		frame_put16(ip + header + 2, 6080);
		frame_put16(ip + header + 4, (uint16_t)(8 + length));
	}
	uint8_t protocol = tunnel->gue ? IPPROTO_UDP : ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	if (tunnel->ipv6) {
		frame_put32(ip, 0x60000000u | (uint32_t) class << 20 | (frame_get32(theirs) & 0xfffff));
		frame_put16(ip + 4, (uint16_t)(room - 40 + length));
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, tunnel->source.bytes, 16);
		memcpy(ip + 24, tunnel->destination.bytes, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = class;
		frame_put16(ip + 2, (uint16_t)(room + length));
		ip[6] = 0x40;
		ip[8] = 64;
		ip[9] = protocol;
		memcpy(ip + 12, tunnel->source.bytes + 12, 4);
		memcpy(ip + 16, tunnel->destination.bytes + 12, 4);
		frame_put16(ip + 10, (uint16_t)~frame_sum(ip, 20));
	}
	frame->length += room;
}
