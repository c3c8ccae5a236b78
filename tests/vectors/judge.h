/* SPDX-License-Identifier: GPL-2.0-only */
/* What can be said of a frame without the program: by the parser and the sums of the model. */
#ifndef USHER_VECTORS_JUDGE_H
#define USHER_VECTORS_JUDGE_H

#include "description.h"

/*
 * The reason for a piece of a frame that was for usher, or -1: it is still whole, or it is ICMP, which is judged by what it
 * quotes.
 */
int judge_cut(const struct vector_frame *cut);

/* TCP or UDP; 0: neither. */
uint16_t judge_source_port(const struct vector_frame *vector);

/* The IP packet says itself that it ends where the frame does. */
void judge_shrink(struct vector_frame *cut);

/* Are all checksums right: IP, TCP, UDP and ICMP, outside of tunnels and in them? */
bool judge_checksums(const struct vector_frame *frame);

#endif
