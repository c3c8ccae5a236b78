/* SPDX-License-Identifier: GPL-2.0-only */
/* What a histogram of latencies says. */
#ifndef USHER_KERNEL_LATENCY_H
#define USHER_KERNEL_LATENCY_H

#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

/* Where bucket i ends, in seconds; the last one does not: INFINITY. */
double latency_bound(size_t bucket);
uint64_t latency_total(const struct usher_latency *latency);
/* Sum of what was counted, in seconds. */
double latency_sum(const struct usher_latency *latency);
/*
 * The latency in seconds that a share of all (0.99: 99 %) is not above, as straight lines between the bounds of buckets have it; of
 * what is beyond the last bound, that. NAN: nothing was counted.
 */
double latency_quantile(const struct usher_latency *latency, double share);

#endif
