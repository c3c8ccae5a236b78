// SPDX-License-Identifier: GPL-2.0-only
#include "compile/identities.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "policy/policy.h"

static void free_table(struct identity_table *table)
{
	for (size_t i = 0; i < table->count && table->items; i++)
		free(table->items[i].key);
	free(table->items);
}

void identities_free(struct identities *identities)
{
	if (!identities)
		return;
	free_table(&identities->services);
	free_table(&identities->tenants);
	free_table(&identities->backends);
	free_table(&identities->nat_addresses);
	free(identities);
}

static void free_identities(struct identities **identities)
{
	identities_free(*identities);
}

static int new_table(struct identity_table *table, size_t count)
{
	table->count = count;
	table->items = calloc(count, sizeof(*table->items));
	return table->items ? 0 : -ENOMEM;
}

int identities_new(struct identities **ret_identities)
{
	_cleanup_(free_identities) struct identities *identities = calloc(1, sizeof(*identities));
	struct identity *unknown;

	if (!identities || new_table(&identities->services, USHER_SERVICES_MAX) ||
	    new_table(&identities->tenants, USHER_TENANT_IDS) || new_table(&identities->backends, USHER_BACKENDS_MAX) ||
	    new_table(&identities->nat_addresses, USHER_NAT_ADDRESSES_MAX))
		return -ENOMEM;
	unknown = &identities->tenants.items[USHER_TENANT_UNKNOWN];
	unknown->key = strdup("unknown");
	unknown->incarnation = 1;
	if (!unknown->key)
		return -ENOMEM;
	*ret_identities = TAKE_PTR(identities);
	return 0;
}

/* ---- keys -------------------------------------------------------------------------------------------------- */

static char *backend_key(struct arena *arena, const struct policy *policy, size_t index)
{
	const struct backend *backend = &policy->backends[index];
	const struct version *version = &policy->versions[backend->version];
	char endpoint[ENDPOINT_TEXT], region[8];

	endpoint_print(&backend->address, backend->port, endpoint);
	region_print(&backend->region, region);
	return arena_printf(arena, "%s %s %s@%s %s %s %s", backend->name, endpoint, policy->models[version->model].name,
			    version->name, version->digest ? version->digest : "-", region,
			    forward_names[backend->forward]);
}

struct keys {
	const char **items;
	size_t count;
};

static struct keys keys_new(struct arena *arena, size_t count)
{
	return (struct keys){arena_array(arena, count, sizeof(const char *)), count};
}

static struct keys service_keys(struct arena *arena, const struct policy *policy)
{
	struct keys keys = keys_new(arena, policy->service_count);

	for (size_t i = 0; i < keys.count; i++)
		keys.items[i] = policy->services[i].name;
	return keys;
}

static struct keys tenant_keys(struct arena *arena, const struct policy *policy)
{
	struct keys keys = keys_new(arena, policy->tenant_count);

	for (size_t i = 0; i < keys.count; i++)
		keys.items[i] = policy->tenants[i].name;
	return keys;
}

static struct keys backend_keys(struct arena *arena, const struct policy *policy)
{
	struct keys keys = keys_new(arena, policy->backend_count);

	for (size_t i = 0; i < keys.count; i++)
		keys.items[i] = backend_key(arena, policy, i);
	return keys;
}

static struct keys nat_keys(struct arena *arena, const struct policy *policy)
{
	struct keys keys = keys_new(arena, policy->nat_address_count);
	char text[ADDRESS_TEXT];

	for (size_t i = 0; i < keys.count; i++)
		keys.items[i] = arena_printf(arena, "%s", address_print(&policy->nat_addresses[i], text));
	return keys;
}

/* ---- from one policy to the next --------------------------------------------------------------------------- */

struct holder {
	const char *key;
	uint16_t number;
};

static int compare_holders(const void *left, const void *right)
{
	const struct holder *a = left, *b = right;

	return strcmp(a->key, b->key);
}

/* Whoever holds a number, by key. */
static size_t list_holders(const struct identity_table *table, struct holder *holders)
{
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++)
		if (table->items[i].key)
			holders[count++] = (struct holder){table->items[i].key, (uint16_t)i};
	qsort(holders, count, sizeof(*holders), compare_holders);
	return count;
}

struct vacancy {
	uint64_t freed;
	uint16_t number;
};

static int compare_vacancies(const void *left, const void *right)
{
	const struct vacancy *a = left, *b = right;

	if (a->freed != b->freed)
		return a->freed < b->freed ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

static int copy_table(const struct identity_table *from, struct identity_table *to)
{
	for (size_t i = 0; i < from->count; i++) {
		to->items[i] = from->items[i];
		if (!from->items[i].key)
			continue;
		to->items[i].key = strdup(from->items[i].key);
		if (!to->items[i].key)
			return -ENOMEM;
	}
	return 0;
}

/* Frees what nobody has kept; returns how many numbers are free then, the one to be given out first first. */
static size_t list_vacancies(struct identity_table *table, const bool *kept, uint64_t generation,
			     struct vacancy *vacancies)
{
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct identity *item = &table->items[i];

		if (kept[i])
			continue;
		if (item->key) {
			free(TAKE_PTR(item->key));
			item->freed = generation;
		}
		vacancies[count++] = (struct vacancy){item->freed, (uint16_t)i};
	}
	qsort(vacancies, count, sizeof(*vacancies), compare_vacancies);
	return count;
}

static int occupy(struct identity *item, const char *key)
{
	item->key = strdup(key);
	if (!item->key)
		return -ENOMEM;
	item->incarnation++;
	if (!item->incarnation)
		item->incarnation = 1; /* 0: never used */
	item->freed = 0;
	return 0;
}

/* reserved: numbers below it are always kept. */
static int next_table(struct identity_table *table, const struct keys *keys, size_t reserved, uint64_t generation,
		      uint16_t *numbers)
{
	_cleanup_free_ struct holder *holders = calloc(table->count, sizeof(*holders));
	_cleanup_free_ struct vacancy *vacancies = calloc(table->count, sizeof(*vacancies));
	_cleanup_free_ bool *kept = calloc(table->count, sizeof(*kept));
	size_t holder_count, vacancy_count, given = 0;

	if (!holders || !vacancies || !kept)
		return -ENOMEM;
	holder_count = list_holders(table, holders);
	for (size_t i = 0; i < reserved; i++)
		kept[i] = true;
	for (size_t i = 0; i < keys->count; i++) {
		const struct holder wanted = {.key = keys->items[i]};
		const struct holder *found = bsearch(&wanted, holders, holder_count, sizeof(*holders), compare_holders);

		numbers[i] = found ? found->number : USHER_NONE;
		if (found)
			kept[found->number] = true;
	}
	vacancy_count = list_vacancies(table, kept, generation, vacancies);
	for (size_t i = 0; i < keys->count; i++) {
		if (numbers[i] != USHER_NONE)
			continue;
		if (given == vacancy_count)
			return -ENOSPC;
		numbers[i] = vacancies[given++].number;
		if (occupy(&table->items[numbers[i]], keys->items[i]))
			return -ENOMEM;
	}
	return 0;
}

static void free_arena(struct arena *arena)
{
	arena_free(arena);
}

static int copy_identities(const struct identities *from, struct identities *to)
{
	return copy_table(&from->services, &to->services) || copy_table(&from->tenants, &to->tenants) ||
			       copy_table(&from->backends, &to->backends) ||
			       copy_table(&from->nat_addresses, &to->nat_addresses)
		       ? -ENOMEM
		       : 0;
}

static int next_tables(struct identities *after, const struct policy *policy, uint64_t generation,
		       struct numbers *numbers)
{
	_cleanup_(free_arena) struct arena arena = {0};
	const struct keys services = service_keys(&arena, policy), tenants = tenant_keys(&arena, policy),
			  backends = backend_keys(&arena, policy), nat = nat_keys(&arena, policy);
	int error = next_table(&after->services, &services, 0, generation, numbers->services);

	if (!error)
		error = next_table(&after->tenants, &tenants, 1, generation, numbers->tenants);
	if (!error)
		error = next_table(&after->backends, &backends, 0, generation, numbers->backends);
	if (!error)
		error = next_table(&after->nat_addresses, &nat, 0, generation, numbers->nat_addresses);
	return error;
}

static int new_numbers(const struct policy *policy, struct numbers *ret_numbers)
{
	size_t count = policy->service_count + policy->tenant_count + policy->backend_count;
	uint16_t *memory = calloc(count + policy->nat_address_count + 1, sizeof(*memory));

	if (!memory)
		return -ENOMEM;
	ret_numbers->services = memory;
	ret_numbers->tenants = ret_numbers->services + policy->service_count;
	ret_numbers->backends = ret_numbers->tenants + policy->tenant_count;
	ret_numbers->nat_addresses = ret_numbers->backends + policy->backend_count;
	return 0;
}

void numbers_free(struct numbers *numbers)
{
	free(numbers->services);
	*numbers = (struct numbers){0};
}

int identities_next(const struct identities *before, const struct policy *policy, uint64_t generation,
		    struct identities **ret_after, struct numbers *ret_numbers)
{
	_cleanup_(free_identities) struct identities *after = NULL;
	_cleanup_(numbers_free) struct numbers numbers = {0};
	int error = identities_new(&after);

	if (!error && before) {
		free(TAKE_PTR(after->tenants.items[USHER_TENANT_UNKNOWN].key)); /* copied again */
		error = copy_identities(before, after);
	}
	if (!error)
		error = new_numbers(policy, &numbers);
	if (!error)
		error = next_tables(after, policy, generation, &numbers);
	if (error)
		return error;
	*ret_after = TAKE_PTR(after);
	if (ret_numbers) {
		*ret_numbers = numbers;
		numbers = (struct numbers){0};
	}
	return 0;
}
