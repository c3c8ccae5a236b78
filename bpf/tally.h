/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of floods, made by the timer that also expires flows (expire.h): it needs neither the daemon nor another packet.
 *
 * 1. A count is taken when its tick has been over for as long as a tick: no packet that saw that tick is still under way.
 * 2. It is taken out of the table only when there is room for its record, which nobody else can take (reserve.h): a full ring delays it, no more.
 * 3. So the counts in records, in the table and in flood_rest add up to the packets counted; those in lost records there are none.
 */
#ifndef USHER_BPF_TALLY_H
#define USHER_BPF_TALLY_H

#include "audit.h"

#define TALLY_TICKS_OVER 2
#define TALLY_RECORDS_A_ROUND 512
#define TALLY_CPUS_MAX 8192 /* the loop ends at the last that there is */

struct tally_round {
	__u64 now;   /* ns, CLOCK_MONOTONIC */
	__u64 begun; /* when the tick that is running began */
	__u32 tick;
	__u32 left;
	__u32 stopped; /* there may be more */
	__u32 padding;
};

struct tally_sum {
	struct flood_key key;
	__u64 count;
};

static long tally_sum_cpu(__u32 cpu, struct tally_sum *sum)
{
	const __u64 *count = bpf_map_lookup_percpu_elem(&floods, &sum->key, cpu);

	if (!count)
		return 1;
	sum->count += FLOW_READ(*count);
	return 0;
}

static long tally_sum_cpu_rest(__u32 cpu, struct tally_sum *sum)
{
	__u32 reason = sum->key.reason;
	const __u64 *count = bpf_map_lookup_percpu_elem(&flood_rest, &reason, cpu);

	if (!count)
		return 1;
	sum->count += FLOW_READ(*count);
	return 0;
}

/* A record of it, for which the ring has room. */
static __always_inline void tally_record(const struct tally_sum *sum, __u64 end)
{
	bool required = sum->key.ring == USHER_RING_REQUIRED;
	struct usher_event *event = reserve_record(required);
	__u64 sequence;
	__u16 cpu;
	__u8 ring;

	if (!event)
		return;
	sequence = event->sequence;
	cpu = event->cpu;
	ring = event->ring;
	__builtin_memset(event, 0, sizeof(*event));
	event->sequence = sequence;
	event->cpu = cpu;
	event->ring = ring;
	event->time = end;
	event->generation = sum->key.generation;
	event->count = sum->count;
	event->rule = sum->key.rule;
	event->class_id = sum->key.class_id;
	event->tenant = sum->key.tenant;
	event->service = sum->key.service;
	event->target = sum->key.target;
	event->backend = USHER_NONE;
	event->protocol = sum->key.protocol;
	event->reason = sum->key.reason;
	event->aggregated = 1;
	reserve_submit(required);
}

/* One entry of the table. 1: enough for this round. */
static long tally_entry(void *map, const struct flood_key *key, __u64 *value, struct tally_round *round)
{
	struct tally_sum sum = {.key = *key};
	__u32 age = flow_age((__u16)round->tick, sum.key.tick);

	(void)map;
	(void)value;
	if (age < TALLY_TICKS_OVER)
		return 0;
	if (!round->left) {
		round->stopped = 1;
		return 1;
	}
	round->left--;
	if (!reserve_has_room(sum.key.ring == USHER_RING_REQUIRED))
		return 0;
	bpf_loop(TALLY_CPUS_MAX, tally_sum_cpu, &sum, 0);
	if (!bpf_map_delete_elem(&floods, &sum.key))
		tally_record(&sum, round->begun - ((__u64)(age - 1) << USHER_TICK_SHIFT));
	return 0;
}

/* What had no room in the table, of one reason. */
static long tally_rest(__u32 reason, struct tally_round *round)
{
	struct tally_sum sum = {.key = {.reason = (__u8)reason,
					.class_id = USHER_NONE,
					.tenant = USHER_NONE,
					.rule = USHER_NONE,
					.service = USHER_NONE,
					.target = USHER_NONE}};
	__u64 *told = bpf_map_lookup_elem(&flood_rest_told, &reason);
	__u64 all;

	if (!told)
		return 1;
	bpf_loop(TALLY_CPUS_MAX, tally_sum_cpu_rest, &sum, 0);
	all = sum.count;
	sum.count -= *told;
	if (!sum.count || !reserve_has_room(false))
		return 0;
	*told = all;
	tally_record(&sum, round->now);
	return 0;
}

/* Once a tick: true when there is nothing left to record now. */
static __always_inline bool tally(void)
{
	__u64 clock = flow_clock();
	struct tally_round round = {
		.now = bpf_ktime_get_ns(), .tick = (__u16)(clock >> USHER_TICK_SHIFT), .left = TALLY_RECORDS_A_ROUND};

	round.begun = round.now - (clock & ((1ULL << USHER_TICK_SHIFT) - 1));
	bpf_for_each_map_elem(&floods, tally_entry, &round, 0);
	if (round.stopped)
		return false;
	bpf_loop(USHER_REASON_MAX, tally_rest, &round, 0);
	return true;
}

#endif
