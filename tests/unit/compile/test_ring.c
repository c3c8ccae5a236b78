// SPDX-License-Identifier: GPL-2.0-only
/* Shares as asked for, and little moved when one leaves. */
#include "compile/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usher/limits.h"
#include "usher/ring_hash.h"

static struct ring_member members[USHER_BACKENDS_MAX];

/* Capacities from 1 to 5 times the least, in an order that is anybody's. */
static void make_members(size_t count, uint32_t uneven)
{
	char name[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "backend-%04zu", i);
		members[i] = (struct ring_member){
			.seed = usher_name_seed(name),
			.weight = uneven ? 1 + (uint32_t)(usher_mix64(i + 1) % uneven) : 1,
			.backend = (uint16_t)i,
		};
	}
}

static uint32_t size_of(size_t count)
{
	uint32_t least = UINT32_MAX;
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += members[i].weight;
		if (members[i].weight < least)
			least = members[i].weight;
	}
	return ring_size(count, sum, least);
}

static uint16_t *filled(const struct ring_member *list, size_t count, uint32_t size)
{
	uint16_t *slots = calloc(size, sizeof(*slots));

	assert_non_null(slots);
	assert_int_equal(ring_fill(list, count, size, slots), 0);
	return slots;
}

static void test_shares_are_within_one_percent(void **state)
{
	double worst = 0;

	(void)state;
	for (size_t count = 1; count <= 100; count++)
		for (uint32_t uneven = 0; uneven <= 5; uneven += 5) {
			make_members(count, uneven);
			uint32_t size = size_of(count);
			uint16_t *slots = filled(members, count, size);
			double error = ring_error(members, count, size, slots);

			if (error > 0.01)
				fail_msg("%zu backends, %u slots: a share is %.2f %% off", count, size, error * 100);
			if (error > worst)
				worst = error;
			free(slots);
		}
	print_message("# 1 to 100 backends, capacities within 1 : 5: the worst share is %.2f %% off\n", worst * 100);
}

/* With all of them up each has as many slots as the others; the worst is when one is not. */
static void test_shares_of_many_are_within_one_percent_while_one_is_down(void **state)
{
	(void)state;
	for (size_t count = 128; count <= USHER_BACKENDS_MAX; count = count * 2) {
		make_members(count, 0);
		uint32_t size = size_of(count);
		uint16_t *slots = filled(members, count - 1, size);
		double error = ring_error(members, count - 1, size, slots);

		if (error > 0.01)
			fail_msg("%zu of %zu backends, %u slots: a share is %.2f %% off", count - 1, count, size,
				 error * 100);
		free(slots);
	}
}

/* ring_error() believed nobody: count the slots once by hand. */
static void test_the_error_is_what_it_says(void **state)
{
	uint32_t got[2] = {0};

	(void)state;
	make_members(2, 0);
	members[1].weight = 3;
	uint32_t size = 4096;
	uint16_t *slots = filled(members, 2, size);

	for (uint32_t s = 0; s < size; s++) {
		assert_in_range(slots[s], 0, 1);
		got[slots[s]]++;
	}
	assert_in_range(got[0], size / 4 - 1, size / 4 + 1);
	assert_int_equal(got[0] + got[1], size);
	slots[0] = slots[0] ? 0 : 1;
	assert_true(ring_error(members, 2, size, slots) > 0);
	free(slots);
}

/* Slots that were not the leaver's and have another backend all the same, as a share of all. */
static double moved_without_need(size_t count, size_t leaver, uint32_t size)
{
	static struct ring_member rest[USHER_BACKENDS_MAX];
	uint16_t *before = filled(members, count, size), *after;
	size_t kept = 0, moved = 0;

	for (size_t i = 0; i < count; i++)
		if (i != leaver)
			rest[kept++] = members[i];
	after = filled(rest, kept, size);
	for (uint32_t s = 0; s < size; s++)
		moved += before[s] != leaver && before[s] != after[s];
	free(before);
	free(after);
	return (double)moved / size;
}

static void test_little_moves_when_one_leaves(void **state)
{
	static const size_t counts[] = {2, 3, 5, 10, 20, 50, 100, 513, 2048, 4096};

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
		for (uint32_t uneven = 0; uneven <= 5; uneven += 5) {
			double worst = 0, sum = 0;
			size_t tried = 0;

			make_members(counts[c], uneven);
			for (size_t leaver = 0; leaver < counts[c]; leaver += 1 + counts[c] / 10) {
				double moved = moved_without_need(counts[c], leaver, size_of(counts[c]));

				sum += moved;
				tried++;
				if (moved > worst)
					worst = moved;
			}
			print_message("# one of %4zu backends leaves (capacities %s): %.2f %% moved beyond its own, at "
				      "worst %.2f %%\n",
				      counts[c], uneven ? "1 to 5" : "equal", 100 * sum / (double)tried, 100 * worst);
			if (worst >= 0.01)
				fail_msg("%.2f %% of flows moved beyond the unavoidable", worst * 100);
		}
}

static void test_who_comes_back_finds_the_same_ring(void **state)
{
	(void)state;
	make_members(20, 5);
	uint32_t size = size_of(20);
	uint16_t *first = filled(members, 20, size), *again = filled(members, 20, size);

	assert_memory_equal(first, again, size * sizeof(*first));
	free(first);
	free(again);
}

static void test_sizes_are_powers_of_two_within_the_limit(void **state)
{
	(void)state;
	assert_int_equal(ring_size(1, 7, 7), 32);
	for (size_t count = 2; count <= USHER_BACKENDS_MAX; count = count * 3 / 2 + 1) {
		uint32_t size = ring_size(count, count * USHER_WEIGHT_MAX, 1);

		assert_int_equal(size & (size - 1), 0);
		assert_in_range(size, 512, USHER_RING_SIZE_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_are_within_one_percent),
		cmocka_unit_test(test_shares_of_many_are_within_one_percent_while_one_is_down),
		cmocka_unit_test(test_the_error_is_what_it_says),
		cmocka_unit_test(test_little_moves_when_one_leaves),
		cmocka_unit_test(test_who_comes_back_finds_the_same_ring),
		cmocka_unit_test(test_sizes_are_powers_of_two_within_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
