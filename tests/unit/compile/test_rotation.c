// SPDX-License-Identifier: GPL-2.0-only
/* A route's ring in the tables themselves: shares by capacity, and what one backend's leaving and coming back moves. */
#include "compile/compile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "compiled.h"

#define MOST 100

/* Capacities within 1 : 5, in an order that is anybody's; `without`: the backend that is left out, or `count`. */
static char *policy_of(size_t count, size_t without)
{
	struct writing to = {0};
	const char *comma = "";

	writef(&to, "{\"apiVersion\": \"usher/v1\", \"nat\": {\"addresses\": [\"10.255.0.1\"]}, \"tenants\": {\"t\": "
		    "{\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"DE\"}]}}, \"models\": {\"m\": "
		    "{\"versions\": {\"1\": {\"stage\": \"production\"}}}}, \"services\": {\"s\": {\"address\": "
		    "\"198.51.100.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"}}, \"rules\": [{\"id\": \"all\", "
		    "\"allow\": true}], \"backends\": {");
	for (size_t b = 0; b < count; b++) {
		if (b == without)
			continue;
		writef(&to,
		       "%s\"b%03zu\": {\"address\": \"10.0.0.%zu:80\", \"serves\": \"m@1\", \"region\": \"DE\", "
		       "\"capacity\": %u}",
		       comma, b, b + 1, (unsigned int)(20 + usher_mix64(b) % 81));
		comma = ", ";
	}
	writef(&to, "}}");
	return to.text;
}

static void made(const struct tables *before, size_t count, size_t without, const struct facts *facts,
		 struct compiled *compiled)
{
	char *text = policy_of(count, without);

	if (compile_after(before, text, facts, compiled)) {
		diagnostics_print(&compiled->diagnostics, stderr);
		fail_msg("%zu backends do not compile", count);
	}
	assert_int_equal(compiled->diagnostics.count, 0);
	assert_int_equal(compiled->tables->arm_count, 1);
	free(text);
}

static uint32_t ring_slots(const struct compiled *compiled)
{
	assert_int_equal(compiled->tables->arms[0].ring_size, compiled->tables->ring_lines * 32);
	return compiled->tables->arms[0].ring_size;
}

/* Name of the backend that a hash, given as its place in all hashes (position of `of`), leads to. */
static const char *at(const struct compiled *compiled, uint64_t position, uint64_t of)
{
	uint64_t slot = compiled->tables->arms[0].ring + position * ring_slots(compiled) / of;

	return compiled->tables->catalog->backends[compiled->tables->rings[slot / 32].value[slot % 32]].name;
}

static void test_shares_are_those_of_the_capacities(void **state)
{
	double worst = 0;

	(void)state;
	for (size_t count = 1; count <= MOST; count++) {
		struct compiled compiled;
		uint32_t got[MOST] = {0}, size;
		uint64_t sum = 0;

		made(NULL, count, count, NULL, &compiled);
		size = ring_slots(&compiled);
		for (uint32_t slot = 0; slot < size; slot++) {
			size_t backend = (size_t)atoi(at(&compiled, slot, size) + 1);

			assert_in_range(backend, 0, count - 1);
			got[backend]++;
		}
		for (size_t b = 0; b < count; b++)
			sum += compiled.policy->backends[b].capacity;
		for (size_t b = 0; b < count; b++) {
			double asked = (double)size * compiled.policy->backends[b].capacity / (double)sum;
			double off = ((double)got[b] - asked) / asked;

			off = off < 0 ? -off : off;
			if (off > 0.01)
				fail_msg("%zu backends: %s has %u of %u slots, and should have %.1f", count,
					 compiled.policy->backends[b].name, got[b], size, asked);
			worst = off > worst ? off : worst;
		}
		compiled_free(&compiled);
	}
	print_message("# 1 to %d backends of uneven capacity: the worst share is %.2f %% off\n", MOST, 100 * worst);
}

/* Share of all hashes that lead elsewhere although the leaver did not have them. */
static double moved(const struct compiled *before, const struct compiled *after, const char *leaver)
{
	uint64_t finest = ring_slots(before) > ring_slots(after) ? ring_slots(before) : ring_slots(after), count = 0;

	for (uint64_t position = 0; position < finest; position++) {
		const char *was = at(before, position, finest), *is = at(after, position, finest);

		assert_string_not_equal(is, leaver);
		count += strcmp(was, leaver) != 0 && strcmp(was, is) != 0;
	}
	return (double)count / (double)finest;
}

static void same_ring(const struct compiled *one, const struct compiled *other)
{
	assert_int_equal(one->tables->ring_lines, other->tables->ring_lines);
	assert_memory_equal(one->tables->rings, other->tables->rings,
			    one->tables->ring_lines * sizeof(*one->tables->rings));
}

static void test_who_fails_moves_few_and_finds_the_same_ring(void **state)
{
	static const size_t counts[] = {3, 10, 100};

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
		struct backend_facts backends[MOST] = {{0}};
		const struct facts facts = {.backends = backends, .backend_count = counts[c]};
		struct compiled first;
		double worst = 0, sum = 0;
		size_t tried = 0;

		for (size_t b = 0; b < counts[c]; b++)
			backends[b] =
				(struct backend_facts){.health = HEALTH_UP, .next_hop = {.resolved = true, .mac = {2}}};
		made(NULL, counts[c], counts[c], &facts, &first);
		for (size_t leaver = 0; leaver < counts[c]; leaver += 1 + counts[c] / 20) {
			struct compiled gone, back;
			double share;

			backends[leaver].health = HEALTH_DOWN;
			made(first.tables, counts[c], counts[c], &facts, &gone);
			backends[leaver].health = HEALTH_UP;
			made(gone.tables, counts[c], counts[c], &facts, &back);
			assert_int_equal(ring_slots(&gone), ring_slots(&first));
			share = moved(&first, &gone, first.policy->backends[leaver].name);
			if (share >= 0.02)
				fail_msg("%.2f %% move needlessly when %s of %zu fails", 100 * share,
					 first.policy->backends[leaver].name, counts[c]);
			same_ring(&first, &back);
			worst = share > worst ? share : worst;
			sum += share;
			tried++;
			compiled_free(&back);
			compiled_free(&gone);
		}
		print_message("# one of %3zu fails: %.2f %% of all flows move beyond its own, at worst %.2f %%\n",
			      counts[c], 100 * sum / (double)tried, 100 * worst);
		compiled_free(&first);
	}
}

/* Taken out of the document. A ring may then have another size, and is another ring: the figures say how often. */
static void test_who_is_deleted_comes_back_to_the_same_ring(void **state)
{
	static const size_t counts[] = {3, 10, 100};

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
		struct compiled first;
		double sums[2] = {0};
		size_t tried[2] = {0};

		made(NULL, counts[c], counts[c], NULL, &first);
		for (size_t leaver = 0; leaver < counts[c]; leaver += 1 + counts[c] / 20) {
			struct compiled gone, back;
			bool resized;
			double share;

			made(first.tables, counts[c], leaver, NULL, &gone);
			made(gone.tables, counts[c], counts[c], NULL, &back);
			resized = ring_slots(&gone) != ring_slots(&first);
			share = moved(&first, &gone, first.policy->backends[leaver].name);
			if (!resized)
				assert_true(share < 0.02);
			sums[resized] += share;
			tried[resized]++;
			/* It may have another number, and has the same places. */
			for (uint32_t slot = 0; slot < ring_slots(&first); slot++)
				assert_string_equal(at(&first, slot, ring_slots(&first)),
						    at(&back, slot, ring_slots(&first)));
			compiled_free(&back);
			compiled_free(&gone);
		}
		for (int resized = 0; resized < 2; resized++)
			if (tried[resized])
				print_message("# one of %3zu deleted, %s ring, %zu times: %.2f %% move needlessly\n",
					      counts[c], resized ? "a smaller" : "the same size of", tried[resized],
					      100 * sums[resized] / (double)tried[resized]);
		compiled_free(&first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_are_those_of_the_capacities),
		cmocka_unit_test(test_who_fails_moves_few_and_finds_the_same_ring),
		cmocka_unit_test(test_who_is_deleted_comes_back_to_the_same_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
