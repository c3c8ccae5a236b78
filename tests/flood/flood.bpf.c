// SPDX-License-Identifier: GPL-2.0-only
/* SYNs from as many sources as are wanted: restores the frame, gives it the next source, and calls the program under test. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "usher/flow_hash.h"

#include "flood.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} targets SEC(".maps");

struct flood flood;

SEC("xdp")
int syn(struct xdp_md *ctx)
{
	int length = (int)(ctx->data_end - ctx->data);
	__u64 number = usher_mix64(flood.next++);
	void *data, *end;

	if (length != FLOOD_FRAME && bpf_xdp_adjust_tail(ctx, FLOOD_FRAME - length)) /* a reset is shorter */
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + FLOOD_FRAME > end)
		return XDP_ABORTED;
	for (__u32 i = 0; i < FLOOD_FRAME; i += 2)
		*(__u16 *)(data + i) = *(const __u16 *)(flood.frame + i);
	*(__u32 *)(data + 26) = __builtin_bswap32(flood.network | ((__u32)number & flood.hosts));
	*(__u16 *)(data + 34) = (__u16)(number >> 32) | 1;
	bpf_tail_call_static(ctx, &targets, 0);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
