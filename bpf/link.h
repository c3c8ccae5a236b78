/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The link header on the way out: other addresses, the same VLAN tags.
 *
 * 1. Tags stay on the frame, whatever is built behind them: what came in on a VLAN leaves on it.
 */
#ifndef USHER_BPF_LINK_H
#define USHER_BPF_LINK_H

#include "parse.h"

static __always_inline void link_address(void *data, const __u8 receiver[ETH_ALEN], const __u8 sender[ETH_ALEN])
{
	__u16 *words = data; /* a struct ethhdr is packed, and would be written byte by byte */

	for (int i = 0; i < ETH_ALEN / 2; i++) {
		words[i] = ((const __u16 *)receiver)[i];
		words[ETH_ALEN / 2 + i] = ((const __u16 *)sender)[i];
	}
}

/*
 * Puts the link header in front of `room` bytes that have been made at the start of the frame: tags from where they were, and the
 * type of what comes behind them. Addresses are left to link_address. NULL: the frame ends before its header does;
 * otherwise where the new network header begins.
 */
static __always_inline void *link_push(void *data, const void *end, const struct packet *packet, __u32 room,
				       bool is_ipv6)
{
	__u32 network = PARSE_NETWORK(packet);
	__u32 *tags = data + offsetof(struct ethhdr, h_proto);
	__u32 before = network - (__u32)sizeof(__u16);
	__u16 *type;

	barrier_var(before); /* an offset of its own: the verifier takes none that is negative */
	type = data + (before & 0x1f);
	if (data + PARSE_NETWORK_MAX > end || (void *)(type + 1) + room > end)
		return NULL;
	if (packet->tags[0])
		tags[0] = packet->tags[0];
	if (packet->tags[1])
		tags[1] = packet->tags[1];
	*type = is_ipv6 ? PARSE_BE16(ETH_P_IPV6) : PARSE_BE16(ETH_P_IP);
	return type + 1;
}

#endif
