/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables and plots of what was measured. */
#ifndef USHER_BENCH_REPORT_H
#define USHER_BENCH_REPORT_H

#include <stdio.h>

#include "rows.h"
#include "sample.h"

/* One way, over all rounds. */
struct way_samples {
	struct way way;
	struct sample cost[ROW_COUNT], floor[ROW_COUNT];
	struct sample ratio[ROW_COUNT]; /* of the two in the same round */
};

/* Returns how many bars were not met, or not measured. */
unsigned int report_way(FILE *to, const struct way_samples *samples);
/* Bars for the ways, one group a row. */
void report_plot(const char *folder, const struct way_samples *samples, size_t count);

#endif
