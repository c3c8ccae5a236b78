// SPDX-License-Identifier: GPL-2.0-only
/* IPv4 sources by their first 16 and 24 bits: what they say is what the intervals say, and they say it wherever they can. */
#include "compile/networks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "usher/ring_hash.h"

#define INTERVALS 3000
#define LOOKS 200000

static uint64_t random_state = 7;

static uint32_t below(uint64_t limit)
{
	random_state += 0x9e3779b97f4a7c15ULL;
	return (uint32_t)usher_scale(usher_mix64(random_state), (uint32_t)limit);
}

static int by_first(const void *a, const void *b)
{
	uint64_t left = ((const struct source_interval *)a)->first.low;
	uint64_t right = ((const struct source_interval *)b)->first.low;

	return left < right ? -1 : left > right;
}

/* Beginnings at networks of all sizes, and of neighbours; none twice. */
static struct source_intervals random_intervals(struct source_interval items[INTERVALS])
{
	struct source_intervals intervals = {.items = items};

	for (size_t i = 0; i < INTERVALS; i++) {
		uint32_t bits = below(33);
		uint64_t first = bits ? (uint64_t)below(1ULL << 32 >> 1) << 1 >> (32 - bits) << (32 - bits) : 0;

		if (!below(8))
			first |= below(2) ? 0xff : 0xffff; /* the last of a network */
		items[i] = (struct source_interval){.first.low = first, .class_id = (uint16_t)below(5)};
	}
	qsort(items, INTERVALS, sizeof(*items), by_first);
	for (size_t i = 0; i < INTERVALS; i++)
		if (!i || items[i].first.low != items[intervals.count - 1].first.low)
			items[intervals.count++] = items[i];
	return intervals;
}

/* The last interval that begins at the address or before it; SIZE_MAX: none does. */
static size_t interval_at(const struct source_intervals *intervals, uint64_t address)
{
	size_t low = 0, high = intervals->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (intervals->items[middle].first.low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static bool is_one(const struct source_intervals *intervals, uint64_t first, uint64_t last)
{
	return interval_at(intervals, first) == interval_at(intervals, last);
}

static uint16_t class_of(const struct source_intervals *intervals, uint64_t address)
{
	size_t at = interval_at(intervals, address);

	return at == SIZE_MAX ? USHER_CLASS_UNKNOWN4 : intervals->items[at].class_id;
}

static void expect(const struct source_intervals *intervals, const struct networks *networks, uint32_t address)
{
	uint32_t wide = networks->wide[address >> 20].value[address >> 16 & 15], value;
	const struct usher_line16 *block;

	if (is_one(intervals, address & 0xffff0000, address | 0xffff)) {
		assert_int_equal(wide, class_of(intervals, address));
		return;
	}
	if (wide == USHER_NETWORK_TREE) {
		assert_true(networks->block_count == 1 || networks->block_count == 0);
		return;
	}
	assert_in_range(wide, USHER_NETWORK_BLOCK, USHER_NETWORK_BLOCK + networks->block_count - 1);
	block = &networks->blocks[(wide - USHER_NETWORK_BLOCK) * USHER_NETWORK_BLOCK_LINES];
	value = block[(address >> 8 & 255) / 32].value[address >> 8 & 31];
	if (is_one(intervals, address & 0xffffff00, address | 0xff))
		assert_int_equal(value, class_of(intervals, address));
	else
		assert_int_equal(value, USHER_NONE);
}

static void test_networks(void **state)
{
	static const size_t most[] = {USHER_NETWORK_BLOCKS_MAX, 1, 0};
	static struct source_interval items[INTERVALS];
	struct source_intervals intervals = random_intervals(items);

	(void)state;
	for (size_t m = 0; m < sizeof(most) / sizeof(*most); m++) {
		struct arena arena = {0};
		struct networks networks = networks_of(&intervals, most[m], &arena);

		assert_true(networks.block_count <= most[m]);
		assert_true(m || networks.block_count > 500);
		for (size_t i = 0; i < LOOKS; i++) {
			uint32_t near = (uint32_t)items[below(intervals.count)].first.low;

			expect(&intervals, &networks, i % 2 ? below(1ULL << 31) << 1 : near + below(3) - 1);
		}
		expect(&intervals, &networks, 0);
		expect(&intervals, &networks, UINT32_MAX);
		arena_free(&arena);
	}
}

static void test_nobody(void **state)
{
	const struct source_intervals none = {0};
	struct arena arena = {0};
	struct networks networks = networks_of(&none, USHER_NETWORK_BLOCKS_MAX, &arena);

	(void)state;
	for (size_t i = 0; i < USHER_NETWORKS_LINES; i++)
		for (size_t k = 0; k < 16; k++)
			assert_int_equal(networks.wide[i].value[k], USHER_CLASS_UNKNOWN4);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
