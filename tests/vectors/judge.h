/* SPDX-License-Identifier: GPL-2.0-only */
/* What can be said of a frame without the program: by the parser and the sums of the model. */
#ifndef USHER_VECTORS_JUDGE_H
#define USHER_VECTORS_JUDGE_H

#include "usher/abi.h"

#include "description.h"

#define PLACES_MAX 64

/* Where services are, and NAT addresses (port 0). */
struct places {
	struct {
		struct usher_address address;
		uint16_t port;
		uint8_t protocol;
	} items[PLACES_MAX];
	size_t count;
};

void places_add(struct places *places, const struct usher_address *address, uint16_t port, uint8_t protocol);

/* What becomes of a piece of a frame, if that does not depend on flows. */
#define JUDGE_WHOLE -1 /* all of the packet is there */
#define JUDGE_ICMP -2  /* whose own header is there: it depends on what it quotes */

int judge_cut(const struct vector_frame *cut, const struct places *places);

/* TCP or UDP; 0: neither. */
uint16_t judge_source_port(const struct vector_frame *vector);

/* The IP packet says itself that it ends where the frame does. */
void judge_shrink(struct vector_frame *cut);

/* Are all checksums right: IP, TCP, UDP and ICMP, outside of tunnels and in them? */
bool judge_checksums(const struct vector_frame *frame);

/* Is each checksum of the packet, in a tunnel or not, as wrong after as it was before? A UDP one that is left out stays out. */
bool judge_sums_kept(const struct vector_frame *before, const struct vector_frame *after);

#endif
