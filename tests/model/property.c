// SPDX-License-Identifier: GPL-2.0-only
#include "property.h"

#include <stdio.h>
#include <stdlib.h>

#include "compile/compile.h"
#include "policy/policy.h"

static struct tables *tables_of(const struct recipe *recipe, const struct identities *identities)
{
	static const __u64 hash_key[USHER_HASH_KEYS] = {1, 2, 3, 4, 5};
	struct diagnostics diagnostics = {.file = "generated.json"};
	struct compile_input input = {.generation = 1, .hash_key = hash_key, .identities = identities};
	size_t length;
	char *text = policy_generate(recipe, &length);
	struct effective *effective = NULL;
	struct policy *policy = NULL;
	struct tables *tables = NULL;

	if (!policy_parse("generated.json", text, length, GENERATED_NOW, &diagnostics, &policy) &&
	    !decide(policy, NULL, GENERATED_NOW, &effective)) {
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

static bool compare(const struct tables *wide, const struct tables *narrow, char fault[160])
{
	if (wide->route_index_lines != narrow->route_index_lines) {
		snprintf(fault, 160, "a rule has changed the classes");
		return false;
	}
	for (size_t n = 0; n < wide->route_index_lines * 32; n++)
		for (size_t w = 0; w < USHER_BACKENDS_MAX / 64; w++)
			if (set_of(narrow, n)->word[w] & ~set_of(wide, n)->word[w]) {
				snprintf(fault, 160,
					 "one more rule that takes away gives service %zu, class %zu a backend",
					 n / wide->header.class_stride, n % wide->header.class_stride);
				return false;
			}
	return true;
}

bool property_narrows(const struct recipe *recipe, struct random *random, char fault[160])
{
	struct recipe more = *recipe;
	struct tables *wide, *narrow;
	bool good;

	if (more.extra_count == GENERATED_EXTRA_MAX)
		more.extra_count--;
	wide = tables_of(&more, NULL);
	more.extra_seed[more.extra_count++] = random_next(random);
	narrow = wide ? tables_of(&more, NULL) : NULL;
	good = wide && narrow;
	if (!good)
		snprintf(fault, 160, "the policy is not taken");
	else
		good = compare(wide, narrow, fault);
	tables_free(wide);
	tables_free(narrow);
	return good;
}
