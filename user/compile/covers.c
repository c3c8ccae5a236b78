// SPDX-License-Identifier: GPL-2.0-only
#include "compile/covers.h"

#include "policy/policy.h"

bool rule_covers_service(const struct rule *rule, size_t service)
{
	return !rule->when.services.given || index_list_has(&rule->when.services, service);
}

bool rule_covers_tenant(const struct rule *rule, size_t tenant)
{
	if (rule->when.tenants.given)
		return index_list_has(&rule->when.tenants, tenant);
	/* Whoever admits strangers has to say so. */
	return rule->effect != RULE_ALLOW || tenant != POLICY_UNKNOWN_TENANT;
}

static bool takes_away(const struct rule *rule)
{
	return rule->effect == RULE_DENY || rule->effect == RULE_DENY_BACKENDS || rule->effect == RULE_REQUIRE;
}

bool rule_covers_region(const struct rule *rule, const struct region *region)
{
	const struct rule_when *when = &rule->when;
	bool unknown = !region->country[0];

	if (!when->client_regions_given)
		return true;
	if (takes_away(rule))
		return unknown || region_may_be_inside(region, &when->client_regions);
	return unknown ? when->unknown_region : region_inside(region, &when->client_regions);
}
