// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/date.h"
#include "kernel/flows.h"
#include "kernel/latency.h"
#include "policy/policy.h"
#include "daemon/quarantine.h"
#include "daemon/show.h"

static uint16_t number_of(const struct identity_table *table, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < table->count; i++) {
		const char *key = table->items[i].key;

		/* A backend's key goes on behind its name. */
		if (key && !strncmp(key, name, length) && (!key[length] || key[length] == ' '))
			return (uint16_t)i;
	}
	return USHER_NONE;
}

static void add_geo(struct json *to, const struct geo *geo)
{
	json_object_begin(to, NULL);
	json_string(to, "geo", geo->file);
	json_unsigned(to, "prefixes", geo->prefix_count);
	json_unsigned(to, "regions", geo->region_count);
	json_string(to, "sha256", geo->digest);
	json_object_end(to);
}

static void add_date(struct json *to, const char *key, int64_t date)
{
	char text[DATE_TEXT];

	if (!date) {
		json_null(to, key);
		return;
	}
	date_print(date, text);
	json_string(to, key, text);
}

/* ---- services, tenants, models -------------------------------------------------------------------------------- */

void show_services(struct question *question)
{
	const struct policy *policy = question->core->policy;
	struct json *to = question->to;

	for (size_t s = 0; policy && s < policy->service_count; s++) {
		const struct service *service = &policy->services[s];
		uint16_t number = number_of(&question->identities->services, service->name);
		char text[ENDPOINT_TEXT];

		json_object_begin(to, NULL);
		json_string(to, "name", service->name);
		json_string(to, "model", policy->models[service->model].name);
		json_string(to, "protocol", service->protocol == 6 ? "tcp" : "udp");
		json_string(to, "tenant",
			    service->tenant == POLICY_NONE ? NULL : policy->tenants[service->tenant].name);
		json_boolean(to, "sticky", service->sticky_client);
		json_boolean(to, "announce", service->announce);
		json_string(to, "balance", service->least_load ? "least-load" : "maglev");
		json_unsigned(to, "slow_start_ms", service->slow_start_ms);
		json_array_begin(to, "addresses");
		for (size_t a = 0; a < service->address_count; a++)
			json_string(to, NULL,
				    endpoint_print(&service->addresses[a].address, service->addresses[a].port, text));
		json_array_end(to);
		if (number < USHER_SERVICES_MAX) {
			show_counter(to, "received", &question->counters->received[number]);
			show_verdicts(to, &question->counters->verdicts[number * USHER_REASON_MAX]);
		}
		json_object_end(to);
	}
}

static void add_limits(struct json *to, const struct tenant_limits *limits, const struct usher_tenant_state *state)
{
	json_integer(to, "half_open", state->half_open);
	json_integer(to, "active", state->half_open + state->live);
	json_unsigned(to, "new_flows_per_second", limits->new_flows_per_second);
	json_unsigned(to, "burst", limits->burst);
	json_unsigned(to, "active_flows", limits->active_flows);
	json_unsigned(to, "bits_per_second", limits->bits_per_second);
	json_unsigned(to, "new_flows_refused", state->new_flows_refused);
	json_unsigned(to, "active_flows_refused", state->active_flows_refused);
	json_unsigned(to, "packets_refused", state->packets_refused);
}

static void add_sources(struct json *to, const struct policy *policy, size_t index)
{
	const struct tenant *tenant = &policy->tenants[index];

	for (size_t i = 0; i < tenant->source_count; i++) {
		const struct source *source = &tenant->sources[i];
		bool ipv4 = source_family(source) == AF_INET;
		char address[ADDRESS_TEXT], region[8];

		region_print(&source->region, region);
		json_object_begin(to, NULL);
		json_format(to, "prefix", "%s/%d", address_print(&source->address, address),
			    ipv4 ? source->bits - 96 : source->bits);
		json_string(to, "region", region);
		json_object_end(to);
	}
	for (size_t i = 0; i < policy->geo_count; i++)
		if (policy->geos[i].tenant == index)
			add_geo(to, &policy->geos[i]);
}

/* index: POLICY_UNKNOWN_TENANT is whoever no prefix covers. */
static void add_tenant(struct question *question, size_t index, const struct usher_tenant_state *states)
{
	const struct policy *policy = question->core->policy;
	bool unknown = index == POLICY_UNKNOWN_TENANT;
	const struct tenant *tenant = unknown ? NULL : &policy->tenants[index];
	uint16_t number = unknown ? USHER_TENANT_UNKNOWN : number_of(&question->identities->tenants, tenant->name);
	enum audit_mode audit = unknown ? policy->audit_default : tenant->audit;
	struct json *to = question->to;

	json_object_begin(to, NULL);
	json_string(to, "name", unknown ? "unknown" : tenant->name);
	json_string(to, "audit", audit == AUDIT_REQUIRED ? "required" : "every-flow");
	add_limits(to, unknown ? &policy->unknown_limits : &tenant->limits,
		   &states[number < USHER_TENANT_IDS ? number : USHER_TENANT_IDS]);
	json_array_begin(to, "sources");
	if (!unknown)
		add_sources(to, policy, index);
	json_array_end(to);
	json_object_end(to);
}

void show_tenants(struct question *question)
{
	const struct policy *policy = question->core->policy;
	/* One more, all 0: of a tenant that packets do not know yet. */
	_cleanup_free_ struct usher_tenant_state *states = calloc(USHER_TENANT_IDS + 1, sizeof(*states));

	if (!states)
		abort();
	flows_tenants(question->core->program, states);
	for (size_t t = 0; policy && t < policy->tenant_count; t++)
		add_tenant(question, t, states);
	if (policy)
		add_tenant(question, POLICY_UNKNOWN_TENANT, states);
}

static void add_version(struct question *question, size_t index)
{
	const struct policy *policy = question->core->policy;
	const struct version *version = &policy->versions[index];
	struct json *to = question->to;
	char name[VERSION_TEXT];

	json_object_begin(to, NULL);
	json_string(to, "name", version->name);
	json_string(to, "stage", stage_names[version->stage]);
	json_string(to, "digest", version->digest);
	if (version->validated) {
		json_number(to, "score", version->score);
		json_unsigned(to, "samples", version->samples);
		add_date(to, "validation_expires", version->validation_expires);
	}
	json_array_begin(to, "labels");
	for (size_t l = 0; l < version->label_count; l++) {
		json_object_begin(to, NULL);
		json_string(to, "name", version->labels[l].name);
		json_string(to, "evidence", version->labels[l].evidence);
		add_date(to, "expires", version->labels[l].expires);
		json_boolean(to, "lapsed", question->core->effective->lapsed_labels[index] >> l & 1);
		json_object_end(to);
	}
	json_array_end(to);
	json_array_begin(to, "backends");
	for (size_t b = 0; b < policy->backend_count; b++)
		if (policy->backends[b].version == index)
			json_string(to, NULL, policy->backends[b].name);
	json_array_end(to);
	quarantine_add(to, "quarantine", state_quarantine(question->core->state, version_print(policy, index, name)));
	json_object_end(to);
}

void show_models(struct question *question)
{
	const struct policy *policy = question->core->policy;

	for (size_t m = 0; policy && m < policy->model_count; m++) {
		const struct index_list *versions = &policy->models[m].versions;

		json_object_begin(question->to, NULL);
		json_string(question->to, "name", policy->models[m].name);
		json_array_begin(question->to, "versions");
		for (size_t v = 0; v < versions->count; v++)
			add_version(question, versions->items[v]);
		json_array_end(question->to);
		json_object_end(question->to);
	}
}

/* ---- backends ------------------------------------------------------------------------------------------------- */

const char *show_health(const struct backend *backend, enum health_state state)
{
	if (backend->health.probe == HEALTH_PROBE_NONE)
		return "unchecked";
	return state == HEALTH_UP ? "up" : state == HEALTH_DOWN ? "down" : "unknown";
}

/* Of one that is down. */
static void add_cause(struct json *to, const struct backend *backend, const struct backend_facts *facts)
{
	char text[CAUSE_TEXT];

	if (backend->health.probe == HEALTH_PROBE_NONE || facts->health != HEALTH_DOWN) {
		json_null(to, "health_cause");
		json_null(to, "health_text");
		return;
	}
	json_object_begin(to, "health_cause");
	json_string(to, "kind", cause_words[facts->cause.kind]);
	json_integer(to, "number", facts->cause.number);
	json_object_end(to);
	json_string(to, "health_text", cause_print(facts->cause, backend->health.path, text));
}

/* Services of one model may have different slow starts: the least part that it gets in any of them. */
static double least_percent(const struct core *core, size_t index)
{
	const struct policy *policy = core->policy;
	double least = 100;

	for (size_t s = 0; s < policy->service_count; s++)
		if (policy->services[s].model == policy->versions[policy->backends[index].version].model) {
			double percent = effective_percent(core->effective, s, index);

			if (percent < least)
				least = percent;
		}
	return least;
}

static void add_latency(struct json *to, const char *key, const struct usher_latency *latency)
{
	json_object_begin(to, key);
	json_unsigned(to, "count", latency_total(latency));
	json_number(to, "mean_seconds", latency_sum(latency) / (double)latency_total(latency));
	json_number(to, "p50_seconds", latency_quantile(latency, 0.5));
	json_number(to, "p99_seconds", latency_quantile(latency, 0.99));
	json_object_end(to);
}

/* NULL: its answers do not come by here. */
static void add_figures(struct json *to, const struct usher_backend_figures *figures)
{
	if (!figures) {
		json_null(to, "connect");
		json_null(to, "first_byte");
		json_null(to, "failures");
		return;
	}
	add_latency(to, "connect", &figures->connect);
	add_latency(to, "first_byte", &figures->first_byte);
	json_object_begin(to, "failures");
	json_unsigned(to, "refused", figures->refused);
	json_unsigned(to, "resets", figures->resets);
	json_unsigned(to, "connect_timeouts", figures->connect_timeouts);
	json_unsigned(to, "first_byte_timeouts", figures->first_byte_timeouts);
	json_object_end(to);
}

/* In front of others nothing is put that the path might be too narrow for. */
static void add_path(struct json *to, const struct backend *backend, const struct next_hop *next_hop)
{
	static const char *const sources[] = {
		[MTU_OF_INTERFACE] = "interface", [MTU_OF_ROUTE] = "route", [MTU_OF_ROUTER] = "router"};

	if (next_hop->resolved && next_hop->mtu && USHER_FORWARD_IS_TUNNEL(backend->forward)) {
		json_unsigned(to, "path_mtu", next_hop->mtu);
		json_string(to, "path_mtu_source", sources[next_hop->mtu_source]);
	} else {
		json_null(to, "path_mtu");
		json_null(to, "path_mtu_source");
	}
}

static void add_backend(struct question *question, size_t index)
{
	const struct core *core = question->core;
	const struct backend *backend = &core->policy->backends[index];
	const struct backend_facts *facts = &core->facts.backends[index];
	const struct effective_backend *effective = &core->effective->backends[index];
	const struct version *version = &core->policy->versions[backend->version];
	uint16_t number = number_of(&question->identities->backends, backend->name);
	uint8_t reason = effective->constraint_reason ? effective->constraint_reason
			 : effective->start_reason    ? effective->start_reason
			 : effective->ejected	      ? USHER_REASON_EJECTED
						      : 0;
	const uint8_t *mac = facts->next_hop.mac;
	struct json *to = question->to;
	char text[ENDPOINT_TEXT];

	region_print(&backend->region, text);
	json_object_begin(to, NULL);
	json_string(to, "name", backend->name);
	json_string(to, "region", text);
	json_string(to, "address", endpoint_print(&backend->address, backend->port, text));
	json_string(to, "model", core->policy->models[version->model].name);
	json_string(to, "version", version->name);
	json_unsigned(to, "capacity", backend->capacity);
	json_string(to, "forward", forward_names[backend->forward]);
	json_string(to, "health", show_health(backend, facts->health));
	add_cause(to, backend, facts);
	json_boolean(to, "draining", facts->draining);
	json_string(to, "pool", backend->pool ? core->policy->pools[backend->pool - 1].name : NULL);
	json_boolean(to, "leaving", backend->leaving);
	json_boolean(to, "quarantined", facts_quarantined(&core->facts, core->policy, index));
	if (facts->next_hop.resolved)
		json_format(to, "next_hop", "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			    mac[5]);
	else
		json_null(to, "next_hop");
	add_path(to, backend, &facts->next_hop);
	json_boolean(to, "ejected", effective->ejected != 0);
	json_string(to, "reason", reason ? record_reason(reason) : NULL);
	json_boolean(to, "continues", !effective->constraint_reason);
	if (effective->able_since) {
		json_string(to, "able_since", clock_print(effective->able_since * CLOCK_SECOND, text));
		json_number(to, "weight_percent", least_percent(core, index));
	} else {
		json_null(to, "able_since");
		json_null(to, "weight_percent");
	}
	if (number < USHER_BACKENDS_MAX) {
		const struct usher_backend_counter *counter = &question->counters->backends[number];

		json_unsigned(to, "id", number);
		json_unsigned(to, "incarnation", question->identities->backends.items[number].incarnation);
		json_unsigned(to, "flows", counter->flows);
		json_unsigned(to, "packets_to", counter->packets_to);
		json_unsigned(to, "bytes_to", counter->bytes_to);
		json_unsigned(to, "packets_from", counter->packets_from);
		json_unsigned(to, "bytes_from", counter->bytes_from);
		add_figures(to, backend->forward == USHER_FORWARD_NAT ? &question->counters->figures[number] : NULL);
		show_balance(question, number);
	}
	json_object_end(to);
}

void show_backends(struct question *question)
{
	for (size_t b = 0; question->core->policy && b < question->core->policy->backend_count; b++)
		add_backend(question, b);
}
