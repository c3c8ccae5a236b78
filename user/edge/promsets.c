// SPDX-License-Identifier: GPL-2.0-only
#include "edge/promsets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "edge/promtext.h"

/* Backends that serve one version in one region and may be given new connections. */
struct set {
	const struct edge_backend *like;
	double capacity, load; /* load NAN: nobody's is known */
	size_t members, known;
	double known_capacity;
};

static bool belongs(const struct set *set, const struct edge_backend *backend)
{
	return !strcmp(set->like->model, backend->model) && !strcmp(set->like->version, backend->version) &&
	       !strncmp(set->like->region, backend->region, sizeof(backend->region));
}

/* Requests that it has; NAN: not known. */
static double load_of(const struct edge_backend *backend)
{
	double waiting = backend->load[0], running = backend->load[1];

	return isnan(running) ? NAN : running + (isnan(waiting) ? 0 : waiting);
}

static void add(struct set *set, const struct edge_backend *backend)
{
	double load = load_of(backend);

	set->members++;
	set->capacity += backend->capacity;
	if (isnan(load))
		return;
	set->known++;
	set->known_capacity += backend->capacity;
	set->load = set->known == 1 ? load : set->load + load;
}

static size_t collect(const struct edge_page *page, struct set *sets)
{
	size_t count = 0;

	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++) {
		const struct edge_backend *backend = &page->backends[b];
		size_t s = 0;

		if (!backend->name[0] || !backend->starts)
			continue;
		while (s < count && !belongs(&sets[s], backend))
			s++;
		if (s == count)
			sets[count++] = (struct set){.like = backend, .load = NAN};
		add(&sets[s], backend);
	}
	return count;
}

/* Whose load is not known is taken to be as full as the others. */
static double load_of_all(const struct set *set)
{
	return set->known ? set->load * set->capacity / set->known_capacity : NAN;
}

/* So many of the mean capacity bring the load to the target; at least one. */
static double wanted(const struct set *set)
{
	double replicas = ceil(load_of_all(set) / (PROMSETS_TARGET * set->capacity / (double)set->members));

	return replicas < 1 ? 1 : replicas;
}

static void print_family(struct json *to, const struct set *sets, size_t count, const char *name, const char *help,
			 double (*figure)(const struct set *set))
{
	promtext_family(to, name, "gauge", help);
	for (size_t s = 0; s < count; s++) {
		const struct edge_backend *like = sets[s].like;
		double value = figure(&sets[s]);

		if (!isnan(value))
			promtext_line(to, "%s{model=\"%s\",version=\"%s\",region=\"%.8s\"} %.15g", name, like->model,
				      like->version, like->region, value);
	}
}

static double capacity_of(const struct set *set)
{
	return set->capacity;
}

static double members_of(const struct set *set)
{
	return (double)set->members;
}

static double use_of(const struct set *set)
{
	return load_of_all(set) / set->capacity;
}

static double headroom_of(const struct set *set)
{
	return set->capacity - load_of_all(set);
}

static void print_surges(struct json *to, const struct edge_page *page)
{
	static const struct {
		const char *name, *help;
	} families[] = {
		{"usher_service_load_ratio", "Load over capacity of its open tiers; not there if unknown."},
		{"usher_service_overflow_tiers_open", "Overflow tiers that are open."},
		{"usher_service_priorities_shed", "Priorities of tenants that are shed, from the lowest."},
		{"usher_service_next_priority_shed_ratio", "Part of the next one's new connections that is shed."},
	};

	for (size_t f = 0; page->surge_count && f < ARRAY_COUNT(families); f++) {
		promtext_family(to, families[f].name, "gauge", families[f].help);
		for (size_t i = 0; i < page->surge_count && i < USHER_SERVICES_MAX; i++) {
			const struct edge_surge *surge = &page->surges[i];
			const double values[] = {surge->ratio, surge->open, surge->shed, surge->shed_part / 100.0};

			if (!isnan(values[f]))
				promtext_line(to, "%s{service=\"%s\"} %.15g", families[f].name, surge->service,
					      values[f]);
		}
	}
}

static void print_pools(struct json *to, const struct edge_page *page)
{
	static const struct {
		const char *name, *help;
	} families[] = {
		{"usher_pool_members", "Backends in the pool, those that leave among them."},
		{"usher_pool_leaving", "Those that its source names no more."},
		{"usher_pool_most", "How many the policy allows."},
		{"usher_pool_source_good", "1: what its source says is in force; 0: members are kept as they were."},
	};

	for (size_t f = 0; page->pool_count && f < ARRAY_COUNT(families); f++) {
		promtext_family(to, families[f].name, "gauge", families[f].help);
		for (size_t i = 0; i < page->pool_count && i < USHER_POOLS_MAX; i++) {
			const struct edge_pool *pool = &page->pools[i];
			const uint32_t values[] = {pool->members, pool->leaving, pool->most, pool->good};

			promtext_line(to, "%s{pool=\"%s\"} %u", families[f].name, pool->name, values[f]);
		}
	}
}

void promsets_print(struct json *to, const struct edge_page *page)
{
	struct set *sets = calloc(USHER_BACKENDS_MAX, sizeof(*sets));
	size_t count = sets ? collect(page, sets) : 0;

	print_family(to, sets, count, "usher_set_backends", "Backends that may be given new connections.", members_of);
	print_family(to, sets, count, "usher_set_capacity_requests", "Requests that they take at once.", capacity_of);
	print_family(to, sets, count, "usher_set_use_ratio", "Load over capacity; not there if nobody's load is known.",
		     use_of);
	print_family(to, sets, count, "usher_set_headroom_requests", "Capacity less load, the same; below 0: too few.",
		     headroom_of);
	print_family(to, sets, count, "usher_set_wanted_replicas",
		     "Backends of their mean capacity that this load wants at a use of 0.7, the same.", wanted);
	print_surges(to, page);
	print_pools(to, page);
	free(sets);
}
