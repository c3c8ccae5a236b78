/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internet checksums (RFC 1071) and their change when words under them change (RFC 1624, equation 3). Pure.
 *
 * A sum is of 32-bit words as they lie in memory, in 64 bits, folded only at the end: enough for 2^32 words.
 */
#ifndef USHER_BPF_CHECKSUM_H
#define USHER_BPF_CHECKSUM_H

#include "packet.h"

static __always_inline __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

static __always_inline __u64 checksum_change(__u64 sum, __u32 before, __u32 after)
{
	return sum + (__u32)~before + after;
}

static __always_inline __u64 checksum_change_address(__u64 sum, const struct usher_address *before,
						     const struct usher_address *after)
{
	for (int i = 0; i < 4; i++)
		sum = checksum_change(sum, before->words[i], after->words[i]);
	return sum;
}

/* The checksum after a change. */
static __always_inline __u16 checksum_update(__u16 checksum, __u64 change)
{
	return (__u16)~checksum_fold((__u16)~checksum + change);
}

/* The sum of what TCP, UDP and ICMPv6 put before their header. An IPv4 address counts the same mapped, but for 0xffff. */
static __always_inline __u64 checksum_pseudo(const struct usher_address *source,
					     const struct usher_address *destination, bool is_ipv6, __u8 protocol,
					     __u32 length)
{
	__u64 sum = (__u64)__builtin_bswap32(length) + __builtin_bswap32(protocol);

	for (int i = is_ipv6 ? 0 : 3; i < 4; i++)
		sum += (__u64)source->words[i] + destination->words[i];
	return sum;
}

#endif
