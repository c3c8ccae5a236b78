/* SPDX-License-Identifier: GPL-2.0-only */
/* What it costs a packet that flows have figures and ends on record (usherd --audit-flow-ends). */
#ifndef USHER_BENCH_ENDS_H
#define USHER_BENCH_ENDS_H

#include <stdint.h>
#include <stdio.h>

/* TCP over IPv4 in this mode, in a table of `lines`: two programs in turn within each run, one with and one without. */
void ends_measure(const char *mode, uint32_t lines, FILE *to);

#endif
