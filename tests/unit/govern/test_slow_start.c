// SPDX-License-Identifier: GPL-2.0-only
/* Slow start: which part of its weight a newcomer gets when, what makes a newcomer, and what that does to rings and epochs. */
#include "govern/slow_start.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../compile/compiled.h"

#define NOW COMPILED_NOW

static void test_parts_grow_from_little_to_full(void **state)
{
	static const uint32_t seconds[] = {1, 2, 3, 5, 19, 20, 21, 60, 61, 600, 3599, 3600};

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(*seconds); i++)
		for (int64_t since = NOW; since < NOW + 400; since += 7) {
			uint32_t ms = seconds[i] * 1000, before = 0, steps = 0;
			int64_t step = (seconds[i] + SLOW_START_STEPS - 1) / SLOW_START_STEPS;

			if (step < SLOW_START_STEP)
				step = SLOW_START_STEP;
			for (int64_t now = since; now < since + seconds[i] + step; now++) {
				uint32_t part = slow_start_part(ms, since, now);

				assert_in_range(part, before ? before : 1, SLOW_START_WHOLE);
				if (now < since + seconds[i])
					assert_true(part < SLOW_START_WHOLE);
				steps += part != before;
				before = part;
			}
			assert_int_equal(before, SLOW_START_WHOLE);
			assert_in_range(steps, 2, SLOW_START_STEPS + 2);
			assert_true(slow_start_part(ms, since, since) <= SLOW_START_WHOLE / 2);
		}
	assert_in_range(slow_start_part(60000, NOW, NOW), 5, 15); /* 10 of 120: about a twelfth */
	assert_int_equal(slow_start_part(0, NOW, NOW), SLOW_START_WHOLE);
}

/* What is told about the next change is true: nothing changes before it, and at it something does. */
static void test_next_change_is_the_next_change(void **state)
{
	(void)state;
	for (uint32_t ms = 1000; ms <= 100000; ms += 1700)
		for (int64_t since = NOW; since < NOW + 13; since++)
			for (int64_t now = since - 3; now < since + 130;) {
				int64_t next = slow_start_next(ms, since, now);

				if (next == INT64_MAX) {
					assert_int_equal(slow_start_part(ms, since, now), SLOW_START_WHOLE);
					break;
				}
				assert_true(next > now);
				assert_int_equal(slow_start_part(ms, since, next - 1), slow_start_part(ms, since, now));
				assert_true(slow_start_part(ms, since, next) > slow_start_part(ms, since, now));
				now = next;
			}
}

/* However many newcomers there are, the times at which something changes are those of one grid. */
static void test_all_take_their_steps_together(void **state)
{
	(void)state;
	for (int64_t since = NOW; since < NOW + 100; since++)
		for (int64_t now = since; now < since + 70; now = slow_start_next(60000, since, now)) {
			if (slow_start_next(60000, since, now) == INT64_MAX)
				break;
			assert_int_equal(slow_start_next(60000, since, now) % 6, 0);
		}
}

static const char text[] =
	"{\"apiVersion\": \"usher/v1\", \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
	"\"tenants\": {\"t\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"DE\"}]}},"
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"
	"\"services\": {\"slow\": {\"address\": \"198.51.100.1:80\", \"protocol\": \"tcp\", \"model\": \"m\", "
	"\"slow_start\": "
	"\"60s\"}, \"fast\": {\"address\": \"198.51.100.2:80\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
	"\"rules\": [{\"id\": \"all\", \"when\": {\"tenant\": [\"t\"]}, \"allow\": true}],"
	"\"backends\": {"
	"\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\", \"health\": false},"
	"\"b\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
	"\"c\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@1\", \"region\": \"DE\", \"health\": false}}}";
enum { FAST, SLOW };
enum { A, B, C, BACKENDS };

static struct policy *policy;

static int begin(void **state)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	int error = policy_parse("test.json", text, strlen(text), NOW, &diagnostics, &policy);

	(void)state;
	if (error)
		diagnostics_print(&diagnostics, stderr);
	diagnostics_free(&diagnostics);
	return error;
}

static int end(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

/* Everybody is well, and has been for long. */
static void all_well(struct backend_facts facts[BACKENDS])
{
	for (size_t b = 0; b < BACKENDS; b++)
		facts[b] = (struct backend_facts){.health = HEALTH_UP, .next_hop.resolved = true, .able_since = 1000};
}

static struct effective *decided(struct backend_facts *backends, int64_t now)
{
	const struct facts facts = {.backends = backends, .backend_count = BACKENDS};
	struct effective *effective = NULL;

	assert_int_equal(decide(policy, &facts, now, &effective), 0);
	for (size_t b = 0; b < BACKENDS; b++)
		backends[b].able_since = effective->backends[b].able_since;
	return effective;
}

static uint32_t part_of(struct backend_facts *facts, int64_t now, size_t service, size_t backend)
{
	struct effective *effective = decided(facts, now);
	uint32_t part = effective_part(effective, service, backend);

	assert_int_equal(effective_weight(effective, service, backend), policy->backends[backend].capacity * part);
	effective_free(effective);
	return part;
}

static void test_who_was_able_is_no_newcomer(void **state)
{
	struct backend_facts facts[BACKENDS];
	struct effective *effective;

	(void)state;
	all_well(facts);
	for (size_t b = 0; b < BACKENDS; b++)
		assert_int_equal(part_of(facts, NOW, SLOW, b), SLOW_START_WHOLE);
	assert_int_equal(facts[A].able_since, 1000);
	effective = decided(facts, NOW);
	assert_true(effective->next_change == INT64_MAX);
	effective_free(effective);
	/* Without facts, as `check` and `diff` have it, nobody is new. */
	assert_int_equal(decide(policy, NULL, NOW, &effective), 0);
	assert_int_equal(effective_part(effective, SLOW, A), SLOW_START_WHOLE);
	assert_true(effective->next_change == INT64_MAX);
	effective_free(effective);
}

/* Out for whatever reason, and back: a slow start for the service that asked for one, and a full weight at once for the other. */
static void expect_slow_start(struct backend_facts *facts, size_t backend, int64_t back)
{
	uint32_t before = 0;

	for (int64_t now = back; now < back + 60; now++) {
		uint32_t part = part_of(facts, now, SLOW, backend);

		assert_in_range(part, before, SLOW_START_WHOLE - 1);
		assert_int_equal(part_of(facts, now, FAST, backend), SLOW_START_WHOLE);
		assert_int_equal(part_of(facts, now, SLOW, C), SLOW_START_WHOLE);
		before = part;
	}
	assert_int_equal(part_of(facts, back + 66, SLOW, backend), SLOW_START_WHOLE);
}

static void test_who_becomes_able_starts_slowly(void **state)
{
	struct backend_facts facts[BACKENDS];
	struct effective *effective;

	(void)state;
	all_well(facts);
	facts[A].able_since = 0; /* new in the policy */
	expect_slow_start(facts, A, NOW);
	facts[B].health = HEALTH_DOWN;
	effective_free(decided(facts, NOW + 200));
	assert_int_equal(facts[B].able_since, 0);
	facts[B].health = HEALTH_UP;
	expect_slow_start(facts, B, NOW + 300);
	facts[A].draining = true;
	effective_free(decided(facts, NOW + 400));
	facts[A].draining = false;
	expect_slow_start(facts, A, NOW + 500);
	facts[A].next_hop.resolved = false;
	effective_free(decided(facts, NOW + 600));
	facts[A].next_hop.resolved = true;
	expect_slow_start(facts, A, NOW + 700);
	/* Going on where it was, as after a restart of the daemon. */
	facts[A].able_since = NOW + 800 - 30;
	assert_in_range(part_of(facts, NOW + 800, SLOW, A), SLOW_START_WHOLE / 3, SLOW_START_WHOLE * 2 / 3);
	effective = decided(facts, NOW + 800);
	assert_in_range(effective->next_change, NOW + 801, NOW + 806);
	effective_free(effective);
}

static void test_a_clock_set_back_keeps_nobody_waiting(void **state)
{
	struct backend_facts facts[BACKENDS];

	(void)state;
	all_well(facts);
	facts[A].able_since = NOW + 100000;
	assert_true(part_of(facts, NOW, SLOW, A) < SLOW_START_WHOLE);
	assert_int_equal(facts[A].able_since, NOW);
	assert_int_equal(part_of(facts, NOW + 66, SLOW, A), SLOW_START_WHOLE);
}

/* ---- rings ---------------------------------------------------------------------------------------------------- */

static void compiled_at(const struct backend_facts *backends, int64_t now, const struct tables *before,
			struct compiled *to)
{
	static const __u64 hash_key[USHER_HASH_KEYS] = {1, 2, 3, 4, 5};
	const struct facts facts = {.backends = (struct backend_facts *)backends, .backend_count = BACKENDS};
	struct compile_input input = {.generation = 1, .hash_key = hash_key};

	*to = (struct compiled){.diagnostics = {.file = "test.json"}};
	assert_int_equal(decide(policy, &facts, now, &to->effective), 0);
	input.effective = to->effective;
	if (before) {
		input.identities = before->identities;
		input.generation = before->header.number + 1;
		input.epoch = before->header.epoch;
		input.judgement = before->judgement;
	}
	assert_int_equal(compile(&input, &to->diagnostics, &to->tables), 0);
}

/* The ring of a service's only arm, of the one class that may ask; there are two routes that admit, in order of services. */
static const struct usher_arm *arm_of(const struct tables *tables, size_t service)
{
	for (size_t i = 0; i < tables->route_index_lines * 32; i++) {
		const struct usher_route *route = &tables->routes[tables->route_index[i / 32].value[i % 32]];

		if (route->arms && route->target == service)
			return &tables->arms[route->first_arm];
	}
	fail_msg("no arm for service %zu", service);
	return NULL;
}

static uint16_t slot(const struct tables *tables, const struct usher_arm *arm, uint32_t s)
{
	return tables->rings[(arm->ring + s) / 32].value[(arm->ring + s) % 32];
}

static double share_of(const struct tables *tables, size_t service, uint16_t backend)
{
	const struct usher_arm *arm = arm_of(tables, service);
	uint32_t got = 0;

	for (uint32_t s = 0; s < arm->ring_size; s++)
		got += slot(tables, arm, s) == backend;
	return (double)got / arm->ring_size;
}

/* Numbers are given out in the order of names, so a backend's and a service's index here is its number. */
static void test_rings_follow_and_the_epoch_stays(void **state)
{
	struct backend_facts facts[BACKENDS];
	struct compiled before, after;
	double worst = 0;

	(void)state;
	all_well(facts);
	facts[B].able_since = NOW;
	compiled_at(facts, NOW, NULL, &before);
	for (int64_t now = NOW + 1; now <= NOW + 67; now++) {
		double part = slow_start_part(60000, NOW, now) / (double)SLOW_START_WHOLE;
		size_t needless = 0;

		compiled_at(facts, now, before.tables, &after);
		assert_int_equal(after.tables->header.epoch, before.tables->header.epoch);
		assert_memory_equal(after.tables->judgement, before.tables->judgement, SHA256_BYTES);
		assert_true(fabs(share_of(after.tables, SLOW, B) - part / (2 + part)) < 0.005);
		assert_true(fabs(share_of(after.tables, FAST, B) - 1.0 / 3) < 0.005);
		assert_int_equal(after.diagnostics.count, 0);

		const struct usher_arm *old = arm_of(before.tables, SLOW), *new = arm_of(after.tables, SLOW);

		assert_int_equal(old->ring_size, new->ring_size);
		for (uint32_t s = 0; s < new->ring_size; s++) {
			uint16_t was = slot(before.tables, old, s), is = slot(after.tables, new, s);

			needless += was != is && is != B;
		}
		if ((double)needless / new->ring_size > worst)
			worst = (double)needless / new->ring_size;
		compiled_free(&before);
		before = after;
	}
	compiled_free(&before);
	print_message("# a step of one of 3 backends: at worst %.2f %% of the slots go to others than the newcomer\n",
		      100 * worst);
	assert_true(worst < 0.02);
}

/* A service whose backends are all new has shares by capacity, as if none were. */
static void test_newcomers_alone_share_as_ever(void **state)
{
	struct backend_facts facts[BACKENDS];
	struct compiled new, old;

	(void)state;
	all_well(facts);
	compiled_at(facts, NOW, NULL, &old);
	for (size_t b = 0; b < BACKENDS; b++)
		facts[b].able_since = NOW;
	compiled_at(facts, NOW, NULL, &new);

	const struct usher_arm *of_new = arm_of(new.tables, SLOW), *of_old = arm_of(old.tables, SLOW);

	assert_int_equal(of_new->ring_size, of_old->ring_size);
	for (uint32_t s = 0; s < of_new->ring_size; s++)
		assert_int_equal(slot(new.tables, of_new, s), slot(old.tables, of_old, s));
	compiled_free(&new);
	compiled_free(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_grow_from_little_to_full),
		cmocka_unit_test(test_next_change_is_the_next_change),
		cmocka_unit_test(test_all_take_their_steps_together),
		cmocka_unit_test(test_who_was_able_is_no_newcomer),
		cmocka_unit_test(test_who_becomes_able_starts_slowly),
		cmocka_unit_test(test_a_clock_set_back_keeps_nobody_waiting),
		cmocka_unit_test(test_rings_follow_and_the_epoch_stays),
		cmocka_unit_test(test_newcomers_alone_share_as_ever),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
