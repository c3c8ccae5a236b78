/* SPDX-License-Identifier: GPL-2.0-only */
/* What is measured, and the bar that it is held against. */
#ifndef USHER_BENCH_ROWS_H
#define USHER_BENCH_ROWS_H

#include "meter.h"

/* What rows are held against. X(name, what it is) */
#define FLOORS(X)                                                                                                      \
	X(NONE, "")                                                                                                    \
	X(LRU_1, "LRU look-up, 1 flow")                                                                                \
	X(LRU_100K, "LRU look-up, 100,000")                                                                            \
	X(LRU_1M, "LRU look-up, 1,000,000")                                                                            \
	X(LRU_FILLING, "LRU insert, filling")                                                                          \
	X(LRU_FULL, "LRU insert, full")                                                                                \
	X(NEW_FLOW, "new flow of this way")

/* X(name, what it is, bar, floor that the bar is a multiple of) */
#define ROWS(X)                                                                                                        \
	X(NONE, "packet for no service", 1.2, LRU_1)                                                                   \
	X(ONE, "established, 1 flow", 2.5, LRU_1)                                                                      \
	X(FLOWS_100K, "established, 100,000 flows", 0.65, LRU_100K)                                                    \
	X(FLOWS_1M, "established, 1,000,000 flows", 0.6, LRU_1M)                                                       \
	X(NEW, "new flow, table filling", 1.4, LRU_FILLING)                                                            \
	X(NEW_RATED, "new flow, table at its rated load", 0.7, LRU_FULL)                                               \
	X(NEW_PREFIXES, "new flow, its source among 100,000 prefixes", 1.6, LRU_FILLING)                               \
	X(EPOCH, "first packet after a new epoch", 0.6, NEW_FLOW)                                                      \
	X(EPOCH_SOURCES, "the same, a source has moved", 0.6, NEW_FLOW)                                                \
	X(RESET, "refusal by reset", 0, NONE)                                                                          \
	X(STRANGER, "stranger dropped", 0, NONE)                                                                       \
	X(LINE_1M, "random line of the flow table read", 0, LRU_1M)                                                    \
	X(LINE_1M_WAITED, "the same, each waited for", 0, LRU_1M)                                                      \
	X(LINE_100K_WAITED, "100,000 random lines of it, each waited for", 0, LRU_100K)                                \
	X(LINE_100K, "random one of 100,000 lines side by side read", 0, LRU_100K)                                     \
	X(ONE_AFTER_100K, "1 flow, after one of 100,000 random lines", 0, LRU_100K)                                    \
	X(ONE_AFTER_1M, "1 flow, after one of 1,000,000 random lines", 0, LRU_1M)                                      \
	X(REWRITE, "parsed, MAC addresses exchanged, transmitted", 0, NONE)

enum floor {
#define X(name, text) FLOOR_##name,
	FLOORS(X)
#undef X
		FLOOR_COUNT
};

enum row {
#define X(name, text, bar, floor) ROW_##name,
	ROWS(X)
#undef X
		ROW_COUNT
};

struct row_shape {
	const char *text;
	double bar; /* 0: none */
	enum floor floor;
};
extern const struct row_shape row_shapes[ROW_COUNT];
extern const char *const floor_texts[FLOOR_COUNT];

/* Of one round. NAN: disturbed, or there is no such thing: no reset for UDP, no floor. */
struct row_costs {
	struct cost of[ROW_COUNT];
};

/* The tables of one way, compiled once and published in every round. */
struct way_tables {
	struct way way;
	struct tables *usual, *largest;
};

#define ROWS_PREFIXES 10000u
#define ROWS_PREFIXES_LARGEST 100000u

void rows_compile(const struct gateway *gateway, const struct way *way, struct way_tables *ret_tables);
void rows_free(struct way_tables *tables);
/* lru_full: kept by the caller from the first way of a round, TCP over IPv4, to its others. */
void rows_measure(struct meter *meter, struct gateway *gateway, const struct way_tables *tables, uint64_t seed,
		  double *lru_full, struct row_costs *ret_costs);

#endif
