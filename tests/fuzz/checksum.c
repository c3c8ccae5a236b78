// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changed checksums against ones that are computed anew.
 *
 * An input is an address pair and ports before and after, the protocol, and a segment. Whatever lies in them:
 *
 * 1. After the change the receiver's sum is what it was: a right checksum stays right, a wrong one is wrong by as much.
 * 2. A checksum that is built from nothing is right.
 */
#include <string.h>

#include "../../bpf/checksum.h"
#include "../model/frame.h"
#include "holds.h"

struct ends {
	struct usher_address source, destination;
	uint8_t ports[4];
};

/* What the receiver adds up: 0xffff if all is right. */
static uint16_t received_sum(bool ipv6, const struct ends *ends, uint8_t protocol, const uint8_t *segment,
			     size_t length)
{
	uint8_t addresses[32];
	size_t width = ipv6 ? 16 : 4;

	memcpy(addresses, ends->source.bytes + 16 - width, width);
	memcpy(addresses + width, ends->destination.bytes + 16 - width, width);
	return frame_transport_sum(ipv6, addresses, protocol, segment, length);
}

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void make_mapped(struct usher_address *address)
{
	static const uint8_t front[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(address->bytes, front, sizeof(front));
}

static void read_ends(const uint8_t *data, bool ipv6, struct ends *ret_ends)
{
	memcpy(ret_ends, data, sizeof(*ret_ends));
	if (!ipv6) {
		make_mapped(&ret_ends->source);
		make_mapped(&ret_ends->destination);
	}
}

/* Built from nothing, as in a reset: the sum of the pseudo header and of the segment's words. */
static void compare_built(bool ipv6, const struct ends *ends, uint8_t protocol, uint8_t *segment, size_t length)
{
	uint64_t sum = checksum_pseudo(&ends->source, &ends->destination, ipv6, protocol, (__u32)length);
	uint16_t checksum;

	memset(segment + 6, 0, 2);
	for (size_t i = 0; i < length; i += 4)
		sum += word(segment + i);
	checksum = (uint16_t)~checksum_fold(sum);
	memcpy(segment + 6, &checksum, sizeof(checksum));
	HOLDS(received_sum(ipv6, ends, protocol, segment, length) == 0xffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t front = 1 + 2 * sizeof(struct ends);
	uint8_t segment[512], protocol;
	struct ends before, after;
	uint16_t checksum, error;
	uint64_t change;
	size_t length;
	bool ipv6;

	if (size < front + 8 || size > front + sizeof(segment))
		return -1;
	ipv6 = data[0] & 1;
	protocol = data[0] & 2 ? 17 : 6;
	read_ends(data + 1, ipv6, &before);
	read_ends(data + 1 + sizeof(before), ipv6, &after);
	length = (size - front) / 4 * 4;
	memcpy(segment, data + front, length);
	memcpy(segment, before.ports, sizeof(before.ports));
	if (data[0] & 4)
		compare_built(ipv6, &before, protocol, segment, length);
	error = received_sum(ipv6, &before, protocol, segment, length);

	change = checksum_change_address(0, &before.source, &after.source);
	change = checksum_change_address(change, &before.destination, &after.destination);
	change = checksum_change(change, word(before.ports), word(after.ports));
	memcpy(&checksum, segment + 6, sizeof(checksum));
	checksum = checksum_update(checksum, change);
	memcpy(segment, after.ports, sizeof(after.ports));
	memcpy(segment + 6, &checksum, sizeof(checksum));
	HOLDS(received_sum(ipv6, &after, protocol, segment, length) % 0xffff == error % 0xffff);
	return 0;
}
