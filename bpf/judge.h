/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open flows under a policy that has changed since they were judged.
 *
 * 1. A flow is judged again by its constraint set alone: a drain or a failed probe cuts nobody.
 */
#ifndef USHER_BPF_JUDGE_H
#define USHER_BPF_JUDGE_H

#include "flood.h"
#include "meter.h"
#include "path.h"

/* Was the flow judged by what this packet sees, or by what came after it? */
static __always_inline bool judge_is_current(const struct packet *packet, __u64 tag)
{
	return (__s32)(packet->epoch - USHER_TAG_EPOCH(tag)) <= 0;
}

/* Whether a tenant has a bit rate changes with the epoch only: the flow's entry says it until then. */
static __always_inline void judge_note_meter(struct desk *desk)
{
	struct usher_flow_forward *forward = &desk->hit.value.forward;
	const struct usher_tenant_limit *limit = limit_of(&desk->packet, forward->tenant);
	__u8 metered = limit && limit->byte_cost ? USHER_FLOW_METERED : 0;

	if ((forward->cut & USHER_FLOW_METERED) == metered)
		return;
	flow_update(&desk->hit.ref, 1, (__u64)USHER_FLOW_METERED << 56, (__u64)metered << 56);
	forward->cut ^= USHER_FLOW_METERED;
}

/*
 * Is this packet, of the flow of desk->decision, beyond its tenant's bit rate? Then it is dropped, and on record with the others of
 * this second. Returns the reason, or 0.
 */
__noinline int judge_meter(struct desk *desk)
{
	if (!desk || meter_passes(&desk->packet, desk->hit.value.forward.tenant))
		return 0;
	route_find(&desk->packet, &desk->decision);
	desk->decision.tenant = desk->hit.value.forward.tenant;
	return flood_count(&desk->packet, &desk->decision, USHER_REASON_BIT_RATE_LIMIT);
}

/* Is what the flow's client calls still the service that it was? */
static __always_inline bool judge_is_served(const struct desk *desk)
{
	const struct decision *decision = &desk->decision;
	const struct usher_generation *generation = generation_of(&desk->packet);
	const struct usher_endpoint *endpoint;

	if (!generation)
		return false;
	endpoint = classify_endpoint(generation, desk->packet.slot, &decision->client.destination,
				     decision->client.destination_port_be, decision->client.protocol);
	return endpoint && endpoint->kind == USHER_ENDPOINT_SERVICE && endpoint->service == decision->service;
}

/*
 * The class of the flow's client, if no source has got another one since the flow was judged: most new epochs are about backends, and
 * the look-up of a source is what judging again would cost most.
 */
static __always_inline void judge_recall_class(struct desk *desk)
{
	const struct usher_generation *generation = generation_of(&desk->packet);
	__u16 class_id = desk->hit.value.forward.class_id;

	desk->decision.class_id = class_id;
	desk->decision.classified = generation && class_id != USHER_NONE &&
				    (__s32)(USHER_TAG_EPOCH(desk->hit.ref.tag) - generation->classes_epoch) >= 0;
}

/*
 * Another class than when the flow began is never written to its entry, only that there was one: packets of two generations may be
 * here at once, and what the older of them knows must not outlive it. False: the entry could not be changed.
 */
static __always_inline bool judge_note_class(const struct desk *desk)
{
	__u16 class_id = desk->hit.value.forward.class_id;

	return class_id == USHER_NONE || class_id == desk->decision.class_id ||
	       !flow_update(&desk->hit.ref, 0, 0, 0xffffULL << 48);
}

/* Does what is in force now keep the flow, whose service is there, on its backend? */
static __always_inline bool judge_keeps(struct desk *desk, bool is_served)
{
	struct decision *decision = &desk->decision;

	path_describe(decision, &desk->hit);
	judge_recall_class(desk);
	if (!is_served || !route_find(&desk->packet, decision) || !route_keeps(&desk->packet, decision)) {
		if (decision->route.reason < USHER_REASON_DENY_RULE) /* the rule that admits, not one that revokes */
			decision->route.rule = USHER_NONE;
		return false;
	}
	if (judge_note_class(desk))
		flow_stamp(&desk->hit.ref, desk->packet.epoch);
	judge_note_meter(desk);
	return true;
}

#endif
