/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a backend takes, and what it fails at, as seen in passing: TCP through NAT, whose two ways are both usher's.
 *
 * 1. The clock that costs is read for a SYN and its answer, and for the first packet of a request and of its answer; no other
 *    packet of an open flow waits for it.
 * 2. A stamp waits where the flow has room for it: that of a SYN in the return entry (struct usher_flow_return), that of a request
 *    in the flow's moment.
 */
#ifndef USHER_BPF_LATENCY_H
#define USHER_BPF_LATENCY_H

#include "maps.h"

static __always_inline __u32 latency_stamp(void)
{
	return (__u32)(bpf_ktime_get_ns() >> USHER_STAMP_SHIFT);
}

/* Of struct usher_latency. */
static __always_inline __u32 latency_bucket(__u32 units)
{
	__u32 above = units >> (USHER_LATENCY_FIRST - USHER_STAMP_SHIFT), bucket = 0;

	for (__u32 step = 16; step; step >>= 1) {
		__u32 over = above >> step ? step : 0;

		bucket += over;
		above >>= over;
	}
	bucket += above; /* 0 or 1 */
	return bucket < USHER_LATENCY_BUCKETS ? bucket : USHER_LATENCY_BUCKETS - 1;
}

static __always_inline void latency_count(struct usher_latency *latency, __u32 stamp)
{
	__u32 units = latency_stamp() - stamp;

	__sync_fetch_and_add(&latency->units, units);
	__sync_fetch_and_add(&latency->bucket[latency_bucket(units)], 1);
}

static __always_inline struct usher_backend_figures *latency_figures(__u32 backend)
{
	return bpf_map_lookup_elem(&backend_figures, &backend);
}

/* The backend has answered the SYN that it was sent at this time. */
__noinline int latency_connected(__u32 backend, __u32 stamp)
{
	struct usher_backend_figures *figures = latency_figures(backend);

	if (figures)
		latency_count(&figures->connect, stamp);
	return 0;
}

/* The backend begins to answer what it was asked at this time. */
__noinline int latency_served(__u32 backend, __u32 stamp)
{
	struct usher_backend_figures *figures = latency_figures(backend);

	if (figures)
		latency_count(&figures->first_byte, stamp);
	return 0;
}

#endif
