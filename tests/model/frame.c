// SPDX-License-Identifier: GPL-2.0-only
#include "frame.h"

#include <netinet/in.h>
#include <string.h>

static uint64_t add_bytes(uint64_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint64_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t frame_sum(const uint8_t *bytes, size_t length)
{
	return fold(add_bytes(0, bytes, length));
}

uint16_t frame_transport_sum(bool ipv6, const uint8_t *addresses, uint8_t protocol, const uint8_t *segment,
			     size_t length)
{
	uint64_t sum = add_bytes(0, addresses, ipv6 ? 32 : 8);

	return fold(add_bytes(sum + protocol + length, segment, length));
}

static size_t put_ipv4(const struct frame_plan *plan, uint8_t *ip, size_t behind)
{
	size_t header = 20 + plan->option_bytes;

	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[1] = plan->traffic_class;
	frame_put16(ip + 2, (uint16_t)(header + behind));
	frame_put16(ip + 4, plan->id);
	frame_put16(ip + 6, plan->fragment);
	ip[8] = plan->hop_limit;
	ip[9] = plan->protocol;
	frame_put16(ip + 10, 0);
	memcpy(ip + 12, plan->source.bytes + 12, 4);
	memcpy(ip + 16, plan->destination.bytes + 12, 4);
	memcpy(ip + 20, plan->options, plan->option_bytes);
	frame_put16(ip + 10, (uint16_t)~frame_sum(ip, header));
	return header;
}

static size_t put_ipv6(const struct frame_plan *plan, uint8_t *ip, size_t behind)
{
	size_t at = 40;
	uint8_t *next = &ip[6];

	ip[0] = (uint8_t)(0x60 | plan->traffic_class >> 4);
	ip[1] = (uint8_t)(plan->traffic_class << 4 | (plan->id >> 12 & 0xf));
	frame_put16(ip + 2, plan->id);
	ip[7] = plan->hop_limit;
	memcpy(ip + 8, plan->source.bytes, 16);
	memcpy(ip + 24, plan->destination.bytes, 16);
	for (size_t i = 0; i < plan->extension_count; i++) {
		size_t length = 8 + 8 * (size_t)plan->extension_units[i];

		*next = plan->extensions[i];
		memset(ip + at, 0, length);
		ip[at + 1] = plan->extension_units[i];
		next = ip + at;
		at += length;
	}
	*next = plan->protocol;
	frame_put16(ip + 4, (uint16_t)(at - 40 + behind));
	return at;
}

static void put_tcp(const struct frame_plan *plan, uint8_t *tcp)
{
	frame_put16(tcp, plan->source_port);
	frame_put16(tcp + 2, plan->destination_port);
	frame_put32(tcp + 4, plan->sequence);
	frame_put32(tcp + 8, plan->acknowledgement);
	tcp[12] = (uint8_t)((20 + plan->tcp_option_bytes) / 4 << 4);
	tcp[13] = plan->flags;
	frame_put16(tcp + 14, plan->window);
	memset(tcp + 20, 1, plan->tcp_option_bytes); /* no-operation */
}

static void put_udp(const struct frame_plan *plan, uint8_t *udp)
{
	frame_put16(udp, plan->source_port);
	frame_put16(udp + 2, plan->destination_port);
	frame_put16(udp + 4, (uint16_t)(8 + plan->payload));
}

static void put_checksum(const struct frame_plan *plan, const uint8_t *ip, uint8_t *segment, size_t length)
{
	uint8_t *field = segment + (plan->protocol == IPPROTO_TCP ? 16 : 6);

	if (plan->protocol == IPPROTO_UDP && plan->no_checksum)
		return;
	uint16_t sum = (uint16_t)~frame_transport_sum(plan->ipv6, plan->ipv6 ? ip + 8 : ip + 12, plan->protocol,
						      segment, length);

	frame_put16(field, plan->protocol == IPPROTO_UDP && !sum ? 0xffff : sum);
}

void frame_insert_tags(const uint8_t *tags, size_t size, struct frame *frame)
{
	memmove(frame->bytes + 12 + size, frame->bytes + 12, frame->length - 12);
	memcpy(frame->bytes + 12, tags, size);
	frame->length += size;
}

void frame_build(const struct frame_plan *plan, struct frame *ret_frame)
{
	uint8_t *bytes = ret_frame->bytes, *ip = bytes + 14;
	size_t transport = plan->protocol == IPPROTO_TCP ? 20 + plan->tcp_option_bytes : 8;
	size_t segment = transport + plan->payload;

	memset(bytes, 0, sizeof(ret_frame->bytes));
	memcpy(bytes, plan->destination_mac, 6);
	memcpy(bytes + 6, plan->source_mac, 6);
	frame_put16(bytes + 12, plan->ipv6 ? 0x86dd : 0x0800);
	uint8_t *at = ip + (plan->ipv6 ? put_ipv6(plan, ip, segment) : put_ipv4(plan, ip, segment));

	if (plan->protocol == IPPROTO_TCP)
		put_tcp(plan, at);
	else if (plan->protocol == IPPROTO_UDP)
		put_udp(plan, at);
	else
		at[0] = plan->ipv6 ? 128 : 8; /* echo request */
	for (size_t i = 0; i < plan->payload; i++)
		at[transport + i] = (uint8_t)(plan->sequence + i * 7);
	if (plan->protocol == IPPROTO_TCP || plan->protocol == IPPROTO_UDP)
		put_checksum(plan, ip, at, segment);
	ret_frame->length = (size_t)(at - bytes) + segment + plan->trailer;
}

void frame_build_error(const struct frame_plan *plan, uint8_t type, uint8_t code, const struct frame *about,
		       size_t most, struct frame *ret_frame)
{
	struct frame_plan outer = *plan;
	size_t quote = about->length - 14 < most ? about->length - 14 : most;

	outer.protocol = plan->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	outer.payload = quote;
	frame_build(&outer, ret_frame);
	uint8_t *ip = ret_frame->bytes + 14, *icmp = ret_frame->bytes + ret_frame->length - plan->trailer - quote - 8;

	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	frame_put32(icmp + 4, plan->window); /* an MTU, or whatever */
	memcpy(icmp + 8, about->bytes + 14, quote);
	frame_put16(icmp + 2,
		    (uint16_t) ~(plan->ipv6 ? frame_transport_sum(true, ip + 8, IPPROTO_ICMPV6, icmp, 8 + quote)
					    : frame_sum(icmp, 8 + quote)));
}
