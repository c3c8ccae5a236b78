/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two halves of the benchmark say to each other. */
#ifndef USHER_BENCH_CLASSIFY_H
#define USHER_BENCH_CLASSIFY_H

#include <linux/types.h>

#define CLASSIFY_SOURCES 65536 /* a power of two */
#define CLASSIFY_LOOKS 1000000

enum classify_way { CLASSIFY_NOWHERE, CLASSIFY_TREE, CLASSIFY_TRIE, CLASSIFY_DIRECT, CLASSIFY_WAYS };

struct classify_run {
	__u32 way;
	__u32 sources; /* how many different ones, a power of two */
	__u64 nanoseconds;
	__u64 sum; /* of the answers */
};

#endif
