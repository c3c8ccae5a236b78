/* SPDX-License-Identifier: GPL-2.0-only */
/* Ethernet frames that we send ourselves: TCP and UDP headers without data, on a VLAN and in a tunnel if need be. */
#ifndef USHER_KERNEL_FRAME_H
#define USHER_KERNEL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#define FRAME_MAX (14 + 4 * USHER_VLAN_TAGS_MAX + 40 + 8 + 40 + 20)
#define FRAME_MIN 60 /* of Ethernet, without its check sequence */

#define FRAME_TCP_SYN 0x02
#define FRAME_TCP_RESET 0x04

struct frame {
	uint8_t source_mac[6], destination_mac[6];
	struct usher_address source, destination; /* of one family */
	uint16_t source_port, destination_port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t tcp_flags;
	uint32_t sequence;
	uint32_t interface;		    /* index of the one that it leaves by */
	uint32_t tags[USHER_VLAN_TAGS_MAX]; /* as on the wire; 0: none */
	uint8_t tunnel;			    /* enum usher_forward: of which only tunnels count */
	struct usher_address tunnel_source, tunnel_destination;
};

/* Writes the frame, padded to FRAME_MIN, with its checksums (RFC 791, 8200, 9293, 768). Returns its length. */
size_t frame_write(const struct frame *frame, uint8_t bytes[FRAME_MAX]);

#endif
