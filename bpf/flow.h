/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow table: look up, insert, promote, stamp, cut, replace, delete. One table for all CPUs, in which one line is
 * read for nearly every hit and every miss.
 *
 * A key's home is the line that its hash names; it may live in any line of the set of USHER_FLOW_SET lines around it.
 * An entry that lives at XOR distance d from its home says so in its tag, and a bit of its home's hint says so to
 * those who look for it: nothing at home and no hint means nowhere. The nearest distances have a bit each, the others, which
 * only the most crowded sets need, share one. A kin of hopscotch hashing (Herlihy, Shavit,
 * Tzafrir, DISC '08), without its moves: an entry stays where it was put, so a reader needs no lock.
 *
 *  1. Bit 0 of a hint is the lock under which keys of this home are inserted: no key is in the table twice. Without it a key is put
 *     at its home only, if the hint is 0 before the claim of the line and after it.
 *  2. Only the holder of that lock writes the hint. It sets the bit before it publishes the entry, and clears it when no
 *     line that the bit stands for holds an entry of this home: none can come while the lock is held.
 *  3. A live entry leaves only by age, by flow_delete or by its return entry's loss of the forward one; in direct return also when it
 *     is left (flow_is_left) and a newcomer needs the line.
 *
 * What the lines themselves promise is in flow_line.h.
 */
#ifndef USHER_BPF_FLOW_H
#define USHER_BPF_FLOW_H

#include "flow_entry.h"

/* Besides usher_reasons, what an insertion may return. */
#define FLOW_INSERTED 0
#define FLOW_EXISTS 255

#define FLOW_LOCK_ATTEMPTS 256

/* ---- lock ----------------------------------------------------------------------------------------------- */

/* Takes the lock if it is free. The home's hint as it was, without the lock bit, or -EAGAIN. */
static __always_inline long flow_try_lock(struct usher_flow *flow)
{
	__u32 hint = FLOW_READ(flow->hint);

	return !(hint & FLOW_LOCK) && __sync_val_compare_and_swap(&flow->hint, hint, hint | FLOW_LOCK) == hint
		       ? (long)hint
		       : -EAGAIN;
}

/* The same, and waits for it. */
__noinline long flow_lock(__u32 home)
{
	struct usher_flow *flow = flow_at(home);
	long locked = -EAGAIN;

	if (!flow)
		return -EAGAIN;
	for (int i = 0; i < FLOW_LOCK_ATTEMPTS && locked < 0; i++)
		locked = flow_try_lock(flow);
	return locked;
}

/* ---- claim a line --------------------------------------------------------------------------------------- */

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
	return yields ? (yields << 16) + flow_age(entry->now, (__u16)(word >> 16)) : 0;
}

/* Claim the line at this distance if it is empty or its entry is too old. 1: done. Otherwise it may be a victim. */
__noinline int flow_claim_free(const struct flow_entry *entry, struct flow_room *room, __u32 d)
{
	struct usher_flow *flow = room ? flow_at(room->home ^ d) : NULL;
	__u32 rank;
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
		flow_settle(tag, tenant, FLOW_EXPIRED);
		return 1;
	}
	rank = flow_victim_rank(tag, tenant, word, entry, room) << 6;
	if (rank && (rank | d) > room->victim)
		room->victim = rank | d;
	return 0;
}

/* Claim the victim's line, if that is what it still is. */
__noinline int flow_claim_victim(const struct flow_entry *entry, struct flow_room *room)
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
	flow_settle(tag, tenant, FLOW_EVICTED);
	return 1;
}

/* Forget the forward entry in this line if it is too old, before the sweep comes to it. */
static __always_inline void flow_forget(__u32 line, __u16 now)
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
	    flow_swap(flow, tag, FLOW_EMPTY_TAG(tag)) == tag) {
		flow_blame(tag, first, word);
		flow_settle(tag, tenant, FLOW_EXPIRED);
	}
}

/*
 * Take the way back that the return entry in `back` stands for away from its forward entry, if that is half open and makes room for the
 * newcomer, one of its own tenant only if `own`. True: an insertion under this key finds an orphan.
 */
__noinline int flow_oust(const struct flow_hit *back, __u32 nat_port_be, const struct flow_entry *entry, int own)
{
	struct usher_flow *flow = back ? flow_at(back->value.back.forward_line) : NULL;
	__u64 tag;
	__u16 tenant;

	if (!flow || !back || !entry)
		return 0;
	tag = FLOW_READ(flow->tag);
	tenant = FLOW_READ(flow->value.forward.tenant);
	if (USHER_TAG_STATUS(tag) != USHER_FLOW_HALF_OPEN || (tag & USHER_TAG_RETURN) ||
	    USHER_TAG_FINGERPRINT(tag) != back->value.back.forward_fingerprint ||
	    (__u16)FLOW_READ(flow->value.words[1]) != nat_port_be ||
	    flow_yields(tenant, entry->tenant) < (own ? 1u : 2u) || flow_swap(flow, tag, FLOW_EMPTY_TAG(tag)) != tag)
		return 0;
	flow_settle(tag, tenant, FLOW_EVICTED);
	return 1;
}

/* Claim the line at this distance if it holds a return entry whose forward one has gone, or is too old. */
__noinline int flow_claim_orphan(const struct flow_entry *entry, struct flow_room *room, __u32 d)
{
	struct usher_flow *flow = room ? flow_at(room->home ^ d) : NULL;
	union usher_flow_value back;
	__u64 tag, again;

	if (!flow || !entry || !room)
		return 0;
	tag = FLOW_READ(flow->tag);
	if (!flow_occupied(tag) || !(tag & USHER_TAG_RETURN) || !flow_copy(flow, tag, &again, &back))
		return 0;
	flow_forget(back.back.forward_line, entry->now);
	if (!flow_orphaned(&back, FLOW_READ(flow->destination_port_be)) || !flow_claim(flow, tag, d, room))
		return 0;
	flow_settle(tag, 0, FLOW_EXPIRED);
	return 1;
}

/* Claim the line of a flow that is left, as a last resort. Its distance from home, or minus the reason. */
static __always_inline int flow_claim_left(const struct flow_entry *entry, struct flow_room *room)
{
	room->last_resort = 1;
	for (__u32 d = 0; d < USHER_FLOW_SET; d++)
		if (flow_claim_free(entry, room, d))
			return (int)d;
	if (!room->victim)
		return -USHER_REASON_FLOW_TABLE_FULL;
	return flow_claim_victim(entry, room) ? (int)(room->victim & (USHER_FLOW_SET - 1))
					      : -USHER_REASON_FLOW_CONTENDED;
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
		return flow_claim_victim(entry, room) ? (int)(room->victim & (USHER_FLOW_SET - 1))
						      : -USHER_REASON_FLOW_CONTENDED;
	return room->over_cap ? -USHER_REASON_HALF_OPEN_LIMIT : flow_claim_left(entry, room);
}

/* ---- insert --------------------------------------------------------------------------------------------- */

/* Fill a line that is ours (BUSY), then publish it. */
static __always_inline void flow_fill(struct usher_flow *flow, const struct flow_entry *entry, __u64 busy,
				      __u64 *ret_tag)
{
	__u64 tag = (busy & FLOW_INCARNATION_MASK) | entry->status | (__u64)entry->epoch << 32;

	flow_account(tag, entry->value.forward.tenant, 1);
	flow->value = entry->value;
	flow_barrier();
	*(volatile __u64 *)&flow->tag = tag;
	*ret_tag = tag;
}

/*
 * Another value for the entry that `ref` is, under the same key and in the same line. FLOW_INSERTED, FLOW_CONTENDED if it has
 * changed, or HALF_OPEN_LIMIT.
 */
__noinline int flow_replace(struct flow_ref *ref, const struct flow_entry *entry)
{
	struct usher_flow *flow = ref ? flow_at(ref->line) : NULL;
	struct flow_room room = {};
	__u16 tenant;

	if (!flow || !entry || !ref || !flow_occupied(ref->tag))
		return USHER_REASON_FLOW_CONTENDED;
	tenant = FLOW_READ(flow->value.forward.tenant);
	if (USHER_TAG_STATUS(ref->tag) != USHER_FLOW_HALF_OPEN && flow_over_cap(entry))
		return USHER_REASON_HALF_OPEN_LIMIT;
	room.identity = ref->tag & FLOW_IDENTITY_MASK; /* with the displacement: it stays where it is */
	if (!flow_claim(flow, ref->tag, 0, &room))
		return USHER_REASON_FLOW_CONTENDED;
	flow_settle(ref->tag, tenant, FLOW_REPLACED);
	flow_fill(flow, entry, room.busy, &ref->tag);
	return FLOW_INSERTED;
}

/*
 * The key is in the table already. A return entry is overwritten if it is an orphan or its forward entry too old, or if it leads
 * to the same forward entry (which has begun anew); any other entry stays as it is.
 */
static __always_inline int flow_meet(const struct usher_flow_key *key, const struct flow_entry *entry,
				     struct flow_hit *hit)
{
	const struct usher_flow_return *old = &hit->value.back, *new = &entry->value.back;

	if (!key->is_return)
		return FLOW_EXISTS;
	if (old->forward_line == new->forward_line && old->forward_fingerprint == new->forward_fingerprint)
		return flow_replace(&hit->ref, entry);
	flow_forget(old->forward_line, entry->now);
	if (flow_orphaned(&hit->value, key->destination_port_be))
		return flow_replace(&hit->ref, entry);
	return FLOW_EXISTS;
}

/* One more entry. */
static __always_inline void flow_count(bool is_return)
{
	struct usher_flow_counter *counter = flow_counter();

	if (!counter)
		return;
	if (is_return)
		counter->return_lines++;
	else
		counter->inserted++;
}

/* What remains to be done with a line that is ours (BUSY). */
static __always_inline void flow_move_in(struct usher_flow *flow, const struct usher_flow_key *key,
					 const struct flow_entry *entry, __u64 busy, __u64 *ret_tag)
{
	flow->source = key->source;
	flow->destination = key->destination;
	flow->ports = key->ports;
	flow_fill(flow, entry, busy, ret_tag);
}

/* With the lock of `home` held. The hint is kept up to date, and written where others must see it at once. */
static __always_inline int flow_place(const struct usher_flow_key *key, const struct flow_entry *entry,
				      struct flow_room *room, __u32 *hint, struct flow_ref *ret_ref)
{
	struct usher_flow *first = flow_at(room->home), *flow;
	int d = flow_claim_room(entry, room);

	if (d < 0)
		return -d;
	ret_ref->line = room->home ^ ((__u32)d & (USHER_FLOW_SET - 1));
	flow = flow_at(ret_ref->line);
	if (!flow || !first)
		return USHER_REASON_FLOW_TABLE_FULL;
	*hint |= USHER_FLOW_HINT(d) & ~FLOW_LOCK;
	*(volatile __u32 *)&first->hint = *hint | FLOW_LOCK;
	flow_move_in(flow, key, entry, room->busy, &ret_ref->tag);
	return FLOW_INSERTED;
}

/*
 * The usual newcomer's way, without the lock: its home is empty, and nobody who has this home lives elsewhere or is about to. Whoever
 * has taken the lock before the claim is seen by the hint after it; whoever takes it later sees the claim.
 */
static __always_inline bool flow_insert_at_home(struct usher_flow *home, const struct usher_flow_key *key,
						const struct flow_entry *entry, struct flow_room *room,
						struct flow_ref *ret_ref)
{
	__u64 tag = FLOW_READ(home->tag);

	if (FLOW_READ(home->hint) || USHER_TAG_STATUS(tag) != USHER_FLOW_EMPTY || room->over_cap ||
	    !flow_claim(home, tag, 0, room))
		return false;
	if (FLOW_READ(home->hint)) {
		*(volatile __u64 *)&home->tag = FLOW_EMPTY_TAG(room->busy);
		return false;
	}
	ret_ref->line = room->home;
	flow_move_in(home, key, entry, room->busy, &ret_ref->tag);
	return true;
}

/*
 * FLOW_INSERTED, with the new entry's ref in ret_hit; FLOW_EXISTS, with the one that has this key; or why not:
 * FLOW_TABLE_FULL, HALF_OPEN_LIMIT, FLOW_CONTENDED.
 */
__noinline int flow_insert(const struct usher_flow_key *key, __u64 hash, const struct flow_entry *entry,
			   struct flow_hit *ret_hit)
{
	struct flow_room room = {.home = flow_home(hash), .own_forward = USHER_FLOW_LINE_NONE};
	struct usher_flow *flow = flow_at(room.home);
	__u32 hint;
	long locked;
	int result;

	if (!key || !entry || !ret_hit || !flow)
		return USHER_REASON_FLOW_CONTENDED;
	room.identity = flow_identity(key, hash);
	if (key->is_return)
		room.own_forward = entry->value.back.forward_line;
	else
		room.over_cap = flow_over_cap(entry);
	if (flow_insert_at_home(flow, key, entry, &room, &ret_hit->ref)) {
		flow_count(key->is_return);
		return FLOW_INSERTED;
	}
	locked = flow_try_lock(flow);
	if (locked < 0)
		locked = flow_lock(room.home);
	if (locked < 0)
		return USHER_REASON_FLOW_CONTENDED;
	ret_hit->stale = 0;
	result = flow_is_nowhere(flow, room.identity, (__u32)locked)
			 ? -ENOENT
			 : flow_search(key, room.identity, room.home, ret_hit);
	hint = (__u32)locked & ~ret_hit->stale;
	if (!result) {
		result = flow_meet(key, entry, ret_hit);
	} else if (result == -EAGAIN) {
		result = USHER_REASON_FLOW_CONTENDED;
	} else {
		result = flow_place(key, entry, &room, &hint, &ret_hit->ref);
		if (result == FLOW_INSERTED)
			flow_count(key->is_return);
	}
	flow_barrier();
	*(volatile __u32 *)&flow->hint = hint;
	return result;
}

#endif
