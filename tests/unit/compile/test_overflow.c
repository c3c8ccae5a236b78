// SPDX-License-Identifier: GPL-2.0-only
/* Overflow tiers and shedding: who may start, who may stay, and that neither raises the epoch. */
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "compile/decision.h"
#include "compiled.h"

#include <cmocka.h>

static const char text[] =
	"{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"
	"\"backends\": {"
	"\"de\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
	"\"fr\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@1\", \"region\": \"FR\"},"
	"\"ie\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@1\", \"region\": \"IE\"}},"
	"\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\","
	"\"overflow\": [{\"region\": [\"FR\"]}, {\"region\": [\"IE\", \"FR\"]}, {\"shed\": \"lowest-priority\"}]},"
	"\"t\": {\"address\": \"192.0.2.2:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
	"\"tenants\": {\"x\": {\"sources\": [{\"prefix\": \"198.51.100.0/24\", \"region\": \"DE\"}], \"priority\": 5},"
	"\"y\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}], \"priority\": 9}},"
	"\"rules\": [{\"id\": \"allow\", \"when\": {\"tenant\": [\"x\", \"y\"]}, \"allow\": true}],"
	"\"nat\": {\"addresses\": [\"10.255.0.1\"]}}";

enum { DE, FR, IE, BACKENDS };
enum { S, T, SERVICES };
enum { X, Y };

static const char *document = text;

static struct compiled compiled_with(const struct tables *before, struct service_facts service, unsigned int down)
{
	struct backend_facts backends[BACKENDS];
	struct service_facts services[SERVICES] = {service};
	const struct facts facts = {
		.backends = backends, .backend_count = BACKENDS, .services = services, .service_count = SERVICES};
	struct compiled compiled;

	for (unsigned int b = 0; b < BACKENDS; b++)
		backends[b] = (struct backend_facts){.health = down >> b & 1 ? HEALTH_DOWN : HEALTH_UP,
						     .next_hop.resolved = true};
	if (compile_after(before, document, &facts, &compiled)) {
		diagnostics_print(&compiled.diagnostics, stderr);
		fail();
	}
	return compiled;
}

static struct compiled compiled_at(const struct tables *before, uint32_t open, uint32_t shed, unsigned int down)
{
	return compiled_with(before, (struct service_facts){.open = open, .shed = shed}, down);
}

/* Who may start, one letter each: s; c: only continue, its tier is closed; u: only continue, it is not healthy. Or the refusal. */
static void expect(const struct compiled *compiled, size_t service, size_t tenant, const char *wanted)
{
	const struct region region = {.country = "DE"};
	struct decision *decision = decision_make(compiled->effective, service, tenant, &region, AF_INET);
	char seen[16] = "";

	for (size_t i = 0; i < decision->own->count; i++) {
		const struct candidate *candidate = &decision->own->candidates[i];

		assert_int_equal(candidate->constraint_reason, 0);
		seen[i] = candidate->start_reason == 0				? 's'
			  : candidate->start_reason == USHER_REASON_TIER_CLOSED ? 'c'
			  : candidate->start_reason == USHER_REASON_UNHEALTHY	? 'u'
										: '?';
	}
	if (decision->reason == USHER_REASON_SHED) {
		assert_int_equal(decision->answer, USHER_ANSWER_DROP);
		assert_null(decision->answering);
		snprintf(seen, sizeof(seen), "shed");
	}
	assert_string_equal(seen, wanted);
	decision_free(decision);
}

static void test_tiers(void **state)
{
	struct compiled compiled = compiled_at(NULL, 0, 0, 0);
	uint32_t epoch = compiled.tables->header.epoch;

	(void)state;
	expect(&compiled, S, X, "scc");
	expect(&compiled, T, X, "sss"); /* which has no overflow */
	struct compiled next = compiled_at(compiled.tables, 1, 0, 0);

	expect(&next, S, X, "ssc");
	assert_int_equal(next.tables->header.epoch, epoch);
	compiled_free(&next);
	next = compiled_at(compiled.tables, 2, 0, 0);
	expect(&next, S, X, "sss");
	compiled_free(&next);
	/* Nobody before them: the next tier that has anybody. */
	next = compiled_at(compiled.tables, 0, 0, 1u << DE);
	expect(&next, S, X, "usc");
	compiled_free(&next);
	next = compiled_at(compiled.tables, 0, 0, 1u << DE | 1u << FR);
	expect(&next, S, X, "uus");
	compiled_free(&next);
	compiled_free(&compiled);
}

/* A version that is in a further tier alone keeps its share: tiers are inside the arm. */
static void test_tiers_are_inside_the_arm(void **state)
{
	static const char *const replaced[][2] = {
		{"{\"1\": {\"stage\": \"production\"}}",
		 "{\"1\": {\"stage\": \"production\"}, \"2\": {\"stage\": \"canary\"}}"},
		{"\"10.0.0.3:80\", \"serves\": \"m@1\"", "\"10.0.0.3:80\", \"serves\": \"m@2\""},
		{"\"rules\": [",
		 "\"rules\": [{\"id\": \"ab\", \"when\": {\"service\": [\"s\"]}, \"split\": {\"1\": 95, "
		 "\"2\": 5}}, "},
	};
	char *changed = strdup(text);
	struct compiled compiled;

	(void)state;
	for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++) {
		char *before = changed, *at = strstr(before, replaced[i][0]);

		assert_non_null(at);
		if (asprintf(&changed, "%.*s%s%s", (int)(at - before), before, replaced[i][1],
			     at + strlen(replaced[i][0])) < 0)
			abort();
		free(before);
	}
	document = changed;
	compiled = compiled_at(NULL, 0, 0, 0);
	expect(&compiled, S, X, "scs");
	compiled_free(&compiled);
	compiled = compiled_at(NULL, 0, 0, 1u << DE);
	expect(&compiled, S, X, "uss");
	compiled_free(&compiled);
	document = text;
	free(changed);
}

static void test_shedding(void **state)
{
	struct compiled compiled = compiled_at(NULL, 2, 0, 0), next;

	(void)state;
	/* 0, of strangers, goes first. */
	next = compiled_at(compiled.tables, 2, 1, 0);
	expect(&next, S, X, "sss");
	compiled_free(&next);
	next = compiled_at(compiled.tables, 2, 2, 0);
	expect(&next, S, X, "shed");
	expect(&next, S, Y, "sss");
	expect(&next, T, X, "sss");
	assert_int_equal(next.tables->header.epoch, compiled.tables->header.epoch);
	compiled_free(&next);
	/* Never the highest. */
	next = compiled_at(compiled.tables, 2, 9, 0);
	expect(&next, S, Y, "sss");
	compiled_free(&next);
	/* Whom nobody could answer is told that. */
	next = compiled_at(compiled.tables, 2, 2, 7);
	expect(&next, S, X, "uuu");
	compiled_free(&next);
	compiled_free(&compiled);
}

/* The weights of those who are shed and of the others: of the route that clients of the first tenant have at service s. */
static void expect_part(const struct compiled *compiled, size_t tenant, uint32_t shed, uint32_t others)
{
	const struct region region = {.country = "DE"};
	const struct class class = {tenant, region, AF_INET};
	const struct tables *tables = compiled->tables;
	size_t at = classes_find(&tables->trees->classes, &class);
	const struct usher_route *route;
	uint64_t weights[2] = {0};

	for (uint16_t service = 0; service < USHER_SERVICES_MAX; service++) {
		const struct catalog_service *named = &tables->catalog->services[service];

		if (named->name && !strcmp(named->name, "s"))
			at += (size_t)service * tables->header.class_stride;
	}
	route = &tables->routes[tables->route_index[at / 32].value[at % 32]];
	for (uint32_t a = 0; a < route->arms; a++) {
		const struct usher_arm *arm = &tables->arms[route->first_arm + a];

		weights[arm->ring_size != 0] += arm->weight;
	}
	assert_true(weights[0] * others == weights[1] * shed);
	assert_true(weights[1] > 0);
}

static void test_a_part_of_the_next_priority(void **state)
{
	struct compiled compiled = compiled_at(NULL, 2, 0, 0), next;

	(void)state;
	expect_part(&compiled, X, 0, 1);
	/* Of strangers. */
	next = compiled_with(compiled.tables, (struct service_facts){.open = 2, .shed_part = 25}, 0);
	expect_part(&next, X, 0, 1);
	compiled_free(&next);
	next = compiled_with(compiled.tables, (struct service_facts){.open = 2, .shed = 1, .shed_part = 75}, 0);
	expect_part(&next, X, 3, 1);
	expect_part(&next, Y, 0, 1);
	expect(&next, S, X, "sss");
	assert_int_equal(next.tables->header.epoch, compiled.tables->header.epoch);
	compiled_free(&next);
	/* Never of the highest. */
	next = compiled_with(compiled.tables, (struct service_facts){.open = 2, .shed = 2, .shed_part = 50}, 0);
	expect_part(&next, Y, 0, 1);
	compiled_free(&next);
	compiled_free(&compiled);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_tiers_are_inside_the_arm),
		cmocka_unit_test(test_shedding),
		cmocka_unit_test(test_a_part_of_the_next_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
