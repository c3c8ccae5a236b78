// SPDX-License-Identifier: GPL-2.0-only
/* The place moves on over what was taken, and over nothing else, in whatever order it is taken. */
#include "ship/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct window window;

static int begin(void **state)
{
	(void)state;
	memset(&window, 0, sizeof(window));
	return 0;
}

static uint64_t add(uint32_t most, uint64_t offset)
{
	uint64_t expected = window_number(&window, most);
	uint64_t number = window_add(&window, most, &(struct cursor){.offset = offset}, (int64_t)offset, 10);

	assert_int_equal(number, expected);
	return number;
}

static void reports_out_of_order_move_nothing_too_far(void **state)
{
	struct window_parcel sum;
	uint64_t numbers[4];

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		numbers[i] = add(1, i + 1);
	window_taken(&window, numbers[2]);
	window_taken(&window, numbers[1]);
	assert_false(window_advance(&window, &sum));
	window_taken(&window, numbers[0]);
	assert_true(window_advance(&window, &sum));
	assert_int_equal(sum.after.offset, 3);
	assert_int_equal(sum.lines, 3);
	assert_int_equal(sum.bytes, 30);
	assert_int_equal(sum.begun, 1);
	assert_false(window_advance(&window, &sum));
	assert_false(window_is_empty(&window));
	window_taken(&window, numbers[3]);
	assert_true(window_advance(&window, &sum));
	assert_int_equal(sum.after.offset, 4);
	assert_true(window_is_empty(&window));
}

static void parcels_hold_so_many_lines(void **state)
{
	struct window_parcel sum;

	(void)state;
	assert_int_equal(add(3, 1), 0);
	assert_int_equal(add(3, 2), 0);
	window_close(&window);
	assert_int_equal(add(3, 3), 1);
	assert_int_equal(add(3, 4), 1);
	assert_int_equal(add(3, 5), 1);
	assert_int_equal(add(3, 6), 2);
	/* What was taken is no place for another line. */
	window_taken(&window, 2);
	assert_int_equal(add(3, 7), 3);
	window_taken_through(&window, 1);
	assert_true(window_advance(&window, &sum));
	assert_int_equal(sum.after.offset, 6);
	assert_int_equal(sum.lines, 6);
}

static void there_is_an_end_to_it(void **state)
{
	struct window_parcel sum;

	(void)state;
	for (uint64_t i = 0; i < WINDOW_PARCELS; i++) {
		assert_true(window_has_room(&window, 1));
		add(1, i);
	}
	assert_false(window_has_room(&window, 1));
	assert_true(window_has_room(&window, 2)); /* in the newest */
	window_close(&window);
	assert_false(window_has_room(&window, 2));
	window_taken(&window, 0);
	assert_true(window_advance(&window, &sum));
	assert_true(window_has_room(&window, 1));
	window_clear(&window);
	assert_true(window_is_empty(&window));
	/* A report that comes late is of nothing on the way. */
	window_taken(&window, 17);
	window_taken_through(&window, 17);
	add(1, 99);
	assert_false(window_advance(&window, &sum));
}

/* Against the plainest way to say it. */
static void any_order_of_reports(void **state)
{
	static bool taken[20000];
	uint64_t front = 0, next = 0;
	unsigned int seed = 1;

	(void)state;
	while (next < 20000) {
		struct window_parcel sum;
		uint64_t expected = front;

		if (window_has_room(&window, 1) && rand_r(&seed) % 2)
			assert_int_equal(add(1, next), next), next++;
		if (next > front) {
			uint64_t n = front + (uint64_t)rand_r(&seed) % (next - front);

			window_taken(&window, n);
			taken[n] = true;
		}
		while (expected < next && taken[expected])
			expected++;
		assert_int_equal(window_advance(&window, &sum), expected > front);
		if (expected > front)
			assert_int_equal(sum.after.offset, expected - 1);
		front = expected;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reports_out_of_order_move_nothing_too_far, begin),
		cmocka_unit_test_setup(parcels_hold_so_many_lines, begin),
		cmocka_unit_test_setup(there_is_an_end_to_it, begin),
		cmocka_unit_test_setup(any_order_of_reports, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
