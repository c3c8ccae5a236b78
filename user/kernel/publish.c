/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Invariants:
 *  1. A slot is written only while no packet can read it: after a barrier that began when the other slot was active.
 *  2. control.active is stored last, with release order, and only when the whole slot has been written.
 *  3. Nothing can fail between the first byte written and that store, so there is no half of a publish to undo.
 */
#include "kernel/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "compile/sources.h"
#include "kernel/barrier.h"
#include "kernel/mapping.h"

/* What a generation consists of: X(map, type of an entry, entries of a slot, field of struct tables, how many) */
#define TABLES(X)                                                                                                      \
	X(generations, struct usher_generation, 1, &tables->header, 1)                                                 \
	X(endpoints, struct usher_endpoint, USHER_ENDPOINT_SLOTS, tables->endpoints, USHER_ENDPOINT_SLOTS)             \
	X(source4, struct usher_source4_line, USHER_SOURCE4_LINES, tables->source4, tables->source4_lines)             \
	X(source6, struct usher_source6_line, USHER_SOURCE6_LINES, tables->source6, tables->source6_lines)             \
	X(source4_classes, struct usher_line16, USHER_SOURCE4_CLASS_LINES, tables->source4_classes,                    \
	  tables->source4_class_lines)                                                                                 \
	X(source6_classes, struct usher_line16, USHER_SOURCE6_CLASS_LINES, tables->source6_classes,                    \
	  tables->source6_class_lines)                                                                                 \
	X(networks, struct usher_line32, USHER_NETWORKS_LINES, tables->networks, USHER_NETWORKS_LINES)                 \
	X(network_blocks, struct usher_line16, USHER_NETWORK_BLOCKS_MAX *USHER_NETWORK_BLOCK_LINES,                    \
	  tables->network_blocks, tables->network_block_lines)                                                         \
	X(classes, struct usher_class, USHER_CLASSES_MAX, tables->classes, tables->class_count)                        \
	X(services, struct usher_service, USHER_SERVICES_MAX, tables->services, USHER_SERVICES_MAX)                    \
	X(route_index, struct usher_line16, USHER_ROUTE_INDEX_LINES, tables->route_index, tables->route_index_lines)   \
	X(routes, struct usher_route, USHER_ROUTES_MAX, tables->routes, tables->route_count)                           \
	X(arms, struct usher_arm, USHER_ROUTE_ARMS_MAX, tables->arms, tables->arm_count)                               \
	X(rings, struct usher_line16, USHER_RING_LINES, tables->rings, tables->ring_lines)                             \
	X(sets, struct usher_set, USHER_SETS_MAX, tables->sets, tables->set_count)                                     \
	X(backends, struct usher_backend, USHER_BACKENDS_MAX, tables->backends, USHER_BACKENDS_MAX)                    \
	X(tenant_limits, struct usher_tenant_limit, USHER_TENANT_IDS, tables->tenant_limits,                           \
	  tables->tenant_limit_count)                                                                                  \
	X(nat_addresses, struct usher_nat_address, USHER_NAT_ADDRESSES_MAX, tables->nat, USHER_NAT_ADDRESSES_MAX)

enum table {
#define X(map, type, entries, field, count) TABLE_##map,
	TABLES(X)
#undef X
		TABLE_COUNT
};

/* No policy can ask for more memory than that: tables are as large as the limits of a policy allow from the start. */
#define X(map, type, entries, field, count) +USHER_SLOTS *(size_t)(entries) * sizeof(type)
_Static_assert(0 TABLES(X) + USHER_FLOW_LINES_MAX * (sizeof(struct usher_flow) + sizeof(struct usher_flow_moment)) <=
		       USHER_TABLE_BYTES_MAX,
	       "kernel tables fit into what was promised");
#undef X

struct publisher {
	struct mapping table[TABLE_COUNT];
	struct mapping control;
	struct barrier barrier;
	bool barrier_open;
	bool barrier_due;	     /* the spare slot may still be read */
	uint64_t trees[USHER_SLOTS]; /* whose sources lie in each slot; 0: not known */
};

static struct usher_control *control_of(const struct publisher *publisher)
{
	return publisher->control.bytes;
}

void publisher_close(struct publisher *publisher)
{
	if (!publisher)
		return;
	for (size_t i = 0; i < TABLE_COUNT; i++)
		mapping_close(&publisher->table[i]);
	mapping_close(&publisher->control);
	if (publisher->barrier_open)
		barrier_close(&publisher->barrier);
	free(publisher);
}

static void cleanup_publisher(struct publisher **publisher)
{
	publisher_close(*publisher);
}

int publisher_open(const struct program *program, struct problem *problem, struct publisher **ret_publisher)
{
	static const struct {
		const char *map;
		size_t size, entries;
	} shapes[] = {
#define X(map, type, entries, field, count) {#map, sizeof(type), entries},
		TABLES(X)
#undef X
	};
	_cleanup_(cleanup_publisher) struct publisher *publisher = calloc(1, sizeof(*publisher));
	int r;

	if (!publisher)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
		r = mapping_open(program_map(program, shapes[i].map), shapes[i].size, true, &publisher->table[i]);
		if (!r && publisher->table[i].entries != USHER_SLOTS * shapes[i].entries)
			r = -EPROTO;
		if (r)
			return problem_set(problem, r, "table %s: %s", shapes[i].map, strerror(-r));
	}
	r = mapping_open(program_map(program, "control"), sizeof(struct usher_control), true, &publisher->control);
	if (r)
		return problem_set(problem, r, "map control: %s", strerror(-r));
	if (control_of(publisher)->active >= USHER_SLOTS)
		return problem_set(problem, -EPROTO, "map control names slot %u, and there are %u",
				   control_of(publisher)->active, USHER_SLOTS);
	r = barrier_open(&publisher->barrier);
	if (r)
		return problem_set(problem, r, "cannot make the maps of the RCU barrier: %s", strerror(-r));
	publisher->barrier_open = true;
	/* Whoever published before may have died between flip and barrier. */
	publisher->barrier_due = true;
	*ret_publisher = TAKE_PTR(publisher);
	return 0;
}

uint32_t publisher_slot(const struct publisher *publisher)
{
	return control_of(publisher)->active;
}

const struct usher_generation *publisher_active(const struct publisher *publisher)
{
	const struct usher_generation *generations = publisher->table[TABLE_generations].bytes;

	return &generations[publisher_slot(publisher)];
}

const struct usher_backend *publisher_backends(const struct publisher *publisher, uint32_t slot)
{
	const struct usher_backend *backends = publisher->table[TABLE_backends].bytes;

	return &backends[(size_t)slot * USHER_BACKENDS_MAX];
}

const struct usher_backend *publisher_backend(const struct publisher *publisher, uint16_t backend, uint16_t incarnation)
{
	uint32_t slot = publisher_slot(publisher);

	if (backend >= USHER_BACKENDS_MAX)
		return NULL;
	for (uint32_t i = 0; i < USHER_SLOTS; i++, slot ^= 1) {
		const struct usher_backend *found = publisher_backends(publisher, slot) + backend;

		if (found->port_be && found->incarnation == incarnation)
			return found;
	}
	return NULL;
}

const struct usher_address *publisher_nat_address(const struct publisher *publisher, uint64_t generation,
						  uint8_t nat_index)
{
	const struct usher_generation *generations = publisher->table[TABLE_generations].bytes;
	const struct usher_nat_address *addresses = publisher->table[TABLE_nat_addresses].bytes;
	uint32_t slot = publisher_slot(publisher);

	if (nat_index >= USHER_NAT_ADDRESSES_MAX)
		return NULL;
	if (generation && generations[slot].number != generation)
		slot ^= 1;
	if (generation && generations[slot].number != generation)
		return NULL;
	addresses += (size_t)slot * USHER_NAT_ADDRESSES_MAX + nat_index;
	return addresses->used ? &addresses->address : NULL;
}

/* Sources mostly stay as they are, and are the largest of the tables. */
static bool is_source(size_t table)
{
	return table == TABLE_source4 || table == TABLE_source6 || table == TABLE_source4_classes ||
	       table == TABLE_source6_classes || table == TABLE_networks || table == TABLE_network_blocks;
}

static void fill(struct publisher *publisher, uint32_t slot, const struct tables *tables)
{
	uint64_t serial = tables->trees ? tables->trees->serial : 0; /* of none if they were not compiled */
	bool same = serial && publisher->trees[slot] == serial;

	const struct {
		const void *bytes;
		size_t count;
	} parts[] = {
#define X(map, type, entries, field, count) {field, count},
		TABLES(X)
#undef X
	};

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const struct mapping *table = &publisher->table[i];
		size_t first = (size_t)slot * (table->entries / USHER_SLOTS);

		if (parts[i].count && !(same && is_source(i)))
			memcpy((char *)table->bytes + first * table->size, parts[i].bytes,
			       parts[i].count * table->size);
	}
	publisher->trees[slot] = serial;
}

static bool fits(const struct publisher *publisher, const struct tables *tables)
{
	const size_t counts[] = {
#define X(map, type, entries, field, count) count,
		TABLES(X)
#undef X
	};

	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (counts[i] > publisher->table[i].entries / USHER_SLOTS)
			return false;
	return true;
}

int publish(struct publisher *publisher, const struct tables *tables)
{
	struct usher_control *control = control_of(publisher);
	uint32_t spare = control->active ^ 1;
	int r;

	if (!fits(publisher, tables))
		return -E2BIG;
	if (publisher->barrier_due) {
		r = barrier_wait(&publisher->barrier);
		if (r)
			return r;
	}
	fill(publisher, spare, tables);
	publisher->barrier_due = true;
	__atomic_store_n(&control->active, spare, __ATOMIC_RELEASE);
	/* If this fails the generation is in force all the same, and the next publish waits before it writes. */
	if (!barrier_wait(&publisher->barrier))
		publisher->barrier_due = false;
	return 0;
}

void publisher_deadline(struct publisher *publisher, uint64_t deadline)
{
	__atomic_store_n(&control_of(publisher)->deadline, deadline, __ATOMIC_RELAXED);
}
