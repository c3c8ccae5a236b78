// SPDX-License-Identifier: GPL-2.0-only
#include "property.h"

#include <stdio.h>
#include <stdlib.h>

#include "compile/compile.h"
#include "policy/policy.h"

/* What is in quarantine: by number, bit n % 64; a version or a backend more is a bit more. */
struct quarantine {
	uint64_t versions, backends;
	bool by_gate; /* the same, by gates */
};

/* Everybody healthy, and these in quarantine. */
static int decide_with(const struct policy *policy, const struct quarantine *quarantine,
		       struct effective **ret_effective)
{
	struct facts facts = {.backends = calloc(policy->backend_count + 1, sizeof(*facts.backends)),
			      .backend_count = policy->backend_count,
			      .versions = calloc(policy->version_count + 1, sizeof(*facts.versions)),
			      .version_count = policy->version_count};
	int error;

	if (!facts.backends || !facts.versions)
		abort();
	for (size_t b = 0; b < policy->backend_count; b++)
		facts.backends[b] = (struct backend_facts){
			.health = HEALTH_UP,
			.quarantined = !quarantine->by_gate && quarantine->backends >> b % 64 & 1,
			.gated = quarantine->by_gate && quarantine->backends >> b % 64 & 1,
			.next_hop.resolved = true};
	for (size_t v = 0; v < policy->version_count; v++)
		*(quarantine->by_gate ? &facts.versions[v].gated : &facts.versions[v].quarantined) =
			quarantine->versions >> v % 64 & 1;
	error = decide(policy, &facts, GENERATED_NOW, ret_effective);
	free(facts.backends);
	free(facts.versions);
	return error;
}

static struct tables *tables_of(const struct recipe *recipe, const struct quarantine *quarantine)
{
	static const __u64 hash_key[USHER_HASH_KEYS] = {1, 2, 3, 4, 5};
	struct diagnostics diagnostics = {.file = "generated.json"};
	struct compile_input input = {.generation = 1, .hash_key = hash_key};
	size_t length;
	char *text = policy_generate(recipe, &length);
	struct effective *effective = NULL;
	struct policy *policy = NULL;
	struct tables *tables = NULL;

	if (!policy_parse("generated.json", text, length, GENERATED_NOW, &diagnostics, &policy) &&
	    !decide_with(policy, quarantine, &effective)) {
		input.effective = effective;
		if (compile(&input, &diagnostics, &tables))
			tables = NULL;
	}
	if (!tables)
		diagnostics_print(&diagnostics, stderr);
	effective_free(effective);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	free(text);
	return tables;
}

static const struct usher_set *set_of(const struct tables *tables, size_t number)
{
	return &tables->sets[tables->routes[tables->route_index[number / 32].value[number % 32]].set];
}

static bool compare(const struct tables *wide, const struct tables *narrow, const char *what, char fault[160])
{
	if (wide->route_index_lines != narrow->route_index_lines) {
		snprintf(fault, 160, "one more %s has changed the classes", what);
		return false;
	}
	for (size_t n = 0; n < wide->route_index_lines * 32; n++)
		for (size_t w = 0; w < USHER_BACKENDS_MAX / 64; w++)
			if (set_of(narrow, n)->word[w] & ~set_of(wide, n)->word[w]) {
				snprintf(fault, 160, "one more %s gives service %zu, class %zu a backend", what,
					 n / wide->header.class_stride, n % wide->header.class_stride);
				return false;
			}
	return true;
}

/* Frees both. */
static bool narrows(struct tables *wide, struct tables *narrow, const char *what, char fault[160])
{
	bool good = wide && narrow;

	if (!good)
		snprintf(fault, 160, "the policy is not taken");
	else
		good = compare(wide, narrow, what, fault);
	tables_free(wide);
	tables_free(narrow);
	return good;
}

bool property_narrows(const struct recipe *recipe, struct random *random, char fault[160])
{
	const struct quarantine none = {0};
	struct recipe more = *recipe;
	struct tables *wide;

	if (more.extra_count == GENERATED_EXTRA_MAX)
		more.extra_count--;
	wide = tables_of(&more, &none);
	more.extra_seed[more.extra_count++] = random_next(random);
	return narrows(wide, tables_of(&more, &none), "rule that takes away", fault);
}

bool property_quarantine_narrows(const struct recipe *recipe, uint64_t seed, char fault[160])
{
	struct random random = {.state = seed ^ 0x71756172616e7469ULL};
	/* Few of them: where nobody is left, nothing can be lost. */
	const struct quarantine some = {random_next(&random) & random_next(&random) & random_next(&random),
					random_next(&random) & random_next(&random) & random_next(&random), seed & 1};
	struct quarantine more = some;
	struct tables *wide = tables_of(recipe, &some);

	if (random_below(&random, 2))
		more.versions |= 1ULL << random_below(&random, 16);
	else
		more.backends |= 1ULL << random_below(&random, 32);
	return narrows(wide, tables_of(recipe, &more), "quarantine", fault);
}
