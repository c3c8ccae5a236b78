// SPDX-License-Identifier: GPL-2.0-only
#include "judge.h"

#include <stdlib.h>
#include <string.h>

#include "../model/wire.h"

void places_add(struct places *places, const struct usher_address *address, uint16_t port, uint8_t protocol)
{
	if (places->count == PLACES_MAX)
		abort();
	places->items[places->count].address = *address;
	places->items[places->count].port = port;
	places->items[places->count++].protocol = protocol;
}

/* Is its address one of usher's, and if so, a NAT address, or that of a service which has its port too? */
static bool is_for(const struct places *places, const struct wire *wire, bool whole)
{
	for (size_t i = 0; i < places->count; i++) {
		if (memcmp(&places->items[i].address, &wire->destination, sizeof(wire->destination)) != 0)
			continue;
		if (!whole || !places->items[i].port ||
		    (places->items[i].port == wire->destination_port && places->items[i].protocol == wire->protocol))
			return true;
	}
	return false;
}

int judge_cut(const struct vector_frame *cut, const struct places *places)
{
	struct frame frame = {.length = cut->length};
	struct wire wire;

	memcpy(frame.bytes, cut->bytes, cut->length);
	wire = wire_read(&frame);
	if (!wire.ip || !is_for(places, &wire, false))
		return USHER_REASON_NOT_FOR_SERVICE;
	if (wire.reason == USHER_REASON_ICMP_TO_HOST)
		return JUDGE_ICMP;
	/* A header that says where it goes is not malformed for a service, if it goes to none. */
	if (wire.ports && wire.destination_port && !is_for(places, &wire, true))
		return USHER_REASON_NOT_FOR_SERVICE;
	if (wire.reason)
		return wire.reason;
	return wire.ports ? JUDGE_WHOLE : USHER_REASON_NOT_FOR_SERVICE; /* of another protocol */
}

uint16_t judge_source_port(const struct vector_frame *vector)
{
	struct frame frame = {.length = vector->length};

	memcpy(frame.bytes, vector->bytes, vector->length);
	return wire_read(&frame).source_port;
}

void judge_shrink(struct vector_frame *cut)
{
	size_t at = 14;

	while (at < 22 && (cut->bytes[at - 2] == 0x81 || cut->bytes[at - 2] == 0x88))
		at += 4;
	if (cut->length < at + 40)
		return;
	if (cut->bytes[at - 2] == 0x86)
		frame_put16(cut->bytes + at + 4, (uint16_t)(cut->length - at - 40));
	else
		frame_put16(cut->bytes + at + 2, (uint16_t)(cut->length - at));
}

/* The packet in a tunnel as a frame of its own. False: it is in none. */
static bool unwrap(const struct wire *wire, struct frame *frame)
{
	bool gue = wire->protocol == 17 && wire->ports && wire->destination_port == 6080;
	size_t at = wire->transport + (gue ? 8 : 0), length = wire->segment - (gue ? 8 : 0);

	if (!gue && wire->protocol != 4 && wire->protocol != 41)
		return false;
	frame_put16(frame->bytes + 12, frame->bytes[at] >> 4 == 6 ? 0x86dd : 0x0800);
	memmove(frame->bytes + 14, frame->bytes + at, length);
	frame->length = 14 + length;
	return true;
}

/* How wrong the checksums of a packet are: the sums over what they cover, 0 if they are right. */
struct sums {
	uint16_t ip, transport;
	bool left_out; /* UDP's */
};

static uint16_t wrongness(uint16_t sum)
{
	return sum == 0xffff ? 0 : sum;
}

static struct sums read_sums(const struct frame *frame, const struct wire *wire)
{
	const uint8_t *ip = frame->bytes + wire->network, *transport = frame->bytes + wire->transport;
	struct sums sums = {0};

	if (!wire->ipv6)
		sums.ip = wrongness(frame_sum(ip, (size_t)(ip[0] & 0xf) * 4));
	sums.left_out = wire->protocol == 17 && !frame_get16(transport + 6);
	if (wire->protocol == 1)
		sums.transport = wrongness(frame_sum(transport, wire->segment));
	else if (!sums.left_out)
		sums.transport = wrongness(frame_transport_sum(wire->ipv6, ip + (wire->ipv6 ? 8 : 12), wire->protocol,
							       transport, wire->segment));
	return sums;
}

/* IP, TCP, UDP and ICMP, outside of tunnels and in them. UDP of a tunnel goes without one (RFC 6935). */
static bool sums_right(struct frame *frame)
{
	struct wire wire = wire_read(frame);
	const uint8_t *ip = frame->bytes + wire.network;
	struct sums sums;

	if (!wire.ip || !wire.transport || (!wire.ipv6 && frame_sum(ip, (size_t)(ip[0] & 0xf) * 4) != 0xffff))
		return false;
	if (unwrap(&wire, frame))
		return sums_right(frame);
	sums = read_sums(frame, &wire);
	return !sums.transport && !(sums.left_out && wire.ipv6);
}

bool judge_checksums(const struct vector_frame *vector)
{
	struct frame frame = {.length = vector->length};

	memcpy(frame.bytes, vector->bytes, vector->length);
	return sums_right(&frame);
}

bool judge_sums_kept(const struct vector_frame *before, const struct vector_frame *after)
{
	const struct vector_frame *vectors[2] = {before, after};
	struct sums sums[2];

	for (int i = 0; i < 2; i++) {
		struct frame frame = {.length = vectors[i]->length};
		struct wire wire;

		memcpy(frame.bytes, vectors[i]->bytes, vectors[i]->length);
		wire = wire_read(&frame);
		if (!wire.ip || !wire.transport)
			return false;
		if (unwrap(&wire, &frame))
			wire = wire_read(&frame);
		sums[i] = read_sums(&frame, &wire);
	}
	return sums[0].ip == sums[1].ip && sums[0].transport == sums[1].transport &&
	       sums[0].left_out == sums[1].left_out;
}
