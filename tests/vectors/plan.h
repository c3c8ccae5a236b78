/* SPDX-License-Identifier: GPL-2.0-only */
/* What a description (description.h) says of a frame, before any byte of it is there. */
#ifndef USHER_VECTORS_PLAN_H
#define USHER_VECTORS_PLAN_H

#include "description.h"

#define PATCHES_MAX 8
#define EXTENSIONS_MAX 8
#define TAGS_MAX 4

struct patch {
	char base; /* 'f' frame, 'i' IP header, 't' transport header */
	size_t offset;
	char hex[64];
};

struct plan {
	bool ipv6, nocheck, partial, quote, gue;
	bool off_same;
	uint16_t off, ip_off; /* what is added to a right checksum */
	bool error;	      /* of ICMP, about the packet in `inner` */
	unsigned int icmp_type, icmp_code;
	struct vector_frame inner;
	size_t inner_length;
	char tunnel[100]; /* SOURCE>DESTINATION of the outer header; empty: none */
	unsigned int tags[TAGS_MAX], tag_types[TAGS_MAX];
	size_t tag_count;
	char from[16], to[16];
	uint8_t source[16], destination[16];
	unsigned long ttl, tos, mtu, id, frag, options, protocol, seq, ack, window, tcp_options, data, trail, cut;
	uint8_t flags;
	uint16_t source_port, destination_port;
	unsigned int kinds[EXTENSIONS_MAX], units[EXTENSIONS_MAX];
	size_t extension_count, patch_count;
	struct patch patches[PATCHES_MAX];
};

/* Returns 0, or -1 with a sentence. What a description does not name keeps the value that the plan has. */
int plan_read(const char *text, const struct vector_context *context, struct plan *plan, char fault[128]);

/* SOURCE>DESTINATION, of the plan's family. Returns 0 or -1. */
int plan_read_addresses(const char *word, struct plan *plan);

#endif
