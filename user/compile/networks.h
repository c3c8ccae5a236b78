/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv4 sources by their first 16 and 24 bits, as abi.h has them: what spares most packets the search tree. */
#ifndef USHER_COMPILE_NETWORKS_H
#define USHER_COMPILE_NETWORKS_H

#include "usher/abi.h"

#include "base/arena.h"
#include "compile/intervals.h"

struct networks {
	struct usher_line32 *wide;   /* USHER_NETWORKS_LINES */
	struct usher_line16 *blocks; /* USHER_NETWORK_BLOCK_LINES each */
	size_t block_count;
};

/* Of more than `blocks_max` networks that several classes share, the tree has to tell. */
struct networks networks_of(const struct source_intervals *intervals, size_t blocks_max, struct arena *arena);

#endif
