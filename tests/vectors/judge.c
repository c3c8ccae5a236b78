// SPDX-License-Identifier: GPL-2.0-only
#include "judge.h"

#include <string.h>

#include "../model/wire.h"

int judge_cut(const struct vector_frame *cut)
{
	struct frame frame = {.length = cut->length};
	struct wire wire;

	memcpy(frame.bytes, cut->bytes, cut->length);
	wire = wire_read(&frame);
	if (!wire.ip)
		return USHER_REASON_NOT_FOR_SERVICE;
	return wire.reason && wire.reason != USHER_REASON_ICMP_TO_HOST ? wire.reason : -1;
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

/* IP, TCP, UDP and ICMP, outside of tunnels and in them. UDP of a tunnel goes without one (RFC 6935). */
static bool sums_right(struct frame *frame)
{
	struct wire wire = wire_read(frame);
	const uint8_t *ip = frame->bytes + wire.network, *transport = frame->bytes + wire.transport;

	if (!wire.ip || !wire.transport || (!wire.ipv6 && frame_sum(ip, (size_t)(ip[0] & 0xf) * 4) != 0xffff))
		return false;
	if (unwrap(&wire, frame))
		return sums_right(frame);
	if (wire.protocol == 1)
		return frame_sum(transport, wire.segment) == 0xffff;
	if (wire.protocol == 17 && !wire.ipv6 && !frame_get16(transport + 6))
		return true;
	return frame_transport_sum(wire.ipv6, ip + (wire.ipv6 ? 8 : 12), wire.protocol, transport, wire.segment) ==
	       0xffff;
}

bool judge_checksums(const struct vector_frame *vector)
{
	struct frame frame = {.length = vector->length};

	memcpy(frame.bytes, vector->bytes, vector->length);
	return sums_right(&frame);
}
