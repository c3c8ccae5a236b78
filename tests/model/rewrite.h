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
/* A TCP reset with these numbers. */
void rewrite_reset(bool ipv6, struct rewrite_link link, const struct rewrite_path *path, uint32_t sequence,
		   uint32_t acknowledgement, uint8_t flags, struct frame *ret_frame);
/* The reset that a closed port would answer this segment with. */
void rewrite_refuse_tcp(const struct wire *wire, struct frame *frame);
/* ICMP "administratively prohibited", quoting this datagram. */
void rewrite_refuse_udp(const struct wire *wire, struct frame *frame);

#endif
