// SPDX-License-Identifier: GPL-2.0-only
#include "compile/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "usher/ring_hash.h"

#include "base/address.h"
#include "base/cleanup.h"
#include "base/sha256.h"
#include "compile/catalog.h"
#include "compile/endpoints.h"
#include "compile/fit.h"
#include "compile/routes.h"
#include "compile/sources.h"

static void free_tables(struct tables **tables)
{
	tables_free(*tables);
}

void tables_free(struct tables *tables)
{
	if (!tables)
		return;
	identities_free(tables->identities);
	catalog_free(tables->catalog);
	source_trees_release(tables->trees);
	arena_free(&tables->arena);
	free(tables);
}

static uint16_t audit_flag(const struct policy *policy, size_t tenant, uint16_t flag)
{
	enum audit_mode mode = tenant == POLICY_UNKNOWN_TENANT ? policy->audit_default : policy->tenants[tenant].audit;

	return mode == AUDIT_REQUIRED ? flag : 0;
}

static void fill_classes(const struct policy *policy, const struct classes *classes, const struct numbers *numbers,
			 struct tables *tables)
{
	tables->classes = arena_array(&tables->arena, classes->count, sizeof(*tables->classes));
	tables->class_count = classes->count;
	for (size_t c = 0; c < classes->count; c++) {
		size_t tenant = classes->items[c].tenant;

		tables->classes[c].tenant =
			tenant == POLICY_UNKNOWN_TENANT ? USHER_TENANT_UNKNOWN : numbers->tenants[tenant];
		tables->classes[c].flags = audit_flag(policy, tenant, USHER_CLASS_AUDIT_REQUIRED);
	}
}

/*
 * The kernel's clock for this is coarse: up to 10 ms pass in one step, so a bucket of flows holds at least what comes in during one,
 * and a bucket of bytes ten times that, and two of the largest frames.
 */
static struct usher_tenant_limit limit_of(const struct tenant_limits *limits)
{
	struct usher_tenant_limit limit = {.active_flows = limits->active_flows};
	uint64_t rate = limits->new_flows_per_second, least = (rate + 99) / 100, bytes;

	if (rate) {
		limit.interval = 1000000000 / rate;
		limit.tolerance = limit.interval * (limits->burst > least ? limits->burst : least);
	}
	if (limits->bits_per_second) {
		limit.byte_cost =
			(8000000000ULL << (USHER_METER_SHIFT + USHER_METER_COST_SHIFT)) / limits->bits_per_second;
		bytes = limits->bits_per_second / 80;
		if (bytes < USHER_BIT_BURST_MIN)
			bytes = USHER_BIT_BURST_MIN;
		limit.byte_tolerance = (bytes * limit.byte_cost) >> USHER_METER_COST_SHIFT;
	}
	return limit;
}

static void fill_limits(const struct policy *policy, const struct numbers *numbers, struct tables *tables)
{
	tables->tenant_limits = arena_array(&tables->arena, USHER_TENANT_IDS, sizeof(*tables->tenant_limits));
	tables->tenant_limit_count = USHER_TENANT_IDS;
	tables->tenant_limits[USHER_TENANT_UNKNOWN] = limit_of(&policy->unknown_limits);
	for (size_t t = 0; t < policy->tenant_count; t++)
		tables->tenant_limits[numbers->tenants[t]] = limit_of(&policy->tenants[t].limits);
}

static void fill_services(const struct policy *policy, const struct numbers *numbers, struct tables *tables)
{
	tables->services = arena_array(&tables->arena, USHER_SERVICES_MAX, sizeof(*tables->services));
	for (size_t s = 0; s < USHER_SERVICES_MAX; s++)
		tables->services[s].tenant = USHER_NONE;
	for (size_t s = 0; s < policy->service_count; s++) {
		const struct service *service = &policy->services[s];
		struct usher_service *to = &tables->services[numbers->services[s]];

		to->seed = usher_name_seed(service->name);
		to->protocol = service->protocol;
		to->flags = service->sticky_client ? USHER_SERVICE_STICKY_CLIENT : 0;
		to->flags |= service->least_load ? USHER_SERVICE_LEAST_LOAD : 0;
		if (service->tenant == POLICY_NONE)
			continue;
		to->tenant = numbers->tenants[service->tenant];
		to->flags |= (uint8_t)audit_flag(policy, service->tenant, USHER_SERVICE_AUDIT_REQUIRED);
	}
}

static void fill_backends(const struct effective *effective, const struct numbers *numbers, struct tables *tables)
{
	tables->backends = arena_array(&tables->arena, USHER_BACKENDS_MAX, sizeof(*tables->backends));
	for (size_t b = 0; b < effective->policy->backend_count; b++) {
		const struct backend *backend = &effective->policy->backends[b];
		const struct next_hop *next_hop = &effective->backends[b].next_hop;
		uint16_t number = numbers->backends[b];
		struct usher_backend *to = &tables->backends[number];

		to->address = backend->address;
		to->port_be = __builtin_bswap16(backend->port);
		to->incarnation = tables->identities->backends.items[number].incarnation;
		to->forward = (uint8_t)backend->forward;
		if (!next_hop->resolved)
			continue;
		to->flags = USHER_BACKEND_REACHABLE;
		memcpy(to->next_hop, next_hop->mac, sizeof(to->next_hop));
		memcpy(to->own_mac, next_hop->own_mac, sizeof(to->own_mac));
		to->interface = next_hop->interface;
		to->source = next_hop->source;
		to->mtu = next_hop->mtu;
	}
}

static void fill_nat(const struct policy *policy, const struct numbers *numbers, struct tables *tables)
{
	struct usher_generation *header = &tables->header;

	tables->nat = arena_array(&tables->arena, USHER_NAT_ADDRESSES_MAX, sizeof(*tables->nat));
	for (size_t n = 0; n < policy->nat_address_count; n++) {
		uint16_t number = numbers->nat_addresses[n];

		tables->nat[number].address = policy->nat_addresses[n];
		tables->nat[number].used = 1;
		if (address_is_ipv4(&policy->nat_addresses[n]))
			header->nat4[header->nat4_count++] = (uint8_t)number;
		else
			header->nat6[header->nat6_count++] = (uint8_t)number;
	}
}

/* ---- judgement ---------------------------------------------------------------------------------------------- */

struct part {
	const void *bytes;
	size_t length;
};

/* What the endpoints say, whatever their places in the hash table. */
static struct part endpoint_part(const struct policy *policy, const struct numbers *numbers, struct arena *arena)
{
	struct usher_endpoint *list;
	size_t count = 0;

	for (size_t s = 0; s < policy->service_count; s++)
		count += policy->services[s].address_count;
	list = arena_array(arena, count, sizeof(*list));
	count = 0;
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t a = 0; a < policy->services[s].address_count; a++) {
			list[count].address = policy->services[s].addresses[a].address;
			list[count].port_be = policy->services[s].addresses[a].port;
			list[count].protocol = policy->services[s].protocol;
			list[count++].service = numbers->services[s];
		}
	return (struct part){list, count * sizeof(*list)};
}

/*
 * The constraint set of each (service, class): numbers, and the sets that they mean, numbered here in the order in which they come
 * up. In the tables that order is one of routes, which a split changes.
 */
static void set_parts(const struct tables *tables, struct arena *arena, struct part *ret_numbers, struct part *ret_sets)
{
	size_t count = tables->route_index_lines * 32, kept = 0;
	uint16_t *numbers = arena_array(arena, count, sizeof(*numbers));
	struct usher_set *sets = arena_array(arena, tables->set_count, sizeof(*sets));
	uint16_t *number_of = arena_array(arena, tables->set_count, sizeof(*number_of));

	for (size_t i = 0; i < count; i++) {
		uint16_t set = tables->routes[tables->route_index[i / 32].value[i % 32]].set;

		if (!number_of[set]) {
			sets[kept++] = tables->sets[set];
			number_of[set] = (uint16_t)kept; /* from 1 */
		}
		numbers[i] = number_of[set];
	}
	*ret_numbers = (struct part){numbers, count * sizeof(*numbers)};
	*ret_sets = (struct part){sets, kept * sizeof(*sets)};
}

static struct part incarnation_part(const struct tables *tables, struct arena *arena)
{
	uint16_t *incarnations = arena_array(arena, USHER_BACKENDS_MAX, sizeof(*incarnations));

	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		incarnations[b] = tables->backends[b].incarnation;
	return (struct part){incarnations, USHER_BACKENDS_MAX * sizeof(*incarnations)};
}

/* Whose packets are metered: each flow's entry says so, from its last judgement. */
static struct part meter_part(const struct tables *tables, struct arena *arena)
{
	uint8_t *metered = arena_array(arena, USHER_TENANT_IDS, sizeof(*metered));

	for (size_t t = 0; t < USHER_TENANT_IDS; t++)
		metered[t] = tables->tenant_limits[t].byte_cost != 0;
	return (struct part){metered, USHER_TENANT_IDS * sizeof(*metered)};
}

/*
 * All that decides whether and how an open flow may go on: who its client is, whose its address is, the constraint sets, and who
 * has a bit rate. The digest of the digests of these parts.
 */
static void judge(const struct policy *policy, const struct numbers *numbers, struct tables *tables)
{
	struct arena scratch = {0};
	struct part set_numbers, sets;

	set_parts(tables, &scratch, &set_numbers, &sets);

	const struct part parts[] = {
		{tables->trees->digest, sizeof(tables->trees->digest)},
		{tables->classes, tables->class_count * sizeof(*tables->classes)},
		{tables->services, USHER_SERVICES_MAX * sizeof(*tables->services)},
		set_numbers,
		sets,
		{tables->nat, USHER_NAT_ADDRESSES_MAX * sizeof(*tables->nat)},
		endpoint_part(policy, numbers, &scratch),
		incarnation_part(tables, &scratch),
		meter_part(tables, &scratch),
	};
	uint8_t digests[sizeof(parts) / sizeof(parts[0])][SHA256_BYTES];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		sha256(parts[i].bytes, parts[i].length, digests[i]);
	sha256(digests, sizeof(digests), tables->judgement);
	arena_free(&scratch);
}

/* Flows that were judged since the classes last changed need not be classified again. */
static void date_classes(const struct usher_generation *active, struct tables *tables)
{
	struct usher_generation *header = &tables->header;
	uint8_t digests[2][SHA256_BYTES], digest[SHA256_BYTES];

	sha256(tables->trees->digest, sizeof(tables->trees->digest), digests[0]);
	sha256(tables->classes, tables->class_count * sizeof(*tables->classes), digests[1]);
	sha256(digests, sizeof(digests), digest);
	memcpy(&header->classes_digest, digest, sizeof(header->classes_digest));
	header->classes_epoch = active && active->number && active->classes_digest == header->classes_digest
					? active->classes_epoch
					: header->epoch;
}

/* ---- all of it ---------------------------------------------------------------------------------------------- */

/* The source tables, which are not the generation's own. */
static void take_trees(const struct policy *policy, struct compile_memory *memory, struct tables *tables)
{
	struct source_trees *trees = source_trees_of(policy, memory ? memory->trees : NULL);

	tables->trees = trees;
	tables->source4 = trees->classes4.lines4;
	tables->source6 = trees->classes6.lines6;
	tables->source4_classes = trees->classes4.classes;
	tables->source6_classes = trees->classes6.classes;
	tables->source4_lines = trees->classes4.line_count;
	tables->source6_lines = trees->classes6.line_count;
	tables->source4_class_lines = trees->classes4.value_line_count;
	tables->source6_class_lines = trees->classes6.value_line_count;
	tables->networks = trees->networks.wide;
	tables->network_blocks = trees->networks.blocks;
	tables->network_block_lines = trees->networks.block_count * USHER_NETWORK_BLOCK_LINES;
	tables->header.source4_lines = (uint32_t)trees->classes4.line_count;
	tables->header.source6_lines = (uint32_t)trees->classes6.line_count;
	if (!memory || memory->trees == trees)
		return;
	source_trees_release(memory->trees);
	memory->trees = trees;
	trees->holders++;
}

static bool is_of(const struct casebook *casebook, const struct policy *policy)
{
	return casebook && !strcmp(casebook->policy_digest, policy->digest);
}

/* The policy's casebook: the memory's, which is another one's afterwards if it was not this policy's. */
static int fill_routes(const struct compile_input *input, const struct classes *classes, const struct numbers *numbers,
		       struct diagnostics *diagnostics, struct tables *tables)
{
	struct compile_memory none = {0}, *memory = input->memory ? input->memory : &none;
	int error;

	if (!is_of(memory->casebook, input->effective->policy)) {
		casebook_free(memory->casebook);
		memory->casebook = casebook_new(input->effective->policy, classes);
	}
	error = routes_build(input->effective, memory->casebook, classes, numbers, &memory->rings, diagnostics, tables);
	compile_memory_free(&none);
	return error;
}

static int fill(const struct compile_input *input, const struct classes *classes, const struct numbers *numbers,
		struct diagnostics *diagnostics, struct tables *tables)
{
	const struct policy *policy = input->effective->policy;
	int error = endpoints_build(policy, numbers, input->hash_key, tables);

	if (error) {
		diagnostics_add(diagnostics, SEVERITY_ERROR, 0, 0, "",
				"the addresses of services and of .nat do not fit into their table");
		return error;
	}
	fill_classes(policy, classes, numbers, tables);
	fill_services(policy, numbers, tables);
	fill_limits(policy, numbers, tables);
	fill_backends(input->effective, numbers, tables);
	fill_nat(policy, numbers, tables);
	return fill_routes(input, classes, numbers, diagnostics, tables);
}

int compile(const struct compile_input *input, struct diagnostics *diagnostics, struct tables **ret_tables)
{
	const struct policy *policy = input->effective->policy;
	_cleanup_(free_tables) struct tables *tables = calloc(1, sizeof(*tables));
	_cleanup_(numbers_free) struct numbers numbers = {0};
	const struct classes *classes;
	int error;

	if (!tables)
		return -ENOMEM;
	error = identities_next(input->identities, policy, input->generation, &tables->identities, &numbers);
	if (error)
		return error;
	take_trees(policy, input->memory, tables);
	classes = &tables->trees->classes;
	error = fit(diagnostics, "classes of clients", classes->count, USHER_CLASSES_MAX);
	if (error)
		return error;
	tables->header.number = input->generation;
	tables->header.loss_action = (uint8_t)policy->loss_action;
	error = fill(input, classes, &numbers, diagnostics, tables);
	if (error)
		return error;
	judge(policy, &numbers, tables);
	tables->header.epoch = input->epoch;
	if (!input->judgement || memcmp(input->judgement, tables->judgement, sizeof(tables->judgement)) != 0)
		tables->header.epoch++;
	date_classes(input->active, tables);
	tables->catalog = catalog_build(policy, classes, &numbers, tables);
	*ret_tables = TAKE_PTR(tables);
	return 0;
}
