// SPDX-License-Identifier: GPL-2.0-only
#include "document.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

static void insist(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "model: cannot read the document: %s\n", what);
	abort();
}

static json_object *member(json_object *object, const char *key)
{
	json_object *value = NULL;

	return object && json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static size_t member_count(json_object *object)
{
	return object ? (size_t)json_object_object_length(object) : 0;
}

static size_t item_count(json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

static const char *copy(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

static const char *text_of(struct arena *arena, json_object *value)
{
	return value ? copy(arena, json_object_get_string(value)) : NULL;
}

static bool is_text(json_object *value, const char *text)
{
	return value && !strcmp(json_object_get_string(value), text);
}

/* ---- small things ------------------------------------------------------------------------------------------ */

bool ref_is_ipv4(const struct usher_address *address)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return !memcmp(address->bytes, mapped, 12);
}

static struct usher_address read_address(const char *text)
{
	struct usher_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, text, &address.bytes[12]) != 1)
		insist(inet_pton(AF_INET6, text, address.bytes) == 1, text);
	return address;
}

/* "192.0.2.1:80" or "[2001:db8::1]:80" */
static struct ref_endpoint read_endpoint(const char *text)
{
	struct ref_endpoint endpoint = {0};
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');

	insist(colon && (size_t)(colon - text) < sizeof(host), text);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	endpoint.port = (uint16_t)atoi(colon + 1);
	if (host[0] == '[') {
		host[strlen(host) - 1] = '\0';
		endpoint.address = read_address(host + 1);
	} else {
		endpoint.address = read_address(host);
	}
	endpoint.ipv6 = !ref_is_ipv4(&endpoint.address);
	return endpoint;
}

static struct ref_region read_region(const char *text)
{
	struct ref_region region = {0};

	memcpy(region.country, text, 2);
	if (text[2] == '-')
		snprintf(region.part, sizeof(region.part), "%s", text + 3);
	return region;
}

/* A date is good to the end of its day; ISO dates sort as text. */
static bool lapsed(json_object *date, const char *today)
{
	return date && strcmp(json_object_get_string(date), today) < 0;
}

static struct ref_names read_names(struct arena *arena, json_object *array)
{
	struct ref_names names = {.given = array != NULL, .count = item_count(array)};

	names.items = arena_array(arena, names.count, sizeof(*names.items));
	for (size_t i = 0; i < names.count; i++)
		names.items[i] = text_of(arena, json_object_array_get_idx(array, i));
	return names;
}

/* ---- regions ----------------------------------------------------------------------------------------------- */

static void add_region(struct arena *arena, struct ref_regions *to, const struct ref_region *region)
{
	struct ref_region *items = arena_array(arena, to->count + 1, sizeof(*items));

	if (to->count)
		memcpy(items, to->items, to->count * sizeof(*items));
	items[to->count++] = *region;
	to->items = items;
}

static void add_named(struct arena *arena, json_object *sets, const char *name, struct ref_regions *to)
{
	json_object *set = member(sets, name);
	struct ref_region region;

	if (!strcmp(name, "unknown")) {
		to->unknown = true;
		return;
	}
	if (!set) {
		region = read_region(name);
		add_region(arena, to, &region);
		return;
	}
	json_object *include = member(set, "include"), *countries = member(set, "countries");

	for (size_t i = 0; i < item_count(include); i++)
		add_named(arena, sets, json_object_get_string(json_object_array_get_idx(include, i)), to);
	for (size_t i = 0; i < item_count(countries); i++)
		add_named(arena, sets, json_object_get_string(json_object_array_get_idx(countries, i)), to);
}

static struct ref_regions read_regions(struct arena *arena, json_object *sets, json_object *array)
{
	struct ref_regions regions = {.given = array != NULL};

	for (size_t i = 0; i < item_count(array); i++)
		add_named(arena, sets, json_object_get_string(json_object_array_get_idx(array, i)), &regions);
	return regions;
}

/* ---- the parts of a document ------------------------------------------------------------------------------- */

static void read_prefix(struct ref_policy *policy, const char *tenant, json_object *source)
{
	struct ref_prefix *prefix = &policy->prefixes[policy->prefix_count++];
	char text[64];

	snprintf(text, sizeof(text), "%s", json_object_get_string(member(source, "prefix")));
	char *slash = strchr(text, '/');

	insist(slash, text);
	*slash = '\0';
	prefix->address = read_address(text);
	prefix->bits = (unsigned int)atoi(slash + 1) + (ref_is_ipv4(&prefix->address) ? 96 : 0);
	prefix->tenant = tenant;
	prefix->region = read_region(json_object_get_string(member(source, "region")));
}

static void read_geography(struct ref_policy *policy, const struct files *files, const char *tenant, const char *name)
{
	size_t length;
	const char *line = files_find(files, name, &length), *end = line + length;

	insist(line, name);
	for (; line < end; line = strchr(line, '\n') + 1) {
		char text[64], region[7];
		struct ref_prefix *prefix = &policy->prefixes[policy->prefix_count];

		if (sscanf(line, "%63[^/\n#]/%u,%6[A-Z-]", text, &prefix->bits, region) != 3)
			continue;
		prefix->address = read_address(text);
		prefix->bits += ref_is_ipv4(&prefix->address) ? 96 : 0;
		prefix->tenant = tenant;
		prefix->region = read_region(region);
		prefix->geo = true;
		policy->prefix_count++;
	}
}

static void read_source(struct ref_policy *policy, const struct files *files, const char *tenant, json_object *source)
{
	json_object *geo = member(source, "geo");

	if (geo)
		read_geography(policy, files, tenant, json_object_get_string(geo));
	else
		read_prefix(policy, tenant, source);
}

static void read_tenants(struct ref_policy *policy, const struct files *files, json_object *tenants)
{
	size_t prefixes = files_lines(files) + 1; /* the last one is where a line that is none is tried */

	if (!tenants)
		return;
	json_object_object_foreach(tenants, counted, counted_value)
	{
		(void)counted;
		prefixes += item_count(member(counted_value, "sources"));
	}
	policy->prefixes = arena_array(&policy->arena, prefixes, sizeof(*policy->prefixes));
	policy->tenants = arena_array(&policy->arena, member_count(tenants), sizeof(*policy->tenants));
	json_object_object_foreach(tenants, name, value)
	{
		struct ref_tenant *tenant = &policy->tenants[policy->tenant_count++];
		json_object *sources = member(value, "sources"), *audit = member(value, "audit");

		tenant->name = copy(&policy->arena, name);
		tenant->priority = (uint32_t)json_object_get_int(member(value, "priority"));
		tenant->audit_required = audit ? is_text(audit, "required") : policy->audit_required;
		for (size_t i = 0; i < item_count(sources); i++)
			read_source(policy, files, tenant->name, json_object_array_get_idx(sources, i));
	}
}

static void read_version(struct ref_policy *policy, const char *model, const char *name, json_object *value,
			 json_object *outlier, const char *today)
{
	struct ref_version *version = &policy->versions[policy->version_count++];
	json_object *labels = member(value, "labels"), *validation = member(value, "validation");

	version->model = model;
	version->name = copy(&policy->arena, name);
	version->stage = text_of(&policy->arena, member(value, "stage"));
	version->labels = arena_array(&policy->arena, member_count(labels), sizeof(*version->labels));
	if (labels) {
		json_object_object_foreach(labels, label, claim)
		{
			version->labels[version->label_count].name = copy(&policy->arena, label);
			version->labels[version->label_count++].lapsed = lapsed(member(claim, "expires"), today);
		}
	}
	if (outlier)
		version->outliers =
			member(outlier, "most") ? (uint32_t)json_object_get_int(member(outlier, "most")) : 50;
	version->validated = validation != NULL;
	if (validation) {
		version->score = json_object_get_double(member(validation, "score"));
		version->validation_lapsed = lapsed(member(validation, "expires"), today);
	}
}

static void read_models(struct ref_policy *policy, json_object *models, const char *today)
{
	size_t versions = 0;

	if (!models)
		return;
	json_object_object_foreach(models, counted, counted_value)
	{
		(void)counted;
		versions += member_count(member(counted_value, "versions"));
	}
	policy->versions = arena_array(&policy->arena, versions, sizeof(*policy->versions));
	json_object_object_foreach(models, name, value)
	{
		const char *model = copy(&policy->arena, name);

		json_object_object_foreach(member(value, "versions"), version, version_value)
			read_version(policy, model, version, version_value, member(value, "outlier"), today);
	}
}

static const struct ref_version *find_version(const struct ref_policy *policy, const char *serves)
{
	for (size_t i = 0; i < policy->version_count; i++) {
		const struct ref_version *version = &policy->versions[i];
		size_t length = strlen(version->model);

		if (!strncmp(serves, version->model, length) && serves[length] == '@' &&
		    !strcmp(serves + length + 1, version->name))
			return version;
	}
	insist(false, serves);
	return NULL;
}

static void read_backends(struct ref_policy *policy, json_object *backends)
{
	policy->backends = arena_array(&policy->arena, member_count(backends), sizeof(*policy->backends));
	if (!backends)
		return;
	json_object_object_foreach(backends, name, value)
	{
		struct ref_backend *backend = &policy->backends[policy->backend_count++];
		struct ref_endpoint endpoint = read_endpoint(json_object_get_string(member(value, "address")));

		backend->name = copy(&policy->arena, name);
		backend->address = endpoint.address;
		backend->port = endpoint.port;
		backend->ipv6 = endpoint.ipv6;
		backend->gue = is_text(member(value, "forward"), "gue");
		backend->tunnel = backend->gue || is_text(member(value, "forward"), "ipip");
		backend->l2 = backend->tunnel || is_text(member(value, "forward"), "l2");
		backend->version = find_version(policy, json_object_get_string(member(value, "serves")));
		backend->region = read_region(json_object_get_string(member(value, "region")));
		backend->capacity = (uint32_t)json_object_get_int(member(value, "capacity"));
		backend->verify = member(value, "verify");
	}
}

static void read_tiers(struct ref_policy *policy, json_object *sets, json_object *overflow, struct ref_service *service)
{
	service->tiers = arena_array(&policy->arena, item_count(overflow), sizeof(*service->tiers));
	for (size_t i = 0; i < item_count(overflow); i++) {
		json_object *region = member(json_object_array_get_idx(overflow, i), "region");

		if (region)
			service->tiers[service->tier_count++] = read_regions(&policy->arena, sets, region);
	}
}

static void read_services(struct ref_policy *policy, json_object *sets, json_object *services)
{
	policy->services = arena_array(&policy->arena, member_count(services), sizeof(*policy->services));
	if (!services)
		return;
	json_object_object_foreach(services, name, value)
	{
		struct ref_service *service = &policy->services[policy->service_count++];
		json_object *address = member(value, "address");
		bool list = json_object_is_type(address, json_type_array);

		service->name = copy(&policy->arena, name);
		service->model = text_of(&policy->arena, member(value, "model"));
		service->tenant = text_of(&policy->arena, member(value, "tenant"));
		service->protocol = is_text(member(value, "protocol"), "udp") ? IPPROTO_UDP : IPPROTO_TCP;
		service->sticky = is_text(member(value, "sticky"), "client");
		service->least_load = is_text(member(value, "balance"), "least-load");
		if (member(value, "overflow"))
			read_tiers(policy, sets, member(value, "overflow"), service);
		service->address_count = list ? item_count(address) : 1;
		service->addresses = arena_array(&policy->arena, service->address_count, sizeof(*service->addresses));
		for (size_t i = 0; i < service->address_count; i++)
			service->addresses[i] = read_endpoint(
				json_object_get_string(list ? json_object_array_get_idx(address, i) : address));
	}
}

/* ---- rules ------------------------------------------------------------------------------------------------- */

static struct ref_match read_match(struct arena *arena, json_object *sets, json_object *value)
{
	json_object *score = member(value, "score");

	return (struct ref_match){
		.regions = read_regions(arena, sets, member(value, "region")),
		.models = read_names(arena, member(value, "model")),
		.versions = read_names(arena, member(value, "version")),
		.backends = read_names(arena, member(value, "backend")),
		.stages = read_names(arena, member(value, "stage")),
		.labels = read_names(arena, member(value, "labels")),
		.score_given = score != NULL,
		.score_min = score ? json_object_get_double(member(score, "min")) : 0,
	};
}

static void read_effect(struct arena *arena, json_object *sets, json_object *value, struct ref_rule *rule)
{
	json_object *deny = member(value, "deny"), *require = member(value, "require"), *split = member(value, "split");

	rule->silent = is_text(member(value, "answer"), "drop");
	if (member(value, "allow")) {
		rule->effect = REF_ALLOW;
	} else if (deny && json_object_is_type(deny, json_type_boolean)) {
		rule->effect = REF_DENY;
	} else if (deny) {
		rule->effect = REF_DENY_BACKENDS;
		rule->match = read_match(arena, sets, deny);
	} else if (require) {
		rule->effect = REF_REQUIRE;
		rule->match = read_match(arena, sets, require);
	} else if (split) {
		rule->effect = REF_SPLIT;
		rule->shares = arena_array(arena, member_count(split), sizeof(*rule->shares));
		json_object_object_foreach(split, version, weight)
		{
			rule->shares[rule->share_count].version = copy(arena, version);
			rule->shares[rule->share_count++].weight = (uint32_t)json_object_get_int(weight);
		}
	} else {
		rule->effect = REF_REROUTE;
		rule->reroute = text_of(arena, member(member(value, "reroute"), "service"));
	}
}

static void read_rules(struct ref_policy *policy, json_object *sets, json_object *rules)
{
	policy->rules = arena_array(&policy->arena, item_count(rules), sizeof(*policy->rules));
	for (size_t i = 0; i < item_count(rules); i++) {
		struct ref_rule *rule = &policy->rules[policy->rule_count++];
		json_object *value = json_object_array_get_idx(rules, i), *when = member(value, "when");

		rule->id = text_of(&policy->arena, member(value, "id"));
		rule->tenants = read_names(&policy->arena, member(when, "tenant"));
		rule->services = read_names(&policy->arena, member(when, "service"));
		rule->client_regions = read_regions(&policy->arena, sets, member(when, "client_region"));
		read_effect(&policy->arena, sets, value, rule);
	}
}

static void read_nat(struct ref_policy *policy, json_object *addresses)
{
	policy->nat_count = item_count(addresses);
	policy->nat = arena_array(&policy->arena, policy->nat_count, sizeof(*policy->nat));
	for (size_t i = 0; i < policy->nat_count; i++)
		policy->nat[i] = read_address(json_object_get_string(json_object_array_get_idx(addresses, i)));
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

struct ref_policy *ref_policy_read(const char *text, size_t length, const char *today)
{
	const struct files files = {text + strlen(text), text + length};
	json_object *root = json_tokener_parse(text);
	struct ref_policy *policy = calloc(1, sizeof(*policy));

	insist(root && policy, "it is not JSON");
	json_object *sets = member(root, "regions"), *loss = member(root, "controller_loss");

	policy->audit_required = is_text(member(member(root, "audit"), "record"), "required");
	if (loss) {
		policy->loss_after_s = (uint32_t)atoi(json_object_get_string(member(loss, "after")));
		policy->deny_new = is_text(member(loss, "then"), "deny-new");
	}
	read_tenants(policy, &files, member(root, "tenants"));
	read_models(policy, member(root, "models"), today);
	read_backends(policy, member(root, "backends"));
	read_services(policy, member(root, "regions"), member(root, "services"));
	read_rules(policy, sets, member(root, "rules"));
	read_nat(policy, member(member(root, "nat"), "addresses"));
	json_object_put(root);
	return policy;
}

void ref_policy_free(struct ref_policy *policy)
{
	if (!policy)
		return;
	arena_free(&policy->arena);
	free(policy);
}

const struct ref_service *ref_service_named(const struct ref_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->service_count; i++)
		if (!strcmp(policy->services[i].name, name))
			return &policy->services[i];
	insist(false, name);
	return NULL;
}

size_t ref_service_index(const struct ref_policy *policy, const struct ref_service *service)
{
	return (size_t)(service - policy->services);
}
