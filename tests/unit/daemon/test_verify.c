// SPDX-License-Identifier: GPL-2.0-only
/* What a daemon keeps of verifications: for the next one, and for policies that come back. */
#include "daemon/core.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "policy/policy.h"

#define STALE_AFTER (60 * CLOCK_SECOND)

static struct policy *policy_of(const char *verify)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	char *text;

	if (asprintf(
		    &text,
		    "{\"apiVersion\": \"usher/v1\", \"rules\": [], \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
		    "\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"
		    "\"backends\": {\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"%s}},"
		    "\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"}}}",
		    verify) < 0)
		abort();
	assert_int_equal(policy_parse("test.json", text, strlen(text), 0, &diagnostics, &policy), 0);
	diagnostics_free(&diagnostics);
	free(text);
	return policy;
}

#define ASKED ", \"verify\": {\"preset\": \"openai\"}"
#define ASKED_ANOTHER ", \"verify\": {\"preset\": \"openai\", \"equals\": \"other\"}"

static struct core core;
static struct state state;
static struct options options;
static struct backend_facts facts;
static char folder[] = "/tmp/usher-test-verify-XXXXXX";

/* One backend, verified so long ago. */
static int begin(void **context)
{
	(void)context;
	state = (struct state){.folder = folder};
	options.state_dir = folder;
	facts = (struct backend_facts){.verification = {.state = VERIFICATION_VERIFIED, .start_time = 1700000000.25}};
	core = (struct core){.state = &state, .options = &options, .policy = policy_of(ASKED)};
	core.facts = (struct facts){.backends = &facts, .backend_count = 1};
	return 0;
}

static int end(void **context)
{
	(void)context;
	policy_free(core.policy);
	free(state.verifications);
	return 0;
}

/* As note_transition() and the clock leave it. */
static void keep(int64_t age)
{
	struct state_verification kept = {.state = VERIFICATION_VERIFIED, .start_time = NAN, .name = "a"};
	struct edge_source source = core_identity_source(&core.policy->backends[0]);

	source.every_ms = source.timeout_ms = 0;
	sha256_hex(&source, sizeof(source), kept.expects);
	kept.good_at = age == INT64_MAX ? 0 : clock_realtime() - age;
	state_keep_verification(&state, &kept);
}

static enum verification_state recalled(void)
{
	struct verification verification;

	core_recall_verification(&core, &core.policy->backends[0], &verification);
	return (enum verification_state)verification.state;
}

static void test_an_answer_gets_older_while_no_daemon_runs(void **context)
{
	(void)context;
	keep(STALE_AFTER / 2);
	assert_int_equal(recalled(), VERIFICATION_VERIFIED);
	keep(STALE_AFTER + CLOCK_SECOND);
	assert_int_equal(recalled(), VERIFICATION_STALE);
	keep(-CLOCK_SECOND); /* the clock was set back: nobody knows */
	assert_int_equal(recalled(), VERIFICATION_STALE);
	keep(INT64_MAX); /* of a daemon that did not say when */
	assert_int_equal(recalled(), VERIFICATION_STALE);
}

static void test_it_goes_on_being_as_old_as_it_is(void **context)
{
	struct verification verification;

	(void)context;
	keep(STALE_AFTER / 2);
	core_recall_verification(&core, &core.policy->backends[0], &verification);
	assert_false(verification_tick(&verification, STALE_AFTER, clock_monotonic()));
	assert_true(verification_tick(&verification, STALE_AFTER, clock_monotonic() + STALE_AFTER * 2 / 3));
}

/* What nobody has looked at in between is not known when it is asked for again. */
static void after(const char *verify)
{
	struct policy *asked = core.policy, *other = policy_of(verify);

	core.policy = other;
	core_forget_verifications(&core);
	core.policy = asked;
	policy_free(other);
}

static void test_a_policy_that_does_not_ask_ends_it(void **context)
{
	(void)context;
	keep(0);
	after(ASKED);
	assert_int_equal(recalled(), VERIFICATION_VERIFIED);
	after("");
	assert_int_equal(recalled(), VERIFICATION_UNASKED);
}

static void test_a_policy_that_asks_something_else_ends_it(void **context)
{
	(void)context;
	keep(0);
	after(ASKED_ANOTHER);
	assert_int_equal(recalled(), VERIFICATION_UNASKED);
}

static void test_answers_and_processes_are_kept_without_a_transition(void **context)
{
	struct verification verification;

	(void)context;
	keep(STALE_AFTER * 2);
	facts.verification.good_at = clock_monotonic() - CLOCK_SECOND;
	core_verify_save(&core);
	core_recall_verification(&core, &core.policy->backends[0], &verification);
	assert_int_equal(verification.state, VERIFICATION_VERIFIED);
	assert_true(fabs(verification.start_time - 1700000000.25) < 1e-6);
}

/* Who has not been heard of may say yes: the first publish waits for that, and for nobody who was verified before. */
static void test_a_start_waits_for_what_is_said(void **context)
{
	(void)context;
	facts.health = HEALTH_UP;
	facts.next_hop.resolved = true;
	facts.verification.asked = false;
	assert_true(core_settled(&core));
	for (int state_of = 0; state_of < VERIFICATION_STATES; state_of++) {
		facts.verification.state = (uint8_t)state_of;
		assert_int_equal(core_settled(&core), state_of == VERIFICATION_VERIFIED);
	}
	facts.verification.asked = true; /* and has not answered, or not as it should */
	assert_true(core_settled(&core));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_answer_gets_older_while_no_daemon_runs, begin, end),
		cmocka_unit_test_setup_teardown(test_it_goes_on_being_as_old_as_it_is, begin, end),
		cmocka_unit_test_setup_teardown(test_a_policy_that_does_not_ask_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(test_a_policy_that_asks_something_else_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(test_a_start_waits_for_what_is_said, begin, end),
		cmocka_unit_test_setup_teardown(test_answers_and_processes_are_kept_without_a_transition, begin, end),
	};

	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
