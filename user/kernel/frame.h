/* SPDX-License-Identifier: GPL-2.0-only */
/* Ethernet frames that we send ourselves: TCP and UDP headers without data. */
#ifndef USHER_KERNEL_FRAME_H
#define USHER_KERNEL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#define FRAME_MAX (14 + 40 + 20)
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
};

/* Writes the frame, padded to FRAME_MIN, with its checksums (RFC 791, 8200, 9293, 768). Returns its length. */
size_t frame_write(const struct frame *frame, uint8_t bytes[FRAME_MAX]);

#endif
