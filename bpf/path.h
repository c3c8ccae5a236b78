/* SPDX-License-Identifier: GPL-2.0-only */
/* Between which ends an open flow's packets go, and what a decision on it says. */
#ifndef USHER_BPF_PATH_H
#define USHER_BPF_PATH_H

#include "flow.h"
#include "route.h"

enum path_end { PATH_CLIENT, PATH_BACKEND };

/* An empty decision on the flow that its client sees as `client`. */
static __always_inline void decision_begin(struct decision *decision, const struct usher_flow_key *client,
					   __u32 service)
{
	__builtin_memset(decision, 0, sizeof(*decision));
	decision->client = *client;
	decision->service = (__u16)service;
	decision->backend = USHER_NONE;
	decision->rival = USHER_NONE;
	decision->arm = USHER_NONE;
	decision->route.rule = USHER_NONE;
	decision->route.target = (__u16)service;
}

/* What the flow's entry says of it. */
static __always_inline void path_describe(struct decision *decision, const struct flow_hit *hit)
{
	decision->backend = hit->value.forward.backend;
	decision->incarnation = hit->value.forward.incarnation;
	decision->nat_port_be = hit->value.forward.nat_port_be;
	decision->nat_index = hit->value.forward.nat_index;
	decision->interface = hit->value.forward.interface;
	decision->flow_line = hit->ref.line;
	decision->flow_tag = hit->ref.tag;
}

/* Is the flow's backend the one that it was, and is there a way to it? */
static __always_inline bool path_reaches(const struct flow_hit *hit, const struct usher_backend *backend)
{
	return backend->incarnation == hit->value.forward.incarnation && backend->flags & USHER_BACKEND_REACHABLE;
}

/* Addresses and ports between usher and a backend that it does NAT for. False: not known. */
static __always_inline bool path_through_nat(const struct packet *packet, const struct flow_hit *hit,
					     const struct usher_backend *backend, struct usher_flow_key *ret_path)
{
	const struct usher_nat_address *nat =
		GENERATION_ENTRY(nat_addresses, USHER_NAT_ADDRESSES_MAX, packet->slot, hit->value.forward.nat_index);

	if (!nat || !nat->used || !hit->value.forward.nat_port_be)
		return false;
	ret_path->source = nat->address;
	ret_path->destination = backend->address;
	ret_path->ports = (__u32)backend->port_be << 16 | hit->value.forward.nat_port_be;
	return true;
}

/* Addresses and ports between usher and the backend. False: there is no way to it now. */
static __always_inline bool path_find(const struct packet *packet, const struct usher_flow_key *client,
				      const struct flow_hit *hit, const struct usher_backend *backend,
				      struct usher_flow_key *ret_path)
{
	if (!path_reaches(hit, backend))
		return false;
	if (backend->forward == USHER_FORWARD_NAT)
		return path_through_nat(packet, hit, backend, ret_path);
	*ret_path = *client;
	return true;
}

#endif
