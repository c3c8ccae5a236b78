// SPDX-License-Identifier: GPL-2.0-only
#include "compile/cases.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/array.h"
#include "policy/policy.h"
#include "compile/covers.h"
#include "compile/intern.h"

/* Consecutive classes of one tenant. */
struct run {
	size_t tenant;
	size_t first, end;
};

/* What a (tenant group, region group, family) has been found to be; void when the tenant group is another one. */
struct seen {
	uint32_t tenant_group;
	uint32_t number;
};

#define RUN_NONE UINT32_MAX

struct cases {
	struct arena arena;
	const struct policy *policy;
	const struct classes *classes;
	struct rulings *rulings;
	size_t words; /* of a bit string over all rules */

	struct run *runs;
	size_t run_count;
	uint32_t *run_of, unknown_run; /* by tenant: its last run, or RUN_NONE */
	uint32_t *run_before;	       /* by run: the one of the same tenant before it, or RUN_NONE */
	struct region *regions;	       /* distinct */
	size_t region_count;
	uint32_t *region_of;				    /* by class */
	uint64_t *tenant_bits, *region_bits, *service_bits; /* words each, by run, region, service */
	uint64_t *applied;

	/* Of the service that is being looked at. */
	uint64_t *mask;	   /* words: rules that may count */
	size_t *used;	   /* words of the mask that are not 0 */
	size_t used_count; /* length of a packed bit string */
	uint64_t *packed, *covering;
	uint32_t *tenant_group, *region_group; /* by run, region */
	uint32_t *order;		       /* runs, by tenant group */
	struct seen *seen;		       /* region group * 2 + family */
	struct intern tenant_groups, region_groups, keys;
	uint32_t *ruling_of; /* by case */
	size_t case_count, case_capacity;
};

/* ---- bit strings ------------------------------------------------------------------------------------------- */

static int compare_regions(const void *a, const void *b)
{
	return region_compare(a, b);
}

static void find_regions(struct cases *cases)
{
	const struct classes *classes = cases->classes;
	size_t kept = 0;

	cases->regions = arena_array(&cases->arena, classes->count, sizeof(*cases->regions));
	cases->region_of = arena_array(&cases->arena, classes->count, sizeof(*cases->region_of));
	for (size_t c = 0; c < classes->count; c++)
		cases->regions[c] = classes->items[c].region;
	qsort(cases->regions, classes->count, sizeof(*cases->regions), compare_regions);
	for (size_t i = 0; i < classes->count; i++)
		if (!kept || region_compare(&cases->regions[kept - 1], &cases->regions[i]))
			cases->regions[kept++] = cases->regions[i];
	cases->region_count = kept;
	for (size_t c = 0; c < classes->count; c++) {
		const struct region *found = bsearch(&classes->items[c].region, cases->regions, kept,
						     sizeof(*cases->regions), compare_regions);

		cases->region_of[c] = (uint32_t)(found - cases->regions);
	}
}

static void find_runs(struct cases *cases)
{
	const struct classes *classes = cases->classes;

	cases->runs = arena_array(&cases->arena, classes->count, sizeof(*cases->runs));
	for (size_t c = 0; c < classes->count; c++) {
		size_t tenant = classes->items[c].tenant;

		if (!c || cases->runs[cases->run_count - 1].tenant != tenant)
			cases->runs[cases->run_count++] = (struct run){tenant, c, c};
		cases->runs[cases->run_count - 1].end = c + 1;
	}
	cases->run_of = arena_array(&cases->arena, cases->policy->tenant_count, sizeof(*cases->run_of));
	memset(cases->run_of, 0xff, cases->policy->tenant_count * sizeof(*cases->run_of));
	cases->run_before = arena_array(&cases->arena, cases->run_count, sizeof(*cases->run_before));
	cases->unknown_run = RUN_NONE;
	for (size_t i = 0; i < cases->run_count; i++) {
		size_t tenant = cases->runs[i].tenant;
		uint32_t *last;

		if (tenant == POLICY_NONE) /* diff asks about tenants that this policy does not have */
			continue;
		last = tenant == POLICY_UNKNOWN_TENANT ? &cases->unknown_run : &cases->run_of[tenant];
		cases->run_before[i] = *last;
		*last = (uint32_t)i;
	}
}

static void set_bit(uint64_t *bits, size_t bit)
{
	bits[bit / 64] |= 1ULL << (bit % 64);
}

/* Most rules of a large policy name a tenant or two, so that asking each tenant about each rule would take longest of all. */
static void fill_tenant_bits(struct cases *cases, size_t r)
{
	const struct rule *rule = &cases->policy->rules[r];
	const struct index_list *named = &rule->when.tenants;

	for (size_t i = 0; !named->given && i < cases->run_count; i++)
		if (cases->runs[i].tenant != POLICY_NONE && rule_covers_tenant(rule, cases->runs[i].tenant))
			set_bit(cases->tenant_bits + i * cases->words, r);
	for (size_t n = 0; n < named->count; n++) {
		size_t tenant = named->items[n];
		uint32_t run = tenant == POLICY_UNKNOWN_TENANT ? cases->unknown_run : cases->run_of[tenant];

		for (; run != RUN_NONE; run = cases->run_before[run])
			set_bit(cases->tenant_bits + run * cases->words, r);
	}
}

static void fill_bits(struct cases *cases)
{
	const struct policy *policy = cases->policy;
	size_t words = cases->words;

	cases->tenant_bits = arena_array(&cases->arena, cases->run_count * words, sizeof(uint64_t));
	cases->region_bits = arena_array(&cases->arena, cases->region_count * words, sizeof(uint64_t));
	cases->service_bits = arena_array(&cases->arena, policy->service_count * words, sizeof(uint64_t));
	for (size_t r = 0; r < policy->rule_count; r++) {
		const struct rule *rule = &policy->rules[r];

		fill_tenant_bits(cases, r);
		for (size_t i = 0; i < cases->region_count; i++)
			if (rule_covers_region(rule, &cases->regions[i]))
				set_bit(cases->region_bits + i * words, r);
		if (!rule->when.services.given)
			for (size_t s = 0; s < policy->service_count; s++)
				set_bit(cases->service_bits + s * words, r);
		for (size_t s = 0; s < rule->when.services.count; s++)
			set_bit(cases->service_bits + rule->when.services.items[s] * words, r);
	}
}

struct cases *cases_new(const struct policy *policy, const struct classes *classes, struct rulings *rulings)
{
	struct arena arena = {0};
	struct cases *cases = arena_alloc(&arena, sizeof(*cases));
	size_t words = (policy->rule_count + 63) / 64;

	cases->policy = policy;
	cases->classes = classes;
	cases->rulings = rulings;
	cases->words = words;
	cases->arena = arena;
	find_regions(cases);
	find_runs(cases);
	fill_bits(cases);
	cases->applied = arena_array(&cases->arena, words, sizeof(*cases->applied));
	cases->mask = arena_array(&cases->arena, words, sizeof(*cases->mask));
	cases->used = arena_array(&cases->arena, words, sizeof(*cases->used));
	cases->packed = arena_array(&cases->arena, words + 1, sizeof(*cases->packed));
	cases->covering = arena_array(&cases->arena, words, sizeof(*cases->covering));
	cases->tenant_group = arena_array(&cases->arena, cases->run_count, sizeof(*cases->tenant_group));
	cases->region_group = arena_array(&cases->arena, cases->region_count, sizeof(*cases->region_group));
	cases->order = arena_array(&cases->arena, cases->run_count, sizeof(*cases->order));
	cases->seen = arena_array(&cases->arena, cases->region_count * 2, sizeof(*cases->seen));
	return cases;
}

void cases_free(struct cases *cases)
{
	struct arena arena;

	if (!cases)
		return;
	free(cases->ruling_of);
	intern_free(&cases->tenant_groups);
	intern_free(&cases->region_groups);
	intern_free(&cases->keys);
	arena = cases->arena; /* which holds *cases */
	arena_free(&arena);
}

const uint64_t *cases_applied(const struct cases *cases)
{
	return cases->applied;
}

/* ---- one service ------------------------------------------------------------------------------------------- */

/* The rules of the service, and those of every service that it may be rerouted to. */
static void choose_rules(struct cases *cases, size_t service)
{
	const struct policy *policy = cases->policy;
	const uint64_t *own = cases->service_bits + service * cases->words;

	memcpy(cases->mask, own, cases->words * sizeof(*own));
	for (size_t r = 0; r < policy->rule_count; r++) {
		const uint64_t *target;

		if (policy->rules[r].effect != RULE_REROUTE || !(own[r / 64] >> (r % 64) & 1))
			continue;
		target = cases->service_bits + policy->rules[r].reroute * cases->words;
		for (size_t w = 0; w < cases->words; w++)
			cases->mask[w] |= target[w];
	}
	cases->used_count = 0;
	for (size_t w = 0; w < cases->words; w++)
		if (cases->mask[w])
			cases->used[cases->used_count++] = w;
}

static uint32_t group_of(struct cases *cases, struct intern *groups, const uint64_t *bits)
{
	for (size_t i = 0; i < cases->used_count; i++)
		cases->packed[i] = bits[cases->used[i]] & cases->mask[cases->used[i]];
	return (uint32_t)intern(groups, cases->packed, cases->used_count * sizeof(*bits));
}

/* Bits of the tenant that owns the service, and stands in for whoever calls it. */
static const uint64_t *owner_bits(struct cases *cases, size_t owner)
{
	const struct policy *policy = cases->policy;

	memset(cases->covering, 0, cases->words * sizeof(*cases->covering));
	for (size_t r = 0; r < policy->rule_count; r++)
		if (rule_covers_tenant(&policy->rules[r], owner))
			set_bit(cases->covering, r);
	return cases->covering;
}

static void find_groups(struct cases *cases, size_t service)
{
	size_t owner = cases->policy->services[service].tenant;

	intern_clear(&cases->tenant_groups);
	intern_clear(&cases->region_groups);
	if (owner != POLICY_NONE) {
		uint32_t group = group_of(cases, &cases->tenant_groups, owner_bits(cases, owner));

		for (size_t i = 0; i < cases->run_count; i++)
			cases->tenant_group[i] = group;
	} else {
		for (size_t i = 0; i < cases->run_count; i++)
			cases->tenant_group[i] =
				group_of(cases, &cases->tenant_groups, cases->tenant_bits + i * cases->words);
	}
	for (size_t i = 0; i < cases->region_count; i++)
		cases->region_group[i] = group_of(cases, &cases->region_groups, cases->region_bits + i * cases->words);
}

/* Counting sort: runs of a tenant group together, so that `seen` need only know one tenant group at a time. */
static void order_runs(struct cases *cases)
{
	size_t groups = cases->tenant_groups.count;
	uint32_t *first = calloc(groups + 1, sizeof(*first));

	if (!first)
		abort();
	for (size_t i = 0; i < cases->run_count; i++)
		first[cases->tenant_group[i] + 1]++;
	for (size_t g = 0; g < groups; g++)
		first[g + 1] += first[g];
	for (size_t i = 0; i < cases->run_count; i++)
		cases->order[first[cases->tenant_group[i]]++] = (uint32_t)i;
	free(first);
}

/* The case where these groups meet, ruled on if it is a new one. */
static uint32_t meet(struct cases *cases, size_t service, uint32_t tenant_group, uint32_t region_group, int family)
{
	const uint64_t *tenant = intern_bytes(&cases->tenant_groups, tenant_group);
	const uint64_t *region = intern_bytes(&cases->region_groups, region_group);
	size_t number;

	for (size_t i = 0; i < cases->used_count; i++)
		cases->packed[i] = tenant[i] & region[i];
	cases->packed[cases->used_count] = (uint64_t)family;
	number = intern(&cases->keys, cases->packed, (cases->used_count + 1) * sizeof(*cases->packed));
	if (number < cases->case_count)
		return (uint32_t)number;
	memset(cases->covering, 0, cases->words * sizeof(*cases->covering));
	for (size_t i = 0; i < cases->used_count; i++) {
		cases->covering[cases->used[i]] = cases->packed[i];
		cases->applied[cases->used[i]] |=
			cases->packed[i] & cases->service_bits[service * cases->words + cases->used[i]];
	}
	cases->ruling_of = array_grow(cases->ruling_of, number, &cases->case_capacity, sizeof(*cases->ruling_of));
	cases->ruling_of[number] =
		(uint32_t)rulings_add(cases->rulings, cases->policy, service, cases->covering, cases->words, family);
	cases->case_count++;
	return (uint32_t)number;
}

static bool has_family(const struct service *service, int family)
{
	for (size_t i = 0; i < service->address_count; i++)
		if (address_family(&service->addresses[i].address) == family)
			return true;
	return false;
}

static void find_cases_of_run(struct cases *cases, size_t service, size_t run, const bool served[2], uint32_t *case_of)
{
	uint32_t tenant_group = cases->tenant_group[run];

	for (size_t c = cases->runs[run].first; c < cases->runs[run].end; c++) {
		const struct class *class = &cases->classes->items[c];
		uint32_t region_group = cases->region_group[cases->region_of[c]];
		size_t is_ipv6 = class->family == AF_INET6;
		struct seen *seen = &cases->seen[region_group * 2 + is_ipv6];

		if (!served[is_ipv6] || class->tenant == POLICY_NONE) {
			case_of[c] = CASE_NONE;
			continue;
		}
		if (seen->number == CASE_NONE || seen->tenant_group != tenant_group) {
			seen->number = meet(cases, service, tenant_group, region_group, class->family);
			seen->tenant_group = tenant_group;
		}
		case_of[c] = seen->number;
	}
}

void cases_of_service(struct cases *cases, size_t service, uint32_t *ret_case_of, const uint32_t **ret_rulings,
		      size_t *ret_count)
{
	const struct service *served = &cases->policy->services[service];
	const bool families[2] = {has_family(served, AF_INET), has_family(served, AF_INET6)};

	cases->case_count = 0;
	intern_clear(&cases->keys);
	choose_rules(cases, service);
	find_groups(cases, service);
	order_runs(cases);
	for (size_t i = 0; i < cases->region_groups.count * 2; i++)
		cases->seen[i].number = CASE_NONE;
	for (size_t i = 0; i < cases->run_count; i++)
		find_cases_of_run(cases, service, cases->order[i], families, ret_case_of);
	*ret_rulings = cases->ruling_of;
	*ret_count = cases->case_count;
}
