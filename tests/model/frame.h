/* SPDX-License-Identifier: GPL-2.0-only */
/* Ethernet frames put together from a description, with full checksums. */
#ifndef USHER_MODEL_FRAME_H
#define USHER_MODEL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#define FRAME_MAX 2048

struct frame {
	size_t length;
	uint8_t bytes[FRAME_MAX];
};

enum { FRAME_FIN = 0x01, FRAME_SYN = 0x02, FRAME_RST = 0x04, FRAME_PSH = 0x08, FRAME_ACK = 0x10, FRAME_URG = 0x20 };

struct frame_plan {
	uint8_t destination_mac[6], source_mac[6];
	bool ipv6;
	struct usher_address source, destination;
	uint8_t hop_limit, traffic_class;
	uint16_t id, fragment; /* IPv4: the two words as they go on the wire, host byte order */
	uint8_t protocol;
	uint8_t options[40]; /* IPv4; a multiple of four */
	size_t option_bytes;
	/* IPv6: headers in front of the transport header; kinds[i] is header i's own number. */
	uint8_t extensions[4 + 1];
	uint8_t extension_units[4 + 1]; /* of 8 bytes beyond the first */
	size_t extension_count;
	uint16_t source_port, destination_port;
	uint32_t sequence, acknowledgement;
	uint8_t flags;
	uint16_t window;
	size_t tcp_option_bytes; /* a multiple of four */
	size_t payload, trailer; /* the trailer lies behind the IP packet */
	bool no_checksum;	 /* UDP: 0 */
};

void frame_build(const struct frame_plan *plan, struct frame *ret_frame);
/* An ICMP error about the IP packet of `about` (no tags), of which it quotes `most` bytes at most. The plan's transport is not asked. */
void frame_build_error(const struct frame_plan *plan, uint8_t type, uint8_t code, const struct frame *about,
		       size_t most, struct frame *ret_frame);
/* Puts VLAN tags, `size` bytes of them, behind the MAC addresses. They must fit. */
void frame_insert_tags(const uint8_t *tags, size_t size, struct frame *frame);

/* One's complement sum of a TCP or UDP segment and its pseudo header; 0xffff if the checksum in it is right. */
uint16_t frame_transport_sum(bool ipv6, const uint8_t *addresses, uint8_t protocol, const uint8_t *segment,
			     size_t length);
/* The same of plain bytes. */
uint16_t frame_sum(const uint8_t *bytes, size_t length);

static inline uint16_t frame_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t frame_get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void frame_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void frame_put32(uint8_t *at, uint32_t value)
{
	frame_put16(at, (uint16_t)(value >> 16));
	frame_put16(at + 2, (uint16_t)value);
}

#endif
