// SPDX-License-Identifier: GPL-2.0-only
/* Outliers: of each set of backends so many at most are left out, those that went first; nobody's open flows are judged by it. */
#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "compile/decision.h"
#include "compiled.h"

#include <cmocka.h>

/* Service s is for everybody, t for the two of France alone; u has the rest in an overflow tier. */
#define POLICY(outlier)                                                                                                \
	"{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": "                       \
	"\"production\"}}" outlier "}},"                                                                               \
	"\"backends\": {"                                                                                              \
	"\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"                              \
	"\"b\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"                              \
	"\"c\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@1\", \"region\": \"FR\"},"                              \
	"\"d\": {\"address\": \"10.0.0.4:80\", \"serves\": \"m@1\", \"region\": \"FR\"}},"                             \
	"\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"             \
	"\"t\": {\"address\": \"192.0.2.2:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"                            \
	"\"u\": {\"address\": \"192.0.2.3:443\", \"protocol\": \"tcp\", \"model\": \"m\","                             \
	"\"overflow\": [{\"region\": [\"FR\"]}]}},"                                                                    \
	"\"tenants\": {\"x\": {\"sources\": [{\"prefix\": \"198.51.100.0/24\", \"region\": \"DE\"}]}},"                \
	"\"rules\": [{\"id\": \"french\", \"when\": {\"service\": [\"t\"]}, \"require\": {\"region\": [\"FR\"]}},"     \
	"{\"id\": \"allow\", \"when\": {\"tenant\": [\"x\"]}, \"allow\": true}],"                                      \
	"\"nat\": {\"addresses\": [\"10.255.0.1\"]}}"

enum { S, T, U };
#define BACKENDS 4

static struct compiled compiled_of(const struct tables *before, const char *text, const char *ranks)
{
	struct backend_facts backends[BACKENDS];
	const struct facts facts = {.backends = backends, .backend_count = BACKENDS};
	struct compiled compiled;

	for (size_t b = 0; b < BACKENDS; b++)
		backends[b] = (struct backend_facts){
			.health = HEALTH_UP, .next_hop.resolved = true, .ejected = (uint32_t)(ranks[b] - '0')};
	if (compile_after(before, text, &facts, &compiled)) {
		diagnostics_print(&compiled.diagnostics, stderr);
		fail();
	}
	return compiled;
}

/* One letter a backend: s: may start; e: is left out; r: a rule takes it away; c: its tier is closed. */
static void expect(const struct compiled *compiled, size_t service, const char *wanted)
{
	const struct region region = {.country = "DE"};
	struct decision *decision = decision_make(compiled->effective, service, 0, &region, AF_INET);
	char seen[BACKENDS + 1] = "";

	assert_int_equal(decision->own->count, BACKENDS);
	for (size_t i = 0; i < decision->own->count; i++) {
		const struct candidate *candidate = &decision->own->candidates[i];

		seen[i] = candidate->constraint_reason				? 'r'
			  : candidate->start_reason == 0			? 's'
			  : candidate->start_reason == USHER_REASON_EJECTED	? 'e'
			  : candidate->start_reason == USHER_REASON_TIER_CLOSED ? 'c'
										: '?';
	}
	assert_string_equal(seen, wanted);
	decision_free(decision);
}

static void test_so_many_of_each_set(void **state)
{
	static const char half[] = POLICY(", \"outlier\": {}");
	struct compiled before = compiled_of(NULL, half, "0000"), next;

	(void)state;
	expect(&before, S, "ssss");
	next = compiled_of(before.tables, half, "0021");
	expect(&next, S, "ssee");
	expect(&next, T, "rrse"); /* of two, one: who went first */
	expect(&next, U, "ssee");
	assert_int_equal(next.tables->header.epoch, before.tables->header.epoch);
	compiled_free(&next);
	next = compiled_of(before.tables, half, "1200");
	expect(&next, U, "eess"); /* and the next tier takes over */
	compiled_free(&next);
	next = compiled_of(before.tables, half, "3214");
	expect(&next, S, "sees");
	expect(&next, T, "rres");
	compiled_free(&next);
	compiled_free(&before);
}

static void test_all_of_them_if_the_policy_says_so(void **state)
{
	struct compiled compiled = compiled_of(NULL, POLICY(", \"outlier\": {\"most\": 100}"), "1234");
	const struct region region = {.country = "DE"};
	struct decision *decision = decision_make(compiled.effective, S, 0, &region, AF_INET);

	(void)state;
	expect(&compiled, S, "eeee");
	assert_int_equal(decision->reason, USHER_REASON_EJECTED);
	decision_free(decision);
	compiled_free(&compiled);
}

static void test_nobody_where_none_are_looked_for(void **state)
{
	struct compiled compiled = compiled_of(NULL, POLICY(""), "1234");

	(void)state;
	expect(&compiled, S, "ssss");
	compiled_free(&compiled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_so_many_of_each_set),
		cmocka_unit_test(test_all_of_them_if_the_policy_says_so),
		cmocka_unit_test(test_nobody_where_none_are_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
