/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way back of a NAT flow: a source address and port that are free towards the flow's backend.
 *
 * 1. A backend has one sequence of tickets for all CPUs. A ticket names an address of the pool and a port, and each comes up
 *    once in a round of about 64,512 tickets an address: no two CPUs try the same one, the pool is used evenly, and an address
 *    without a free port leaves its turn to the others.
 * 2. A port that was given back is the last to be given out again, towards this backend. So a backend that closes first has
 *    forgotten its TIME_WAIT (RFC 9293, 3.6.1; 60 s in Linux) before the port returns, up to 1,075 flows a second and address.
 *    Beyond that the backend's own rule decides (RFC 6191): it takes the SYN, or answers with an old acknowledgement, which the
 *    client resets before it tries again.
 *    A sequence that begins anew finds its first ports taken, all in a row, when its backend's flows go on under another number
 *    (a new version at the same address): after a few steps it leaps.
 * 3. The order of the ports is keyed: who does not know the key has to guess the port of a flow (RFC 6056).
 * 4. That the port is free, the return line proves: a key is in the flow table once.
 * 5. Where none is free after a while, the next that a half-open flow holds is taken from it, as a line would be: from a tenant with
 *    more of them than the newcomer's, or in the end from its own. So no flood of one tenant keeps the others from a backend.
 */
#ifndef USHER_BPF_NAT_H
#define USHER_BPF_NAT_H

#include "follow.h"

#define NAT_PORT_MIN 1024
#define NAT_ATTEMPTS 48
#define NAT_STEPS 8   /* that pass by no ticket */
#define NAT_OTHERS 12 /* before a port is taken from a half-open flow: some leaps, since most are free beyond a row */
#define NAT_OWN 16    /* before from one of the same tenant */
#define NAT_LEAP 1021 /* tickets; prime, so that no address and no position is left out for good */
#define NAT_ROUNDS 4

/* A keyed permutation of 16 bits: a Feistel network (Luby, Rackoff, SIAM J. Comput. 17(2), 1988) of two bytes. */
static __always_inline __u16 nat_permute(__u16 position)
{
	__u32 left = position >> 8, right = position & 0xff;

	for (int i = 0; i < NAT_ROUNDS; i++) {
		__u64 key = usher_boot.hash_key[i];
		__u32 mixed = (right + (__u32)key) * ((__u32)(key >> 32) | 1);
		__u32 next = left ^ ((mixed ^ mixed >> 15) * 0x9e3779b1u >> 24);

		left = right;
		right = next;
	}
	return (__u16)(left << 8 | right);
}

/* The key of the way back that this ticket means. UNDECIDED, NAT_PORTS: usher has no address of this family, or 0: no such port. */
static __always_inline int nat_key(struct desk *desk, __u64 ticket)
{
	const struct packet *packet = &desk->packet;
	const struct usher_generation *generation = generation_of(packet);
	const struct usher_backend *backend = route_backend(packet, desk->decision.backend);
	const struct usher_nat_address *nat;
	__u32 count, pick;
	__u16 port;

	if (!generation || !backend)
		return USHER_REASON_NAT_PORTS;
	count = packet->is_ipv6 ? generation->nat6_count : generation->nat4_count;
	if (!count)
		return USHER_REASON_NAT_PORTS;
	pick = (__u32)(ticket % count) % USHER_NAT_ADDRESSES_MAX;
	port = nat_permute((__u16)(ticket / count));
	if (port < NAT_PORT_MIN)
		return 0;
	desk->decision.nat_index = packet->is_ipv6 ? generation->nat6[pick] : generation->nat4[pick];
	nat = GENERATION_ENTRY(nat_addresses, USHER_NAT_ADDRESSES_MAX, packet->slot, desk->decision.nat_index);
	if (!nat)
		return USHER_REASON_NAT_PORTS;
	__builtin_memset(&desk->key, 0, sizeof(desk->key));
	desk->key.source = backend->address;
	desk->key.destination = nat->address;
	desk->key.ports = (__u32)PARSE_BE16(port) << 16 | backend->port_be;
	desk->key.protocol = packet->key.protocol;
	desk->key.is_return = 1;
	return UNDECIDED;
}

/* The next ticket, and in desk->key what it means. UNDECIDED, 0: no such port, or why there is none. */
__noinline int nat_take(struct desk *desk, __u32 attempt)
{
	__u32 backend;
	__u64 *tickets;

	if (!desk)
		return USHER_REASON_NAT_PORTS;
	backend = desk->decision.backend;
	tickets = bpf_map_lookup_elem(&nat_tickets, &backend);
	if (!tickets)
		return USHER_REASON_NAT_PORTS;
	return nat_key(desk, __sync_fetch_and_add(tickets, attempt < NAT_STEPS ? 1 : NAT_LEAP));
}

/* Of desk->key. A function of its own, so that it is verified once. */
__noinline __u64 nat_hash(const struct desk *desk)
{
	return desk ? flow_hash(&desk->key) : 0;
}

/* Takes what desk->key means, if it is free. No frame lies between nat_insert's and an insertion's: the stack is full there. */
static __always_inline int nat_try(struct desk *desk)
{
	return flow_insert(&desk->key, nat_hash(desk), &desk->entry, &desk->back);
}

/* The same after nat_try has found it taken: from whoever must make room. */
static __always_inline int nat_oust(struct desk *desk, __u32 attempt)
{
	if (attempt < NAT_OTHERS || !flow_oust(desk->back.ref.line, &desk->entry, attempt >= NAT_OWN))
		return FLOW_EXISTS;
	return nat_try(desk);
}

static __always_inline void nat_entry(struct desk *desk)
{
	struct flow_entry *entry = &desk->entry;

	__builtin_memset(entry, 0, sizeof(*entry));
	entry->status = USHER_FLOW_LIVE;
	entry->now = (__u16)desk->packet.now;
	entry->tenant = desk->decision.tenant;
	entry->epoch = desk->packet.epoch;
	entry->value.back.forward_line = desk->hit.ref.line;
	if (desk->packet.key.protocol == IPPROTO_TCP)
		entry->value.back.backend_next = latency_stamp();
	entry->value.back.forward_fingerprint = USHER_TAG_FINGERPRINT(desk->hit.ref.tag);
	__builtin_memcpy(entry->value.back.client_mac, desk->packet.sender_mac, ETH_ALEN);
}

/* The return line of the flow in desk->hit, which then knows its address and port. FLOW_INSERTED, or why not. */
__noinline int nat_insert(struct desk *desk)
{
	int result, last = USHER_REASON_NAT_PORTS;

	if (!desk)
		return USHER_REASON_NAT_PORTS;
	nat_entry(desk);
	for (int i = 0; i < NAT_ATTEMPTS; i++) {
		result = nat_take(desk, (__u32)i);
		if (result == USHER_REASON_NAT_PORTS)
			return result;
		if (!result)
			continue;
		result = nat_try(desk);
		if (result == FLOW_EXISTS)
			result = nat_oust(desk, (__u32)i);
		if (result == FLOW_INSERTED) {
			desk->decision.nat_port_be = desk->key.destination_port_be;
			return flow_set_nat(&desk->hit.ref, desk->decision.nat_port_be, desk->decision.nat_index)
				       ? USHER_REASON_FLOW_CONTENDED
				       : FLOW_INSERTED;
		}
		/* Another port is another home, which may have room, or be nobody else's at this moment. */
		last = result == FLOW_EXISTS ? USHER_REASON_NAT_PORTS : result;
	}
	return last;
}

#endif
