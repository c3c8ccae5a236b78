// SPDX-License-Identifier: GPL-2.0-only
#include "audit/catalogs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "compile/compile.h"

/* A backend that has left, with the strings of its names behind it. */
struct former {
	struct catalog_backend backend;
	char text[];
};

/* What a number of a NAT address has come to mean. It keeps that until another address needs it, which may be never: there are few. */
struct nat_meaning {
	uint64_t since; /* generation; 0: before all that were known here */
	struct usher_address address;
	uint8_t number;
};

struct catalogs {
	struct catalog **items; /* oldest first */
	size_t count, capacity;
	struct former **formers; /* by backend id: whom the number meant before; the last one only */
	struct nat_meaning *nat; /* oldest first */
	size_t nat_count, nat_capacity;
};

int catalogs_new(struct catalogs **ret_catalogs)
{
	struct catalogs *catalogs = calloc(1, sizeof(*catalogs));

	if (!catalogs)
		return -ENOMEM;
	catalogs->formers = calloc(USHER_BACKENDS_MAX, sizeof(struct former *));
	if (!catalogs->formers) {
		free(catalogs);
		return -ENOMEM;
	}
	*ret_catalogs = catalogs;
	return 0;
}

void catalogs_free(struct catalogs *catalogs)
{
	if (!catalogs)
		return;
	for (size_t i = 0; i < catalogs->count; i++)
		catalog_free(catalogs->items[i]);
	for (size_t i = 0; i < USHER_BACKENDS_MAX; i++)
		free(catalogs->formers[i]);
	free(catalogs->formers);
	free(catalogs->nat);
	free(catalogs->items);
	free(catalogs);
}

static const struct catalog *newest(const struct catalogs *catalogs)
{
	return catalogs->count ? catalogs->items[catalogs->count - 1] : NULL;
}

const struct usher_address *catalogs_nat(const struct catalogs *catalogs, uint64_t generation, uint8_t number)
{
	for (size_t i = catalogs->nat_count; i-- > 0;)
		if (catalogs->nat[i].number == number && catalogs->nat[i].since <= generation)
			return &catalogs->nat[i].address;
	return NULL;
}

static void add_nat(struct catalogs *catalogs, const struct catalog *catalog)
{
	for (uint8_t number = 0; number < USHER_NAT_ADDRESSES_MAX; number++) {
		const struct usher_nat_address *nat = &catalog->nat[number];
		const struct usher_address *known = catalogs_nat(catalogs, UINT64_MAX, number);

		if (!nat->used || (known && address_equal(known, &nat->address)))
			continue;
		catalogs->nat =
			array_grow(catalogs->nat, catalogs->nat_count, &catalogs->nat_capacity, sizeof(*catalogs->nat));
		catalogs->nat[catalogs->nat_count++] = (struct nat_meaning){
			.since = catalogs->count ? catalog->generation : 0, .address = nat->address, .number = number};
	}
}

void catalogs_add(struct catalogs *catalogs, struct catalog *catalog)
{
	add_nat(catalogs, catalog);
	catalogs->items = array_grow(catalogs->items, catalogs->count, &catalogs->capacity, sizeof(struct catalog *));
	catalogs->items[catalogs->count++] = catalog;
}

const struct catalog *catalogs_find(const struct catalogs *catalogs, uint64_t generation)
{
	for (size_t i = catalogs->count; i-- > 0;)
		if (catalogs->items[i]->generation == generation)
			return catalogs->items[i];
	return NULL;
}

const struct catalog_backend *catalogs_backend(const struct catalogs *catalogs, uint16_t backend, uint16_t incarnation)
{
	const struct former *former;

	if (backend >= USHER_BACKENDS_MAX)
		return NULL;
	for (size_t i = catalogs->count; i-- > 0;) {
		const struct catalog_backend *found = &catalogs->items[i]->backends[backend];

		if (found->name && found->incarnation == incarnation)
			return found;
	}
	former = catalogs->formers[backend];
	return former && former->backend.incarnation == incarnation ? &former->backend : NULL;
}

/* ---- forgetting --------------------------------------------------------------------------------------------- */

static const char *place(char **at, const char *text)
{
	size_t length = strlen(text) + 1;
	char *copy = memcpy(*at, text, length);

	*at += length;
	return copy;
}

static struct former *former_of(const struct catalog_backend *backend)
{
	struct former *former =
		malloc(sizeof(*former) + strlen(backend->name) + strlen(backend->model) + strlen(backend->version) + 3);
	char *at;

	if (!former)
		abort(); /* as in an arena */
	at = former->text;
	former->backend = *backend;
	former->backend.name = place(&at, backend->name);
	former->backend.model = place(&at, backend->model);
	former->backend.version = place(&at, backend->version);
	return former;
}

static void remember_backends(struct catalogs *catalogs, const struct catalog *old)
{
	const struct catalog *now = newest(catalogs);

	for (size_t i = 0; i < USHER_BACKENDS_MAX; i++) {
		const struct catalog_backend *was = &old->backends[i], *is = &now->backends[i];

		if (!was->name || (is->name && is->incarnation == was->incarnation))
			continue;
		free(catalogs->formers[i]);
		catalogs->formers[i] = former_of(was);
	}
}

void catalogs_drained(struct catalogs *catalogs, uint64_t generation)
{
	size_t gone = 0;

	while (gone + 1 < catalogs->count && catalogs->items[gone + 1]->generation < generation)
		gone++;
	for (size_t i = 0; i < gone; i++) {
		remember_backends(catalogs, catalogs->items[i]);
		catalog_free(catalogs->items[i]);
	}
	if (!gone)
		return;
	catalogs->count -= gone;
	memmove(catalogs->items, catalogs->items + gone, catalogs->count * sizeof(struct catalog *));
}
