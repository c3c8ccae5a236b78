// SPDX-License-Identifier: GPL-2.0-only
/* What a roll-out's share makes of arms: in the place of a split, for its service alone, without a new epoch. */
#include <setjmp.h>
#include <stddef.h>
#include <sys/socket.h>

#include "compile/decision.h"
#include "compiled.h"

#include <cmocka.h>

/* Services "s" and "t" serve the same model by versions 1, 2 and 3; "s" has a split for version 3, and a roll-out 1 -> 2. */
static char *text_of(const char *rollouts)
{
	char *text;

	if (asprintf(&text,
		     "{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": "
		     "\"production\"},"
		     "\"2\": {\"stage\": \"canary\"}, \"3\": {\"stage\": \"canary\"}}}},"
		     "\"backends\": {"
		     "\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
		     "\"b\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@2\", \"region\": \"DE\"},"
		     "\"c\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@3\", \"region\": \"DE\"}},"
		     "\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"
		     "\"t\": {\"address\": \"192.0.2.2:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
		     "\"tenants\": {\"x\": {\"sources\": [{\"prefix\": \"198.51.100.0/24\", \"region\": \"DE\"}]}},"
		     "\"rules\": ["
		     "{\"id\": \"split\", \"when\": {\"service\": [\"s\", \"t\"]}, \"split\": {\"1\": 1, \"3\": 1}},"
		     "{\"id\": \"allow\", \"when\": {\"tenant\": [\"x\"]}, \"allow\": true}],"
		     "\"nat\": {\"addresses\": [\"10.255.0.1\"]}%s}",
		     rollouts) < 0)
		abort();
	return text;
}

#define ROLLOUT                                                                                                        \
	", \"rollouts\": {\"r\": {\"service\": \"s\", \"from\": \"1\", \"to\": \"2\", \"steps\": [20, 100], "          \
	"\"every\": \"1h\"}}"

static struct compiled compiled_at(const struct tables *before, const char *rollouts, uint8_t share, bool able_b)
{
	struct backend_facts backends[3] = {{.health = HEALTH_UP, .next_hop.resolved = true},
					    {.health = able_b ? HEALTH_UP : HEALTH_DOWN, .next_hop.resolved = true},
					    {.health = HEALTH_UP, .next_hop.resolved = true}};
	struct service_facts services[2] = {{.rollout_share = share}};
	const struct facts facts = {.backends = backends, .backend_count = 3, .services = services, .service_count = 2};
	struct compiled compiled;
	char *text = text_of(rollouts);

	if (compile_after(before, text, &facts, &compiled)) {
		diagnostics_print(&compiled.diagnostics, stderr);
		fail();
	}
	free(text);
	return compiled;
}

/* "1=80 2=20", or the name of the refusal's reason. */
static const char *arms_of(const struct compiled *compiled, size_t service, char text[64])
{
	const struct region region = {.country = "DE"};
	struct decision *decision = decision_make(compiled->effective, service, 0, &region, AF_INET);
	int length = 0;

	*text = '\0';
	if (!decision->answering)
		snprintf(text, 64, "refused: %u", decision->reason);
	for (size_t a = 0; decision->answering && a < decision->answering->arm_count; a++) {
		const struct decision_arm *arm = &decision->answering->arms[a];

		length += snprintf(text + length, 64 - (size_t)length, "%s%s=%u", a ? " " : "",
				   compiled->policy->versions[arm->version].name, arm->weight / 100);
	}
	decision_free(decision);
	return text;
}

static void expect(const struct compiled *compiled, size_t service, const char *wanted)
{
	char text[64];

	assert_string_equal(arms_of(compiled, service, text), wanted);
}

static void test_it_takes_the_place_of_a_split_of_its_service_alone(void **state)
{
	struct compiled compiled = compiled_at(NULL, "", 20, true);

	(void)state;
	expect(&compiled, 0, "1=1 3=1");
	compiled_free(&compiled);
	compiled = compiled_at(NULL, ROLLOUT, 20, true);
	expect(&compiled, 0, "1=80 2=20");
	expect(&compiled, 1, "1=1 3=1"); /* the same model and rules, no roll-out */
	/* The same in the tables, where services share what is the same: two arms of each. */
	assert_int_equal(compiled.tables->arm_count, 4);
	compiled_free(&compiled);
}

static void test_without_a_share_it_gets_nothing(void **state)
{
	struct compiled compiled = compiled_at(NULL, ROLLOUT, 0, true);

	(void)state;
	expect(&compiled, 0, "1=100");
	compiled_free(&compiled);
	compiled = compiled_at(NULL, ROLLOUT, 100, true);
	expect(&compiled, 0, "2=100");
	compiled_free(&compiled);
	compiled = compiled_at(NULL, ROLLOUT, 20, false); /* an arm without a backend */
	expect(&compiled, 0, "1=80");
	compiled_free(&compiled);
	compiled = compiled_at(NULL, ROLLOUT, 100, false); /* nobody stands in */
	assert_int_equal(compiled.tables->header.epoch, 1);
	{
		const struct region region = {.country = "DE"};
		struct decision *decision = decision_make(compiled.effective, 0, 0, &region, AF_INET);

		assert_null(decision->answering);
		assert_int_equal(decision->reason, USHER_REASON_UNHEALTHY);
		assert_int_equal(decision->rule, POLICY_NONE);
		decision_free(decision);
	}
	compiled_free(&compiled);
}

static void test_a_step_raises_no_epoch(void **state)
{
	static const uint8_t shares[] = {0, 20, 100, 0};
	struct compiled before = compiled_at(NULL, ROLLOUT, 0, true);

	(void)state;
	for (size_t i = 0; i < sizeof(shares); i++) {
		struct compiled after = compiled_at(before.tables, ROLLOUT, shares[i], true);

		assert_int_equal(after.tables->header.epoch, before.tables->header.epoch);
		compiled_free(&after);
	}
	compiled_free(&before);
}

/* `check` and `diff` know of no daemon: both versions are then among those that may answer. */
static void test_without_facts_it_is_at_its_first_step(void **state)
{
	struct compiled compiled;
	char *text = text_of(ROLLOUT);

	(void)state;
	assert_int_equal(compile_after(NULL, text, NULL, &compiled), 0);
	expect(&compiled, 0, "1=80 2=20");
	free(text);
	compiled_free(&compiled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_takes_the_place_of_a_split_of_its_service_alone),
		cmocka_unit_test(test_without_a_share_it_gets_nothing),
		cmocka_unit_test(test_a_step_raises_no_epoch),
		cmocka_unit_test(test_without_facts_it_is_at_its_first_step),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
