// SPDX-License-Identifier: GPL-2.0-only
/* Hands a frame on with less room in front of it than a driver leaves: moves it towards the beginning of its buffer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "usher/abi.h"

#define FRAME_MAX 2048

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

__u32 taken; /* bytes, of the room that there is */
__u8 frame[FRAME_MAX];

/* XDP_ABORTED: there is not so much room to be taken. */
SEC("xdp")
int less_room(struct xdp_md *ctx)
{
	__u32 length = (__u32)(ctx->data_end - ctx->data);

	if (!length || length > FRAME_MAX)
		return XDP_ABORTED;
	barrier_var(length); /* Linux 6.1 wants to see both ends of it where it is used */
	length = ((length - 1) & (FRAME_MAX - 1)) + 1;
	if (bpf_xdp_adjust_head(ctx, -(int)taken) || bpf_xdp_load_bytes(ctx, taken, frame, length) ||
	    bpf_xdp_store_bytes(ctx, 0, frame, length) || bpf_xdp_adjust_tail(ctx, -(int)taken))
		return XDP_ABORTED;
	bpf_tail_call(ctx, &target, 0);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
