// SPDX-License-Identifier: GPL-2.0-only
#include "compile/diff_objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "policy/policy.h"

/* Structs that begin with their names, sorted by them. */
struct kind {
	const char *name;
	size_t stride;
	/* All that makes one what it is. */
	void (*print)(FILE *to, const struct policy *policy, size_t index);
};

struct side {
	const struct policy *policy;
	const void *items;
	size_t count;
};

/* ---- what makes one what it is ------------------------------------------------------------------------------ */

static void print_region_set(FILE *to, const struct policy *policy, size_t index)
{
	const struct region_set *set = &policy->region_sets[index];

	fprintf(to, "%s|%lld|", set->basis ? set->basis : "", (long long)set->recheck_by);
	for (size_t i = 0; i < set->regions.count; i++) {
		char region[8];

		region_print(&set->regions.items[i], region);
		fprintf(to, " %s", region);
	}
}

static void print_limits(FILE *to, const struct tenant_limits *limits)
{
	fprintf(to, " %u+%u %u %llu", limits->new_flows_per_second, limits->burst, limits->active_flows,
		(unsigned long long)limits->bits_per_second);
}

static void print_tenant(FILE *to, const struct policy *policy, size_t index)
{
	const struct tenant *tenant = &policy->tenants[index];

	fprintf(to, "%d", tenant->audit);
	print_limits(to, &tenant->limits);
	for (size_t i = 0; i < tenant->source_count; i++) {
		char address[ADDRESS_TEXT], region[8];

		region_print(&tenant->sources[i].region, region);
		fprintf(to, " %s/%u=%s", address_print(&tenant->sources[i].address, address), tenant->sources[i].bits,
			region);
	}
	for (size_t i = 0; i < policy->geo_count; i++)
		if (policy->geos[i].tenant == index)
			fprintf(to, " %s=%s", policy->geos[i].file, policy->geos[i].digest);
}

static void print_version(FILE *to, const struct version *version)
{
	fprintf(to, "%s|%s|%s|%d|%g|%llu|%lld", version->name, stage_names[version->stage],
		version->digest ? version->digest : "", version->validated, version->score,
		(unsigned long long)version->samples, (long long)version->validation_expires);
	for (size_t i = 0; i < version->label_count; i++)
		fprintf(to, " %s=%s until %lld", version->labels[i].name, version->labels[i].evidence,
			(long long)version->labels[i].expires);
	fputc('\n', to);
}

static void print_model(FILE *to, const struct policy *policy, size_t index)
{
	const struct index_list *versions = &policy->models[index].versions;

	for (size_t i = 0; i < versions->count; i++)
		print_version(to, &policy->versions[versions->items[i]]);
}

static void print_health(FILE *to, const struct health *health)
{
	fprintf(to, " %d %u %u %u %u %u %u %d %s %s", health->probe, health->interval_ms, health->timeout_ms,
		health->rise, health->fall, health->jitter, health->port, health->verify,
		health->path ? health->path : "", health->host ? health->host : "");
	for (size_t i = 0; i < health->status_count; i++)
		fprintf(to, " %u", health->status[i]);
}

static void print_load(FILE *to, const struct load_source *load)
{
	fprintf(to, " %d %u %d %d %s %s %u %u %u %s %s %s %d", load->server, load->port, load->tls, load->verify,
		load->path ? load->path : "", load->host ? load->host : "", load->every_ms, load->timeout_ms,
		load->stale_after_ms, load->waiting ? load->waiting : "", load->running ? load->running : "",
		load->use ? load->use : "", load->use_percent);
}

static void print_as_backend(FILE *to, const struct policy *policy, const struct backend *backend)
{
	const struct version *version = &policy->versions[backend->version];
	char endpoint[ENDPOINT_TEXT], region[8];

	region_print(&backend->region, region);
	fprintf(to, "%s %s@%s %s %u %d", endpoint_print(&backend->address, backend->port, endpoint),
		policy->models[version->model].name, version->name, region, backend->capacity, backend->forward);
	print_health(to, &backend->health);
	print_load(to, &backend->load);
}

static void print_backend(FILE *to, const struct policy *policy, size_t index)
{
	print_as_backend(to, policy, &policy->backends[index]);
}

static void print_pool(FILE *to, const struct policy *policy, size_t index)
{
	const struct pool *pool = &policy->pools[index];
	char address[ADDRESS_TEXT], region[8];

	print_as_backend(to, policy, &pool->pattern);
	fprintf(to, " %s|%s %s:%u %u %u %u %u", pool->file ? pool->file : "", pool->dns ? pool->dns : "",
		address_print(&pool->server, address), pool->server_port, pool->every_ms, pool->timeout_ms,
		pool->linger_ms, pool->most);
	for (size_t i = 0; i < pool->port_count; i++)
		fprintf(to, " %u", pool->ports[i]);
	for (size_t i = 0; i < pool->regions.count; i++) {
		region_print(&pool->regions.items[i], region);
		fprintf(to, " %s", region);
	}
	for (size_t i = 0; i < pool->within_count; i++)
		fprintf(to, " %s/%u", address_print(&pool->within[i].address, address), pool->within[i].bits);
}

static void print_service(FILE *to, const struct policy *policy, size_t index)
{
	const struct service *service = &policy->services[index];

	fprintf(to, "%u %s %s %d %d %u %d", service->protocol, policy->models[service->model].name,
		service->tenant == POLICY_NONE ? "" : policy->tenants[service->tenant].name, service->sticky_client,
		service->announce, service->slow_start_ms, service->least_load);
	for (size_t i = 0; i < service->address_count; i++) {
		char endpoint[ENDPOINT_TEXT];

		fprintf(to, " %s",
			endpoint_print(&service->addresses[i].address, service->addresses[i].port, endpoint));
	}
}

/* Names, since numbers mean something else on the other side. */
static void print_rollout(FILE *to, const struct policy *policy, size_t index)
{
	const struct rollout_policy *rollout = &policy->rollouts[index];
	const struct rollout_settings *settings = &rollout->settings;
	char from[VERSION_TEXT], name[VERSION_TEXT];

	fprintf(to, "%s %s %s %u %u %d", policy->services[rollout->service].name,
		version_print(policy, rollout->from, from), version_print(policy, rollout->to, name), settings->every,
		settings->min_flows, settings->on_breach);
	for (size_t i = 0; i < settings->step_count; i++)
		fprintf(to, " %u", settings->steps[i]);
	for (size_t i = 0; i < settings->need_count; i++)
		fprintf(to, " %s", policy->gates[rollout->needs[i]].name);
}

/* ---- two lists, both sorted by name ------------------------------------------------------------------------- */

static const char *name_of(const struct side *side, size_t stride, size_t index)
{
	return index < side->count ? *(const char *const *)((const char *)side->items + index * stride) : NULL;
}

static void add(struct diff *diff, enum diff_change change, const char *kind, const char *name)
{
	diff->objects = array_grow(diff->objects, diff->object_count, &diff->object_capacity, sizeof(*diff->objects));
	diff->objects[diff->object_count++] = (struct diff_object){change, kind, name};
}

static char *text_of(const struct kind *kind, const struct policy *policy, size_t index)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		return NULL;
	kind->print(to, policy, index);
	return fclose(to) ? NULL : text;
}

static int compare_pair(struct diff *diff, const struct kind *kind, const struct policy *before, size_t b,
			const struct policy *after, size_t a, const char *name)
{
	_cleanup_free_ char *old = text_of(kind, before, b);
	_cleanup_free_ char *new = text_of(kind, after, a);

	if (!old || !new)
		return -ENOMEM;
	if (strcmp(old, new) != 0)
		add(diff, DIFF_CHANGED, kind->name, name);
	return 0;
}

static int compare_kind(struct diff *diff, const struct kind *kind, const struct side *before, const struct side *after)
{
	size_t b = 0, a = 0;
	int error = 0;

	while (!error && (b < before->count || a < after->count)) {
		const char *old = name_of(before, kind->stride, b), *new = name_of(after, kind->stride, a);
		int order = !old ? 1 : !new ? -1 : strcmp(old, new);

		if (order < 0)
			add(diff, DIFF_REMOVED, kind->name, old);
		else if (order > 0)
			add(diff, DIFF_ADDED, kind->name, new);
		else
			error = compare_pair(diff, kind, before->policy, b, after->policy, a, new);
		b += order <= 0;
		a += order >= 0;
	}
	return error;
}

/* ---- rules -------------------------------------------------------------------------------------------------- */

static int compare_ids(const void *left, const void *right)
{
	return strcmp((*(const struct rule *const *)left)->id, (*(const struct rule *const *)right)->id);
}

static const struct rule **by_id(const struct policy *policy)
{
	const struct rule **rules = calloc(policy->rule_count + 1, sizeof(*rules));

	if (!rules)
		return NULL;
	for (size_t r = 0; r < policy->rule_count; r++)
		rules[r] = &policy->rules[r];
	qsort(rules, policy->rule_count, sizeof(*rules), compare_ids);
	return rules;
}

/* Rules refer to others by position, so only their coming and going is told; what they do shows in the accesses. */
static int compare_rules(struct diff *diff, const struct policy *before, const struct policy *after)
{
	_cleanup_free_ const struct rule **old = by_id(before);
	_cleanup_free_ const struct rule **new = by_id(after);
	size_t b = 0, a = 0;

	if (!old || !new)
		return -ENOMEM;
	while (b < before->rule_count || a < after->rule_count) {
		int order = b == before->rule_count ? 1 : a == after->rule_count ? -1 : strcmp(old[b]->id, new[a]->id);

		if (order < 0)
			add(diff, DIFF_REMOVED, "rule", old[b]->id);
		else if (order > 0)
			add(diff, DIFF_ADDED, "rule", new[a]->id);
		else if (old[b]->effect != new[a]->effect || old[b]->answer != new[a]->answer)
			add(diff, DIFF_CHANGED, "rule", new[a]->id);
		b += order <= 0;
		a += order >= 0;
	}
	return 0;
}

/* Strangers are a tenant that no policy lists. */
static bool same_limits(const struct tenant_limits *left, const struct tenant_limits *right)
{
	return left->new_flows_per_second == right->new_flows_per_second && left->burst == right->burst &&
	       left->active_flows == right->active_flows && left->bits_per_second == right->bits_per_second;
}

int diff_objects(struct diff *diff, const struct policy *before, const struct policy *after)
{
	int error = 0;

#define COMPARE(kind_name, type, list, counter, printer)                                                               \
	if (!error)                                                                                                    \
	error = compare_kind(diff, &(const struct kind){kind_name, sizeof(struct type), printer},                      \
			     &(const struct side){before, before->list, before->counter},                              \
			     &(const struct side){after, after->list, after->counter})
	COMPARE("region set", region_set, region_sets, region_set_count, print_region_set);
	COMPARE("tenant", tenant, tenants, tenant_count, print_tenant);
	if (!same_limits(&before->unknown_limits, &after->unknown_limits))
		add(diff, DIFF_CHANGED, "tenant", "unknown");
	COMPARE("model", model, models, model_count, print_model);
	COMPARE("backend", backend, backends, backend_count, print_backend);
	COMPARE("pool", pool, pools, pool_count, print_pool);
	COMPARE("service", service, services, service_count, print_service);
	COMPARE("roll-out", rollout_policy, rollouts, rollout_count, print_rollout);
#undef COMPARE
	return error ? error : compare_rules(diff, before, after);
}
