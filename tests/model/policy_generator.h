/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random valid policies over the whole language. A policy grows from a recipe; each section has a salt of its own, so
 * that changing one salt changes that section alone: that is how a policy is mutated.
 */
#ifndef USHER_MODEL_POLICY_GENERATOR_H
#define USHER_MODEL_POLICY_GENERATOR_H

#include <stddef.h>

#include "random.h"

#define GENERATED_RULES_MAX 24
#define GENERATED_EXTRA_MAX 4

enum recipe_section { RECIPE_TENANTS, RECIPE_MODELS, RECIPE_BACKENDS, RECIPE_SERVICES, RECIPE_RULES, RECIPE_SECTIONS };

struct recipe {
	uint64_t seed;
	uint32_t salt[RECIPE_SECTIONS];
	uint32_t rule_salt[GENERATED_RULES_MAX];
	/* Further rules that take away (a require or a deny), put in front of or behind the others. */
	size_t extra_count;
	uint64_t extra_seed[GENERATED_EXTRA_MAX];
};

/* The date that dates are drawn around; labels and validations lapse before, on and after it. */
#define GENERATED_TODAY "2026-06-15"
#define GENERATED_NOW 1781524800 /* noon of that day, UTC */

/* The document's text, ended by a NUL, and behind it the geography files that it names (policy/bundle.h). To be freed. */
char *policy_generate(const struct recipe *recipe, size_t *ret_length);
void recipe_mutate(struct recipe *recipe, struct random *random);

#endif
