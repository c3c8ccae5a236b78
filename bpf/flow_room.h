/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room for a newcomer to the flow table: which line of its home's set it gets, and who has to leave for it.
 *
 *  1. What is empty or too old goes first, then return entries whose forward one has gone, then in direct return what its client has
 *     closed, then half-open entries, and as a last resort what else is left in direct return (flow_is_left).
 *  2. Of half-open entries those of a tenant that has more of them than the newcomer's, then the newcomer's own, no others: a flood
 *     takes from itself.
 */
#ifndef USHER_BPF_FLOW_ROOM_H
#define USHER_BPF_FLOW_ROOM_H

#include "flow_entry.h"

/* What an entry that looks for a line knows. */
struct flow_room {
	__u64 identity;
	__u64 busy;    /* tag of the line that was claimed */
	__u64 returns; /* distances where a return entry lives */
	__u32 home;
	__u32 own_forward; /* line that must not make room: the one that a return entry belongs to */
	__u32 victim;	   /* rank and distance of the best entry that may have to make room; 0: none */
	__u16 over_cap;
	__u16 last_resort; /* a line is to be found now, or the table is full */
};

static __always_inline bool flow_claim(struct usher_flow *flow, __u64 tag, __u32 d, struct flow_room *room)
{
	__u64 version = (USHER_TAG_VERSION(tag) + 1) & 0x1f;
	__u64 busy = room->identity | USHER_FLOW_BUSY | FLOW_DISPLACEMENT(d) | version << 11;

	if (flow_swap(flow, tag, busy) != tag)
		return false;
	room->busy = busy;
	return true;
}

/* Is there no more room for a half-open flow of this tenant? Several CPUs may overshoot by one each. */
static __always_inline bool flow_over_cap(const struct flow_entry *entry)
{
	__u32 id = entry->tenant;
	const struct usher_tenant_state *state;

	if (entry->status != USHER_FLOW_HALF_OPEN)
		return false;
	state = bpf_map_lookup_elem(&tenants, &id);
	return !state || FLOW_READ(state->half_open) >= (__s64)usher_boot.half_open_max;
}

/*
 * May a half-open flow of this tenant make room for one of the newcomer's? Rather one of a tenant that has more of them than the
 * newcomer's (2) than one of its own (1), and none of any other (0): a flood takes from itself, and so do those that it is in the
 * way of.
 */
static __always_inline __u32 flow_yields(__u16 tenant, __u16 newcomer)
{
	__u32 theirs = tenant, own = newcomer;
	const struct usher_tenant_state *their_state = bpf_map_lookup_elem(&tenants, &theirs);
	const struct usher_tenant_state *own_state = bpf_map_lookup_elem(&tenants, &own);

	if (theirs == own)
		return 1;
	return their_state && own_state && FLOW_READ(their_state->half_open) > FLOW_READ(own_state->half_open) ? 2 : 0;
}

/* Of what is half open. One of these from a tenant's own flows is less than any from others'. */
#define FLOW_RANK(yields, age) (((yields) << 16) + (age))

/* The entry at this distance may be the victim, if it is the best so far. */
static __always_inline void flow_offer(struct flow_room *room, __u32 rank, __u32 d)
{
	if (rank && (rank << 6 | d) > room->victim)
		room->victim = rank << 6 | d;
}

/*
 * How good a victim is an entry? What its client has closed goes first, then what is left in silence, each of one's own tenant before
 * others'; then what is half open and makes room; of equal ones the older. 0: none.
 */
static __always_inline __u32 flow_victim_rank(__u64 tag, __u16 tenant, __u64 word, const struct flow_entry *entry,
					      const struct flow_room *room)
{
	bool own = tenant == entry->tenant;
	__u32 yields;

	if (!room->over_cap && flow_is_left(tag, word, entry->now, room->last_resort))
		return (flow_is_closed(word) ? 0x80000 : 0x40000) + (own ? 0x20000 : 0) +
		       flow_age(entry->now, (__u16)(word >> 16));
	if (USHER_TAG_STATUS(tag) != USHER_FLOW_HALF_OPEN || (room->over_cap && !own))
		return 0;
	yields = flow_yields(tenant, entry->tenant);
	return yields ? FLOW_RANK(yields, flow_age(entry->now, (__u16)(word >> 16))) : 0;
}

/* Claim the line at this distance if it is empty or its entry is too old. 1: done. Otherwise it may be a victim. */
__noinline int flow_claim_free(const struct flow_entry *entry, struct flow_room *room, __u32 d)
{
	struct usher_flow *flow = room ? flow_at(room->home ^ d) : NULL;
	__u16 tenant;
	__u64 tag, first, word;

	if (!flow || !entry || !room)
		return 0;
	tag = FLOW_READ(flow->tag);
	if (USHER_TAG_STATUS(tag) == USHER_FLOW_EMPTY)
		return !room->over_cap && flow_claim(flow, tag, d, room);
	if (!flow_occupied(tag) || (room->home ^ d) == room->own_forward)
		return 0;
	if (tag & USHER_TAG_RETURN) {
		room->returns |= 1ULL << (d & 63);
		return 0;
	}
	tenant = FLOW_READ(flow->value.forward.tenant);
	first = FLOW_READ(flow->value.words[0]);
	word = FLOW_READ(flow->value.words[1]);
	if (!room->over_cap && flow_expired(tag, word, entry->now)) {
		if (!flow_claim(flow, tag, d, room))
			return 0;
		flow_blame(tag, first, word);
		flow_settle(room->home ^ d, tag, tenant, FLOW_EXPIRED, false);
		return 1;
	}
	flow_offer(room, flow_victim_rank(tag, tenant, word, entry, room), d);
	return 0;
}

/* Claim the victim's line, if that is what it still is, a forward entry. */
__noinline int flow_claim_forward(const struct flow_entry *entry, struct flow_room *room)
{
	__u32 d = room ? room->victim & (USHER_FLOW_SET - 1) : 0;
	struct usher_flow *flow = room ? flow_at(room->home ^ d) : NULL;
	__u16 tenant;
	__u64 tag;

	if (!flow || !entry || !room)
		return 0;
	tag = FLOW_READ(flow->tag);
	tenant = FLOW_READ(flow->value.forward.tenant);
	if ((tag & USHER_TAG_RETURN) || !flow_victim_rank(tag, tenant, FLOW_READ(flow->value.words[1]), entry, room) ||
	    !flow_claim(flow, tag, d, room))
		return 0;
	flow_settle(room->home ^ d, tag, tenant, FLOW_EVICTED, false);
	return 1;
}

/* Forget the forward entry in this line if it is too old, before the sweep comes to it. */
static __always_inline void flow_forget_here(__u32 line, __u16 now)
{
	struct usher_flow *flow = flow_at(line);
	__u64 tag, first, word;
	__u16 tenant;

	if (!flow)
		return;
	tag = FLOW_READ(flow->tag);
	tenant = FLOW_READ(flow->value.forward.tenant);
	first = FLOW_READ(flow->value.words[0]);
	word = FLOW_READ(flow->value.words[1]);
	if (flow_occupied(tag) && !(tag & USHER_TAG_RETURN) && flow_expired(tag, word, now) &&
	    flow_swap(flow, tag, flow_leaving(tag)) == tag) {
		flow_blame(tag, first, word);
		flow_settle(line, tag, tenant, FLOW_EXPIRED, true);
	}
}

/* The same, where the stack is too full for it. */
__noinline int flow_forget(__u32 line, __u32 now)
{
	flow_forget_here(line, (__u16)now);
	return 0;
}

/*
 * How good a victim is the flow that this return entry belongs to? 0: it is not half open, it does not make room, or the entry is none
 * of its own. ret_tag and ret_tenant: of its forward entry.
 */
static __always_inline __u32 flow_back_rank(const union usher_flow_value *back, __u16 nat_port_be,
					    const struct flow_entry *entry, __u64 *ret_tag, __u16 *ret_tenant)
{
	const struct usher_flow *flow = flow_at(back->back.forward_line);
	__u32 yields;
	__u64 word;

	if (!flow)
		return 0;
	*ret_tag = FLOW_READ(flow->tag);
	*ret_tenant = FLOW_READ(flow->value.forward.tenant);
	word = FLOW_READ(flow->value.words[1]);
	if (USHER_TAG_STATUS(*ret_tag) != USHER_FLOW_HALF_OPEN || (*ret_tag & USHER_TAG_RETURN) ||
	    USHER_TAG_FINGERPRINT(*ret_tag) != back->back.forward_fingerprint || (__u16)word != nat_port_be)
		return 0;
	yields = flow_yields(*ret_tenant, entry->tenant);
	return yields ? FLOW_RANK(yields, flow_age(entry->now, (__u16)(word >> 16))) : 0;
}

/*
 * The flow of the return entry in this line ends, if it is half open and makes room for the newcomer; one of its own tenant only if
 * `own`. True: the return entry is an orphan now.
 */
__noinline int flow_oust(__u32 line, const struct flow_entry *entry, int own)
{
	struct usher_flow *back_line = flow_at(line), *flow;
	union usher_flow_value back;
	__u64 tag, again;
	__u16 tenant;

	if (!back_line || !entry)
		return 0;
	tag = FLOW_READ(back_line->tag);
	if (!flow_occupied(tag) || !(tag & USHER_TAG_RETURN) || !flow_copy(back_line, tag, &again, &back) ||
	    flow_back_rank(&back, FLOW_READ(back_line->destination_port_be), entry, &tag, &tenant) <
		    FLOW_RANK(own ? 1u : 2u, 0))
		return 0;
	flow = flow_at(back.back.forward_line);
	if (!flow || flow_swap(flow, tag, flow_leaving(tag)) != tag)
		return 0;
	flow_settle(back.back.forward_line, tag, tenant, FLOW_EVICTED, true);
	return 1;
}

/*
 * Claim the line at this distance if it holds a return entry whose forward one has gone, or is too old. 1: done. Otherwise its flow may
 * be a victim.
 */
__noinline int flow_claim_orphan(const struct flow_entry *entry, struct flow_room *room, __u32 d)
{
	struct usher_flow *flow = room ? flow_at(room->home ^ d) : NULL;
	union usher_flow_value back;
	__u64 tag, again;
	__u16 port, tenant;

	if (!flow || !entry || !room)
		return 0;
	tag = FLOW_READ(flow->tag);
	if (!flow_occupied(tag) || !(tag & USHER_TAG_RETURN) || !flow_copy(flow, tag, &again, &back))
		return 0;
	port = FLOW_READ(flow->destination_port_be);
	flow_forget_here(back.back.forward_line, entry->now);
	if (!flow_orphaned(&back, port)) {
		if (back.back.forward_line != room->own_forward)
			flow_offer(room, flow_back_rank(&back, port, entry, &again, &tenant), d);
		return 0;
	}
	if (!flow_claim(flow, tag, d, room))
		return 0;
	flow_settle(room->home ^ d, tag, 0, FLOW_EXPIRED, false);
	return 1;
}

/* Claim the victim's line. Its distance from home, or minus the reason. */
static __always_inline int flow_claim_victim(const struct flow_entry *entry, struct flow_room *room)
{
	__u32 d = room->victim & (USHER_FLOW_SET - 1);
	bool claimed = room->returns & 1ULL << d
			       ? flow_oust(room->home ^ d, entry, true) && flow_claim_orphan(entry, room, d)
			       : flow_claim_forward(entry, room);

	return claimed ? (int)d : -USHER_REASON_FLOW_CONTENDED;
}

/* Claim the line of a flow that is left, as a last resort. Its distance from home, or minus the reason. */
static __always_inline int flow_claim_left(const struct flow_entry *entry, struct flow_room *room)
{
	room->last_resort = 1;
	for (__u32 d = 0; d < USHER_FLOW_SET; d++)
		if (flow_claim_free(entry, room, d))
			return (int)d;
	return room->victim ? flow_claim_victim(entry, room) : -USHER_REASON_FLOW_TABLE_FULL;
}

/*
 * Make a line of home's set BUSY for the newcomer: the nearest that is empty or whose entry is too old; else an orphan's, though each
 * look at one costs another line; else the best victim's; else that of a flow which is left. Its distance from home, or minus the
 * reason.
 */
static __always_inline int flow_claim_room(const struct flow_entry *entry, struct flow_room *room)
{
	struct usher_flow *home = flow_at(room->home);
	__u64 tag;

	if (!home)
		return -USHER_REASON_FLOW_TABLE_FULL;
	tag = FLOW_READ(home->tag); /* what flow_claim_free looks at first, without the call */
	if (USHER_TAG_STATUS(tag) == USHER_FLOW_EMPTY && !room->over_cap && flow_claim(home, tag, 0, room))
		return 0;
	for (__u32 d = 0; d < USHER_FLOW_SET; d++)
		if (flow_claim_free(entry, room, d))
			return (int)d;
	for (__u32 d = 0; d < USHER_FLOW_SET && !room->over_cap; d++)
		if (room->returns & 1ULL << d && flow_claim_orphan(entry, room, d))
			return (int)d;
	if (room->victim)
		return flow_claim_victim(entry, room);
	return room->over_cap ? -USHER_REASON_HALF_OPEN_LIMIT : flow_claim_left(entry, room);
}

#endif
