// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/loads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/mapping.h"

struct loads {
	struct mapping map;
};

int loads_open(const struct program *program, struct problem *problem, struct loads **ret_loads)
{
	struct loads *loads = calloc(1, sizeof(*loads));
	int r;

	if (!loads)
		return -ENOMEM;
	r = mapping_open(program_map(program, "loads"), sizeof(struct usher_load), true, &loads->map);
	if (!r && loads->map.entries != USHER_BACKENDS_MAX)
		r = -EPROTO;
	if (r) {
		loads_close(loads);
		return problem_set(problem, r, "map loads: %s", strerror(-r));
	}
	*ret_loads = loads;
	return 0;
}

void loads_close(struct loads *loads)
{
	if (!loads)
		return;
	mapping_close(&loads->map);
	free(loads);
}

static struct usher_load *entry(const struct loads *loads, uint16_t backend)
{
	return (struct usher_load *)loads->map.bytes + backend;
}

struct usher_load loads_read(const struct loads *loads, uint16_t backend)
{
	struct usher_load *load = entry(loads, backend);

	return (struct usher_load){.told = __atomic_load_n(&load->told, __ATOMIC_RELAXED),
				   .opened = __atomic_load_n(&load->opened, __ATOMIC_RELAXED),
				   .cost = __atomic_load_n(&load->cost, __ATOMIC_RELAXED)};
}

void loads_tell(struct loads *loads, uint16_t backend, uint32_t share, uint32_t opened, uint32_t cost)
{
	struct usher_load *load = entry(loads, backend);

	/* Untold first and told last: a packet between the two stores must not take an old figure for a new one. */
	if (!cost)
		__atomic_store_n(&load->cost, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&load->told, USHER_LOAD_TELL(share, opened), __ATOMIC_RELEASE);
	__atomic_store_n(&load->cost, cost, __ATOMIC_RELEASE);
}
