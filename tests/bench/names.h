/* SPDX-License-Identifier: GPL-2.0-only */
/* What the records of the benches name: a tenant that is answered and another one, one rule, one service, one backend. */
#ifndef USHER_BENCH_NAMES_H
#define USHER_BENCH_NAMES_H

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "compile/catalog.h"

static inline struct catalog *names(void)
{
	static struct catalog_backend backend = {
		.name = "fra-1", .model = "credit-scorer", .version = "3.1.0", .region = "DE-HE", .port = 8000};
	struct catalog *catalog = calloc(1, sizeof(*catalog));
	struct arena *arena;

	if (!catalog)
		exit(1);
	arena = &catalog->arena;
	memset(catalog->policy_digest, 'd', 64);
	catalog->policy_revision = 42;
	catalog->rules = arena_array(arena, 1, sizeof(*catalog->rules));
	catalog->rules[0] = "acme-credit";
	catalog->rule_count = 1;
	catalog->classes = arena_array(arena, 1, sizeof(*catalog->classes));
	catalog->class_count = 1;
	strcpy(catalog->classes[0].region, "DE");
	catalog->tenants = arena_array(arena, USHER_TENANT_IDS, sizeof(*catalog->tenants));
	catalog->tenants[0] = "acme-bank";
	catalog->tenants[1] = "labs";
	catalog->services = arena_array(arena, USHER_SERVICES_MAX, sizeof(*catalog->services));
	catalog->services[0] = (struct catalog_service){.name = "credit", .model = "credit-scorer"};
	catalog->backends = arena_array(arena, USHER_BACKENDS_MAX, sizeof(*catalog->backends));
	address_parse("10.1.0.11", &backend.address);
	catalog->backends[0] = backend;
	return catalog;
}

#endif
