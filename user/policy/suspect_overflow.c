// SPDX-License-Identifier: GPL-2.0-only
/* What is legal and suspicious of overflow. */
#include "policy/parse.h"
#include "policy/policy.h"

static size_t model_of(const struct policy *policy, size_t backend)
{
	return policy->versions[policy->backends[backend].version].model;
}

/* How many backends of the service's model are in each tier, and how many have their load read. */
static size_t count_tiers(const struct policy *policy, size_t service, size_t counts[USHER_TIERS_MAX + 1])
{
	size_t read = 0;

	for (size_t b = 0; b < policy->backend_count; b++) {
		if (model_of(policy, b) != policy->services[service].model)
			continue;
		counts[service_tier(policy, service, b)]++;
		read += policy->backends[b].load.server != LOAD_NOT_SCRAPED;
	}
	return read;
}

static bool one_priority(const struct policy *policy)
{
	for (size_t t = 0; t < policy->tenant_count; t++)
		if (policy->tenants[t].priority)
			return false;
	return true;
}

static void suspect_service(struct document *document, const struct policy *policy, size_t number)
{
	const struct service *service = &policy->services[number];
	size_t counts[USHER_TIERS_MAX + 1] = {0}, read = count_tiers(policy, number, counts);

	for (size_t t = 1; t <= service->tier_count; t++)
		if (!counts[t])
			mark_report(document, SEVERITY_WARNING, service->place.mark,
				    "no backend of its model is in overflow tier %zu", t);
	if (!counts[0])
		mark_report(document, SEVERITY_WARNING, service->place.mark,
			    "every backend is in an overflow tier: the first that has anybody is always open");
	if (!read)
		mark_report(document, SEVERITY_WARNING, service->place.mark,
			    "no backend of its model has \"telemetry\": its load is never known, and nothing opens");
	if (service->shed_steps && one_priority(policy))
		mark_report(document, SEVERITY_WARNING, service->place.mark,
			    "all tenants have the priority of strangers, 0: nobody can be shed");
}

void suspect_overflow(struct document *document, const struct policy *policy)
{
	for (size_t s = 0; s < policy->service_count; s++)
		if (policy->services[s].tier_count || policy->services[s].shed_steps)
			suspect_service(document, policy, s);
}
