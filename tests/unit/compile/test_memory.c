// SPDX-License-Identifier: GPL-2.0-only
/* What one compilation leaves for the next changes nothing of what is compiled. */
#include "compile/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "usher/flow_hash.h"

#include "base/array.h"
#include "compiled.h"

#define BACKENDS 60
#define CHANGES 300
#define SERVICES 6
#define POLICIES 25
#define CHANGES_OF_RANDOM 12

static const __u64 hash_key[USHER_HASH_KEYS] = {1, 2, 3, 4, 5};

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

/* Three models of two versions, and where the backends begin. */
static void write_models(struct writing *to)
{
	for (int m = 0; m < 3; m++)
		writef(to,
		       "%s\"m%d\": {\"versions\": {\"1\": {\"stage\": \"production\"}, \"2\": {\"stage\": "
		       "\"canary\"}}}",
		       m ? "," : "", m);
	writef(to, "}, \"backends\": {");
}

/* Two versions of three models, a split, a slow start, services that share a model; `other`: with other sources. */
static char *write_policy(bool other, size_t *ret_length)
{
	static const char geography[] = "16.0.0.0/8,DE\n16.1.0.0/16,FR\n2001:db8::/32,US\n";
	struct writing to = {0};

	writef(&to,
	       "{\"apiVersion\": \"usher/v1\", \"tenants\": {\"a\": {\"sources\": [{\"prefix\": \"20.0.0.0/%u\", "
	       "\"region\": "
	       "\"DE\"}, {\"geo\": \"g.csv\"}]}, \"b\": {\"sources\": [{\"prefix\": \"30.0.0.0/8\", \"region\": "
	       "\"US\"}]}}, "
	       "\"models\": {",
	       other ? 9 : 8);
	write_models(&to);
	for (int b = 0; b < BACKENDS; b++)
		writef(&to,
		       "%s\"b%d\": {\"address\": \"10.0.%d.1:80\", \"serves\": \"m%d@%d\", \"region\": \"%s\", "
		       "\"capacity\": %d}",
		       b ? "," : "", b, b, b % 3, 1 + b / 3 % 2, b % 4 ? "DE" : "US", 10 + b % 7);
	writef(&to, "}, \"services\": {");
	for (int s = 0; s < 9; s++)
		writef(&to,
		       "%s\"s%d\": {\"address\": \"198.51.100.1:%d\", \"protocol\": \"tcp\", \"model\": \"m%d\"%s}",
		       s ? "," : "", s, 1000 + s, s % 3, s % 2 ? ", \"slow_start\": \"600s\"" : "");
	writef(&to, "}, \"rules\": [{\"id\": \"de\", \"when\": {\"client_region\": [\"DE\"]}, \"require\": "
		    "{\"region\": [\"DE\"]}},"
		    "{\"id\": \"split\", \"when\": {\"service\": [\"s0\", \"s3\"]}, \"split\": {\"1\": 9, \"2\": 1}},"
		    "{\"id\": \"all\", \"when\": {\"tenant\": [\"a\", \"b\"]}, \"allow\": true}],"
		    "\"nat\": {\"addresses\": [\"10.255.255.1\"]}}");
	*ret_length = to.length;
	to.text = realloc(to.text, to.length + 200);
	assert_non_null(to.text);
	to.text[to.length] = '\0';
	*ret_length += 1 + (size_t)sprintf(to.text + to.length + 1, "usher-file read 5 %zu\ng.csv%s", strlen(geography),
					   geography);
	return to.text;
}

/* Returns which service it is of, if it is of one. */
static int write_when(struct writing *to, uint64_t *random, bool to_service)
{
	static const char *const tenants[] = {"a", "b", "unknown"}, *const regions[] = {"DE", "US", "FR", "unknown"};
	uint64_t chosen = next_random(random);
	int which = (int)(chosen / 32 % SERVICES);
	bool tenant = chosen % 3 == 0, service = to_service || chosen / 3 % 2;

	writef(to, "\"when\": {");
	if (tenant)
		writef(to, "\"tenant\": [\"%s\"]", tenants[chosen / 8 % 3]);
	if (service)
		writef(to, "%s\"service\": [\"s%d\"]", tenant ? ", " : "", which);
	if (chosen / 1024 % 2)
		writef(to, "%s\"client_region\": [\"%s\"]", tenant || service ? ", " : "", regions[chosen / 2048 % 4]);
	writef(to, "}");
	return which;
}

/* An effect of any kind, of any clients. */
static void write_rule(struct writing *to, uint64_t *random, int number)
{
	static const char *const effects[] = {
		"\"allow\": true",
		"\"allow\": true",
		"\"deny\": true, \"answer\": \"drop\"",
		"\"deny\": {\"region\": [\"US\"]}",
		"\"require\": {\"region\": [\"DE\"]}",
		"\"require\": {\"stage\": [\"production\"]}",
		"\"split\": {\"1\": 9, \"2\": 1}",
	};
	size_t effect = next_random(random) % (ARRAY_COUNT(effects) + 2);
	int service;
	bool to_service = effect >= ARRAY_COUNT(effects) - 1; /* a split or a reroute says of which */

	writef(to, ", {\"id\": \"r%d\", ", number);
	service = write_when(to, random, to_service);
	if (effect < ARRAY_COUNT(effects) || service == SERVICES - 1)
		writef(to, ", %s}", effects[effect % ARRAY_COUNT(effects)]);
	else /* always upwards, as reroutes must not go in a circle */
		writef(to, ", \"reroute\": {\"service\": \"s%d\"}}",
		       service + 1 + (int)(next_random(random) % (size_t)(SERVICES - 1 - service)));
}

/* Three models and six services, of one or both families, some a tenant's own; rules of all kinds. */
static char *write_random(uint64_t *random)
{
	struct writing to = {0};
	int rules = 3 + (int)(next_random(random) % 12);

	writef(&to, "{\"apiVersion\": \"usher/v1\", \"tenants\": {"
		    "\"a\": {\"sources\": [{\"prefix\": \"20.0.0.0/8\", \"region\": \"DE\"}, {\"prefix\": "
		    "\"2001:db8::/32\", \"region\": \"US\"}]},"
		    "\"b\": {\"sources\": [{\"prefix\": \"30.0.0.0/8\", \"region\": \"US\"}, {\"prefix\": "
		    "\"31.0.0.0/8\", \"region\": \"FR\"}]}}, \"models\": {");
	write_models(&to);
	for (int b = 0; b < BACKENDS; b++)
		writef(&to, "%s\"b%d\": {\"address\": \"10.0.%d.1:80\", \"serves\": \"m%d@%d\", \"region\": \"%s\"}",
		       b ? "," : "", b, b, b % 3, 1 + b / 3 % 2, next_random(random) % 3 ? "DE" : "US");
	writef(&to, "}, \"services\": {");
	for (int s = 0; s < SERVICES; s++) {
		writef(&to, "%s\"s%d\": {\"address\": [\"198.51.100.1:%d\"", s ? "," : "", s, 1000 + s);
		if (s % 2)
			writef(&to, ", \"[2001:db8:5::1]:%d\"", 1000 + s);
		writef(&to, "], \"protocol\": \"tcp\", \"model\": \"m%d\"", s % 3);
		if (next_random(random) % 4 == 0)
			writef(&to, ", \"tenant\": \"b\"");
		if (next_random(random) % 3 == 0)
			writef(&to, ", \"slow_start\": \"600s\"");
		writef(&to, "}");
	}
	writef(&to, "}, \"rules\": [{\"id\": \"all\", \"when\": {\"tenant\": [\"a\", \"b\"]}, \"allow\": true}");
	for (int r = 0; r < rules; r++)
		write_rule(&to, random, r);
	writef(&to, "], \"nat\": {\"addresses\": [\"10.255.255.1\", \"2001:db8:ffff::1\"]}}");
	return to.text;
}

static struct tables *compile_with(const struct policy *policy, const struct facts *facts, int64_t now,
				   const struct tables *before, struct compile_memory *memory)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct compile_input input = {.generation = 1, .hash_key = hash_key, .memory = memory};
	struct effective *effective;
	struct tables *tables = NULL;

	assert_int_equal(decide(policy, facts, now, &effective), 0);
	input.effective = effective;
	if (before) {
		input.identities = before->identities;
		input.generation = before->header.number + 1;
		input.epoch = before->header.epoch;
		input.judgement = before->judgement;
	}
	assert_int_equal(compile(&input, &diagnostics, &tables), 0);
	effective_free(effective);
	diagnostics_free(&diagnostics);
	return tables;
}

#define SAME(field, count)                                                                                             \
	do {                                                                                                           \
		assert_int_equal(got->count, wanted->count);                                                           \
		if (got->count)                                                                                        \
			assert_memory_equal(got->field, wanted->field, got->count * sizeof(*got->field));              \
	} while (0)

static void expect_same(const struct tables *got, const struct tables *wanted)
{
	char got_digest[SHA256_HEX], wanted_digest[SHA256_HEX];

	assert_memory_equal(&got->header, &wanted->header, sizeof(got->header));
	SAME(source4, source4_lines);
	SAME(source6, source6_lines);
	SAME(source4_classes, source4_class_lines);
	SAME(source6_classes, source6_class_lines);
	SAME(network_blocks, network_block_lines);
	assert_memory_equal(got->networks, wanted->networks, USHER_NETWORKS_LINES * sizeof(*got->networks));
	SAME(route_index, route_index_lines);
	SAME(routes, route_count);
	SAME(arms, arm_count);
	SAME(rings, ring_lines);
	SAME(sets, set_count);
	assert_memory_equal(got->judgement, wanted->judgement, sizeof(got->judgement));
	tables_digest(got, got_digest);
	tables_digest(wanted, wanted_digest);
	assert_string_equal(got_digest, wanted_digest);
}

static struct policy *read_text(char *text, size_t length)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;

	if (policy_parse("test.json", text, length, COMPILED_NOW, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	free(text);
	return policy;
}

static struct policy *read_policy(bool other)
{
	size_t length;
	char *text = write_policy(other, &length);

	return read_text(text, length);
}

static void test_memory_changes_nothing(void **state)
{
	struct policy *policies[2] = {read_policy(false), read_policy(true)};
	struct backend_facts backends[BACKENDS] = {0};
	struct facts facts = {.backends = backends, .backend_count = BACKENDS};
	struct compile_memory memory = {0};
	struct tables *with = NULL, *without = NULL;
	uint64_t random = 7;
	size_t shared = 0;

	(void)state;
	for (int b = 0; b < BACKENDS; b++)
		backends[b] = (struct backend_facts){.health = HEALTH_UP, .next_hop.resolved = true};
	for (int i = 0; i < CHANGES; i++) {
		struct backend_facts *one = &backends[next_random(&random) % BACKENDS];
		const struct policy *policy = policies[next_random(&random) % 10 == 0];
		int64_t now = COMPILED_NOW + i * 7;
		struct source_trees *trees = memory.trees;

		one->health = next_random(&random) % 3 ? HEALTH_UP : HEALTH_DOWN;
		one->draining = next_random(&random) % 4 == 0;
		one->quarantined = next_random(&random) % 8 == 0;
		one->able_since = next_random(&random) % 2 ? now - (int64_t)(next_random(&random) % 900) : 0;

		struct tables *next_with = compile_with(policy, &facts, now, with, &memory);
		struct tables *next_without = compile_with(policy, &facts, now, without, NULL);

		expect_same(next_with, next_without);
		shared += next_with->trees == trees;
		tables_free(with);
		tables_free(without);
		with = next_with;
		without = next_without;
	}
	assert_true(shared > CHANGES / 2); /* it is used */
	compile_memory_free(&memory);
	expect_same(with, without); /* what was shared lives on */
	tables_free(with);
	tables_free(without);
	policy_free(policies[0]);
	policy_free(policies[1]);
}

/* What happens to one backend, or to time. */
static void change(struct backend_facts *one, uint64_t *random, int64_t now)
{
	one->health = next_random(random) % 3 ? HEALTH_UP : HEALTH_DOWN;
	one->draining = next_random(random) % 4 == 0;
	one->quarantined = next_random(random) % 8 == 0;
	one->next_hop.resolved = next_random(random) % 5 != 0;
	one->next_hop.mac[5] = (uint8_t)next_random(random);
	one->able_since = next_random(random) % 2 ? now - (int64_t)(next_random(random) % 900) : 0;
}

/* The policy is read anew each time, so that nothing of what is kept may point into it; what is kept is of the policy that was there before. */
static void test_random_policies(void **state)
{
	struct compile_memory memory = {0};
	struct tables *with = NULL, *without = NULL;
	uint64_t random = 11;
	size_t kept = 0;

	(void)state;
	for (int p = 0; p < POLICIES; p++) {
		struct backend_facts backends[BACKENDS] = {0};
		const struct facts facts = {.backends = backends, .backend_count = BACKENDS};
		char *text = write_random(&random);

		for (int i = 0; i < CHANGES_OF_RANDOM; i++) {
			struct policy *policy = read_text(strdup(text), strlen(text));
			int64_t now = COMPILED_NOW + i * 60;
			const struct casebook *casebook = memory.casebook;

			for (size_t b = 0; !i && b < BACKENDS; b++)
				change(&backends[b], &random, now);
			change(&backends[next_random(&random) % BACKENDS], &random, now);

			struct tables *next_with = compile_with(policy, &facts, now, with, &memory);
			struct tables *next_without = compile_with(policy, &facts, now, without, NULL);

			expect_same(next_with, next_without);
			kept += memory.casebook == casebook;
			tables_free(with);
			tables_free(without);
			with = next_with;
			without = next_without;
			policy_free(policy);
		}
		free(text);
	}
	assert_int_equal(kept, POLICIES * (CHANGES_OF_RANDOM - 1));
	compile_memory_free(&memory);
	tables_free(with);
	tables_free(without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory_changes_nothing),
					   cmocka_unit_test(test_random_policies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
