/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame as the model reads it: what it is, or what is wrong with it. Sources: RFC 791, 768, 8200, 9293. */
#ifndef USHER_MODEL_WIRE_H
#define USHER_MODEL_WIRE_H

#include "frame.h"

struct wire {
	bool ip; /* an IPv4 or IPv6 frame with a destination that can be read: the rest holds only then */
	bool ipv6;
	bool ports;	/* the ports could be read */
	uint8_t reason; /* what ends it before any policy is asked, or 0 */
	struct usher_address source, destination;
	uint8_t protocol, hop_limit, flags;
	uint16_t source_port, destination_port;
	uint32_t sequence, acknowledgement;
	size_t network, transport; /* offsets */
	size_t segment;		   /* bytes from the transport header to the end of the IP packet */
	size_t payload;		   /* TCP: bytes behind its header */
};

/* Nobody can be answered there. Already a reason of TCP and UDP. */
bool wire_bad_source(const struct wire *wire);
struct wire wire_read(const struct frame *frame);

#endif
