// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

#include "policy/geography.h"
#include "policy/parse.h"
#include "policy/policy.h"

/* ---- addresses ---------------------------------------------------------------------------------------------- */

/* Everything that an address is used for. */
struct use {
	enum { USE_NAT, USE_SERVICE, USE_BACKEND } kind;
	struct usher_address address;
	uint16_t port;
	uint8_t protocol;
	const char *name;
	uint32_t mark;
};

struct uses {
	struct use *items;
	size_t count;
};

static int compare_uses(const void *left, const void *right)
{
	const struct use *a = left, *b = right;
	int order = memcmp(&a->address, &b->address, sizeof(a->address));

	if (!order)
		order = (int)a->kind - (int)b->kind;
	if (!order)
		order = a->protocol - b->protocol;
	if (!order)
		order = a->port - b->port;
	return order ? order : (a->mark > b->mark) - (a->mark < b->mark);
}

static uint32_t nat_mark(const struct document *document, size_t index)
{
	uint32_t nat = text_member(&document->text, 0, "nat");
	uint32_t addresses = nat == MARK_NONE ? MARK_NONE : text_member(&document->text, nat, "addresses");

	return addresses == MARK_NONE ? MARK_NONE : text_item(&document->text, addresses, index);
}

static struct uses collect_uses(struct document *document, const struct policy *policy)
{
	struct uses uses = {0};
	size_t most = policy->nat_address_count + policy->backend_count;

	for (size_t i = 0; i < policy->service_count; i++)
		most += policy->services[i].address_count;
	uses.items = arena_array(&document->scratch, most, sizeof(*uses.items));
	for (size_t i = 0; i < policy->nat_address_count; i++)
		uses.items[uses.count++] = (struct use){
			.kind = USE_NAT, .address = policy->nat_addresses[i], .mark = nat_mark(document, i)};
	for (size_t i = 0; i < policy->service_count; i++)
		for (size_t j = 0; j < policy->services[i].address_count; j++) {
			const struct service_address *address = &policy->services[i].addresses[j];

			uses.items[uses.count++] = (struct use){USE_SERVICE,
								address->address,
								address->port,
								policy->services[i].protocol,
								policy->services[i].name,
								address->place.mark};
		}
	for (size_t i = 0; i < policy->backend_count; i++)
		if (policy->backends[i].port)
			uses.items[uses.count++] = (struct use){.kind = USE_BACKEND,
								.address = policy->backends[i].address,
								.name = policy->backends[i].name,
								.mark = policy->backends[i].place.mark};
	qsort(uses.items, uses.count, sizeof(*uses.items), compare_uses);
	return uses;
}

static void judge_use(struct document *document, const struct use *before, const struct use *use)
{
	char text[ADDRESS_TEXT];

	address_print(&use->address, text);
	if (use->kind == USE_NAT)
		mark_report(document, SEVERITY_ERROR, use->mark, "%s is there twice", text);
	else if (before->kind == USE_NAT)
		mark_report(document, SEVERITY_ERROR, use->mark,
			    "%s is one of .nat.addresses, which belong to usher alone", text);
	else if (use->kind == USE_BACKEND && before->kind == USE_SERVICE)
		mark_report(document, SEVERITY_ERROR, use->mark,
			    "%s is the address of service \"%s\"; a backend needs one of its own", text, before->name);
	else if (use->kind == USE_SERVICE && before->port == use->port && before->protocol == use->protocol)
		mark_report(document, SEVERITY_ERROR, use->mark,
			    "service \"%s\" has this address, port and protocol already", before->name);
}

static void validate_addresses(struct document *document, const struct policy *policy)
{
	struct uses uses = collect_uses(document, policy);
	size_t first = 0;

	for (size_t i = 1; i < uses.count; i++) {
		if (!address_equal(&uses.items[first].address, &uses.items[i].address)) {
			first = i;
			continue;
		}
		/* The first use of an address is its worst: NAT, then service. */
		judge_use(document,
			  uses.items[first].kind < uses.items[i].kind ? &uses.items[first] : &uses.items[i - 1],
			  &uses.items[i]);
	}
}

static int compare_sources(const void *left, const void *right)
{
	const struct source *a = *(const struct source *const *)left, *b = *(const struct source *const *)right;
	int order = memcmp(&a->address, &b->address, sizeof(a->address));

	if (!order)
		order = a->bits - b->bits;
	return order ? order : (a->place.mark > b->place.mark) - (a->place.mark < b->place.mark);
}

static void validate_prefixes(struct document *document, const struct policy *policy)
{
	const struct source **sorted;
	size_t count = 0;

	for (size_t i = 0; i < policy->tenant_count; i++)
		count += policy->tenants[i].source_count;
	sorted = arena_array(&document->scratch, count, sizeof(*sorted));
	count = 0;
	for (size_t i = 0; i < policy->tenant_count; i++)
		for (size_t j = 0; j < policy->tenants[i].source_count; j++)
			if (policy->tenants[i].sources[j].bits || policy->tenants[i].sources[j].region.country[0])
				sorted[count++] = &policy->tenants[i].sources[j];
	qsort(sorted, count, sizeof(*sorted), compare_sources);
	for (size_t i = 1; i < count; i++)
		if (address_equal(&sorted[i - 1]->address, &sorted[i]->address) &&
		    sorted[i - 1]->bits == sorted[i]->bits)
			mark_report(document, SEVERITY_ERROR, sorted[i]->place.mark,
				    "the same prefix is in line %u already; one source cannot be two clients",
				    sorted[i - 1]->place.line);
	/* One that a file and the policy itself have is no tie: the policy overrides the file. */
	for (size_t i = 1; i < policy->geo_count; i++)
		for (size_t j = 0; j < i; j++)
			geography_ties(&policy->geos[j], &policy->geos[i], document->diagnostics);
}

/* ---- forwarding --------------------------------------------------------------------------------------------- */

bool policy_has_nat_address(const struct policy *policy, int family)
{
	for (size_t i = 0; i < policy->nat_address_count; i++)
		if (address_family(&policy->nat_addresses[i]) == family)
			return true;
	return false;
}

uint16_t policy_other_port(const struct policy *policy, size_t model, uint16_t port)
{
	for (size_t i = 0; i < policy->service_count; i++)
		for (size_t j = 0; policy->services[i].model == model && j < policy->services[i].address_count; j++)
			if (policy->services[i].addresses[j].port != port)
				return policy->services[i].addresses[j].port;
	return 0;
}

void validate_forwarding(struct document *document, const struct policy *policy)
{
	for (size_t i = 0; i < policy->backend_count; i++) {
		const struct backend *backend = &policy->backends[i];
		int family = address_family(&backend->address);
		uint16_t port;

		if (!backend->port || backend->version == POLICY_NONE)
			continue;
		/* Members of one pool are alike. */
		if (i && backend->pool && backend->pool == policy->backends[i - 1].pool &&
		    family == address_family(&policy->backends[i - 1].address))
			continue;
		if (backend->forward == USHER_FORWARD_NAT && !policy_has_nat_address(policy, family))
			mark_report(document, SEVERITY_ERROR, backend->place.mark,
				    "forwarding by nat needs an %s address in .nat.addresses",
				    family == AF_INET ? "IPv4" : "IPv6");
		port = policy_other_port(policy, policy->versions[backend->version].model, backend->port);
		if (backend->forward != USHER_FORWARD_NAT && port)
			mark_report(document, SEVERITY_ERROR, backend->place.mark,
				    "%s leaves the port as it is: the backend has %u, a service of its model %u",
				    forward_names[backend->forward], backend->port, port);
	}
}

/* ---- reroutes ----------------------------------------------------------------------------------------------- */

struct walk {
	const struct policy *policy;
	unsigned char *state; /* of each service: 0 not seen, 1 on the way, 2 done */
	struct document *document;
};

static void walk_reroutes(struct walk *walk, size_t service)
{
	const struct policy *policy = walk->policy;

	walk->state[service] = 1;
	for (size_t r = 0; r < policy->rule_count; r++) {
		const struct rule *rule = &policy->rules[r];

		if (rule->effect != RULE_REROUTE || rule->reroute == POLICY_NONE ||
		    !index_list_has(&rule->when.services, service))
			continue;
		if (walk->state[rule->reroute] == 1)
			mark_report(walk->document, SEVERITY_ERROR, rule->place.mark,
				    "reroutes go in a circle: \"%s\" leads back to \"%s\"",
				    policy->services[service].name, policy->services[rule->reroute].name);
		else if (!walk->state[rule->reroute])
			walk_reroutes(walk, rule->reroute);
	}
	walk->state[service] = 2;
}

static void validate_reroutes(struct document *document, const struct policy *policy)
{
	struct walk walk = {policy, arena_array(&document->scratch, policy->service_count, 1), document};

	for (size_t i = 0; i < policy->service_count; i++)
		if (!walk.state[i])
			walk_reroutes(&walk, i);
	for (size_t r = 0; r < policy->rule_count; r++) {
		const struct rule *rule = &policy->rules[r];

		if (rule->effect != RULE_REROUTE || rule->reroute == POLICY_NONE)
			continue;
		for (size_t i = 0; i < rule->when.services.count; i++) {
			const struct service *from = &policy->services[rule->when.services.items[i]];
			const struct service *to = &policy->services[rule->reroute];

			if (from->protocol && to->protocol && from->protocol != to->protocol)
				mark_report(document, SEVERITY_ERROR, rule->place.mark,
					    "\"%s\" and \"%s\" have different protocols", from->name, to->name);
		}
	}
}

void validate(struct document *document, const struct policy *policy)
{
	validate_prefixes(document, policy);
	validate_addresses(document, policy);
	validate_reroutes(document, policy);
}
