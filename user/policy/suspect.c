// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>

#include "base/address.h"
#include "base/date.h"

#include "policy/parse.h"

static void suspect_date(struct document *document, uint32_t mark, int64_t date, int64_t now, const char *what)
{
	char text[DATE_TEXT];

	if (!date_passed(date, now))
		return;
	date_print(date, text);
	mark_report(document, SEVERITY_WARNING, mark, "%s on %s", what, text);
}

static void suspect_versions(struct document *document, const struct policy *policy, int64_t now)
{
	for (size_t i = 0; i < policy->version_count; i++) {
		const struct version *version = &policy->versions[i];

		suspect_date(document, version->place.mark, version->validation_expires, now, "the validation expired");
		for (size_t j = 0; j < version->label_count; j++)
			suspect_date(document, version->place.mark, version->labels[j].expires, now,
				     arena_printf(&document->scratch, "label \"%s\" lapsed", version->labels[j].name));
	}
}

static void suspect_retention(struct document *document, const struct policy *policy)
{
	if (policy->retention.seconds && policy->retention.seconds < RETAIN_ADVISED_S)
		mark_report(
			document, SEVERITY_WARNING, policy->retention.mark,
			"records are deleted after less than 183 days: Articles 19 and 26 of the EU AI Act want logs "
			"kept for at least six months by those whom they cover");
}

/* How many backends of a family serve the model. */
static size_t servers(const struct policy *policy, size_t model, int family)
{
	size_t count = 0;

	for (size_t i = 0; i < policy->backend_count; i++)
		count += policy->versions[policy->backends[i].version].model == model &&
			 address_family(&policy->backends[i].address) == family;
	return count;
}

static void suspect_services(struct document *document, const struct policy *policy)
{
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = &policy->services[i];
		size_t ipv4 = servers(policy, service->model, AF_INET),
		       ipv6 = servers(policy, service->model, AF_INET6);

		if (!ipv4 && !ipv6) {
			mark_report(document, SEVERITY_WARNING, service->place.mark, "no backend serves model \"%s\"",
				    policy->models[service->model].name);
			continue;
		}
		for (size_t j = 0; j < service->address_count; j++) {
			int family = address_family(&service->addresses[j].address);

			if (!(family == AF_INET ? ipv4 : ipv6))
				mark_report(document, SEVERITY_WARNING, service->addresses[j].place.mark,
					    "no backend that serves model \"%s\" has an %s address",
					    policy->models[service->model].name, family == AF_INET ? "IPv4" : "IPv6");
		}
	}
}

/* Its load counts as that of the others, which may be far from what it is. */
static void suspect_balance(struct document *document, const struct policy *policy)
{
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = &policy->services[i];
		size_t silent = 0, first = 0;

		for (size_t b = policy->backend_count; service->least_load && b-- > 0;)
			if (policy->versions[policy->backends[b].version].model == service->model &&
			    policy->backends[b].load.server == LOAD_NOT_SCRAPED) {
				silent++;
				first = b;
			}
		if (silent)
			mark_report(document, SEVERITY_WARNING, service->place.mark,
				    "balanced by load, and %zu backend%s of model \"%s\" without telemetry, \"%s\" the "
				    "first: "
				    "%s taken for as loaded as the median of the others",
				    silent, silent == 1 ? " is" : "s are", policy->models[service->model].name,
				    policy->backends[first].name, silent == 1 ? "it is" : "they are");
	}
}

static bool owns_a_service(const struct policy *policy, size_t tenant)
{
	for (size_t i = 0; i < policy->service_count; i++)
		if (policy->services[i].tenant == tenant)
			return true;
	return false;
}

static bool has_sources(const struct policy *policy, size_t tenant)
{
	for (size_t i = 0; i < policy->geo_count; i++)
		if (policy->geos[i].tenant == tenant)
			return true;
	return policy->tenants[tenant].source_count;
}

static void suspect_tenants(struct document *document, const struct policy *policy)
{
	for (size_t i = 0; i < policy->tenant_count; i++)
		if (!has_sources(policy, i) && !owns_a_service(policy, i))
			mark_report(document, SEVERITY_WARNING, policy->tenants[i].place.mark,
				    "the tenant has neither sources nor a service of its own: nobody is it");
}

/* Which protocols the services of a model have: bit 0 TCP, bit 1 UDP. */
static unsigned int protocols(const struct policy *policy, size_t model)
{
	unsigned int found = 0;

	for (size_t i = 0; i < policy->service_count; i++)
		if (policy->services[i].model == model)
			found |= policy->services[i].protocol == IPPROTO_TCP ? 1 : 2;
	return found;
}

static void suspect_backends(struct document *document, const struct policy *policy)
{
	for (size_t i = 0; i < policy->backend_count; i++) {
		const struct backend *backend = &policy->backends[i];
		size_t model = policy->versions[backend->version].model;
		unsigned int found = protocols(policy, model);

		if (i && backend->pool && backend->pool == policy->backends[i - 1].pool)
			continue; /* members of one pool are alike */
		if (!found)
			mark_report(document, SEVERITY_WARNING, backend->place.mark, "no service serves model \"%s\"",
				    policy->models[model].name);
		else if (found == 2 && backend->health.probe == HEALTH_PROBE_TCP && !backend->health.port)
			mark_report(document, SEVERITY_WARNING, backend->place.mark,
				    "probed by TCP, while its services are UDP; say \"health\": false if it has no TCP "
				    "port");
	}
}

void suspect(struct document *document, const struct policy *policy, int64_t now)
{
	uint32_t metadata = text_member(&document->text, 0, "metadata");

	suspect_date(document, metadata, policy->review_by, now, "the policy was to be reviewed");
	for (size_t i = 0; i < policy->region_set_count; i++)
		suspect_date(document, policy->region_sets[i].place.mark, policy->region_sets[i].recheck_by, now,
			     "the region set was to be checked again");
	suspect_retention(document, policy);
	suspect_versions(document, policy, now);
	suspect_tenants(document, policy);
	suspect_backends(document, policy);
	suspect_services(document, policy);
	suspect_balance(document, policy);
	suspect_gates(document, policy);
	suspect_overflow(document, policy);
	suspect_rollouts(document, policy);
	suspect_outliers(document, policy);
	if (!policy->service_count)
		mark_report(document, SEVERITY_WARNING, text_member(&document->text, 0, "services"),
			    "there is no service: every packet is handed to the host");
}
