// SPDX-License-Identifier: GPL-2.0-only
#include "compile/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "compile/classes.h"
#include "compile/decision.h"

/* ---- objects ------------------------------------------------------------------------------------------------ */

/* Structs that begin with their names, sorted by them; `text` says all that makes one what it is. */
struct kind {
	const char *name;
	size_t stride;
	char *(*text)(struct arena *arena, const struct policy *policy, size_t index);
};

static const char *date_text(struct arena *arena, int64_t date)
{
	return arena_printf(arena, "%lld", (long long)date);
}

static char *regions_text(struct arena *arena, const struct region_list *list)
{
	char *text = arena_printf(arena, "%s", "");

	for (size_t i = 0; i < list->count; i++) {
		char region[8];

		region_print(&list->items[i], region);
		text = arena_printf(arena, "%s %s", text, region);
	}
	return text;
}

static char *region_set_text(struct arena *arena, const struct policy *policy, size_t index)
{
	const struct region_set *set = &policy->region_sets[index];

	return arena_printf(arena, "%s|%s|%s", regions_text(arena, &set->regions), set->basis ? set->basis : "",
			    date_text(arena, set->recheck_by));
}

static char *tenant_text(struct arena *arena, const struct policy *policy, size_t index)
{
	const struct tenant *tenant = &policy->tenants[index];
	char *text = arena_printf(arena, "%d", tenant->audit);

	for (size_t i = 0; i < tenant->source_count; i++) {
		char address[ADDRESS_TEXT], region[8];

		region_print(&tenant->sources[i].region, region);
		text = arena_printf(arena, "%s %s/%u=%s", text, address_print(&tenant->sources[i].address, address),
				    tenant->sources[i].bits, region);
	}
	return text;
}

static char *version_text(struct arena *arena, const struct version *version)
{
	char *text = arena_printf(arena, "%s|%s|%s|%d|%g|%llu|%s", version->name, stage_names[version->stage],
				  version->digest ? version->digest : "", version->validated, version->score,
				  (unsigned long long)version->samples, date_text(arena, version->validation_expires));

	for (size_t i = 0; i < version->label_count; i++)
		text = arena_printf(arena, "%s %s=%s until %s", text, version->labels[i].name,
				    version->labels[i].evidence, date_text(arena, version->labels[i].expires));
	return text;
}

static char *model_text(struct arena *arena, const struct policy *policy, size_t index)
{
	const struct index_list *versions = &policy->models[index].versions;
	char *text = arena_printf(arena, "%s", "");

	for (size_t i = 0; i < versions->count; i++)
		text = arena_printf(arena, "%s\n%s", text, version_text(arena, &policy->versions[versions->items[i]]));
	return text;
}

static char *backend_text(struct arena *arena, const struct policy *policy, size_t index)
{
	const struct backend *backend = &policy->backends[index];
	const struct version *version = &policy->versions[backend->version];
	char endpoint[ENDPOINT_TEXT], region[8];

	region_print(&backend->region, region);
	return arena_printf(arena, "%s %s@%s %s %u %d %d %u %u %u %u",
			    endpoint_print(&backend->address, backend->port, endpoint),
			    policy->models[version->model].name, version->name, region, backend->capacity,
			    backend->forward, backend->health.enabled, backend->health.interval_ms,
			    backend->health.timeout_ms, backend->health.rise, backend->health.fall);
}

static char *service_text(struct arena *arena, const struct policy *policy, size_t index)
{
	const struct service *service = &policy->services[index];
	char *text = arena_printf(arena, "%u %s %s %d %d", service->protocol, policy->models[service->model].name,
				  service->tenant == POLICY_NONE ? "" : policy->tenants[service->tenant].name,
				  service->sticky_client, service->announce);

	for (size_t i = 0; i < service->address_count; i++) {
		char endpoint[ENDPOINT_TEXT];

		text = arena_printf(
			arena, "%s %s", text,
			endpoint_print(&service->addresses[i].address, service->addresses[i].port, endpoint));
	}
	return text;
}

static const char *name_of(const void *items, size_t stride, size_t index)
{
	return *(const char *const *)((const char *)items + index * stride);
}

static void add_object(struct diff *diff, enum diff_change change, const char *kind, const char *name)
{
	diff->objects = array_grow(diff->objects, diff->object_count, &diff->object_capacity, sizeof(*diff->objects));
	diff->objects[diff->object_count++] = (struct diff_object){change, kind, name};
}

struct side {
	const struct policy *policy;
	const void *items;
	size_t count;
};

static void compare_objects(struct diff *diff, const struct kind *kind, const struct side *before,
			    const struct side *after)
{
	struct arena scratch = {0};
	size_t b = 0, a = 0;

	while (b < before->count || a < after->count) {
		const char *old = b < before->count ? name_of(before->items, kind->stride, b) : NULL;
		const char *new = a < after->count ? name_of(after->items, kind->stride, a) : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old, new);

		if (order < 0)
			add_object(diff, DIFF_REMOVED, kind->name, old);
		else if (order > 0)
			add_object(diff, DIFF_ADDED, kind->name, new);
		else if (strcmp(kind->text(&scratch, before->policy, b), kind->text(&scratch, after->policy, a)) != 0)
			add_object(diff, DIFF_CHANGED, kind->name, new);
		b += order <= 0;
		a += order >= 0;
	}
	arena_free(&scratch);
}

static const struct rule *rule_named(const struct policy *policy, const char *id)
{
	for (size_t r = 0; r < policy->rule_count; r++)
		if (!strcmp(policy->rules[r].id, id))
			return &policy->rules[r];
	return NULL;
}

/* Rules refer to others by position, so only their coming and going is told; what they do shows in the accesses. */
static void compare_rules(struct diff *diff, const struct policy *before, const struct policy *after)
{
	for (size_t r = 0; r < before->rule_count; r++)
		if (!rule_named(after, before->rules[r].id))
			add_object(diff, DIFF_REMOVED, "rule", before->rules[r].id);
	for (size_t r = 0; r < after->rule_count; r++) {
		const struct rule *old = rule_named(before, after->rules[r].id);

		if (!old)
			add_object(diff, DIFF_ADDED, "rule", after->rules[r].id);
		else if (old->effect != after->rules[r].effect || old->answer != after->rules[r].answer)
			add_object(diff, DIFF_CHANGED, "rule", after->rules[r].id);
	}
}

static void compare_all_objects(struct diff *diff, const struct policy *before, const struct policy *after)
{
#define COMPARE(kind_name, type, list, counter, printer)                                                               \
	compare_objects(diff, &(const struct kind){kind_name, sizeof(struct type), printer},                           \
			&(const struct side){before, before->list, before->counter},                                   \
			&(const struct side){after, after->list, after->counter})
	COMPARE("region set", region_set, region_sets, region_set_count, region_set_text);
	COMPARE("tenant", tenant, tenants, tenant_count, tenant_text);
	COMPARE("model", model, models, model_count, model_text);
	COMPARE("backend", backend, backends, backend_count, backend_text);
	COMPARE("service", service, services, service_count, service_text);
#undef COMPARE
	compare_rules(diff, before, after);
}

/* ---- accesses ----------------------------------------------------------------------------------------------- */

static size_t index_of(const void *items, size_t stride, size_t count, const char *name)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, name_of(items, stride, middle));

		if (!order)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return POLICY_NONE;
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

static void free_decision(struct decision **decision)
{
	decision_free(*decision);
}

/* The decision under one policy; NULL where it knows no such service. A tenant it does not know is `unknown` to it. */
static int decide_access(const struct effective *effective, const struct diff_access *access,
			 const struct region *region, struct decision **ret_decision)
{
	const struct policy *policy = effective->policy;
	size_t service = service_index(policy, access->service), tenant = tenant_index(policy, access->tenant);
	static const struct region nowhere;

	if (service == POLICY_NONE)
		return 0;
	if (tenant == POLICY_NONE) {
		tenant = POLICY_UNKNOWN_TENANT;
		region = &nowhere;
	}
	if (policy->services[service].tenant != POLICY_NONE)
		tenant = policy->services[service].tenant;
	return decision_make(effective, service, tenant, region, access->family, ret_decision);
}

static bool starts(const struct decision *decision, const struct policy *policy, const char *name)
{
	const struct candidate *list;
	size_t count;

	if (!decision || (decision->reason != USHER_REASON_ADMITTED && decision->reason != USHER_REASON_REROUTED))
		return false;
	list = decision->reason == USHER_REASON_REROUTED ? decision->rerouted : decision->candidates;
	count = decision->reason == USHER_REASON_REROUTED ? decision->rerouted_count : decision->candidate_count;
	for (size_t i = 0; i < count; i++)
		if (!list[i].constraint_reason && !list[i].start_reason &&
		    !strcmp(policy->backends[list[i].backend].name, name))
			return true;
	return false;
}

/* Names of backends that start under `decision` and not under `other`. */
static const char **only_here(struct arena *arena, const struct decision *decision, const struct policy *policy,
			      const struct decision *other, const struct policy *other_policy, size_t *ret_count)
{
	const char **names = arena_array(arena, policy->backend_count, sizeof(*names));
	size_t count = 0;

	for (size_t b = 0; b < policy->backend_count; b++) {
		const char *name = policy->backends[b].name;

		if (starts(decision, policy, name) && !starts(other, other_policy, name))
			names[count++] = name;
	}
	*ret_count = count;
	return names;
}

static bool same_arms(const struct decision *a, const struct policy *a_policy, const struct decision *b,
		      const struct policy *b_policy)
{
	if (!a || !b || a->arm_count != b->arm_count)
		return a == b;
	for (size_t i = 0; i < a->arm_count; i++) {
		const char *a_name =
			a->arms[i].version == POLICY_NONE ? "" : a_policy->versions[a->arms[i].version].name;
		const char *b_name =
			b->arms[i].version == POLICY_NONE ? "" : b_policy->versions[b->arms[i].version].name;

		if (a->arms[i].weight != b->arms[i].weight || strcmp(a_name, b_name) != 0)
			return false;
	}
	return true;
}

static int compare_access(struct diff *diff, const struct effective *before, const struct effective *after,
			  struct diff_access access, const struct region *region)
{
	_cleanup_(free_decision) struct decision *old = NULL;
	_cleanup_(free_decision) struct decision *new = NULL;
	int error = decide_access(before, &access, region, &old);

	if (!error)
		error = decide_access(after, &access, region, &new);
	if (error || (!old && !new))
		return error;
	access.before = old ? old->reason : USHER_REASON_NOT_FOR_SERVICE;
	access.after = new ? new->reason : USHER_REASON_NOT_FOR_SERVICE;
	access.gained = only_here(&diff->arena, new, after->policy, old, before->policy, &access.gained_count);
	access.lost = only_here(&diff->arena, old, before->policy, new, after->policy, &access.lost_count);
	access.shares = !access.gained_count && !access.lost_count && access.before == access.after &&
			!same_arms(old, before->policy, new, after->policy);
	if (access.before == access.after && !access.gained_count && !access.lost_count && !access.shares)
		return 0;
	region_print(region, access.region);
	diff->accesses =
		array_grow(diff->accesses, diff->access_count, &diff->access_capacity, sizeof(*diff->accesses));
	diff->accesses[diff->access_count++] = access;
	return 0;
}

static bool has_class(const struct policy *policy, const struct diff_access *access, const struct region *region)
{
	size_t tenant = tenant_index(policy, access->tenant);

	if (tenant == POLICY_UNKNOWN_TENANT)
		return true;
	for (size_t i = 0; tenant != POLICY_NONE && i < policy->tenants[tenant].source_count; i++) {
		const struct source *source = &policy->tenants[tenant].sources[i];

		if (source_family(source) == access->family && !region_compare(&source->region, region))
			return true;
	}
	return false;
}

/* Every class of `of` that `skip` (or NULL) does not have. */
static int compare_classes_of(struct diff *diff, const struct effective *before, const struct effective *after,
			      const struct policy *of, const char *service, const struct policy *skip)
{
	struct arena scratch = {0};
	struct classes classes = classes_of(of, &scratch);
	int error = 0;

	for (size_t c = 0; c < classes.count && !error; c++) {
		const struct class *class = &classes.items[c];
		const struct diff_access access = {
			.service = service,
			.tenant = class->tenant == POLICY_UNKNOWN_TENANT ? "unknown" : of->tenants[class->tenant].name,
			.family = class->family};

		if (!skip || !has_class(skip, &access, &class->region))
			error = compare_access(diff, before, after, access, &class->region);
	}
	arena_free(&scratch);
	return error;
}

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

int diff_make(const struct effective *before, const struct effective *after, struct diff **ret_diff)
{
	_cleanup_(free_diff) struct diff *diff = calloc(1, sizeof(*diff));
	const struct policy *old = before->policy, *new = after->policy;
	int error = 0;

	if (!diff)
		return -ENOMEM;
	compare_all_objects(diff, old, new);
	for (size_t s = 0; s < new->service_count && !error; s++) {
		error = compare_classes_of(diff, before, after, new, new->services[s].name, NULL);
		if (!error)
			error = compare_classes_of(diff, before, after, old, new->services[s].name, new);
	}
	for (size_t s = 0; s < old->service_count && !error; s++)
		if (service_index(new, old->services[s].name) == POLICY_NONE)
			error = compare_classes_of(diff, before, after, old, old->services[s].name, NULL);
	if (error)
		return error;
	*ret_diff = TAKE_PTR(diff);
	return 0;
}
