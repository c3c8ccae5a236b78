/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line of the flow table: its tag, its words, its age, its account.
 *
 * Memory order is x86's (TSO): loads stay in order, stores stay in order, a locked instruction is a full barrier. What
 * is left is to keep the compiler from reordering: volatile accesses, and flow_barrier() around plain ones.
 *
 *  1. A tag is changed by 64-bit compare-and-swap. Only who made it BUSY stores to it, once, to publish.
 *  2. A claim raises the version, so tag without epoch and status names one incarnation of the line.
 *  3. Keys and values are filled while BUSY. A reader copies what it needs, then looks at the tag again: the same
 *     incarnation means that no byte of the copy is another entry's (32 claims during one copy would be overlooked).
 *  4. The words of a published value change by compare-and-swap, with the old word as witness: a late write can not
 *     land in an entry that has taken the line since, whose bytes may mean something else.
 *  5. A tenant's accounts are the numbers of its forward entries HALF_OPEN and LIVE. Whoever takes a tag out of one of these, or puts
 *     it there, also does so in the account. The swap makes that one CPU: no account can drift.
 *  6. A BPF program always runs to its end, so nothing stays BUSY and no lock stays taken.
 */
#ifndef USHER_BPF_FLOW_LINE_H
#define USHER_BPF_FLOW_LINE_H

#include <linux/errno.h>
#include <stdbool.h>

#include "maps.h"

#define FLOW_READ(object) (*(const volatile __typeof__(object) *)&(object))
#define flow_barrier() asm volatile("" ::: "memory")

/* What a tag says of the key, and where the entry is as seen from the key's home. */
#define FLOW_DISPLACEMENT(d) ((__u64)(d) << 5)
#define FLOW_IDENTITY_MASK 0xffff07f8ULL
#define FLOW_INCARNATION_MASK 0xfffffff8ULL

/* What remains of a tag in an empty line: the version goes on. */
#define FLOW_EMPTY_TAG(tag) ((__u64)USHER_TAG_VERSION(tag) << 11)

/*
 * Seconds of silence after which a flow is forgotten, in ticks (1.07 s). Those of live flows are never short of:
 * TCP 2 h 4 min (RFC 5382, REQ-5), UDP 2 min (RFC 4787, REQ-5), half closed 2 min (Linux nf_conntrack, FIN_WAIT).
 * A handshake must outlive the first two retransmissions of a SYN, after 1 and 3 s (RFC 6298, 2.1 and 5.5); an adopted flow, its
 * client's pause. A closed flow waits for the last ACK; one that its client has reset, for the packet that says that the other end
 * did not believe it (tcp.h). A tombstone must outlive the retransmissions of both ends: 60 s, the 2 MSL of Linux.
 */
#define FLOW_TICKS_TCP_HALF_OPEN 5
#define FLOW_TICKS_TCP_ADOPTED 30
#define FLOW_TICKS_TCP_LIVE 6931
#define FLOW_TICKS_TCP_HALF_CLOSED 120
#define FLOW_TICKS_TCP_CLOSED 3
#define FLOW_TICKS_UDP_HALF_OPEN 30
#define FLOW_TICKS_UDP_LIVE 120
#define FLOW_TICKS_CUT 60

/* What has been silent for so long does not count as active, until its next packet: whoever left, unseen, takes nobody's place. */
#define FLOW_TICKS_ACTIVE 56

/* Why an entry leaves its line, or its place in it. */
enum flow_end { FLOW_EXPIRED, FLOW_EVICTED, FLOW_REPLACED, FLOW_DELETED, FLOW_WITHDRAWN };

/* The clock of ticks, in ns. */
static __always_inline __u64 flow_clock(void)
{
	return bpf_jiffies64() * usher_boot.jiffy_ns;
}

static __always_inline __u16 flow_tick(void)
{
	return (__u16)(flow_clock() >> USHER_TICK_SHIFT);
}

/* CLOCK_MONOTONIC in ns, up to two jiffies behind: the sweep knows how far the two clocks are apart. */
static __always_inline __u64 flow_time(void)
{
	__u32 zero = 0;
	const struct sweeper *sweeper = bpf_map_lookup_elem(&sweepers, &zero);

	return flow_clock() + (sweeper ? FLOW_READ(sweeper->state.offset) : 0);
}

static __always_inline struct usher_flow *flow_at(__u32 line)
{
	return bpf_map_lookup_elem(&flows, &line);
}

static __always_inline bool flow_occupied(__u64 tag)
{
	return USHER_TAG_STATUS(tag) >= USHER_FLOW_HALF_OPEN;
}

/* Proven, and not revoked; quiet or not. */
static __always_inline bool flow_is_live(__u64 tag)
{
	return USHER_TAG_STATUS(tag) == USHER_FLOW_LIVE || USHER_TAG_STATUS(tag) == USHER_FLOW_QUIET;
}

/* Is `tag` still the entry that `then` was, whatever its epoch and status? */
static __always_inline bool flow_same(__u64 tag, __u64 then)
{
	return flow_occupied(tag) && !((tag ^ then) & FLOW_INCARNATION_MASK);
}

/* CAS of a tag. The tag found is returned; the swap was made if it is `expected`. */
static __always_inline __u64 flow_swap(struct usher_flow *flow, __u64 expected, __u64 desired)
{
	return __sync_val_compare_and_swap(&flow->tag, expected, desired);
}

/* Ticks since `seen`, modulo 2^16: a packet that another CPU saw in the next tick is not 19 hours old but 0. */
static __always_inline __u32 flow_age(__u16 now, __u16 seen)
{
	__u16 age = (__u16)(now - seen);

	return age & 0x8000 ? 0 : age;
}

/* Of a forward entry: longest silence in ticks. `word` is its second word. */
static __always_inline __u32 flow_lifetime(__u64 tag, __u64 word)
{
	const __u8 both = USHER_TCP_CLIENT_FIN | USHER_TCP_BACKEND_FIN, tcp = (__u8)(word >> 48);
	bool nat = (__u16)word;

	if (USHER_TAG_STATUS(tag) == USHER_FLOW_CUT)
		return FLOW_TICKS_CUT;
	if (tag & USHER_TAG_UDP)
		return flow_is_live(tag) ? FLOW_TICKS_UDP_LIVE : FLOW_TICKS_UDP_HALF_OPEN;
	if (USHER_TAG_STATUS(tag) == USHER_FLOW_HALF_OPEN)
		return tcp & USHER_TCP_ADOPTED ? FLOW_TICKS_TCP_ADOPTED : FLOW_TICKS_TCP_HALF_OPEN;
	if ((tcp & both) == both || (tcp & USHER_TCP_RESET && nat))
		return FLOW_TICKS_TCP_CLOSED;
	return tcp & (both | USHER_TCP_RESET) ? FLOW_TICKS_TCP_HALF_CLOSED : FLOW_TICKS_TCP_LIVE;
}

/* Has a forward entry been silent for too long? A packet that arrives at this very moment is as late as one that arrives after. */
static __always_inline bool flow_expired(__u64 tag, __u64 word, __u16 now)
{
	return flow_age(now, (__u16)(word >> 16)) > flow_lifetime(tag, word);
}

/*
 * Has the forward entry of a return entry gone? Until the forward entry knows its NAT port (0) the return entry is
 * being set up; while the forward line is BUSY nobody can tell.
 */
static __always_inline bool flow_orphaned(const union usher_flow_value *back, __u16 nat_port_be)
{
	const struct usher_flow *forward = flow_at(back->back.forward_line);
	__u64 tag, word;

	if (!forward)
		return true;
	tag = FLOW_READ(forward->tag);
	if (USHER_TAG_STATUS(tag) == USHER_FLOW_BUSY)
		return false;
	if (!flow_occupied(tag) || (tag & USHER_TAG_RETURN) ||
	    USHER_TAG_FINGERPRINT(tag) != back->back.forward_fingerprint)
		return true;
	word = FLOW_READ(forward->value.words[1]);
	return (__u16)word && (__u16)word != nat_port_be;
}

/* One entry with this tag and tenant more (1: publish it only after this), or less (-1: after the swap). */
static __always_inline void flow_account(__u64 tag, __u16 tenant, __s64 change)
{
	__u32 id = tenant;
	struct usher_tenant_state *state;

	if ((USHER_TAG_STATUS(tag) != USHER_FLOW_HALF_OPEN && USHER_TAG_STATUS(tag) != USHER_FLOW_LIVE) ||
	    (tag & USHER_TAG_RETURN))
		return;
	state = bpf_map_lookup_elem(&tenants, &id);
	if (state)
		__sync_fetch_and_add(USHER_TAG_STATUS(tag) == USHER_FLOW_LIVE ? &state->live : &state->half_open,
				     change);
}

/* Has an end closed it? `word` is a forward entry's second word. */
static __always_inline bool flow_is_closed(__u64 word)
{
	return (__u8)(word >> 48) & (USHER_TCP_CLIENT_FIN | USHER_TCP_BACKEND_FIN | USHER_TCP_RESET);
}

/* Has a live forward entry been silent for so long that it is quiet? Sooner if an end has closed. `word` is its second word. */
static __always_inline bool flow_is_quiet(__u64 word, __u16 now)
{
	return flow_age(now, (__u16)(word >> 16)) > (flow_is_closed(word) ? FLOW_TICKS_TCP_CLOSED : FLOW_TICKS_ACTIVE);
}

/*
 * May a newcomer that finds no line have that of this forward entry? Of direct return, where a server's close is not seen: what its
 * client has closed, and nothing came since. As a last resort, also what was closed just now, and what is silent for so
 * long that it does not count as active. Should a packet come all the same, it is decided like that of a new flow, and TCP adopted.
 */
static __always_inline bool flow_is_left(__u64 tag, __u64 word, __u16 now, bool last_resort)
{
	bool nat = (__u16)word;

	if (nat || !flow_is_live(tag))
		return false;
	return flow_is_closed(word)
		       ? flow_is_quiet(word, now) || (last_resort && USHER_TAG_STATUS(tag) == USHER_FLOW_QUIET)
		       : last_resort && flow_is_quiet(word, now);
}

static __always_inline struct usher_flow_counter *flow_counter(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&flow_counters, &zero);
}

/* Before an expiry is settled: a forward entry whose SYN its backend never answered. `first` and `second` are its words. */
static __always_inline void flow_blame(__u64 tag, __u64 first, __u64 second)
{
	const __u64 answered = (__u64)(USHER_TCP_ANSWERED | USHER_TCP_RESET) << 48;
	__u32 backend = (__u16)first;
	struct usher_backend_figures *figures;

	if (USHER_TAG_STATUS(tag) != USHER_FLOW_HALF_OPEN || tag & (USHER_TAG_UDP | USHER_TAG_RETURN) ||
	    second & answered || !(__u16)second)
		return;
	figures = bpf_map_lookup_elem(&backend_figures, &backend);
	if (figures)
		__sync_fetch_and_add(&figures->connect_timeouts, 1);
}

#endif
