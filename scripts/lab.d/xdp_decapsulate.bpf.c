// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backend's end of the tunnels: IP in IP (protocols 4 and 41) and GUE variant 1 (UDP to port 6080), over IPv4 and IPv6. What is inside
 * goes up as if it had come so; everything else is left alone. For kernels without tunnel devices; no include, so that it needs
 * nothing but clang.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

struct frame {
	u32 data, end;
};

#define GUE_PORT 0xc017 /* 6080, as it lies in memory */

static long (*adjust_head)(struct frame *, int) = (void *)44;

/* Length of the outer headers behind the link header: 0 if this is no tunnel's. */
static inline __attribute__((always_inline)) int outer_length(const u8 *ip, const u8 *end)
{
	int length = ip[0] >> 4 == 4 ? 20 : 40;
	u8 protocol;

	if (ip + 48 > end)
		return 0;
	protocol = length == 20 ? ip[9] : ip[6];
	if (protocol == 4 || protocol == 41)
		return length;
	if (protocol == 17 && *(const u16 *)(ip + length + 2) == GUE_PORT)
		return length + 8;
	return 0;
}

__attribute__((section("xdp"), used)) int decapsulate(struct frame *frame)
{
	u8 *data = (u8 *)(long)frame->data, *end = (u8 *)(long)frame->end, link[12];
	int length;

	if (data + 14 + 48 > end || !((data[12] == 0x08 && data[13] == 0) || (data[12] == 0x86 && data[13] == 0xdd)))
		return 2; /* XDP_PASS */
	length = outer_length(data + 14, end);
	if (!length)
		return 2;
	__builtin_memcpy(link, data, 12);
	if (adjust_head(frame, length))
		return 1; /* XDP_DROP */
	data = (u8 *)(long)frame->data;
	end = (u8 *)(long)frame->end;
	if (data + 15 > end)
		return 1;
	__builtin_memcpy(data, link, 12);
	data[12] = data[14] >> 4 == 4 ? 0x08 : 0x86;
	data[13] = data[14] >> 4 == 4 ? 0x00 : 0xdd;
	return 2;
}
