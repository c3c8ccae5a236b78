/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU counters.
 *
 * 1. A packet is counted as received once, when its service is known, and once under its reason, at the end: at rest
 *    the sums agree, service by service.
 */
#ifndef USHER_BPF_ACCOUNT_H
#define USHER_BPF_ACCOUNT_H

#include "maps.h"
#include "packet.h"

static __always_inline void account_add(struct usher_counter *counter, const struct packet *packet)
{
	if (!counter)
		return;
	counter->packets++;
	counter->bytes += packet->length;
}

static __always_inline void account_received(const struct packet *packet)
{
	__u32 service = packet->service; /* Linux 6.1 takes no key out of an argument's memory */

	if (!packet->dry_run)
		account_add(bpf_map_lookup_elem(&received, &service), packet);
}

static __always_inline void account_verdict(const struct packet *packet, __u32 reason)
{
	__u32 slot = packet->service * USHER_REASON_MAX + reason;

	if (!packet->dry_run)
		account_add(bpf_map_lookup_elem(&verdicts, &slot), packet);
}

enum account_direction { ACCOUNT_TO_BACKEND, ACCOUNT_FROM_BACKEND };

static __always_inline void account_backend(const struct packet *packet, __u32 backend,
					    enum account_direction direction)
{
	struct usher_backend_counter *counter;

	if (packet->dry_run)
		return;
	counter = bpf_map_lookup_elem(&backend_counters, &backend);
	if (!counter)
		return;
	if (direction == ACCOUNT_TO_BACKEND) {
		counter->packets_to++;
		counter->bytes_to += packet->length;
	} else {
		counter->packets_from++;
		counter->bytes_from += packet->length;
	}
}

static __always_inline void account_backend_flow(__u32 backend)
{
	struct usher_backend_counter *counter = bpf_map_lookup_elem(&backend_counters, &backend);

	if (counter)
		counter->flows++;
}

#endif
