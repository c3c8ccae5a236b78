/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of a frame that usher sends on or answers, built from nothing but its fields. */
#ifndef USHER_MODEL_REWRITE_H
#define USHER_MODEL_REWRITE_H

#include "wire.h"

struct rewrite_link {
	const uint8_t *to, *from; /* MAC addresses */
};

struct rewrite_path {
	struct usher_address source, destination;
	uint16_t source_port, destination_port;
};

/* Same bytes, next hop; one hop less. */
void rewrite_direct(const struct wire *wire, struct rewrite_link link, struct frame *frame);
/* Other addresses and ports as well, and the checksums that follow: a wrong one stays as wrong as it was. */
void rewrite_translate(const struct wire *wire, struct rewrite_link link, const struct rewrite_path *path,
		       struct frame *frame);
/* Where the packet that an ICMP error quotes lies in the frame; length: from its transport header to the error's end. */
struct rewrite_quote {
	size_t network, transport, length;
	uint8_t protocol;
};
/* An error about a packet that is known elsewhere as one of `inner`, sent by its receiver to its sender. */
void rewrite_error(const struct wire *wire, struct rewrite_link link, const struct rewrite_quote *quote,
		   const struct rewrite_path *inner, struct frame *frame);
/* A TCP reset with these numbers. */
void rewrite_reset(bool ipv6, struct rewrite_link link, const struct rewrite_path *path, uint32_t sequence,
		   uint32_t acknowledgement, uint8_t flags, struct frame *ret_frame);
/* The reset that a closed port would answer this segment with. */
void rewrite_refuse_tcp(const struct wire *wire, struct frame *frame);
/* mtu: of what gets through, for "too big"; 0: administratively prohibited. */
void rewrite_icmp(const struct wire *wire, uint32_t mtu, struct frame *frame);
/* The tags of the frame that `wire` was read from, on one that was built without. */
void rewrite_tags(const struct wire *wire, const struct frame *from, struct frame *frame);

struct rewrite_tunnel {
	bool gue, ipv6;
	struct usher_address source, destination;
};
size_t rewrite_tunnel_room(const struct rewrite_tunnel *tunnel);
/* ipv6: of the packet in the frame. sent: what the program made of it. */
void rewrite_into_tunnel(const struct rewrite_tunnel *tunnel, size_t network, bool ipv6, const struct frame *sent,
			 struct frame *frame);

#endif
