/* SPDX-License-Identifier: GPL-2.0-only */
/* What the program that makes the packets is told. */
#ifndef USHER_BENCH_TRAFFIC_H
#define USHER_BENCH_TRAFFIC_H

#include <linux/types.h>

#define TRAFFIC_FLOWS_MAX (1u << 22)
#define TRAFFIC_LRU_ENTRIES (1u << 21)
#define TRAFFIC_FRAME4 64
#define TRAFFIC_FRAME6 80
#define TRAFFIC_BLOCK 20000
#define TRAFFIC_NOTHING_SHARE 4 /* of a block's packets, one in so many goes to `nothing` before */

enum traffic_phase { TRAFFIC_NOTHING, TRAFFIC_FLOOR, TRAFFIC_TARGET, TRAFFIC_PHASES };

/* Flow f comes from prefix hash(f) of `prefixes`; its host and port say which it is. */
struct traffic {
	__u64 next;	 /* number of the next packet */
	__u32 flows;	 /* packets are of flows 0 to flows - 1 */
	__u32 is_random; /* in random order, otherwise one after the other */
	__u32 prefixes;
	__u32 is_ipv6;
	__u32 length;	      /* of the frame */
	__u32 grows_in_front; /* the target encapsulates */
	__u64 source;	      /* first prefix: an address, or the upper half of one; host byte order */
	__u32 lines;	      /* of the flow table that `line` reads one of */
	__u32 awaited;	      /* before its packet the target waits for one of so many random lines; 0: for none */
	__u32 is_measured; /* each block of packets goes to one after the other; otherwise all of them to the target */
	__u32 has_floor;
	__u32 floor_ahead; /* the floor gets the packets that come so much later */
	__u32 phase;	   /* of enum traffic_phase: where packets go now */
	__u32 left;	   /* packets until the phase ends */
	__u64 sent;
	__u64 begun;		     /* this phase, ns */
	__u64 block_first;	     /* number of the packet that each phase begins with */
	__u64 spent[TRAFFIC_PHASES]; /* ns in each */
	__u64 nothing;		     /* of a line that is waited for */
	__u8 frame[TRAFFIC_FRAME6];
};

#endif
