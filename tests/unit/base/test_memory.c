// SPDX-License-Identifier: GPL-2.0-only
/* Memory that grows, and memory that is released all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/cleanup.h"

static void test_an_array_grows_and_keeps_what_it_has(void **state)
{
	uint64_t *items = NULL;
	size_t count = 0, capacity = 0, moved = 0;

	(void)state;
	while (count < 100000) {
		size_t before = capacity;
		uint64_t *was = items;

		items = array_grow(items, count, &capacity, sizeof(*items));
		assert_true(capacity > count);
		if (before > count) {
			assert_ptr_equal(items, was); /* with room nothing happens */
			assert_int_equal(capacity, before);
		} else {
			moved++;
		}
		items[count] = count * 3;
		count++;
	}
	assert_true(moved < 20); /* by doubling */
	for (size_t i = 0; i < count; i++)
		assert_int_equal(items[i], i * 3);
	free(items);
}

static void test_an_arena_gives_zeroed_memory_of_its_own(void **state)
{
	static const size_t sizes[] = {1, 0, 7, 8, 63, 1000, 65535, 65536, 65537, 3, 1 << 20, 24, 0, 40000, 40000};
	unsigned char *given[200 * ARRAY_COUNT(sizes)];
	struct arena arena = {0};
	size_t count = 0;

	(void)state;
	for (size_t round = 0; round < 20; round++)
		for (size_t s = 0; s < ARRAY_COUNT(sizes); s++, count++) {
			given[count] = arena_alloc(&arena, sizes[s]);
			assert_non_null(given[count]);
			assert_int_equal((uintptr_t)given[count] % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < sizes[s]; i++)
				if (given[count][i])
					fail_msg("byte %zu of %zu is not 0", i, sizes[s]);
			memset(given[count], (int)(count % 255 + 1), sizes[s]);
		}
	for (size_t n = 0; n < count; n++) {
		for (size_t i = 0; i < sizes[n % ARRAY_COUNT(sizes)]; i++)
			if (given[n][i] != n % 255 + 1)
				fail_msg("what was given first has been given again");
		for (size_t other = 0; other < n; other++)
			assert_ptr_not_equal(given[n], given[other]);
	}
	arena_free(&arena);
	assert_null(arena.last);
	arena_free(&arena);
	assert_non_null(arena_array(&arena, 3, 5)); /* and goes on */
	arena_free(&arena);
}

static void test_an_arena_copies_text(void **state)
{
	struct arena arena = {0};
	char text[] = "name and more", *copy = arena_strndup(&arena, text, 4), *none = arena_strndup(&arena, text, 0);
	char *large;

	(void)state;
	text[0] = 'g';
	assert_string_equal(copy, "name");
	assert_string_equal(none, "");
	assert_string_equal(arena_printf(&arena, "%s[%u]", copy, 7u), "name[7]");
	large = arena_printf(&arena, "%0100000d|", 7);
	assert_int_equal(strlen(large), 100001);
	assert_int_equal(large[99999], '7');
	assert_int_equal(large[100000], '|');
	arena_free(&arena);
}

static int *closed;

static void note_close(int **which)
{
	if (*which)
		closed = *which;
}

static int *taken_or_not(int *thing, bool take)
{
	_cleanup_(note_close) int *held = thing;

	return take ? TAKE_PTR(held) : NULL;
}

static void test_what_is_taken_is_not_cleaned_up(void **state)
{
	int thing = 1;

	(void)state;
	closed = NULL;
	assert_ptr_equal(taken_or_not(&thing, true), &thing);
	assert_null(closed);
	assert_null(taken_or_not(&thing, false));
	assert_ptr_equal(closed, &thing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_array_grows_and_keeps_what_it_has),
		cmocka_unit_test(test_an_arena_gives_zeroed_memory_of_its_own),
		cmocka_unit_test(test_an_arena_copies_text),
		cmocka_unit_test(test_what_is_taken_is_not_cleaned_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
