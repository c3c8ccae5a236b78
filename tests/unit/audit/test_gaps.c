/* SPDX-License-Identifier: GPL-2.0-only */
#include "audit/gaps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/chain.h"
#include "base/cleanup.h"
#include "scratch.h"

#define CPUS 4
#define BOOT 0x1234abcdULL

static struct gaps *gaps;

static int begin(void **state)
{
	(void)state;
	return !scratch_make("gaps") && !gaps_new(CPUS, &gaps) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	gaps_free(gaps);
	return scratch_remove();
}

static void test_every_missing_number_is_in_one_gap(void **state)
{
	struct record_gap gap;

	(void)state;
	assert_false(gaps_seen(gaps, 1, USHER_RING_EVENTS, 0, &gap));
	assert_false(gaps_seen(gaps, 1, USHER_RING_EVENTS, 1, &gap));
	assert_true(gaps_seen(gaps, 1, USHER_RING_EVENTS, 5, &gap));
	assert_int_equal(gap.cpu, 1);
	assert_int_equal(gap.ring, USHER_RING_EVENTS);
	assert_int_equal(gap.first, 2);
	assert_int_equal(gap.last, 4);
	assert_false(gaps_seen(gaps, 1, USHER_RING_EVENTS, 6, &gap));
	/* Other CPUs and the other ring have numbers of their own. */
	assert_false(gaps_seen(gaps, 2, USHER_RING_EVENTS, 0, &gap));
	assert_true(gaps_seen(gaps, 1, USHER_RING_REQUIRED, 3, &gap));
	assert_int_equal(gap.first, 0);
	assert_int_equal(gap.last, 2);
}

static void test_what_is_on_record_is_known(void **state)
{
	struct record_gap gap;

	(void)state;
	gaps_seen(gaps, 0, USHER_RING_EVENTS, 7, &gap);
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 7));
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 3)); /* as part of the gap */
	assert_false(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 8));
	assert_false(gaps_recorded(gaps, 1, USHER_RING_EVENTS, 0));
	assert_false(gaps_recorded(gaps, CPUS, USHER_RING_EVENTS, 0));
	assert_false(gaps_seen(gaps, 0, USHER_RING_EVENTS, 3, &gap));
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 7)); /* a late one sets nothing back */
}

static void test_the_last_ones_are_missed_too(void **state)
{
	struct record_gap gap;

	(void)state;
	gaps_seen(gaps, 0, USHER_RING_REQUIRED, 0, &gap);
	assert_false(gaps_ended(gaps, 0, USHER_RING_REQUIRED, 1, &gap));
	assert_true(gaps_ended(gaps, 0, USHER_RING_REQUIRED, 4, &gap));
	assert_int_equal(gap.first, 1);
	assert_int_equal(gap.last, 3);
	assert_false(gaps_ended(gaps, 0, USHER_RING_REQUIRED, 4, &gap));
	assert_false(gaps_seen(gaps, 0, USHER_RING_REQUIRED, 4, &gap));
}

/* ---- learning from a log ------------------------------------------------------------------------------------ */

static void put(const char *name, const struct json *lines)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	if (lines)
		assert_int_equal(fwrite(lines->bytes, 1, lines->length, file), lines->length);
	fclose(file);
}

static void add_decision(struct json *lines, uint64_t boot, uint16_t cpu, enum usher_ring ring, uint64_t sequence)
{
	struct record_stamp stamp = {.realtime = 1, .boot_id = boot};
	struct usher_event event = {.cpu = cpu, .ring = (uint8_t)ring, .sequence = sequence, .backend = USHER_NONE};

	record_decision(lines, &stamp, &event, NULL, NULL, NULL, NULL);
}

static void test_a_restart_goes_on_where_the_log_ends(void **state)
{
	_cleanup_(json_free) struct json old = {0}, recent = {0};
	struct record_stamp stamp = {.realtime = 1, .boot_id = BOOT};
	struct record_gap gap = {.cpu = 2, .ring = USHER_RING_EVENTS, .first = 0, .last = 99};

	(void)state;
	add_decision(&old, BOOT, 0, USHER_RING_EVENTS, 10);
	add_decision(&old, BOOT, 0, USHER_RING_EVENTS, 11);
	record_gap(&old, &stamp, &gap);
	add_decision(&old, BOOT + 1, 3, USHER_RING_EVENTS, 1000); /* of another boot */
	add_decision(&recent, BOOT, 1, USHER_RING_REQUIRED, 5);
	put("usher-0000000001-x.jsonl", &old);
	put("usher-0000000002-x.jsonl", &recent);
	put("usher-0000000003-x.jsonl", NULL); /* that of the daemon that asks */
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 11));
	assert_false(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 12));
	assert_true(gaps_recorded(gaps, 1, USHER_RING_REQUIRED, 5));
	assert_false(gaps_recorded(gaps, 1, USHER_RING_EVENTS, 0));
	assert_true(gaps_recorded(gaps, 2, USHER_RING_EVENTS, 99));
	assert_false(gaps_recorded(gaps, 2, USHER_RING_EVENTS, 100));
	assert_false(gaps_recorded(gaps, 3, USHER_RING_EVENTS, 0));
	assert_int_equal(gaps_account(gaps, 2, USHER_RING_EVENTS).lost, 100);
	assert_int_equal(gaps_account(gaps, 0, USHER_RING_EVENTS).lost, 0);
}

/* Before a position, which says so; behind it, in its segment and in newer ones. */
static void test_a_restart_knows_what_was_lost(void **state)
{
	_cleanup_(json_free) struct json oldest = {0}, old = {0}, recent = {0};
	struct record_stamp stamp = {.realtime = 1, .boot_id = BOOT};
	struct record_gap gap = {.cpu = 2, .ring = USHER_RING_REQUIRED, .first = 0, .last = 9};

	(void)state;
	record_gap(&oldest, &stamp, &gap);
	put("usher-0000000001-x.jsonl", &oldest);
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_int_equal(gaps_account(gaps, 2, USHER_RING_REQUIRED).lost, 10);
	gap.first = 10;
	gap.last = 12;
	record_gap(&old, &stamp, &gap);
	assert_true(gaps_seen(gaps, 2, USHER_RING_REQUIRED, 13, &gap));
	gaps_position(gaps, &old, &stamp); /* with those three */
	gap.first = 14;
	gap.last = 14;
	record_gap(&old, &stamp, &gap);
	put("usher-0000000002-x.jsonl", &old);
	gap.first = 20;
	gap.last = 29;
	record_gap(&recent, &stamp, &gap);
	put("usher-0000000003-x.jsonl", &recent);
	gaps_free(gaps);
	assert_int_equal(gaps_new(CPUS, &gaps), 0);
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_int_equal(gaps_account(gaps, 2, USHER_RING_REQUIRED).lost, 24);
	assert_int_equal(gaps_account(gaps, 2, USHER_RING_REQUIRED).next, 30);
	assert_int_equal(gaps_account(gaps, 2, USHER_RING_EVENTS).next, 0);
	assert_int_equal(gaps_account(gaps, CPUS, USHER_RING_EVENTS).next, 0);
}

/* Its numbers are those of both rings, in one line. */
static void test_a_seal_teaches_nothing(void **state)
{
	static const uint8_t nothing[SHA256_BYTES];
	const struct chain_range ranges[] = {{.ring = USHER_RING_EVENTS, .first = 0, .last = 111},
					     {.ring = USHER_RING_REQUIRED, .first = 0, .last = 60}};
	struct record_stamp stamp = {.realtime = 1, .boot_id = BOOT};
	_cleanup_(json_free) struct json lines = {0};
	struct chain chain;

	(void)state;
	add_decision(&lines, BOOT, 0, USHER_RING_EVENTS, 111);
	add_decision(&lines, BOOT, 0, USHER_RING_REQUIRED, 60);
	assert_int_equal(chain_open(0, nothing, &chain), 0);
	chain_add(&chain, lines.bytes, lines.length, 2);
	chain_seal(&chain, &lines, &stamp, ranges, 2, false);
	chain_close(&chain);
	put("usher-0000000001-x.jsonl", &lines);
	put("usher-0000000002-x.jsonl", NULL);
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 111));
	assert_true(gaps_recorded(gaps, 0, USHER_RING_REQUIRED, 60));
	assert_false(gaps_recorded(gaps, 0, USHER_RING_REQUIRED, 61));
}

static void test_a_position_spares_the_older_segments(void **state)
{
	_cleanup_(json_free) struct json oldest = {0}, middle = {0}, newest = {0};
	struct record_stamp stamp = {.realtime = 1, .boot_id = BOOT};
	struct record_gap gap;
	struct gaps *writer;

	(void)state;
	assert_int_equal(gaps_new(CPUS, &writer), 0);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		gaps_seen(writer, cpu, USHER_RING_REQUIRED, 50 + cpu, &gap);
	gaps_position(writer, &middle, &stamp);
	gaps_free(writer);
	add_decision(&middle, BOOT, 2, USHER_RING_REQUIRED, 60);
	add_decision(&oldest, BOOT, 0, USHER_RING_EVENTS, 999); /* to show that it is not read */
	add_decision(&newest, BOOT, 0, USHER_RING_REQUIRED, 70);
	put("usher-0000000001-x.jsonl", &oldest);
	put("usher-0000000002-x.jsonl", &middle);
	put("usher-0000000003-x.jsonl", &newest);
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_false(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 0));
	assert_true(gaps_recorded(gaps, 0, USHER_RING_REQUIRED, 70));
	assert_false(gaps_recorded(gaps, 0, USHER_RING_REQUIRED, 71));
	assert_true(gaps_recorded(gaps, 1, USHER_RING_REQUIRED, 51));
	assert_false(gaps_recorded(gaps, 1, USHER_RING_REQUIRED, 52));
	assert_true(gaps_recorded(gaps, 2, USHER_RING_REQUIRED, 60));
	assert_true(gaps_recorded(gaps, 3, USHER_RING_REQUIRED, 53));
	assert_false(gaps_recorded(gaps, 3, USHER_RING_REQUIRED, 54));
}

/* What is to come again is found again, and is one gap all the same. */
static void test_what_comes_again_counts_once(void **state)
{
	struct record_gap gap;

	(void)state;
	assert_true(gaps_seen(gaps, 0, USHER_RING_EVENTS, 3, &gap));
	gaps_write(gaps);
	assert_true(gaps_seen(gaps, 0, USHER_RING_EVENTS, 10, &gap)); /* not written yet */
	gaps_keep(gaps);
	assert_true(gaps_ended(gaps, 1, USHER_RING_EVENTS, 5, &gap));
	gaps_write(gaps);
	gaps_return(gaps);
	gaps_keep(gaps); /* nor is what was taken back */
	assert_int_equal(gaps_totals(gaps).numbers, 3);
	assert_true(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 3));
	assert_false(gaps_recorded(gaps, 0, USHER_RING_EVENTS, 4));
	assert_true(gaps_seen(gaps, 0, USHER_RING_EVENTS, 10, &gap));
	gaps_write(gaps);
	gaps_keep(gaps);
	assert_int_equal(gaps_totals(gaps).gaps, 2);
	assert_int_equal(gaps_totals(gaps).numbers, 9);
}

static void test_many_restarts_forget_nothing(void **state)
{
	struct record_stamp stamp = {.realtime = 1, .boot_id = BOOT};
	_cleanup_(json_free) struct json first = {0};
	char name[64];

	(void)state;
	add_decision(&first, BOOT, 1, USHER_RING_EVENTS, 41);
	put("usher-0000000001-x.jsonl", &first);
	for (int i = 2; i < 10; i++) {
		_cleanup_(json_free) struct json lines = {0};
		struct gaps *now;

		assert_int_equal(gaps_new(CPUS, &now), 0);
		assert_int_equal(gaps_learn(now, folder, BOOT), 0);
		gaps_position(now, &lines, &stamp);
		gaps_free(now);
		snprintf(name, sizeof(name), "usher-%010d-x.jsonl", i);
		put(name, &lines);
	}
	assert_int_equal(gaps_learn(gaps, folder, BOOT), 0);
	assert_true(gaps_recorded(gaps, 1, USHER_RING_EVENTS, 41));
	assert_false(gaps_recorded(gaps, 1, USHER_RING_EVENTS, 42));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_missing_number_is_in_one_gap, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_on_record_is_known, begin, end),
		cmocka_unit_test_setup_teardown(test_the_last_ones_are_missed_too, begin, end),
		cmocka_unit_test_setup_teardown(test_a_restart_goes_on_where_the_log_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_a_restart_knows_what_was_lost, begin, end),
		cmocka_unit_test_setup_teardown(test_a_seal_teaches_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_a_position_spares_the_older_segments, begin, end),
		cmocka_unit_test_setup_teardown(test_what_comes_again_counts_once, begin, end),
		cmocka_unit_test_setup_teardown(test_many_restarts_forget_nothing, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
