/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a target costs a packet, in nanoseconds: the time of a run of `traffic` with this target less that of the same run with the
 * target `nothing`. NAN for a run that was disturbed, which is one during which
 *
 *  - this thread was taken off its CPU (getrusage: an involuntary context switch), or
 *  - the hypervisor took the CPU (/proc/stat: "steal" of this CPU grew, of which a tick is 10 ms).
 *
 * Nothing else is ever left out: not what is slow.
 */
#ifndef USHER_BENCH_METER_H
#define USHER_BENCH_METER_H

#include "gateway.h"
#include "traffic.h"

#define METER_REPEAT 1000000u

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
};

struct meter {
	struct traffic_bpf *skeleton;
	struct mapping traffic;
	int verdicts; /* map of the gateway */
	int target;   /* that the generator calls now */
	unsigned int runs, disturbed;
};

/* From now on this thread has one CPU, which nobody of ordinary priority takes from it. */
void meter_begin(void);
void meter_open(const struct gateway *gateway, struct meter *ret_meter);
void meter_close(struct meter *meter);

/* `target`: a program. `reason`: what the gateway's verdict has to be for 999 of 1,000 packets, or 0 if it is not the gateway. */
double meter_cost(struct meter *meter, int target, const struct flood *flood, uint32_t repeat, uint8_t reason);
/* Packets, and no measurement. */
void meter_send(struct meter *meter, int target, const struct flood *flood, uint32_t repeat);
/* Packets until the calling thread gets a signal that it has a handler for. */
void meter_flood(struct meter *meter, int target, const struct flood *flood);
/* How many of these have been sent, as seen by another thread. */
uint64_t meter_sent(const struct meter *meter);
/* Empties the LRU hash. */
void meter_forget_lru(struct meter *meter);

#endif
