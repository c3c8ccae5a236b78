/* SPDX-License-Identifier: GPL-2.0-only */
/* What is measured, and the bar that it is held against. */
#ifndef USHER_BENCH_ROWS_H
#define USHER_BENCH_ROWS_H

#include "meter.h"

#define ROWS_SAMPLES 40

/* X(name, what it is) */
#define FLOORS(X)                                                                                                      \
	X(REWRITE, "parse, rewrite MAC addresses, transmit")                                                           \
	X(LINE, "read a random 64-byte line of the flow table")                                                        \
	X(LRU_1, "look-up in the kernel's LRU hash, 1 flow")                                                           \
	X(LRU_100K, "the same, 100,000 flows")                                                                         \
	X(LRU_1M, "the same, 1,000,000 flows")                                                                         \
	X(LRU_FILLING, "insert into the LRU hash while it fills")                                                      \
	X(LRU_FULL, "insert into the LRU hash when it is full")

/* X(name, what it is, bar, floor that the bar is a multiple of) */
#define ROWS(X)                                                                                                        \
	X(NONE, "packet for no service", 1.2, LRU_1)                                                                   \
	X(ONE, "established, 1 flow", 2.5, LRU_1)                                                                      \
	X(FLOWS_100K, "established, 100,000 flows", 0.65, LRU_100K)                                                    \
	X(FLOWS_1M, "established, 1,000,000 flows", 0.6, LRU_1M)                                                       \
	X(NEW, "new flow, table filling", 1.4, LRU_FILLING)                                                            \
	X(NEW_RATED, "new flow, table at its rated load", 0.7, LRU_FULL)                                               \
	X(NEW_PREFIXES, "new flow, its source among 100,000 prefixes", 1.6, LRU_FILLING)                               \
	X(EPOCH, "first packet after a new epoch (of a new flow)", 0.6, LRU_FILLING)                                   \
	X(EPOCH_SOURCES, "the same, a source has moved (of a new flow)", 0.6, LRU_FILLING)                             \
	X(RESET, "refusal by reset", 0, LRU_1)                                                                         \
	X(STRANGER, "stranger dropped", 0, LRU_1)

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

/* Costs of one round; NAN: disturbed. */
struct floor_costs {
	double of[FLOOR_COUNT];
};
struct row_costs {
	double of[ROW_COUNT];
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
void rows_measure_floors(struct meter *meter, uint64_t seed, struct floor_costs *ret_costs);
void rows_measure(struct meter *meter, struct gateway *gateway, const struct way_tables *tables, uint64_t seed,
		  struct row_costs *ret_costs);

#endif
