// SPDX-License-Identifier: GPL-2.0-only
/* The least that a balancer can do in XDP: no table, no state, no record. A TCP packet to 198.51.100.8 goes, unchanged but for its
 * link addresses, to the server that the client's port gives (half of it: connect() takes every second one). segment.py sees to it
 * that the service's port is 8000 and the number of servers, and that server n is 02:00:00:00:03:n. */
#include "xdp.h"

struct frame {
	u8 to[6], from[6];
	u16 type_be;
	u8 ipv4[9], protocol, sum[2];
	u8 source[4], destination[4];
	u16 source_port_be, destination_port_be;
} __attribute__((packed));

__attribute__((section("xdp"), used)) int forward(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	u16 servers;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (frame->type_be != __builtin_bswap16(0x0800) || frame->ipv4[0] != 0x45 || frame->protocol != 6 ||
	    frame->destination[0] != 198 || frame->destination[3] != 8)
		return XDP_PASS;
	servers = (u16)(__builtin_bswap16(frame->destination_port_be) - 8000);
	if (!servers)
		return XDP_PASS;
	to_server(frame->to, frame->from, (u8)(1 + __builtin_bswap16(frame->source_port_be) / 2 % servers));
	return XDP_TX;
}
