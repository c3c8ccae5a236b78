// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program's parser, compiled natively, against the slow one that the model has of its own.
 *
 * 1. Both agree on whether a frame has a destination, on the reason, and on all that the later stages use.
 * 2. Nothing outside the frame is read: libFuzzer hands it over in a heap block of exactly its size.
 * 3. What lies behind the IP packet (padding) changes nothing.
 * 4. What later stages rely on holds: headers lie inside the frame, and the padding of a key is 0, since it is hashed.
 */
#include <string.h>

#include "../../bpf/parse.h"
#include "../model/wire.h"
#include "holds.h"

/* -1: no destination. Otherwise what parse_packet() says. */
static int parse(const uint8_t *data, size_t size, struct packet *ret_packet)
{
	memset(ret_packet, 0xa5, sizeof(*ret_packet)); /* of the packet before, as on a gateway */
	packet_begin(ret_packet, (__u32)size, false);
	return parse_destination(data, data + size, ret_packet) ? parse_packet(data, data + size, ret_packet) : -1;
}

static bool same(const struct usher_address *a, const struct usher_address *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void compare_transport(const struct packet *packet, const struct wire *wire, size_t size)
{
	size_t header = wire->protocol == IPPROTO_TCP ? 20 : 8;

	HOLDS(packet->key.protocol == wire->protocol);
	HOLDS(packet->hop_limit == wire->hop_limit);
	HOLDS(same(&packet->key.source, &wire->source));
	HOLDS(packet->transport == wire->transport);
	HOLDS(packet->network + packet->ip_length == wire->transport + wire->segment);
	HOLDS(packet->transport + header <= size);
	HOLDS(packet->payload <= size - packet->transport - header);
	if (wire->protocol == IPPROTO_UDP) {
		HOLDS(packet->payload == wire->segment - header);
		return;
	}
	HOLDS(packet->payload == wire->payload);
	HOLDS((packet->tcp_flags & 0x3f) == wire->flags);
	HOLDS(packet->sequence == wire->sequence);
	HOLDS(packet->acknowledgement == wire->acknowledgement);
}

static void compare(const uint8_t *data, size_t size, const struct packet *packet, int reason, const struct wire *wire)
{
	bool known = wire->protocol == IPPROTO_TCP || wire->protocol == IPPROTO_UDP;

	HOLDS((reason >= 0) == wire->ip);
	if (reason < 0)
		return;
	HOLDS(packet->is_ipv6 == wire->ipv6);
	HOLDS(packet->network == wire->network);
	for (size_t i = 0; i < USHER_VLAN_TAGS_MAX; i++)
		HOLDS(16 + 4 * i <= wire->network - 2 ? !memcmp(&packet->tags[i], data + 12 + 4 * i, 4)
						      : !packet->tags[i]);
	HOLDS(same(&packet->key.destination, &wire->destination));
	HOLDS(!memcmp(packet->receiver_mac, data, ETH_ALEN));
	HOLDS(!memcmp(packet->sender_mac, data + ETH_ALEN, ETH_ALEN));
	HOLDS(!packet->key.padding && !packet->key.is_return);
	/* The model has no reason against a packet of another protocol: it is the host's. */
	HOLDS(reason == (wire->reason || !known ? wire->reason : UNDECIDED));
	HOLDS(packet->key.source_port_be == (wire->ports ? PARSE_BE16(wire->source_port) : 0));
	HOLDS(packet->key.destination_port_be == (wire->ports ? PARSE_BE16(wire->destination_port) : 0));
	if (reason == UNDECIDED)
		compare_transport(packet, wire, size);
}

/* The same frame without what lies behind the IP packet. */
static void compare_unpadded(const uint8_t *data, const struct packet *packet, const struct wire *wire)
{
	struct packet shorter;
	size_t size = wire->transport + wire->segment;
	int reason = parse(data, size, &shorter);

	HOLDS(reason == UNDECIDED);
	shorter.length = packet->length;
	HOLDS(!memcmp(&shorter, packet, sizeof(shorter)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame frame;
	struct packet packet;
	struct wire wire;
	int reason;

	if (size > sizeof(frame.bytes))
		return -1;
	memcpy(frame.bytes, data, size);
	memset(frame.bytes + size, 0xa5, frame.length > size ? frame.length - size : 0); /* of the last frame */
	frame.length = size;
	wire = wire_read(&frame);
	reason = parse(data, size, &packet);
	compare(data, size, &packet, reason, &wire);
	if (reason == UNDECIDED)
		compare_unpadded(data, &packet, &wire);
	return 0;
}
