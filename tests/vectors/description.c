// SPDX-License-Identifier: GPL-2.0-only
#include "description.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "usher/abi.h"
#include "plan.h"

static void put16(uint8_t *at, unsigned long value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, unsigned long value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t add_up(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint16_t transport_checksum(const struct plan *plan, const uint8_t *segment, size_t length)
{
	size_t width = plan->ipv6 ? 16 : 4;
	uint32_t sum = (uint32_t)plan->protocol + (uint32_t)length;
	uint16_t checksum;

	sum = add_up(plan->source, width, sum);
	sum = add_up(plan->destination, width, sum);
	if (plan->partial) /* as a host hands over what a device is to complete: the pseudo header's sum, not inverted */
		return (uint16_t)~fold(sum);
	checksum = fold(add_up(segment, length, sum));
	return checksum || plan->protocol != 17 ? checksum : 0xffff; /* RFC 768: 0 is none */
}

/* How much the checksum of this packet is more than the right one. */
static uint16_t wrongness(const struct vector_frame *frame, bool ipv6, unsigned long protocol)
{
	const uint8_t *ip = frame->bytes + frame->network, *segment = frame->bytes + frame->transport;
	size_t headers = frame->transport - frame->network;
	size_t length = ipv6 ? 40 + get16(ip + 4) - headers : get16(ip + 2) - headers;
	uint32_t sum = 0;

	if (protocol != 1)
		sum = add_up(ip + (ipv6 ? 8 : 12), ipv6 ? 32 : 8, (uint32_t)protocol + (uint32_t)length);
	return (uint16_t)~fold(add_up(segment, length, sum));
}

static void spoil(uint8_t *checksum, uint16_t off, bool udp)
{
	uint16_t spoilt = (uint16_t)~fold((uint32_t)get16(checksum) + off);

	put16(checksum, spoilt || !udp ? spoilt : 0xffff);
}

static void spoil_transport(const struct plan *plan, const struct vector_context *context, uint8_t *at)
{
	size_t offset = plan->protocol == 6 ? 16 : plan->protocol == 17 ? 6 : 2;

	if (plan->off_same)
		spoil(at + offset, wrongness(context->quoted, plan->ipv6, plan->protocol), plan->protocol == 17);
	else if (plan->off)
		spoil(at + offset, plan->off, plan->protocol == 17);
}

static size_t build_transport(const struct plan *plan, const struct vector_context *context, uint8_t *at)
{
	size_t header = 0, length;

	if (plan->quote) {
		/* RFC 792: the IP header and 8 bytes; RFC 4443: all that fits, in whole words. */
		const struct vector_frame *quoted = context->quoted;
		size_t all = (quoted->length - quoted->network) & ~(size_t)3;
		size_t most = plan->ipv6 ? all > 1232 ? 1232 : all : quoted->transport - quoted->network + 8;

		if (plan->mtu) {
			at[0] = plan->ipv6 ? 2 : 3;
			at[1] = plan->ipv6 ? 0 : 4;
		} else {
			at[0] = plan->ipv6 ? 1 : 3;
			at[1] = plan->ipv6 ? 1 : 13;
		}
		put32(at + 4, plan->mtu);
		memcpy(at + 8, quoted->bytes + quoted->network, most);
		put16(at + 2, plan->ipv6 ? transport_checksum(plan, at, 8 + most) : fold(add_up(at, 8 + most, 0)));
		return 8 + most;
	}
	if (plan->protocol == 6)
		header = 20 + plan->tcp_options;
	else if (plan->protocol == 17 || plan->protocol == 1 || plan->protocol == 58)
		header = 8;
	if (plan->error) {
		at[0] = (uint8_t)plan->icmp_type;
		at[1] = (uint8_t)plan->icmp_code;
		put32(at + 4, plan->mtu);
		length = 8 + plan->inner_length;
		memcpy(at + 8, plan->inner.bytes + plan->inner.network, plan->inner_length);
		put16(at + 2, plan->ipv6 ? transport_checksum(plan, at, length) : fold(add_up(at, length, 0)));
		return length;
	}
	length = header + plan->data;
	for (size_t i = header; i < length; i++)
		at[i] = (uint8_t)i;
	if (plan->protocol == 6 || plan->protocol == 17) {
		put16(at, plan->source_port);
		put16(at + 2, plan->destination_port);
	}
	if (plan->protocol == 6) {
		put32(at + 4, plan->seq);
		put32(at + 8, plan->ack);
		at[12] = (uint8_t)(header / 4 << 4);
		at[13] = plan->flags;
		put16(at + 14, plan->window);
		memset(at + 20, 1, plan->tcp_options);
		put16(at + 16, transport_checksum(plan, at, length));
	} else if (plan->protocol == 17) {
		put16(at + 4, length);
		if (!plan->nocheck)
			put16(at + 6, transport_checksum(plan, at, length));
	} else if (header) { /* an echo request */
		at[0] = plan->ipv6 ? 128 : 8;
		put16(at + 2, plan->ipv6 ? transport_checksum(plan, at, length) : fold(add_up(at, length, 0)));
	}
	return length;
}

static void build_ipv4(const struct plan *plan, const struct vector_context *context, struct vector_frame *frame)
{
	uint8_t *ip = frame->bytes + frame->network;
	size_t header = 20 + plan->options, length;

	frame->transport = frame->network + header;
	length = header + build_transport(plan, context, ip + header);
	spoil_transport(plan, context, ip + header);
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[1] = (uint8_t)plan->tos;
	put16(ip + 2, length);
	put16(ip + 4, plan->id);
	put16(ip + 6, plan->frag);
	ip[8] = (uint8_t)plan->ttl;
	ip[9] = (uint8_t)plan->protocol;
	memcpy(ip + 12, plan->source, 4);
	memcpy(ip + 16, plan->destination, 4);
	memset(ip + 20, 1, plan->options);
	put16(ip + 10, fold(add_up(ip, header, 0)));
	if (plan->ip_off)
		spoil(ip + 10, plan->ip_off, false);
	frame->length = frame->network + length;
}

static void build_ipv6(const struct plan *plan, const struct vector_context *context, struct vector_frame *frame)
{
	uint8_t *ip = frame->bytes + frame->network, *next = ip + 6;
	size_t offset = 40;

	put32(ip, 0x60000000ul | plan->tos << 20);
	ip[7] = (uint8_t)plan->ttl;
	memcpy(ip + 8, plan->source, 16);
	memcpy(ip + 24, plan->destination, 16);
	for (size_t i = 0; i < plan->extension_count; i++) {
		*next = (uint8_t)plan->kinds[i];
		next = ip + offset;
		ip[offset + 1] = (uint8_t)plan->units[i];
		offset += 8 + 8 * plan->units[i];
	}
	*next = (uint8_t)plan->protocol;
	frame->transport = frame->network + offset;
	offset += build_transport(plan, context, ip + offset);
	spoil_transport(plan, context, frame->bytes + frame->transport);
	put16(ip + 4, offset - 40);
	frame->length = frame->network + offset;
}

static int apply_patches(const struct plan *plan, struct vector_frame *frame)
{
	for (size_t p = 0; p < plan->patch_count; p++) {
		const struct patch *patch = &plan->patches[p];
		size_t at = patch->offset + (patch->base == 'i'	  ? frame->network
					     : patch->base == 't' ? frame->transport
								  : 0);
		unsigned int byte;

		for (const char *hex = patch->hex; *hex; hex += 2, at++) {
			if (at >= frame->length || sscanf(hex, "%2x", &byte) != 1)
				return -1;
			frame->bytes[at] = (uint8_t)byte;
		}
	}
	return 0;
}

/* The flow that an ICMP error is about: as whoever is to answer the quoted packet would send it. */
static uint64_t quoted_hash(const struct plan *plan, const struct vector_context *context)
{
	const uint8_t *ip = plan->inner.bytes + plan->inner.network, *l4 = plan->inner.bytes + plan->inner.transport;
	const int family = plan->ipv6 ? AF_INET6 : AF_INET;
	const size_t width = plan->ipv6 ? 16 : 4, source = plan->ipv6 ? 8 : 12;
	struct usher_flow_key key = {.protocol = ip[plan->ipv6 ? 6 : 9]};

	address_from_bytes(family, ip + source + width, &key.source);
	address_from_bytes(family, ip + source, &key.destination);
	memcpy(&key.source_port_be, l4 + 2, 2);
	memcpy(&key.destination_port_be, l4, 2);
	return usher_hash_flow(key.source.halves, key.destination.halves, USHER_FLOW_WORD(&key), context->hash_key);
}

static uint64_t plan_hash(const struct plan *plan, const struct vector_context *context)
{
	struct usher_flow_key key = {.source_port_be = htons(plan->source_port),
				     .destination_port_be = htons(plan->destination_port),
				     .protocol = (uint8_t)plan->protocol};
	const int family = plan->ipv6 ? AF_INET6 : AF_INET;

	if (plan->error)
		return quoted_hash(plan, context);
	address_from_bytes(family, plan->source, &key.source);
	address_from_bytes(family, plan->destination, &key.destination);
	return usher_hash_flow(key.source.halves, key.destination.halves, USHER_FLOW_WORD(&key), context->hash_key);
}

/* Puts the IP packet of `frame` behind the tunnel's headers; which flow it is of shows in port or flow label. */
static int build_tunnel(const struct plan *plan, const struct vector_context *context, struct vector_frame *frame)
{
	struct plan outer = {.ttl = 64, .tos = plan->tos, .frag = 0x4000, .ipv6 = strchr(plan->tunnel, ':') != NULL};
	const size_t header = outer.ipv6 ? 40 : 20, inner = frame->length - frame->network,
		     room = header + (plan->gue ? 8 : 0);
	const uint64_t hash = plan_hash(plan, context);
	uint8_t *ip = frame->bytes + frame->network;

	outer.protocol = plan->gue ? 17 : plan->ipv6 ? 41 : 4;
	if (plan_read_addresses(plan->tunnel, &outer) || frame->length + room > sizeof(frame->bytes))
		return -1;
	memmove(ip + room, ip, inner);
	memset(ip, 0, room);
	put16(ip - 2, outer.ipv6 ? 0x86dd : 0x0800);
	if (plan->gue) {
		put16(ip + header, 0xc000 | (hash >> 40 & 0x3fff));
		put16(ip + header + 2, 6080);
		put16(ip + header + 4, 8 + inner);
	}
	if (outer.ipv6) {
		put32(ip, 0x60000000ul | outer.tos << 20 | (hash >> 40 & 0xfffff));
		put16(ip + 4, room - 40 + inner);
		ip[6] = (uint8_t)outer.protocol;
		ip[7] = (uint8_t)outer.ttl;
		memcpy(ip + 8, outer.source, 16);
		memcpy(ip + 24, outer.destination, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = (uint8_t)outer.tos;
		put16(ip + 2, room + inner);
		put16(ip + 6, outer.frag);
		ip[8] = (uint8_t)outer.ttl;
		ip[9] = (uint8_t)outer.protocol;
		memcpy(ip + 12, outer.source, 4);
		memcpy(ip + 16, outer.destination, 4);
		put16(ip + 10, fold(add_up(ip, 20, 0)));
	}
	frame->transport += room;
	frame->length += room;
	return 0;
}

int vector_describe(const char *text, const struct vector_context *context, struct vector_frame *ret_frame,
		    char fault[128])
{
	struct plan plan = {.from = "C", .to = "G", .ttl = 64, .protocol = 59, .window = 1000};
	struct vector_frame frame = {.network = 14};

	if (plan_read(text, context, &plan, fault))
		return -1;
	if (!context->mac(plan.to, frame.bytes) || !context->mac(plan.from, frame.bytes + 6)) {
		snprintf(fault, 128, "nobody is called %s or %s", plan.to, plan.from);
		return -1;
	}
	for (size_t i = 0; i < plan.tag_count; i++, frame.network += 4) {
		put16(frame.bytes + frame.network - 2, plan.tag_types[i]);
		put16(frame.bytes + frame.network, plan.tags[i]);
	}
	put16(frame.bytes + frame.network - 2, plan.ipv6 ? 0x86dd : 0x0800);
	if (plan.ipv6)
		build_ipv6(&plan, context, &frame);
	else
		build_ipv4(&plan, context, &frame);
	if (*plan.tunnel && build_tunnel(&plan, context, &frame)) {
		snprintf(fault, 128, "cannot read the tunnel's ends in '%.80s'", plan.tunnel);
		return -1;
	}
	frame.length += plan.trail;
	if (apply_patches(&plan, &frame)) {
		snprintf(fault, 128, "bytes cannot be put there");
		return -1;
	}
	if (plan.cut && plan.cut < frame.length)
		frame.length = plan.cut;
	*ret_frame = frame;
	return 0;
}
