/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries of the flow table that exist: find, follow, promote, stamp, cut, delete, and write to their values.
 *
 * What a table is, is in flow.h; what a line promises, in flow_line.h.
 */
#ifndef USHER_BPF_FLOW_ENTRY_H
#define USHER_BPF_FLOW_ENTRY_H

#include "flow_end.h"

#define FLOW_LOCK 1u
#define FLOW_FIND_ATTEMPTS 3
#define FLOW_SWAP_ATTEMPTS 4

/* ---- look up -------------------------------------------------------------------------------------------- */

static __always_inline __u64 flow_hash(const struct usher_flow_key *key)
{
	const __u64 keys[USHER_HASH_KEYS] = {usher_boot.hash_key[0], usher_boot.hash_key[1], usher_boot.hash_key[2],
					     usher_boot.hash_key[3], usher_boot.hash_key[4]};

	return usher_hash_flow(key->source.halves, key->destination.halves, USHER_FLOW_WORD(key), keys);
}

static __always_inline __u32 flow_home(__u64 hash)
{
	return (__u32)hash & (usher_boot.flow_lines - 1);
}

/* The bits of a tag that a key determines. */
static __always_inline __u64 flow_identity(const struct usher_flow_key *key, __u64 hash)
{
	return USHER_TAG_MAKE(0, key->protocol == IPPROTO_UDP, !!key->is_return, 0, 0, USHER_FLOW_FINGERPRINT(hash), 0);
}

static __always_inline bool flow_has_key(const struct usher_flow *flow, const struct usher_flow_key *key)
{
	return FLOW_READ(flow->source.halves[1]) == key->source.halves[1] &&
	       FLOW_READ(flow->source.halves[0]) == key->source.halves[0] &&
	       FLOW_READ(flow->destination.halves[1]) == key->destination.halves[1] &&
	       FLOW_READ(flow->destination.halves[0]) == key->destination.halves[0] &&
	       FLOW_READ(flow->ports) == key->ports;
}

/* The value of an entry that had `tag`. False: it has changed in the meantime. */
static __always_inline bool flow_copy(const struct usher_flow *flow, __u64 tag, __u64 *ret_tag,
				      union usher_flow_value *ret_value)
{
	ret_value->words[0] = FLOW_READ(flow->value.words[0]);
	ret_value->words[1] = FLOW_READ(flow->value.words[1]);
	*ret_tag = FLOW_READ(flow->tag);
	return !((*ret_tag ^ tag) & ~USHER_TAG_EPOCH_MASK);
}

/*
 * Every line where a key with this identity and home may be: home, then where the hint leads. 0, -ENOENT, or -EAGAIN if an
 * entry with this identity changed under our eyes.
 */
__noinline int flow_search(const struct usher_flow_key *key, __u64 identity, __u32 home, struct flow_hit *ret_hit)
{
	const struct usher_flow *flow = flow_at(home);
	__u32 lines, held = FLOW_LOCK;

	if (!key || !ret_hit || !flow)
		return -ENOENT;
	lines = FLOW_READ(flow->hint) | 1; /* home is at distance 0 */
	for (__u32 d = 0; d < USHER_FLOW_SET && lines >= USHER_FLOW_HINT(d); d++) {
		__u64 tag;

		if (!(lines & USHER_FLOW_HINT(d)))
			continue;
		flow = flow_at(home ^ d);
		if (!flow)
			break;
		tag = FLOW_READ(flow->tag);
		if (USHER_TAG_STATUS(tag) == USHER_FLOW_EMPTY || USHER_TAG_DISPLACEMENT(tag) != d)
			continue;
		held |= USHER_FLOW_HINT(d);
		if ((tag ^ identity ^ FLOW_DISPLACEMENT(d)) & FLOW_IDENTITY_MASK)
			continue;
		if (!flow_occupied(tag))
			return -EAGAIN;
		if (flow_has_key(flow, key)) {
			ret_hit->ref.line = home ^ d;
			return flow_copy(flow, tag, &ret_hit->ref.tag, &ret_hit->value) ? 0 : -EAGAIN;
		}
	}
	ret_hit->stale = lines & ~held;
	return -ENOENT;
}

__noinline int flow_find_displaced(const struct usher_flow_key *key, __u64 identity, __u32 home,
				   struct flow_hit *ret_hit)
{
	int err = -EAGAIN;

	if (!key || !ret_hit)
		return -ENOENT;
	for (int i = 0; i < FLOW_FIND_ATTEMPTS && err == -EAGAIN; i++)
		err = flow_search(key, identity, home, ret_hit);
	return err;
}

static __always_inline int flow_find_elsewhere(const struct usher_flow_key *key, __u64 identity, __u32 home,
					       struct flow_ref *ret_ref, union usher_flow_value *ret_value)
{
	struct flow_hit hit = {};
	int err = flow_find_displaced(key, identity, home, &hit);

	if (err)
		return err;
	*ret_ref = hit.ref;
	*ret_value = hit.value;
	return 0;
}

/* Can no entry with this identity be in the table, by what its home holds and this hint of it? */
static __always_inline bool flow_is_nowhere(const struct usher_flow *home, __u64 identity, __u32 hint)
{
	__u64 tag = FLOW_READ(home->tag);

	return !(hint & ~FLOW_LOCK) &&
	       ((tag ^ identity) & FLOW_IDENTITY_MASK || USHER_TAG_STATUS(tag) == USHER_FLOW_EMPTY);
}

/* Is the key's entry in this line, at this distance from its home? Then a copy of its value. */
static __always_inline bool flow_is_at(const struct usher_flow_key *key, __u64 identity, __u32 line, __u32 d,
				       struct flow_ref *ret_ref, union usher_flow_value *ret_value)
{
	const struct usher_flow *flow = flow_at(line);
	union usher_flow_value value;
	__u64 tag, again;

	if (!flow)
		return false;
	tag = FLOW_READ(flow->tag);
	if ((tag ^ identity ^ FLOW_DISPLACEMENT(d)) & FLOW_IDENTITY_MASK || !flow_occupied(tag) ||
	    !flow_has_key(flow, key) || !flow_copy(flow, tag, &again, &value))
		return false;
	ret_ref->tag = again;
	ret_ref->line = line;
	*ret_value = value;
	return true;
}

/*
 * 0: found, with a copy of its value that is one entry's. -ENOENT: not in the table. -EAGAIN: another CPU is just
 * writing it. Entries that are too old and not yet swept are found, and may be touched to live on.
 */
static __always_inline int flow_find(const struct usher_flow_key *key, __u64 hash, struct flow_ref *ret_ref,
				     union usher_flow_value *ret_value)
{
	__u64 identity = flow_identity(key, hash);
	__u32 home = flow_home(hash);
	const struct usher_flow *flow = flow_at(home), *next = flow_at(home ^ 1);

	if (!flow)
		return -ENOENT;
	if (flow_is_at(key, identity, home, 0, ret_ref, ret_value))
		return 0;
	if (flow_is_nowhere(flow, identity, FLOW_READ(flow->hint))) {
		/* Where somebody else is at home a newcomer tries next door: that comes from memory meanwhile. */
		if (next && USHER_TAG_STATUS(FLOW_READ(flow->tag)) != USHER_FLOW_EMPTY)
			(void)FLOW_READ(next->tag);
		return -ENOENT;
	}
	/* Most that are not at home are next door. */
	if (FLOW_READ(flow->hint) & 2 && flow_is_at(key, identity, home ^ 1, 1, ret_ref, ret_value))
		return 0;
	return flow_find_elsewhere(key, identity, home, ret_ref, ret_value);
}

/*
 * From a return entry to its forward one: the key that the client uses, and the value. nat_port_be: destination of the
 * packet that found the return entry. 0, or -ENOENT: it is gone.
 */
static __always_inline int flow_follow(const union usher_flow_value *back, __u16 nat_port_be, struct flow_ref *ret_ref,
				       struct usher_flow_key *ret_key, union usher_flow_value *ret_value)
{
	const struct usher_flow *flow = flow_at(back->back.forward_line);
	__u64 tag;

	if (!flow)
		return -ENOENT;
	flow_figures_fetch(back->back.forward_line);
	tag = FLOW_READ(flow->tag);
	if (!flow_occupied(tag) || (tag & USHER_TAG_RETURN) ||
	    USHER_TAG_FINGERPRINT(tag) != back->back.forward_fingerprint)
		return -ENOENT;
	ret_key->source.halves[0] = FLOW_READ(flow->source.halves[0]);
	ret_key->source.halves[1] = FLOW_READ(flow->source.halves[1]);
	ret_key->destination.halves[0] = FLOW_READ(flow->destination.halves[0]);
	ret_key->destination.halves[1] = FLOW_READ(flow->destination.halves[1]);
	ret_key->ports = FLOW_READ(flow->ports);
	ret_key->protocol = tag & USHER_TAG_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	ret_key->is_return = 0;
	ret_value->words[0] = FLOW_READ(flow->value.words[0]);
	ret_value->words[1] = FLOW_READ(flow->value.words[1]);
	ret_ref->line = back->back.forward_line;
	ret_ref->tag = FLOW_READ(flow->tag);
	if (!flow_same(ret_ref->tag, tag) || ret_value->forward.nat_port_be != nat_port_be)
		return -ENOENT;
	return 0;
}

/* ---- change --------------------------------------------------------------------------------------------- */

enum flow_change { FLOW_PROMOTE, FLOW_STAMP, FLOW_CUT, FLOW_DELETE, FLOW_WITHDRAW, FLOW_REST, FLOW_WAKE };

/* The tag after a change; the same tag if there is nothing to change. */
static __always_inline __u64 flow_changed(__u64 tag, enum flow_change change, __u32 epoch)
{
	__u32 status = USHER_TAG_STATUS(tag);

	switch (change) {
	case FLOW_PROMOTE:
		return status == USHER_FLOW_HALF_OPEN ? (tag & ~USHER_TAG_STATUS_MASK) | USHER_FLOW_LIVE : tag;
	case FLOW_STAMP: /* a packet of an older generation may come last */
		return status != USHER_FLOW_CUT && (__s32)(epoch - USHER_TAG_EPOCH(tag)) > 0
			       ? (tag & ~USHER_TAG_EPOCH_MASK) | (__u64)epoch << 32
			       : tag;
	case FLOW_CUT:
		return (tag & ~USHER_TAG_STATUS_MASK) | USHER_FLOW_CUT;
	case FLOW_DELETE:
	case FLOW_WITHDRAW:
		return flow_leaving(tag);
	case FLOW_REST:
		return status == USHER_FLOW_LIVE ? (tag & ~USHER_TAG_STATUS_MASK) | USHER_FLOW_QUIET : tag;
	case FLOW_WAKE:
		return status == USHER_FLOW_QUIET ? (tag & ~USHER_TAG_STATUS_MASK) | USHER_FLOW_LIVE : tag;
	}
	return tag;
}

/* After the swap of a tag. */
static __always_inline void flow_recount(__u64 before, __u64 after, __u16 tenant)
{
	flow_account(before, tenant, -1);
	flow_account(after, tenant, 1);
}

/*
 * 0: the entry has changed, and so has ref->tag. -EALREADY: it was so before, by another CPU perhaps. -ESTALE: it is gone.
 * Of the CPUs that want a status changed, one gets 0.
 */
__noinline int flow_change(struct flow_ref *ref, __u32 change, __u32 epoch)
{
	struct usher_flow *flow = ref ? flow_at(ref->line) : NULL;
	__u64 tag, found, desired;
	__u16 tenant;

	if (!flow)
		return -ESTALE;
	tag = FLOW_READ(flow->tag);
	for (int i = 0; i < FLOW_SWAP_ATTEMPTS; i++) {
		if (!flow_same(tag, ref->tag))
			return -ESTALE;
		tenant = FLOW_READ(flow->value.forward.tenant);
		desired = flow_changed(tag, change, epoch);
		if (desired == tag) {
			ref->tag = tag;
			return -EALREADY;
		}
		found = flow_swap(flow, tag, desired);
		if (found == tag) {
			if (change == FLOW_DELETE || change == FLOW_WITHDRAW)
				flow_settle(ref->line, tag, tenant,
					    change == FLOW_DELETE ? FLOW_DELETED : FLOW_WITHDRAWN, true);
			else if (change != FLOW_STAMP)
				flow_recount(tag, desired, tenant);
			ref->tag = desired;
			return 0;
		}
		tag = found;
	}
	return -ESTALE;
}

/* The handshake is proven, or the UDP flow answered or in use. */
static __always_inline int flow_promote(struct flow_ref *ref)
{
	return flow_change(ref, FLOW_PROMOTE, 0);
}

/* It is closed, or silent: no more among the active ones. */
static __always_inline int flow_rest(struct flow_ref *ref)
{
	return flow_change(ref, FLOW_REST, 0);
}

static __always_inline int flow_wake(struct flow_ref *ref)
{
	return flow_change(ref, FLOW_WAKE, 0);
}

/* Judged by this epoch, and allowed. */
static __always_inline int flow_stamp(struct flow_ref *ref, __u32 epoch)
{
	struct usher_flow *flow = flow_at(ref->line);
	__u64 desired = flow_changed(ref->tag, FLOW_STAMP, epoch);

	if (flow && desired != ref->tag && flow_swap(flow, ref->tag, desired) == ref->tag) {
		ref->tag = desired;
		return 0;
	}
	return flow_change(ref, FLOW_STAMP, epoch);
}

/* Revoked. What remains is a tombstone, which keeps key and value; see flow_mark for what it has done. */
static __always_inline int flow_cut(struct flow_ref *ref)
{
	return flow_change(ref, FLOW_CUT, 0);
}

static __always_inline int flow_delete(struct flow_ref *ref)
{
	return flow_change(ref, FLOW_DELETE, 0);
}

/* What was inserted just now does not come to a flow. */
static __always_inline int flow_withdraw(struct flow_ref *ref)
{
	return flow_change(ref, FLOW_WITHDRAW, 0);
}

/*
 * Change bits of a word of a value: first those in `clear` are cleared, then those in `set` are set. 0, -ESTALE: it is gone, or
 * -EAGAIN: too many others write to it.
 */
__noinline int flow_update(const struct flow_ref *ref, __u32 word, __u64 clear, __u64 set)
{
	struct usher_flow *flow = ref ? flow_at(ref->line) : NULL;

	if (!flow)
		return -ESTALE;
	for (int i = 0; i < FLOW_SWAP_ATTEMPTS; i++) {
		__u64 *place = &flow->value.words[word & 1];
		__u64 old = FLOW_READ(*place), desired = (old & ~clear) | set;

		if (!flow_same(FLOW_READ(flow->tag), ref->tag))
			return -ESTALE;
		if (old == desired || __sync_val_compare_and_swap(place, old, desired) == old)
			return 0;
	}
	return -EAGAIN;
}

/* Set USHER_TCP_* and USHER_CUT_* of a forward entry. */
static __always_inline int flow_mark(const struct flow_ref *ref, __u8 tcp, __u8 cut)
{
	return flow_update(ref, 1, 0, (__u64)tcp << 48 | (__u64)cut << 56);
}

/* A mark of a MAC address, in its place in `cut`: addresses that differ in their last five bits alone have different ones. */
static __always_inline __u8 flow_router_mark(const __u8 mac[6])
{
	const __u16 *words = (const __u16 *)mac;
	__u16 fold = words[0] ^ words[1] ^ words[2];

	return (__u8)((fold ^ fold >> 8) << 2) & USHER_FLOW_ROUTER;
}

/* The way back of a forward entry is known. */
static __always_inline int flow_set_nat(const struct flow_ref *ref, __u16 nat_port_be, __u8 nat_index)
{
	return flow_update(ref, 1, 0x00001f000000ffffULL, (__u64)nat_port_be | (__u64)nat_index << 40);
}

/*
 * A packet of this forward entry at tick `now`. `value`: the copy that was found, updated. When the swap fails another CPU has
 * touched or marked the entry, or it is gone; the next packet will do. Whose answers are not seen (UDP in direct return) is in use
 * when its client has sent in more than one tick: a spoofed datagram stays half open.
 */
static __always_inline void flow_touch(struct flow_ref *ref, union usher_flow_value *value, __u16 now)
{
	struct usher_flow *flow;
	__u64 old = value->words[1], desired = (old & ~0xffff0000ULL) | (__u64)now << 16;

	if (value->forward.seen == now)
		return;
	flow = flow_at(ref->line);
	if (flow && __sync_val_compare_and_swap(&flow->value.words[1], old, desired) == old)
		value->words[1] = desired;
	/* Of what is over only the last acknowledgements come. */
	if (USHER_TAG_STATUS(ref->tag) == USHER_FLOW_QUIET &&
	    flow_lifetime(ref->tag, value->words[1]) != FLOW_TICKS_TCP_CLOSED)
		flow_wake(ref);
	else if ((ref->tag & (USHER_TAG_STATUS_MASK | USHER_TAG_UDP)) == (USHER_FLOW_HALF_OPEN | USHER_TAG_UDP) &&
		 !value->forward.nat_port_be)
		flow_promote(ref);
}

#endif
