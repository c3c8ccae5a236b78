/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the time of a packet goes: by steps of the way that it takes. */
#ifndef USHER_BENCH_STEPS_H
#define USHER_BENCH_STEPS_H

enum step {
	STEP_PARSED,
	STEP_LOOKED_FOR,
	STEP_CLASSIFIED,
	STEP_ROUTED,
	STEP_LIMITED,
	STEP_RECORDED,
	STEP_INSERTED,
	STEP_ALL, /* the gateway itself */
	STEP_COUNT
};

#ifndef __bpf__
#include <stdio.h>

#include "gateway.h"

/* TCP over IPv4 in this mode, whose flows take `flow_lines` of a table of `table_lines`. */
void steps_measure(const char *mode, uint32_t flow_lines, uint32_t table_lines, FILE *to);
#endif

#endif
