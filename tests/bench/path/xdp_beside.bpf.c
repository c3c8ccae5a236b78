// SPDX-License-Identifier: GPL-2.0-only
/* What a gateway does at the least with a flood: what comes for 198.51.100.21 goes on to the server 02:00:00:00:03:02, where this program
 * drops it; all else is dropped at once. No table, no record. */
#include "xdp.h"

struct frame {
	u8 to[6], from[6];
	u16 type_be;
	u8 ipv4[16], destination[4];
} __attribute__((packed));

__attribute__((section("xdp"), used)) int take(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || frame->to[4] == 3 ||
	    frame->type_be != __builtin_bswap16(0x0800) || frame->destination[0] != 198 || frame->destination[3] != 21)
		return XDP_DROP;
	to_server(frame->to, frame->from, 2);
	return XDP_TX;
}
