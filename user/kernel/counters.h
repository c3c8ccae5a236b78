/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters, those of each CPU summed. */
#ifndef USHER_KERNEL_COUNTERS_H
#define USHER_KERNEL_COUNTERS_H

#include <stddef.h>

#include "kernel/program.h"

struct counters {
	struct usher_counter received[USHER_SERVICES_MAX + 1];
	struct usher_counter verdicts[USHER_VERDICT_SLOTS]; /* service * USHER_REASON_MAX + reason */
	struct usher_backend_counter backends[USHER_BACKENDS_MAX];
	struct usher_backend_figures figures[USHER_BACKENDS_MAX];
	struct usher_flow_counter flows;
	struct usher_sequence sequences[USHER_RINGS];
};

/* One CPU's numbers of a ring. */
struct counters_cpu {
	struct usher_sequence rings[USHER_RINGS];
};

/* Reads all of them: 0 or -errno. What was being counted meanwhile may be in one and not in another. */
int counters_read(const struct program *program, struct counters *ret_counters);
/* Only what backends fail at and how long they take, by number. 0 or -errno. */
int counters_figures(const struct program *program, struct usher_backend_figures ret_figures[USHER_BACKENDS_MAX]);
/* The sequence numbers CPU by CPU, for the search for gaps. cpus: how many ret_cpus has room for. */
int counters_sequences(const struct program *program, struct counters_cpu *ret_cpus, size_t cpus);
/* CPUs that a per-CPU map has values for: all that there may be, which x86 numbers without gaps. */
size_t counters_cpus(void);

/* Before a number is given to another name, while nothing is counted under it. 0 or -errno. */
int counters_reset_service(const struct program *program, uint16_t service);
int counters_reset_backend(const struct program *program, uint16_t backend);

#endif
