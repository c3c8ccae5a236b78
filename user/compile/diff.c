// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both policies are asked about the classes of both. Clients that neither can tell apart are compared once: what is the same
 * pair of cases (cases.h) has the same difference.
 */
#include "compile/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "compile/cases.h"
#include "compile/decision.h"
#include "compile/diff_objects.h"
#include "compile/intern.h"

/* One of the policies, asked about every class of both. */
struct party {
	const struct effective *effective;
	struct classes classes; /* the joint classes, as this policy sees them */
	struct cases *cases;
	/* Of the service that is being looked at, if this policy has it. */
	bool has_service;
	uint32_t *case_of;	    /* by joint class */
	struct decision *decisions; /* by case */
	size_t decision_capacity;
	struct rulings rulings;
	struct shortlists lists;
};

/* A class of either policy. */
struct joint_class {
	const char *tenant;
	struct region region;
	int family;
};

struct comparison {
	struct diff *diff;
	struct party before, after;
	struct joint_class *classes;
	size_t class_count;
	struct intern pairs; /* of cases */
	struct diff_access *differences;
	size_t difference_capacity;
};

/* ---- the joint classes -------------------------------------------------------------------------------------- */

static int compare_name(const void *name, const void *item)
{
	return strcmp(name, *(const char *const *)item);
}

/* Of structs that begin with their names, sorted by them. */
static size_t index_of(const void *items, size_t stride, size_t count, const char *name)
{
	const char *found = count ? bsearch(name, items, count, stride, compare_name) : NULL;

	return found ? (size_t)(found - (const char *)items) / stride : POLICY_NONE;
}

static size_t service_index(const struct policy *policy, const char *name)
{
	return index_of(policy->services, sizeof(struct service), policy->service_count, name);
}

static size_t tenant_index(const struct policy *policy, const char *name)
{
	if (!strcmp(name, "unknown"))
		return POLICY_UNKNOWN_TENANT;
	return index_of(policy->tenants, sizeof(struct tenant), policy->tenant_count, name);
}

static const char *tenant_name(const struct policy *policy, size_t tenant)
{
	return tenant == POLICY_UNKNOWN_TENANT ? "unknown" : policy->tenants[tenant].name;
}

static bool is_among(const struct classes *classes, const struct class *class)
{
	/* The first two are what no prefix covers: every policy has those. */
	return class->tenant == POLICY_UNKNOWN_TENANT ||
	       bsearch(class, classes->items + 2, classes->count - 2, sizeof(*class), class_compare);
}

static void add_classes(struct comparison *comparison, const struct policy *policy, const struct classes *classes,
			const struct policy *other, const struct classes *known)
{
	for (size_t c = 0; c < classes->count; c++) {
		const struct class *class = &classes->items[c];
		struct joint_class joint = {tenant_name(policy, class->tenant), class->region, class->family};

		if (known) {
			const struct class there = {tenant_index(other, joint.tenant), class->region, class->family};

			if (there.tenant != POLICY_NONE && is_among(known, &there))
				continue;
		}
		comparison->classes[comparison->class_count++] = joint;
	}
}

/* A tenant that the policy does not know is `unknown` to it. */
static void see_classes(const struct comparison *comparison, struct party *party)
{
	const struct policy *policy = party->effective->policy;
	struct arena *arena = &comparison->diff->arena;

	party->classes = (struct classes){
		.items = arena_array(arena, comparison->class_count, sizeof(struct class)),
		.count = comparison->class_count,
	};
	party->case_of = arena_array(arena, comparison->class_count, sizeof(*party->case_of));
	for (size_t c = 0; c < comparison->class_count; c++) {
		const struct joint_class *joint = &comparison->classes[c];
		size_t tenant = tenant_index(policy, joint->tenant);
		struct class *class = &party->classes.items[c];

		if (tenant == POLICY_NONE)
			*class = (struct class){.tenant = POLICY_UNKNOWN_TENANT, .family = joint->family};
		else
			*class = (struct class){tenant, joint->region, joint->family};
	}
	party->cases = cases_new(policy, &party->classes, &party->rulings);
	party->lists = (struct shortlists){.effective = party->effective, .rulings = &party->rulings};
}

static void join_classes(struct comparison *comparison)
{
	const struct policy *before = comparison->before.effective->policy;
	const struct policy *after = comparison->after.effective->policy;
	struct arena *arena = &comparison->diff->arena;
	struct classes old = classes_of(before, arena), new = classes_of(after, arena);

	comparison->classes = arena_array(arena, old.count + new.count, sizeof(*comparison->classes));
	add_classes(comparison, after, &new, before, NULL);
	add_classes(comparison, before, &old, after, &new);
	see_classes(comparison, &comparison->before);
	see_classes(comparison, &comparison->after);
}

/* ---- two decisions ------------------------------------------------------------------------------------------ */

/* Names of backends that may start flows, sorted as backends are. */
static const char **starts(struct arena *arena, const struct decision *decision, const struct policy *policy,
			   size_t *ret_count)
{
	static const struct decision_arm any = {.version = POLICY_NONE};
	const struct shortlist *list = decision ? decision->answering : NULL;
	const char **names = arena_array(arena, list ? list->count : 0, sizeof(*names));

	*ret_count = 0;
	for (size_t i = 0; list && i < list->count; i++)
		if (shortlist_starts(list, policy, i, &any))
			names[(*ret_count)++] = policy->backends[list->backends[i]].name;
	return names;
}

/* Those of `names` that are not among `others`. */
static const char **only_here(struct arena *arena, const char **names, size_t count, const char **others,
			      size_t other_count, size_t *ret_count)
{
	const char **kept = arena_array(arena, count, sizeof(*kept));
	size_t o = 0;

	*ret_count = 0;
	for (size_t i = 0; i < count; i++) {
		while (o < other_count && strcmp(others[o], names[i]) < 0)
			o++;
		if (o == other_count || strcmp(others[o], names[i]) != 0)
			kept[(*ret_count)++] = names[i];
	}
	return kept;
}

static bool same_arm(const struct decision_arm *old, const struct policy *before, const struct decision_arm *new,
		     const struct policy *after)
{
	if (old->weight != new->weight || (old->version == POLICY_NONE) != (new->version == POLICY_NONE))
		return false;
	return old->version == POLICY_NONE ||
	       !strcmp(before->versions[old->version].name, after->versions[new->version].name);
}

static bool same_arms(const struct decision *old, const struct policy *before, const struct decision *new,
		      const struct policy *after)
{
	const struct shortlist *had = old ? old->answering : NULL, *has = new ? new->answering : NULL;

	if (!had || !has || had->arm_count != has->arm_count)
		return had == has;
	for (size_t i = 0; i < had->arm_count; i++)
		if (!same_arm(&had->arms[i], before, &has->arms[i], after))
			return false;
	return true;
}

static struct diff_access difference(struct diff *diff, const struct decision *old, const struct policy *before,
				     const struct decision *new, const struct policy *after)
{
	struct diff_access access = {
		.before = old ? old->reason : USHER_REASON_NOT_FOR_SERVICE,
		.after = new ? new->reason : USHER_REASON_NOT_FOR_SERVICE,
	};
	size_t had_count, has_count;
	const char **had = starts(&diff->arena, old, before, &had_count);
	const char **has = starts(&diff->arena, new, after, &has_count);

	access.gained = only_here(&diff->arena, has, has_count, had, had_count, &access.gained_count);
	access.lost = only_here(&diff->arena, had, had_count, has, has_count, &access.lost_count);
	access.shares = !access.gained_count && !access.lost_count && access.before == access.after &&
			!same_arms(old, before, new, after);
	return access;
}

/* ---- a service ---------------------------------------------------------------------------------------------- */

static void decide_service(struct party *party, const char *service)
{
	size_t index = service_index(party->effective->policy, service), count;
	const uint32_t *ruling_of;

	party->has_service = index != POLICY_NONE;
	if (!party->has_service)
		return;
	shortlists_trim(&party->lists);
	cases_of_service(party->cases, index, party->case_of, &ruling_of, &count);
	for (size_t i = 0; i < count; i++) {
		party->decisions =
			array_grow(party->decisions, i, &party->decision_capacity, sizeof(*party->decisions));
		party->decisions[i] = decision_of(&party->lists, index, ruling_at(&party->rulings, ruling_of[i]));
	}
}

static void free_party(struct party *party)
{
	cases_free(party->cases);
	free(party->decisions);
	rulings_free(&party->rulings);
	shortlists_free(&party->lists);
}

static uint32_t case_of(const struct party *party, size_t class)
{
	return party->has_service ? party->case_of[class] : CASE_NONE;
}

static const struct decision *decision_for(const struct party *party, uint32_t number)
{
	return number == CASE_NONE ? NULL : &party->decisions[number];
}

static const struct diff_access *difference_of(struct comparison *comparison, const uint32_t pair[2])
{
	size_t count = comparison->pairs.count, number = intern(&comparison->pairs, pair, 2 * sizeof(*pair));

	if (number == count) {
		const struct party *before = &comparison->before, *after = &comparison->after;

		comparison->differences = array_grow(comparison->differences, number, &comparison->difference_capacity,
						     sizeof(*comparison->differences));
		comparison->differences[number] =
			difference(comparison->diff, decision_for(before, pair[0]), before->effective->policy,
				   decision_for(after, pair[1]), after->effective->policy);
	}
	return &comparison->differences[number];
}

static void compare_service(struct comparison *comparison, const char *service)
{
	struct diff *diff = comparison->diff;

	decide_service(&comparison->before, service);
	decide_service(&comparison->after, service);
	intern_clear(&comparison->pairs);
	for (size_t c = 0; c < comparison->class_count; c++) {
		const struct joint_class *class = &comparison->classes[c];
		const uint32_t pair[2] = {case_of(&comparison->before, c), case_of(&comparison->after, c)};
		const struct diff_access *found;
		struct diff_access *access;

		if (pair[0] == CASE_NONE && pair[1] == CASE_NONE)
			continue;
		found = difference_of(comparison, pair);
		if (found->before == found->after && !found->gained_count && !found->lost_count && !found->shares)
			continue;
		diff->accesses =
			array_grow(diff->accesses, diff->access_count, &diff->access_capacity, sizeof(*diff->accesses));
		access = &diff->accesses[diff->access_count++];
		*access = *found;
		access->service = service;
		access->tenant = class->tenant;
		access->family = class->family;
		region_print(&class->region, access->region);
	}
}

/* ---- all of it ---------------------------------------------------------------------------------------------- */

void diff_free(struct diff *diff)
{
	if (!diff)
		return;
	free(diff->objects);
	free(diff->accesses);
	arena_free(&diff->arena);
	free(diff);
}

static void free_diff(struct diff **diff)
{
	diff_free(*diff);
}

static void free_comparison(struct comparison *comparison)
{
	free_party(&comparison->before);
	free_party(&comparison->after);
	intern_free(&comparison->pairs);
	free(comparison->differences);
}

int diff_make(const struct effective *before, const struct effective *after, struct diff **ret_diff)
{
	_cleanup_(free_diff) struct diff *diff = calloc(1, sizeof(*diff));
	_cleanup_(free_comparison) struct comparison comparison = {
		.diff = diff, .before.effective = before, .after.effective = after};
	const struct policy *old = before->policy, *new = after->policy;
	int error;

	if (!diff)
		return -ENOMEM;
	error = diff_objects(diff, old, new);
	if (error)
		return error;
	join_classes(&comparison);
	for (size_t s = 0; s < new->service_count; s++)
		compare_service(&comparison, new->services[s].name);
	for (size_t s = 0; s < old->service_count; s++)
		if (service_index(new, old->services[s].name) == POLICY_NONE)
			compare_service(&comparison, old->services[s].name);
	*ret_diff = TAKE_PTR(diff);
	return 0;
}
