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
 * Which line a newcomer gets is in flow_room.h, what the lines themselves promise in flow_line.h.
 */
#ifndef USHER_BPF_FLOW_H
#define USHER_BPF_FLOW_H

#include "flow_room.h"

/* Besides usher_reasons, what an insertion may return. */
#define FLOW_INSERTED 0
#define FLOW_EXISTS 255

#define FLOW_LOCK_ATTEMPTS 4
#define FLOW_LOCK_LOOKS 64 /* each costs the verifier less than an attempt */

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
	for (int i = 0; i < FLOW_LOCK_ATTEMPTS && locked < 0; i++) {
		for (int look = 0; look < FLOW_LOCK_LOOKS && FLOW_READ(flow->hint) & FLOW_LOCK; look++)
			;
		locked = flow_try_lock(flow);
	}
	return locked;
}

/* ---- insert --------------------------------------------------------------------------------------------- */

/* Fill a line that is ours (BUSY), ref->line, then publish it. */
static __always_inline void flow_fill(struct usher_flow *flow, const struct flow_entry *entry, __u64 busy,
				      struct flow_ref *ref)
{
	__u64 tag = (busy & FLOW_INCARNATION_MASK) | entry->status | (__u64)entry->epoch << 32;

	flow_account(tag, entry->value.forward.tenant, 1);
	flow->value = entry->value;
	if (usher_boot.flow_ends && !(tag & USHER_TAG_RETURN))
		flow_figures_begin(ref->line, entry);
	flow_barrier();
	*(volatile __u64 *)&flow->tag = tag;
	ref->tag = tag;
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
	flow_settle(ref->line, ref->tag, tenant, FLOW_REPLACED, false);
	flow_fill(flow, entry, room.busy, ref);
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

/* What remains to be done with a line that is ours (BUSY), ref->line. A function of its own, so that it is verified once. */
__noinline int flow_move_in(const struct usher_flow_key *key, const struct flow_entry *entry, __u64 busy,
			    struct flow_ref *ref)
{
	struct usher_flow *flow = ref ? flow_at(ref->line) : NULL;

	if (!flow || !key || !entry || !ref)
		return 0;
	flow->source = key->source;
	flow->destination = key->destination;
	flow->ports = key->ports;
	flow_fill(flow, entry, busy, ref);
	return 0;
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
	flow_move_in(key, entry, room->busy, ret_ref);
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
	flow_move_in(key, entry, room->busy, ret_ref);
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
