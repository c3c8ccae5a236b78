// SPDX-License-Identifier: GPL-2.0-only
/* Random policies and random changes: the epoch rises exactly when somebody's constraint set is another one. */
#include "compile/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/array.h"
#include "compile/decision.h"
#include "compiled.h"

#define SERVICES 3
#define TENANTS 5
#define BACKENDS 8
#define VERSIONS 3
#define RULES 12
#define ROUNDS 400

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

static unsigned int below(uint64_t *random, unsigned int limit)
{
	return (unsigned int)(next_random(random) % limit);
}

/* ---- policies ------------------------------------------------------------------------------------------------ */

struct draft {
	char rules[RULES + 4][512]; /* each but for its id */
	size_t count;
	unsigned int capacities[BACKENDS];
};

static const char *const regions[] = {"DE", "DE-HE", "FR", "US"};

/* Some of the names NAME0, NAME1, ..., at least one, as a list. */
static void write_names(struct writing *to, const char *key, const char *name, unsigned int count, uint64_t *random)
{
	unsigned int chosen = 1 + below(random, (1u << count) - 1);
	const char *comma = "";

	writef(to, "\"%s\": [", key);
	for (unsigned int i = 0; i < count; i++)
		if (chosen >> i & 1) {
			writef(to, "%s\"%s%u\"", comma, name, i);
			comma = ", ";
		}
	writef(to, "]");
}

static void write_when(struct writing *to, bool service, uint64_t *random)
{
	const char *comma = "";

	writef(to, "\"when\": {");
	if (service || below(random, 2)) {
		write_names(to, "service", "s", SERVICES, random);
		comma = ", ";
	}
	if (below(random, 2)) {
		writef(to, "%s", comma);
		write_names(to, "tenant", "t", TENANTS, random);
		comma = ", ";
	}
	if (below(random, 3) == 0)
		writef(to, "%s\"client_region\": [\"%s\"]", comma, regions[below(random, 4)]);
	writef(to, "}, ");
}

static void write_match(struct writing *to, uint64_t *random)
{
	switch (below(random, 3)) {
	case 0:
		writef(to, "{\"region\": [\"%s\", \"%s\"]}", "DE", below(random, 2) ? "FR" : "US");
		break;
	case 1:
		writef(to, "{");
		write_names(to, "version", "v", VERSIONS, random);
		writef(to, "}");
		break;
	default:
		writef(to, "{");
		write_names(to, "backend", "b", BACKENDS, random);
		writef(to, "}");
	}
}

static void write_split(char rule[512], uint64_t *random)
{
	struct writing to = {0};

	write_when(&to, true, random);
	writef(&to, "\"split\": {");
	for (unsigned int v = 0; v < VERSIONS; v++)
		writef(&to, "%s\"v%u\": %u", v ? ", " : "", v, below(random, 3) + (v == 0));
	writef(&to, "}");
	snprintf(rule, 512, "%s", to.text);
	free(to.text);
}

static void write_rule(char rule[512], uint64_t *random)
{
	struct writing to = {0};

	switch (below(random, 8)) {
	case 0:
		write_when(&to, false, random);
		writef(&to, "\"deny\": true");
		break;
	case 1:
		write_when(&to, false, random);
		writef(&to, "\"deny\": ");
		write_match(&to, random);
		break;
	case 2:
	case 3:
		write_when(&to, false, random);
		writef(&to, "\"require\": ");
		write_match(&to, random);
		break;
	case 4:
		writef(&to,
		       "\"when\": {\"service\": [\"s0\"], \"tenant\": [\"t%u\"]}, \"reroute\": {\"service\": \"s1\"}",
		       below(random, TENANTS));
		break;
	default:
		write_when(&to, false, random);
		writef(&to, "\"allow\": true");
	}
	snprintf(rule, 512, "%s", to.text);
	free(to.text);
}

static struct draft random_draft(uint64_t *random)
{
	struct draft draft = {.count = 4 + below(random, RULES - 4)};

	for (size_t r = 0; r < draft.count; r++)
		write_rule(draft.rules[r], random);
	for (size_t b = 0; b < BACKENDS; b++)
		draft.capacities[b] = 1 + below(random, 9);
	return draft;
}

static void insert_rule(struct draft *draft, size_t at, const char *rule)
{
	assert_in_range(draft->count, 0, ARRAY_COUNT(draft->rules) - 1);
	memmove(draft->rules[at + 1], draft->rules[at], (draft->count - at) * sizeof(draft->rules[0]));
	snprintf(draft->rules[at], sizeof(draft->rules[at]), "%s", rule);
	draft->count++;
}

static void remove_rule(struct draft *draft, size_t at)
{
	draft->count--;
	memmove(draft->rules[at], draft->rules[at + 1], (draft->count - at) * sizeof(draft->rules[0]));
}

static char *text_of(const struct draft *draft)
{
	struct writing to = {0};

	writef(&to, "{\"apiVersion\": \"usher/v1\", \"nat\": {\"addresses\": [\"10.255.0.1\"]}, \"tenants\": {");
	for (unsigned int t = 0; t < TENANTS; t++)
		writef(&to,
		       "%s\"t%u\": {\"sources\": [{\"prefix\": \"192.0.%u.0/24\", \"region\": \"%s\"}, {\"prefix\": "
		       "\"198.18.%u.0/24\", \"region\": \"%s\"}]}",
		       t ? ", " : "", t, t, regions[t % 4], t, regions[(t * t + 1) % 4]);
	writef(&to, "}, \"models\": {\"m\": {\"versions\": {");
	for (unsigned int v = 0; v < VERSIONS; v++)
		writef(&to, "%s\"v%u\": {\"stage\": \"production\"}", v ? ", " : "", v);
	writef(&to, "}}}, \"services\": {");
	for (unsigned int s = 0; s < SERVICES; s++)
		writef(&to, "%s\"s%u\": {\"address\": \"198.51.100.1:%u\", \"protocol\": \"tcp\", \"model\": \"m\"}",
		       s ? ", " : "", s, 80 + s);
	writef(&to, "}, \"backends\": {");
	for (unsigned int b = 0; b < BACKENDS; b++)
		writef(&to,
		       "%s\"b%u\": {\"address\": \"10.0.0.%u:80\", \"serves\": \"m@v%u\", \"region\": \"%s\", "
		       "\"capacity\": %u}",
		       b ? ", " : "", b, b + 1, b % VERSIONS, regions[b % 4], draft->capacities[b]);
	writef(&to, "}, \"rules\": [");
	for (size_t r = 0; r < draft->count; r++)
		writef(&to, "%s{\"id\": \"r%zu\", %s}", r ? ", " : "", r, draft->rules[r]);
	writef(&to, "]}");
	return to.text;
}

/* ---- what flows are judged by, told by the decisions themselves and not by the tables -------------------------------- */

static void add_set(uint64_t *set, const struct shortlist *list)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (!list->candidates[i].constraint_reason)
			*set |= 1ULL << list->backends[i];
}

struct judgement {
	uint64_t sets[SERVICES][2 * TENANTS + 1];
};

static struct judgement judged(const struct effective *effective)
{
	const struct policy *policy = effective->policy;
	const struct region nowhere = {0};
	struct judgement judgement = {0};

	for (size_t s = 0; s < SERVICES; s++)
		for (size_t c = 0; c <= 2 * TENANTS; c++) {
			size_t tenant = c / 2 < TENANTS ? c / 2 : POLICY_UNKNOWN_TENANT;
			const struct region *region =
				c / 2 < TENANTS ? &policy->tenants[tenant].sources[c % 2].region : &nowhere;
			struct decision *decision = decision_make(effective, s, tenant, region, AF_INET);

			add_set(&judgement.sets[s][c], decision->own);
			add_set(&judgement.sets[s][c], decision->rerouted);
			decision_free(decision);
		}
	return judgement;
}

static void made(const struct tables *before, const struct draft *draft, const struct facts *facts,
		 struct compiled *compiled)
{
	char *text = text_of(draft);

	if (compile_after(before, text, facts, compiled)) {
		diagnostics_print(&compiled->diagnostics, stderr);
		fail_msg("this does not compile: %s", text);
	}
	free(text);
}

/* 1: the sets are other ones, and the epoch has risen. Anything but agreement fails. */
static int risen(const struct draft *before, const struct draft *after, const struct facts *facts)
{
	struct compiled old, new;
	struct judgement was, is;
	bool differs;

	made(NULL, before, NULL, &old);
	made(old.tables, after, facts, &new);
	was = judged(old.effective);
	is = judged(new.effective);
	differs = memcmp(&was, &is, sizeof(was)) != 0;
	if ((new.tables->header.epoch != old.tables->header.epoch) != differs) {
		char *one = text_of(before), *other = text_of(after);

		print_message("# before: %s\n# after: %s\n", one, other);
		free(one);
		free(other);
		fail_msg("the sets are %s, and epoch %u is followed by %u", differs ? "others" : "the same",
			 old.tables->header.epoch, new.tables->header.epoch);
	}
	assert_true(new.tables->header.epoch - old.tables->header.epoch <= 1);
	compiled_free(&new);
	compiled_free(&old);
	return differs;
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static void test_capacities_do_not_raise_it(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct draft before = random_draft(&random), after = before;

		after.capacities[below(&random, BACKENDS)] = 1 + below(&random, 9);
		assert_false(risen(&before, &after, NULL));
	}
}

static void test_facts_do_not_raise_it(void **state)
{
	uint64_t random = 2;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct draft draft = random_draft(&random);
		struct backend_facts backends[BACKENDS] = {{0}};
		const struct facts facts = {.backends = backends, .backend_count = BACKENDS};

		for (size_t b = 0; b < BACKENDS; b++) {
			backends[b].health = (enum health_state)below(&random, 3);
			backends[b].draining = below(&random, 3) == 0;
			backends[b].next_hop.resolved = below(&random, 3) != 0;
			backends[b].next_hop.mac[5] = (uint8_t)below(&random, 256);
			backends[b].next_hop.interface = below(&random, 9);
		}
		assert_false(risen(&draft, &draft, &facts));
	}
}

/* Who has health or a next hop has no say here, who is in quarantine has. */
static void test_quarantines_raise_it_when_they_change_a_set(void **state)
{
	uint64_t random = 5;
	int raised = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct draft draft = random_draft(&random);
		struct backend_facts backends[BACKENDS] = {{0}};
		struct version_facts versions[VERSIONS] = {{0}};
		const struct facts facts = {.backends = backends,
					    .backend_count = BACKENDS,
					    .versions = versions,
					    .version_count = VERSIONS};

		backends[below(&random, BACKENDS)].quarantined = below(&random, 4) != 0;
		versions[below(&random, VERSIONS)].quarantined = below(&random, 4) == 0;
		for (size_t b = 0; b < BACKENDS; b++)
			backends[b].next_hop.resolved = below(&random, 3) != 0;
		raised += risen(&draft, &draft, &facts);
	}
	print_message("# %d of %d quarantines raised the epoch, rightly\n", raised, ROUNDS);
	assert_true(raised > ROUNDS / 8 && raised < ROUNDS - ROUNDS / 8);
}

/* A split says who gets how much of what is allowed, and allows nothing. */
static void test_splits_do_not_raise_it(void **state)
{
	uint64_t random = 3;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct draft before = random_draft(&random), after = before;
		char split[512];

		write_split(split, &random);
		insert_rule(&after, below(&random, (unsigned int)after.count + 1), split);
		assert_false(risen(&before, &after, NULL));
		assert_false(risen(&after, &before, NULL));
	}
}

/* The least of what the test above found: t0 is told apart from t2, and nobody's set is another one. */
static void test_a_split_for_one_tenant_does_not_raise_it(void **state)
{
	struct draft before = {.rules = {"\"allow\": true",
					 "\"when\": {\"client_region\": [\"DE\"]}, \"require\": {\"region\": [\"DE\"]}",
					 "\"when\": {\"tenant\": [\"t1\"]}, \"require\": {\"region\": [\"US\"]}"},
			       .count = 3},
		     after;

	(void)state;
	for (size_t b = 0; b < BACKENDS; b++)
		before.capacities[b] = 1;
	after = before;
	insert_rule(&after, 3,
		    "\"when\": {\"service\": [\"s0\"], \"tenant\": [\"t0\"]}, \"split\": {\"v0\": 1, \"v1\": 1}");
	assert_false(risen(&before, &after, NULL));
}

static void test_rules_raise_it_when_they_change_a_set(void **state)
{
	uint64_t random = 4;
	int raised = 0, others = 0;

	(void)state;
	for (int round = 0; round < 3 * ROUNDS; round++) {
		struct draft before = random_draft(&random), after = before;
		size_t at = below(&random, (unsigned int)after.count);
		char rule[512];

		switch (round % 3) {
		case 0:
			write_rule(rule, &random);
			insert_rule(&after, at, rule);
			break;
		case 1:
			remove_rule(&after, at);
			break;
		default: /* to the end */
			memcpy(rule, after.rules[at], sizeof(rule));
			remove_rule(&after, at);
			insert_rule(&after, after.count, rule);
		}
		if (risen(&before, &after, NULL))
			raised++;
		else
			others++;
	}
	print_message("# %d changes of rules raised the epoch, %d did not, all of them rightly\n", raised, others);
	assert_true(raised > ROUNDS / 4 && others > ROUNDS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capacities_do_not_raise_it),
		cmocka_unit_test(test_facts_do_not_raise_it),
		cmocka_unit_test(test_quarantines_raise_it_when_they_change_a_set),
		cmocka_unit_test(test_splits_do_not_raise_it),
		cmocka_unit_test(test_a_split_for_one_tenant_does_not_raise_it),
		cmocka_unit_test(test_rules_raise_it_when_they_change_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
