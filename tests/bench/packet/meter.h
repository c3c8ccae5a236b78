/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a target costs a packet, and what its floor does, in nanoseconds: the time that a run of `traffic` spends with it less that
 * which it spends with `nothing`, block by block in turn. NAN for a run that was disturbed, which is one during which
 * others took the CPU for more than a hundredth of it: tasks, while this thread was ready to go on (/proc/thread-self/schedstat), or the
 * hypervisor ("steal" of this CPU in /proc/stat, in ticks of 10 ms).
 *
 * Nothing else is ever left out: not what is slow.
 */
#ifndef USHER_BENCH_METER_H
#define USHER_BENCH_METER_H

#include "gateway.h"
#include "traffic.h"

#define METER_REPEAT 1000000u
#define METER_NONE (-1)

/* Packets of a run. */
struct flood {
	struct way way;
	uint32_t flows, prefixes;
	bool is_random;
	uint64_t source; /* 0: the clients' */
	uint8_t tcp_flags;
	bool is_elsewhere; /* to no service */
	bool is_answered;  /* by a reset, which moves the end of the frame and not its start */
	uint64_t first;
	uint32_t lines; /* that `line` reads one of: a power of two, 0 for a target that is none */
	uint32_t
		awaited; /* random ones of these lines, one of which the target waits for before each packet; 0: for none */
	uint32_t floor_ahead; /* the floor gets packets of other flows, so many further on */
};

struct meter {
	struct traffic_bpf *skeleton;
	struct mapping traffic;
	int verdicts;		    /* map of the gateway */
	int target[TRAFFIC_PHASES]; /* that the generator calls now */
	unsigned int runs, disturbed;
};

/* From now on this thread has one CPU, which nobody of ordinary priority takes from it. */
void meter_begin(void);
void meter_open(const struct gateway *gateway, struct meter *ret_meter);
void meter_close(struct meter *meter);

struct cost {
	double target, floor; /* ns a packet */
};

/*
 * `target`, `floor`: programs, or METER_NONE for no floor. `repeat`: packets for each, a multiple of TRAFFIC_BLOCK. `reason`: what the
 * gateway's verdict has to be for 999 of 1,000 packets, or 0 if it is not the gateway.
 */
struct cost meter_cost(struct meter *meter, int target, int floor, const struct flood *flood, uint32_t repeat,
		       uint8_t reason);
/* Packets, and no measurement. */
void meter_send(struct meter *meter, int target, const struct flood *flood, uint32_t count);
/* Packets until the calling thread gets a signal that it has a handler for. */
void meter_flood(struct meter *meter, int target, const struct flood *flood);
/* How many of these have been sent, as seen by another thread. */
uint64_t meter_sent(const struct meter *meter);

#endif
