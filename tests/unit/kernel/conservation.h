/* SPDX-License-Identifier: GPL-2.0-only */
/* What was received is what was judged, service by service. */
#ifndef USHER_TEST_CONSERVATION_H
#define USHER_TEST_CONSERVATION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/program.h"

#define CONSERVATION_CPUS_MAX 256
#define CONSERVATION_LOOKS 20

/* Packets of one counter on all CPUs. */
static inline uint64_t conservation_packets(int map, uint32_t key)
{
	struct usher_counter values[CONSERVATION_CPUS_MAX];
	int cpus = libbpf_num_possible_cpus();
	uint64_t sum = 0;

	if (!bpf_map_lookup_elem(map, &key, values))
		for (int cpu = 0; cpu < cpus; cpu++)
			sum += values[cpu].packets;
	return sum;
}

static inline bool conservation_look(const struct program *program, char fault[128])
{
	int received = program_map(program, "received"), verdicts = program_map(program, "verdicts");

	for (uint32_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		uint64_t in = conservation_packets(received, s), out = 0;

		for (uint32_t r = 0; r < USHER_REASON_MAX; r++)
			out += conservation_packets(verdicts, s * USHER_REASON_MAX + r);
		if (in != out) {
			snprintf(fault, 128, "service %u: %llu received, %llu judged", s, (unsigned long long)in,
				 (unsigned long long)out);
			return false;
		}
	}
	return true;
}

/* At rest: a packet may still come between the reading of two counters, so one of a few looks must balance. */
static inline bool conservation_holds(const struct program *program, char fault[128])
{
	for (int i = 0; i < CONSERVATION_LOOKS; i++) {
		if (conservation_look(program, fault))
			return true;
		usleep(50000);
	}
	return false;
}

#endif
