/* SPDX-License-Identifier: GPL-2.0-only */
/* What the program that makes the flood is told. */
#ifndef USHER_TEST_FLOOD_H
#define USHER_TEST_FLOOD_H

#include <linux/types.h>

#define FLOOD_FRAME 60 /* the least that Ethernet has */

struct flood {
	__u64 next;
	__u32 network, hosts; /* sources: network | any of hosts; host byte order */
	__u8 frame[FLOOD_FRAME];
	__u8 padding[4];
};

#endif
