// SPDX-License-Identifier: GPL-2.0-only
#include "compile/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "compile/compile.h"
#include "compile/sources.h"

static const char *copy(struct catalog *catalog, const char *text)
{
	return text ? arena_strndup(&catalog->arena, text, strlen(text)) : NULL;
}

static void name_services(struct catalog *catalog, const struct policy *policy, const struct numbers *numbers)
{
	catalog->services = arena_array(&catalog->arena, USHER_SERVICES_MAX, sizeof(*catalog->services));
	for (size_t s = 0; s < policy->service_count; s++)
		catalog->services[numbers->services[s]] =
			(struct catalog_service){copy(catalog, policy->services[s].name),
						 copy(catalog, policy->models[policy->services[s].model].name)};
}

static void name_backends(struct catalog *catalog, const struct policy *policy, const struct numbers *numbers,
			  const struct tables *tables)
{
	catalog->backends = arena_array(&catalog->arena, USHER_BACKENDS_MAX, sizeof(*catalog->backends));
	for (size_t b = 0; b < policy->backend_count; b++) {
		const struct backend *backend = &policy->backends[b];
		const struct version *version = &policy->versions[backend->version];
		struct catalog_backend *to = &catalog->backends[numbers->backends[b]];

		*to = (struct catalog_backend){.name = copy(catalog, backend->name),
					       .model = copy(catalog, policy->models[version->model].name),
					       .version = copy(catalog, version->name),
					       .incarnation = tables->backends[numbers->backends[b]].incarnation,
					       .address = backend->address,
					       .port = backend->port,
					       .forward = backend->forward};
		region_print(&backend->region, to->region);
	}
}

static void name_classes(struct catalog *catalog, const struct classes *classes)
{
	catalog->classes = arena_array(&catalog->arena, classes->count, sizeof(*catalog->classes));
	catalog->class_count = classes->count;
	for (size_t c = 0; c < classes->count; c++) {
		const struct class *class = &classes->items[c];
		struct catalog_class *to = &catalog->classes[c];

		to->tenant = NULL; /* filled in by name_tenants, which knows the copies */
		to->family = class->family;
		region_print(&class->region, to->region);
	}
}

static void name_tenants(struct catalog *catalog, const struct policy *policy, const struct classes *classes,
			 const struct numbers *numbers)
{
	catalog->tenants = arena_array(&catalog->arena, USHER_TENANT_IDS, sizeof(*catalog->tenants));
	catalog->tenants[USHER_TENANT_UNKNOWN] = "unknown";
	for (size_t t = 0; t < policy->tenant_count; t++)
		catalog->tenants[numbers->tenants[t]] = copy(catalog, policy->tenants[t].name);
	for (size_t c = 0; c < classes->count; c++)
		catalog->classes[c].tenant = classes->items[c].tenant == POLICY_UNKNOWN_TENANT
						     ? catalog->tenants[USHER_TENANT_UNKNOWN]
						     : catalog->tenants[numbers->tenants[classes->items[c].tenant]];
}

struct catalog *catalog_build(const struct policy *policy, const struct classes *classes, const struct numbers *numbers,
			      const struct tables *tables)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));

	if (!catalog)
		abort();
	catalog->trees = tables->trees;
	catalog->trees->holders++;
	catalog->generation = tables->header.number;
	catalog->epoch = tables->header.epoch;
	memcpy(catalog->policy_digest, policy->digest, sizeof(catalog->policy_digest));
	catalog->policy_name = copy(catalog, policy->name);
	catalog->policy_revision = policy->revision;
	catalog->rules = arena_array(&catalog->arena, policy->rule_count, sizeof(*catalog->rules));
	catalog->rule_count = policy->rule_count;
	for (size_t r = 0; r < policy->rule_count; r++)
		catalog->rules[r] = copy(catalog, policy->rules[r].id);
	name_services(catalog, policy, numbers);
	name_backends(catalog, policy, numbers, tables);
	name_classes(catalog, classes);
	name_tenants(catalog, policy, classes, numbers);
	catalog->nat = arena_array(&catalog->arena, USHER_NAT_ADDRESSES_MAX, sizeof(*catalog->nat));
	memcpy(catalog->nat, tables->nat, USHER_NAT_ADDRESSES_MAX * sizeof(*catalog->nat));
	return catalog;
}

void catalog_free(struct catalog *catalog)
{
	if (!catalog)
		return;
	source_trees_release(catalog->trees);
	arena_free(&catalog->arena);
	free(catalog);
}
