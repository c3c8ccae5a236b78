/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client of a service to its route, and a new flow from there to arm, ring slot and backend.
 *
 * 1. Arm and slot are drawn with public keys and the seed of the service that answers, so every gateway with the same
 *    policy draws the same.
 */
#ifndef USHER_BPF_ROUTE_H
#define USHER_BPF_ROUTE_H

#include "usher/load.h"
#include "usher/ring_hash.h"

#include "classify.h"

static __always_inline const struct usher_backend *route_backend(const struct packet *packet, __u16 backend)
{
	return GENERATION_ENTRY(backends, USHER_BACKENDS_MAX, packet->slot, backend);
}

static __always_inline const struct usher_service *route_service(const struct packet *packet, __u16 service)
{
	return GENERATION_ENTRY(services, USHER_SERVICES_MAX, packet->slot, service);
}

/* Who is asking: class, and the tenant, which on a service with an owner is always that one. */
static __always_inline bool route_classify(const struct packet *packet, struct decision *decision)
{
	const struct usher_service *service = route_service(packet, decision->service);
	const struct usher_class *class;

	if (!decision->classified)
		decision->class_id = classify_source(packet, &decision->client.source);
	class = GENERATION_ENTRY(classes, USHER_CLASSES_MAX, packet->slot, decision->class_id);
	if (!service || !class)
		return false;
	decision->tenant = class->tenant;
	decision->audit_required = !!(class->flags & USHER_CLASS_AUDIT_REQUIRED);
	if (service->tenant != USHER_NONE) {
		decision->tenant = service->tenant;
		decision->audit_required = !!(service->flags & USHER_SERVICE_AUDIT_REQUIRED);
	}
	return true;
}

/*
 * What policy says today to decision->client at decision->service: fills class, tenant and route.
 * False: nothing, which no compiled generation does.
 */
__noinline int route_find(const struct packet *packet, struct decision *decision)
{
	const struct usher_generation *generation;
	const struct usher_line16 *line;
	const struct usher_route *route;
	__u32 number;

	if (!packet || !decision)
		return false;
	generation = generation_of(packet);
	if (!generation || !route_classify(packet, decision) || decision->class_id >= generation->class_stride)
		return false;
	number = decision->service * generation->class_stride + decision->class_id;
	line = GENERATION_ENTRY(route_index, USHER_ROUTE_INDEX_LINES, packet->slot, number / 32);
	if (!line)
		return false;
	decision->route_id = line->value[number % 32];
	route = GENERATION_ENTRY(routes, USHER_ROUTES_MAX, packet->slot, decision->route_id);
	if (!route)
		return false;
	decision->route = *route;
	return true;
}

/* May an open flow stay with this backend? The question for the constraint set, so that a drain cuts nobody. */
static __always_inline bool route_keeps(const struct packet *packet, const struct decision *decision)
{
	const struct usher_set *set = GENERATION_ENTRY(sets, USHER_SETS_MAX, packet->slot, decision->route.set);
	const struct usher_backend *backend = route_backend(packet, decision->backend);

	if (!set || !backend || backend->incarnation != decision->incarnation)
		return false;
	return set->word[decision->backend / 64 % (USHER_BACKENDS_MAX / 64)] >> (decision->backend % 64) & 1;
}

/* A function of its own because the verifier would otherwise follow its branches anew for each arm. */
__noinline int route_draw(__u64 hash, __u32 seed)
{
	return (int)usher_draw(hash, seed);
}

/* `after` if wins, otherwise `before`. Without a branch: 6.1 would follow both for every arm, 40,000 instructions. */
static __always_inline __u32 route_pick(__u64 wins, __u32 after, __u32 before)
{
	__u64 mask = -wins;

	barrier_var(mask);
	return (after & (__u32)mask) | (before & ~(__u32)mask);
}

/* The arm that wins for this hash: its position in the route. */
static __always_inline __u16 route_arm(const struct packet *packet, const struct decision *decision, __u64 hash)
{
	__u32 best_draw = 1U << 30, best_weight = 1, best = 0; /* draws are at most 2^29: the first arm wins */

	if (decision->route.arms == 1)
		return 0;
	for (__u16 i = 0; i < USHER_ROUTE_ARMS && i < decision->route.arms; i++) {
		const struct usher_arm *arm =
			GENERATION_ENTRY(arms, USHER_ROUTE_ARMS_MAX, packet->slot, decision->route.first_arm + i);
		__u64 wins;
		__u32 draw, weight;

		if (!arm)
			break;
		draw = (__u32)route_draw(hash, arm->seed);
		weight = arm->weight;
		/* usher_draw_wins(): the sign of a difference of numbers below 2^62. */
		wins = ((__u64)draw * best_weight - (__u64)best_draw * weight) >> 63;
		best_draw = route_pick(wins, draw, best_draw);
		best_weight = route_pick(wins, weight, best_weight);
		best = route_pick(wins, i, best);
	}
	return (__u16)best;
}

static __always_inline __u64 route_flow_hash(const struct decision *decision, __u64 seed)
{
	return usher_ring_hash_flow(&decision->client.source, &decision->client.destination,
				    USHER_FLOW_WORD(&decision->client), seed);
}

static __always_inline const struct usher_arm *route_drawn_arm(const struct packet *packet,
							       const struct decision *decision)
{
	return GENERATION_ENTRY(arms, USHER_ROUTE_ARMS_MAX, packet->slot, decision->route.first_arm + decision->arm);
}

/* Who has this slot of the arm's ring, or USHER_NONE. */
static __always_inline __u16 route_ring(const struct packet *packet, const struct usher_arm *arm, __u32 ring_slot)
{
	__u32 slot = arm->ring + ring_slot;
	const struct usher_line16 *line = GENERATION_ENTRY(rings, USHER_RING_LINES, packet->slot, slot / 32);

	return line ? line->value[slot % 32] : USHER_NONE;
}

/* Fills in what the flow must know of decision->backend. */
static __always_inline bool route_take(const struct packet *packet, struct decision *decision)
{
	const struct usher_backend *backend = route_backend(packet, decision->backend);

	if (!backend)
		return false;
	decision->incarnation = backend->incarnation;
	decision->forward = backend->forward;
	return true;
}

/*
 * A second candidate from the ring of the same arm, in the place of the first one if its load is less. Where the load of either has not
 * been told, the first one stays. A function of its own, so that what it adds is verified once.
 */
__noinline int route_balance(const struct packet *packet, struct decision *decision)
{
	const struct usher_service *service;
	const struct usher_load *load, *rival_load;
	const struct usher_arm *arm;
	__u32 ring_slot, first, second;

	if (!packet || !decision)
		return false;
	service = route_service(packet, decision->route.target);
	arm = route_drawn_arm(packet, decision);
	if (!service || !arm)
		return false;
	ring_slot = usher_ring_rival(route_flow_hash(decision, service->seed), arm->seed, arm->ring_size);
	first = decision->backend;
	second = route_ring(packet, arm, ring_slot);
	load = bpf_map_lookup_elem(&loads, &first);
	rival_load = bpf_map_lookup_elem(&loads, &second);
	if (first == second || !load || !rival_load || !load->cost || !rival_load->cost)
		return false;
	decision->rival = (__u16)second;
	decision->load = usher_load_now(load);
	decision->rival_load = usher_load_now(rival_load);
	if (decision->rival_load < decision->load) {
		__u64 least = decision->rival_load;

		decision->rival_load = decision->load;
		decision->load = least;
		decision->rival = (__u16)first;
		decision->backend = (__u16)second;
		decision->ring_slot = ring_slot;
		route_take(packet, decision);
	}
	return true;
}

/* A flow has begun. Counted by who balances, so that it is part of the backend's load from now on. */
static __always_inline void route_opened(const struct decision *decision)
{
	__u32 backend = decision->backend;
	struct usher_load *load = decision->balanced ? bpf_map_lookup_elem(&loads, &backend) : NULL;

	if (load)
		__sync_fetch_and_add(&load->opened, 1);
}

/* The first candidate for a new flow on decision->route. Returns why it is forwarded, or why not. */
static __always_inline int route_choose(const struct packet *packet, struct decision *decision)
{
	const struct usher_service *service;
	const struct usher_arm *arm;
	__u64 flow_hash, who;

	if (!packet || !decision)
		return USHER_REASON_NO_BACKEND;
	if (decision->route.reason != USHER_REASON_ADMITTED && decision->route.reason != USHER_REASON_REROUTED)
		return decision->route.reason;
	service = route_service(packet, decision->route.target);
	if (!service)
		return USHER_REASON_NO_BACKEND;
	decision->balanced = service->flags & USHER_SERVICE_LEAST_LOAD;
	flow_hash = route_flow_hash(decision, service->seed);
	who = service->flags & USHER_SERVICE_STICKY_CLIENT
		      ? usher_ring_hash_client(&decision->client.source, packet->is_ipv6, service->seed)
		      : flow_hash;
	decision->arm = route_arm(packet, decision, who);
	arm = route_drawn_arm(packet, decision);
	if (!arm)
		return USHER_REASON_NO_BACKEND;
	if (!arm->ring_size) {
		decision->route.answer = USHER_ANSWER_DROP;
		decision->route.rule = USHER_NONE;
		return USHER_REASON_SHED;
	}
	decision->ring_slot = usher_ring_slot(flow_hash, arm->seed, arm->ring_size);
	decision->backend = route_ring(packet, arm, decision->ring_slot);
	if (!route_take(packet, decision))
		return USHER_REASON_NO_BACKEND;
	return decision->route.reason;
}

#endif
