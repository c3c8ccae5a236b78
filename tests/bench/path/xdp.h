/* SPDX-License-Identifier: GPL-2.0-only */
/* What the XDP programs of this bench share. No include of the kernel's, so that they need nothing but clang. */
#ifndef USHER_BENCH_XDP_H
#define USHER_BENCH_XDP_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

struct xdp_md {
	u32 data;
	u32 data_end;
};

enum { XDP_DROP = 1, XDP_PASS = 2, XDP_TX = 3 };

/* The link address of server n is 02:00:00:00:03:n; who sends is whom the frame came to. */
static inline void to_server(u8 to[6], u8 from[6], u8 server)
{
	__builtin_memcpy(from, to, 6);
	to[4] = 3;
	to[5] = server;
}

#endif
