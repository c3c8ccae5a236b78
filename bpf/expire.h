/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Expiry without the daemon: a timer of the kernel sweeps the table, a chunk at a time, and arms itself again.
 *
 * 1. The timer lives as long as map `sweepers` is pinned or open (kernel/bpf/helpers.c: bpf_timer_init), and keeps the
 *    program that it calls alive. Starting it again makes it call the program that started it last.
 * 2. A pass takes SWEEP_PASS_NS, less for a small table. A forgotten flow is gone after its age and one pass.
 */
#ifndef USHER_BPF_EXPIRE_H
#define USHER_BPF_EXPIRE_H

#include "tally.h"
#include "flow.h"

#define SWEEP_CHUNK 512
#define SWEEP_PASS_NS 8000000000ULL
#define SWEEP_PERIOD_MAX_NS 100000000ULL
#define SWEEP_CLOCK 1 /* CLOCK_MONOTONIC */

struct sweep {
	__u32 first; /* line */
	__u32 now;   /* tick */
};

/* Hint bits of a home that lead to no entry of its own. */
__noinline __u32 sweep_stale(__u32 home, __u32 hint)
{
	__u32 held = FLOW_LOCK;

	for (__u32 d = 1; d < USHER_FLOW_SET && hint >= USHER_FLOW_HINT(d); d++) {
		const struct usher_flow *flow = flow_at(home ^ d);
		__u64 tag;

		if (!flow || !(hint & USHER_FLOW_HINT(d)))
			continue;
		tag = FLOW_READ(flow->tag);
		if (USHER_TAG_STATUS(tag) != USHER_FLOW_EMPTY && USHER_TAG_DISPLACEMENT(tag) == d)
			held |= USHER_FLOW_HINT(d);
	}
	return hint & ~held;
}

/* Stale bits cost every look-up of this home a line. Whoever holds the lock tidies up himself. */
__noinline int sweep_hint(__u32 home)
{
	struct usher_flow *flow = flow_at(home);
	__u32 hint;

	if (!flow)
		return 0;
	hint = FLOW_READ(flow->hint);
	if (hint & FLOW_LOCK || !sweep_stale(home, hint) ||
	    __sync_val_compare_and_swap(&flow->hint, hint, hint | FLOW_LOCK) != hint)
		return 0;
	hint &= ~sweep_stale(home, hint);
	flow_barrier();
	*(volatile __u32 *)&flow->hint = hint;
	return 0;
}

/* Is the entry, which had this tag, to be forgotten? */
static __always_inline bool sweep_is_due(const struct usher_flow *flow, __u64 tag, __u16 now)
{
	union usher_flow_value value;
	__u64 again;

	if (!(tag & USHER_TAG_RETURN))
		return flow_expired(tag, FLOW_READ(flow->value.words[1]), now);
	return flow_copy(flow, tag, &again, &value) && flow_orphaned(&value, FLOW_READ(flow->destination_port_be));
}

/* The entry, which had this tag, stops to count as active if it has long been silent. */
static __always_inline void sweep_rest(struct usher_flow *flow, __u64 tag, __u16 tenant, __u16 now)
{
	__u64 quiet = flow_changed(tag, FLOW_REST, 0);

	if (flow_is_quiet(FLOW_READ(flow->value.words[1]), now) && flow_swap(flow, tag, quiet) == tag)
		flow_recount(tag, quiet, tenant);
}

/*
 * Does an entry that is due stay until a ring has room for the record of its end? Not where it counts among somebody's flows: what is
 * live then is quiet first (sweep_rest), and what is half open goes.
 */
static __always_inline bool sweep_waits(__u32 line, __u64 tag)
{
	return usher_boot.flow_ends && !(tag & USHER_TAG_RETURN) && USHER_TAG_STATUS(tag) != USHER_FLOW_HALF_OPEN &&
	       flow_end_must_wait(line);
}

static long sweep_line(__u32 index, struct sweep *sweep)
{
	__u32 line = (sweep->first + index) & (usher_boot.flow_lines - 1);
	struct usher_flow *flow = flow_at(line);
	__u64 tag, first, second;
	__u16 tenant;

	if (!flow)
		return 1;
	tag = FLOW_READ(flow->tag);
	tenant = FLOW_READ(flow->value.forward.tenant);
	first = FLOW_READ(flow->value.words[0]);
	second = FLOW_READ(flow->value.words[1]);
	if (flow_occupied(tag) && sweep_is_due(flow, tag, (__u16)sweep->now) && !sweep_waits(line, tag) &&
	    flow_swap(flow, tag, flow_leaving(tag)) == tag) {
		flow_blame(tag, first, second);
		flow_settle(line, tag, tenant, FLOW_EXPIRED, true);
	} else if (USHER_TAG_STATUS(tag) == USHER_FLOW_LIVE && !(tag & USHER_TAG_RETURN))
		sweep_rest(flow, tag, tenant, (__u16)sweep->now);
	if (FLOW_READ(flow->hint) & ~FLOW_LOCK)
		sweep_hint(line);
	return 0;
}

static __always_inline __u64 sweep_period(void)
{
	__u64 period = SWEEP_PASS_NS * SWEEP_CHUNK / usher_boot.flow_lines;

	return period < SWEEP_PERIOD_MAX_NS ? period : SWEEP_PERIOD_MAX_NS;
}

static __always_inline void sweep_tell_time(struct usher_sweep *state)
{
	__u64 clock = flow_clock();

	state->tick = (__u16)(clock >> USHER_TICK_SHIFT);
	*(volatile __u64 *)&state->offset = bpf_ktime_get_ns() - clock - usher_boot.jiffy_ns;
}

static int sweep_chunk(void *map, __u32 *key, struct sweeper *sweeper)
{
	struct usher_sweep *state = &sweeper->state;
	struct sweep sweep = {.first = state->cursor, .now = flow_tick()};

	(void)map;
	(void)key;
	if (state->told != sweep.now && tally())
		state->told = sweep.now;
	bpf_loop(SWEEP_CHUNK, sweep_line, &sweep, 0);
	state->cursor = (sweep.first + SWEEP_CHUNK) & (usher_boot.flow_lines - 1);
	if (state->cursor < SWEEP_CHUNK)
		state->passes++;
	sweep_tell_time(state);
	bpf_timer_start(&sweeper->timer, sweep_period(), 0);
	return 0;
}

/* Run once by the daemon, with BPF_PROG_TEST_RUN, when it has loaded or replaced the program. Returns 0 or -errno. */
SEC("syscall")
int usher_start(void *context)
{
	__u32 zero = 0;
	struct sweeper *sweeper = bpf_map_lookup_elem(&sweepers, &zero);
	long err;

	(void)context;
	if (!sweeper)
		return -ENOENT;
	err = bpf_timer_init(&sweeper->timer, &sweepers, SWEEP_CLOCK);
	if (err && err != -EBUSY) /* it was started before */
		return (int)err;
	err = bpf_timer_set_callback(&sweeper->timer, sweep_chunk);
	if (err)
		return (int)err;
	sweep_tell_time(&sweeper->state);
	return (int)bpf_timer_start(&sweeper->timer, 0, 0);
}

#endif
