// SPDX-License-Identifier: GPL-2.0-only
#include "compile/casebook.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "compile/cases.h"

static void *keep(struct arena *arena, const void *items, size_t count, size_t size)
{
	void *copy = arena_array(arena, count, size);

	if (count)
		memcpy(copy, items, count * size);
	return copy;
}

/* There are as many cases as classes only if every class is one, so that all numbers fit into 16 bits. */
static struct service_cases cases_kept(struct arena *arena, struct cases *cases, size_t service,
				       const struct classes *classes, uint32_t *scratch)
{
	uint16_t *case_of = arena_array(arena, classes->count, sizeof(*case_of));
	const uint32_t *rulings;
	size_t count;

	cases_of_service(cases, service, scratch, &rulings, &count);
	for (size_t c = 0; c < classes->count; c++)
		case_of[c] = (uint16_t)(scratch[c] == CASE_NONE ? count : scratch[c]);
	return (struct service_cases){keep(arena, rulings, count, sizeof(*rulings)), count, case_of};
}

struct casebook *casebook_new(const struct policy *policy, const struct classes *classes)
{
	struct casebook *casebook = calloc(1, sizeof(*casebook));
	_cleanup_free_ uint32_t *scratch = calloc(classes->count, sizeof(*scratch));
	struct cases *cases;

	if (!casebook || !scratch)
		abort();
	cases = cases_new(policy, classes, &casebook->rulings);
	memcpy(casebook->policy_digest, policy->digest, sizeof(casebook->policy_digest));
	casebook->services = arena_array(&casebook->arena, policy->service_count, sizeof(*casebook->services));
	for (size_t s = 0; s < policy->service_count; s++)
		casebook->services[s] = cases_kept(&casebook->arena, cases, s, classes, scratch);
	casebook->applied = keep(&casebook->arena, cases_applied(cases), (policy->rule_count + 63) / 64,
				 sizeof(*casebook->applied));
	cases_free(cases);
	return casebook;
}

void casebook_free(struct casebook *casebook)
{
	if (!casebook)
		return;
	rulings_free(&casebook->rulings);
	arena_free(&casebook->arena);
	free(casebook);
}
