/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames written as text:
 *
 *   4 203.0.113.10>198.51.100.10 ttl=64 tcp 40000>443 SA seq=1 ack=2 data=10
 *
 *   4, 6            addresses; to=NAME, from=NAME  MACs: C client, G gateway, or a backend's name (in: from C to G)
 *   ttl=N  tos=N  id=N  frag=N (the word)  opt=N (IPv4 option bytes, all 1)  ext=KIND[:UNITS] (IPv6 header, several)
 *   tcp SP>DP FLAGS seq=N ack=N win=N topt=N;  udp SP>DP [nocheck];  icmp;  proto=N (with data alone)
 *   vlan=TCI[:TPID] a tag (8100 unless it says so in hexadecimal), several
 *   ipip A>B, gue A>B   the packet in a tunnel from A to B, of the family that they are of
 *   partial         TCP, UDP: the checksum is the sum of the pseudo header alone, for a device to complete
 *   off=HEX         the checksum of TCP, UDP or ICMP is so much more than the right one; off=same: as much as that of what was sent in
 *                   last; ipoff=HEX: the same of the IPv4 header
 *   data=N          payload bytes;  trail=N  bytes behind the IP packet
 *   @OFF=HEX        bytes put there: of the frame; ip+OFF of the IP header; l4+OFF of the transport header
 *   cut=N           only the first N bytes of the frame
 *   NAT             as a port: the one that the program chose in this scene
 *   icmp error TYPE:CODE [mtu=N] about FRAME    an ICMP error that quotes that IP packet; about8: its header and 8 bytes. Comes last
 *   quote           what was sent in last, as an ICMP error quotes it: administratively prohibited, or too big with mtu=N
 */
#ifndef USHER_VECTORS_DESCRIPTION_H
#define USHER_VECTORS_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#define VECTOR_FRAME_MAX 2048

struct vector_frame {
	size_t length;
	size_t network, transport; /* offsets */
	uint8_t bytes[VECTOR_FRAME_MAX];
};

struct vector_context {
	/* MAC of a name; false: nobody has it. */
	bool (*mac)(const char *name, uint8_t mac[6]);
	uint16_t nat_port;		   /* 0: not chosen yet */
	const struct vector_frame *quoted; /* for an answer that quotes */
	const __u64 *hash_key;		   /* of flows, USHER_HASH_KEYS of them */
};

/* Returns 0, or -1 with a sentence. The checksums are right unless bytes were put over them. */
int vector_describe(const char *text, const struct vector_context *context, struct vector_frame *ret_frame,
		    char fault[128]);

#endif
