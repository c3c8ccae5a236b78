// SPDX-License-Identifier: GPL-2.0-only
/* Who is an outlier, for how long, and how many at once; and that chance alone makes none. */
#include "govern/ejection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"

#define NOW 1700000000
#define ALL ((1u << OUTLIER_SIGNALS_COUNT) - 1)
#define BACKENDS 4

static const struct outlier_settings usual = {.signals = ALL,
					      .window = 30,
					      .min_samples = 20,
					      .above = 0.1,
					      .slower = 8,
					      .period = 30,
					      .longest = 120,
					      .most = 50};

/* A fleet of one group, and what its packets have come to so far. */
struct fleet {
	struct ejection ejections[BACKENDS];
	struct ejection_counts totals[BACKENDS];
	struct ejection_member members[BACKENDS];
	int64_t now;
};

static void fleet_of(struct fleet *fleet)
{
	*fleet = (struct fleet){.now = NOW};
	for (size_t i = 0; i < BACKENDS; i++)
		fleet->members[i] = (struct ejection_member){.ejection = &fleet->ejections[i], .able = true};
}

/* A second passes; returns who goes out, or SIZE_MAX. */
static size_t second(const struct outlier_settings *settings, struct fleet *fleet, struct ejection_finding *ret_finding)
{
	fleet->now++;
	for (size_t i = 0; i < BACKENDS; i++)
		ejection_take(settings, &fleet->ejections[i], &fleet->totals[i], fleet->now);
	for (size_t i = 0; i < BACKENDS; i++)
		ejection_return(settings, &fleet->ejections[i], fleet->now);
	ejections_step(settings, fleet->members, BACKENDS, 2, fleet->now, ret_finding);
	return ret_finding->member;
}

/* `good` connections and requests for everybody, each answered in the bucket. */
static void serve(struct fleet *fleet, uint64_t good, uint32_t bucket)
{
	for (size_t i = 0; i < BACKENDS; i++) {
		fleet->totals[i].connected += good;
		fleet->totals[i].answers[bucket] += good;
	}
}

static void who_fails_more_than_its_peers_goes_out(void **state)
{
	static const size_t fields[] = {offsetof(struct ejection_counts, unconnected),
					offsetof(struct ejection_counts, resets),
					offsetof(struct ejection_counts, given_up)};
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	for (size_t f = 0; f < ARRAY_COUNT(fields); f++) {
		fleet_of(&fleet);
		second(&usual, &fleet, &finding);
		serve(&fleet, 50, 10);
		*(uint64_t *)((char *)&fleet.totals[2] + fields[f]) += 40;
		assert_int_equal(second(&usual, &fleet, &finding), 2);
		assert_int_equal(finding.signal, f);
		assert_int_equal(finding.seconds, 30);
		assert_true(finding.own.successes == 40 && finding.own.trials == 90 && finding.peers.trials == 150);
		assert_true(finding.low > finding.limit && finding.limit == 0.1);
		assert_true(fleet.ejections[2].out);
		assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	}
}

static void what_hits_all_makes_no_outlier(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	for (int s = 0; s < 60; s++) {
		serve(&fleet, 20, 10);
		for (size_t i = 0; i < BACKENDS; i++) {
			fleet.totals[i].resets += 20;
			fleet.totals[i].unconnected += 30;
			fleet.totals[i].given_up += 7;
		}
		assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	}
}

static void too_little_says_nothing(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	second(&usual, &fleet, &finding);
	serve(&fleet, 100, 10);
	fleet.totals[1].connected -= 100;
	fleet.totals[1].unconnected += 19; /* all of them */
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	fleet.totals[1].unconnected += 1;
	assert_int_equal(second(&usual, &fleet, &finding), 1);
	/* Peers of whom nothing is known. */
	fleet_of(&fleet);
	second(&usual, &fleet, &finding);
	fleet.totals[1].unconnected += 1000;
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	/* The window passes over it. */
	fleet_of(&fleet);
	second(&usual, &fleet, &finding);
	serve(&fleet, 100, 10);
	fleet.totals[1].unconnected += 19;
	fleet.members[1].able = false;
	for (int s = 0; s < 33; s++)
		assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	fleet.members[1].able = true;
	fleet.totals[1].unconnected += 19;
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
}

static void who_answers_later_than_its_version_goes_out(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	second(&usual, &fleet, &finding);
	serve(&fleet, 100, 10);
	/* Up to 8 times the bucket of the peers' median: not slow. */
	fleet.totals[3].answers[10] -= 100;
	fleet.totals[3].answers[13] += 100;
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	fleet.totals[3].answers[14] += 300;
	assert_int_equal(second(&usual, &fleet, &finding), 3);
	assert_int_equal(finding.signal, OUTLIER_FIRST_BYTE);
	assert_int_equal(finding.slow_bucket, 13);
	assert_true(finding.own.successes == 300 && finding.own.trials == 400);
	/* Of a version of its own it has no peers there. */
	fleet_of(&fleet);
	fleet.members[3].version = 1;
	second(&usual, &fleet, &finding);
	serve(&fleet, 100, 10);
	fleet.totals[3].answers[20] += 1000;
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	/* Half of them is not more than half. */
	fleet_of(&fleet);
	second(&usual, &fleet, &finding);
	serve(&fleet, 100, 10);
	fleet.totals[3].answers[20] += 110;
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
}

static void only_what_is_asked_for_counts(void **state)
{
	struct outlier_settings settings = usual;
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	settings.signals = 1u << OUTLIER_CONNECT;
	fleet_of(&fleet);
	second(&settings, &fleet, &finding);
	serve(&fleet, 100, 10);
	fleet.totals[0].resets += 1000;
	fleet.totals[0].answers[24] += 1000;
	assert_int_equal(second(&settings, &fleet, &finding), SIZE_MAX);
}

static void one_goes_a_step_the_worst_and_never_more_than_so_many(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	second(&usual, &fleet, &finding);
	serve(&fleet, 200, 10);
	fleet.totals[0].resets += 150;
	fleet.totals[1].resets += 2000;
	fleet.totals[2].resets += 300;
	assert_int_equal(second(&usual, &fleet, &finding), 1);
	assert_int_equal(second(&usual, &fleet, &finding), 2);
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX); /* 2 of 4 are out */
	/* Who could not start anyway does not count, neither here nor there, nor as a peer. */
	fleet_of(&fleet);
	fleet.members[3].able = false;
	second(&usual, &fleet, &finding);
	serve(&fleet, 200, 10);
	fleet.totals[0].resets += 150;
	fleet.totals[1].resets += 2000;
	fleet.totals[3].resets += 5000;
	assert_int_equal(second(&usual, &fleet, &finding), 1);
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
}

/* Fails until it is out; returns for how long that is. */
static int64_t fail_again(struct fleet *fleet)
{
	struct ejection_finding finding;

	for (int s = 0; s < 60; s++) {
		serve(fleet, 50, 10);
		fleet->totals[2].resets += 50;
		if (second(&usual, fleet, &finding) != SIZE_MAX)
			return finding.seconds;
	}
	fail_msg("it does not go out");
	return 0;
}

static void wait_for_it(struct fleet *fleet, int64_t seconds)
{
	struct ejection_finding finding;

	for (int64_t s = 0; s < seconds; s++) {
		assert_true(fleet->ejections[2].out);
		second(&usual, fleet, &finding);
		assert_int_equal(finding.member, SIZE_MAX);
	}
	assert_false(fleet->ejections[2].out);
}

static void each_time_is_twice_as_long_until_it_has_been_good(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	assert_int_equal(fail_again(&fleet), 30);
	wait_for_it(&fleet, 30);
	assert_int_equal(fail_again(&fleet), 60);
	wait_for_it(&fleet, 60);
	assert_int_equal(fail_again(&fleet), 120);
	wait_for_it(&fleet, 120);
	assert_int_equal(fail_again(&fleet), 120);
	wait_for_it(&fleet, 120);
	for (int s = 0; s < 120; s++) {
		serve(&fleet, 50, 10);
		assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	}
	assert_int_equal(fail_again(&fleet), 30);
}

static void what_was_seen_before_it_is_back_counts_no_more(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	fail_again(&fleet);
	for (int s = 0; s < 29; s++) {
		fleet.totals[2].resets += 100; /* its open connections */
		serve(&fleet, 50, 10);
		second(&usual, &fleet, &finding);
	}
	second(&usual, &fleet, &finding);
	assert_false(fleet.ejections[2].out);
	serve(&fleet, 50, 10);
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
}

static void counters_that_begin_anew_are_no_evidence(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	for (size_t i = 0; i < BACKENDS; i++)
		fleet.totals[i].resets = 1000000;
	second(&usual, &fleet, &finding);
	serve(&fleet, 50, 10);
	fleet.totals[1].resets = 500; /* under another name */
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	serve(&fleet, 50, 10);
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
	/* A daemon that has not looked for long: what came in between is of no window. */
	fleet.now += 100;
	fleet.totals[1].resets += 500;
	assert_int_equal(second(&usual, &fleet, &finding), SIZE_MAX);
}

static void a_clock_that_is_set_back_keeps_nobody_out_for_longer(void **state)
{
	struct ejection_finding finding;
	struct fleet fleet;

	(void)state;
	fleet_of(&fleet);
	fail_again(&fleet);
	fleet.now -= 1000000;
	second(&usual, &fleet, &finding);
	assert_true(fleet.ejections[2].out);
	for (int s = 0; s < 120; s++)
		second(&usual, &fleet, &finding);
	assert_false(fleet.ejections[2].out);
}

static uint64_t binomial(unsigned int *seed, uint64_t trials, double chance)
{
	uint64_t successes = 0;

	for (uint64_t i = 0; i < trials; i++)
		successes += (double)rand_r(seed) / RAND_MAX < chance;
	return successes;
}

static void chance_alone_makes_no_outlier(void **state)
{
	struct ejection_finding finding;
	unsigned int seed = 7;
	size_t ejected = 0;
	struct fleet fleet;

	(void)state;
	for (int run = 0; run < 50; run++) {
		fleet_of(&fleet);
		for (int s = 0; s < 600; s++) {
			for (size_t i = 0; i < BACKENDS; i++) {
				uint64_t bad = binomial(&seed, 5, 0.1);

				fleet.totals[i].resets += bad;
				fleet.totals[i].answers[8 + binomial(&seed, 8, 0.5)] += 5 - bad;
			}
			ejected += second(&usual, &fleet, &finding) != SIZE_MAX;
		}
	}
	/* 50 fleets, 10 minutes each, a tenth of all requests broken off: 120,000 looks. */
	assert_int_equal(ejected, 0);
}

static void settings_have_their_faults(void **state)
{
	struct outlier_settings settings;

	(void)state;
	assert_null(outlier_fault(&usual));
#define FAULT(field, value) (settings = usual, settings.field = (value), outlier_fault(&settings))
	assert_non_null(FAULT(signals, ALL + 1));
	assert_non_null(FAULT(window, 9));
	assert_non_null(FAULT(min_samples, 0));
	assert_non_null(FAULT(above, 0));
	assert_non_null(FAULT(above, 1));
	assert_non_null(FAULT(slower, 2));
	assert_non_null(FAULT(slower, 12));
	assert_non_null(FAULT(longest, 29));
	assert_non_null(FAULT(most, 0));
	assert_non_null(FAULT(most, 101));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_fails_more_than_its_peers_goes_out),
		cmocka_unit_test(what_hits_all_makes_no_outlier),
		cmocka_unit_test(too_little_says_nothing),
		cmocka_unit_test(who_answers_later_than_its_version_goes_out),
		cmocka_unit_test(only_what_is_asked_for_counts),
		cmocka_unit_test(one_goes_a_step_the_worst_and_never_more_than_so_many),
		cmocka_unit_test(each_time_is_twice_as_long_until_it_has_been_good),
		cmocka_unit_test(what_was_seen_before_it_is_back_counts_no_more),
		cmocka_unit_test(counters_that_begin_anew_are_no_evidence),
		cmocka_unit_test(a_clock_that_is_set_back_keeps_nobody_out_for_longer),
		cmocka_unit_test(chance_alone_makes_no_outlier),
		cmocka_unit_test(settings_have_their_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
