// SPDX-License-Identifier: GPL-2.0-only
/* For the lab's self-test: answers ICMP echo requests by transmitting the frame back, to measure how long XDP_TX takes
 * on this kernel's veth. No include, so that it needs nothing but clang. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

struct xdp_md {
	u32 data;
	u32 data_end;
};

struct frame {
	u8 to[6], from[6];
	u16 type_be;
	u8 ipv4[9], protocol;
	u16 ipv4_sum;
	u8 source[4], destination[4];
	u8 icmp_type, icmp_code;
	u16 icmp_sum_be;
} __attribute__((packed));

#define SWAP(a, b)                                                                                                     \
	do {                                                                                                           \
		u8 kept[sizeof(a)];                                                                                    \
		__builtin_memcpy(kept, a, sizeof(a));                                                                  \
		__builtin_memcpy(a, b, sizeof(a));                                                                     \
		__builtin_memcpy(b, kept, sizeof(a));                                                                  \
	} while (0)

enum { XDP_PASS = 2, XDP_TX = 3 };

__attribute__((section("xdp"), used)) int reflect(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (frame->type_be != __builtin_bswap16(0x0800) || frame->ipv4[0] != 0x45 || frame->protocol != 1 ||
	    frame->icmp_type != 8)
		return XDP_PASS;
	SWAP(frame->to, frame->from);
	SWAP(frame->source, frame->destination);
	frame->icmp_type = 0;
	/* The type was the high byte of its word: 0x0800 less, so that much more in the one's complement sum (RFC
	 * 1624). */
	u32 sum = __builtin_bswap16(frame->icmp_sum_be) + 0x0800u;
	frame->icmp_sum_be = __builtin_bswap16((u16)(sum + (sum >> 16)));
	return XDP_TX;
}
