/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Community ID of a flow (version 1, seed 0: github.com/corelight/community-id-spec), by which Zeek, Suricata and others name the same flow:
 * "1:" and base64 of the SHA-1 of both ends, the smaller one first, so that both directions have the same.
 */
#ifndef USHER_AUDIT_COMMUNITY_ID_H
#define USHER_AUDIT_COMMUNITY_ID_H

#include <stdint.h>

#include "usher/abi.h"

#define COMMUNITY_ID 31 /* with the final NUL */

/* One end of a flow. Addresses as in abi.h: IPv4 ones are mapped, and count as four bytes here. */
struct community_end {
	const struct usher_address *address;
	uint16_t port_be;
};

/* TCP or UDP. Returns text. */
const char *community_id(struct community_end one, struct community_end other, uint8_t protocol,
			 char text[COMMUNITY_ID]);

#endif
