// SPDX-License-Identifier: GPL-2.0-only
#include "compile/identities.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/json.h"

static void free_identities(struct identities **identities)
{
	identities_free(*identities);
}

static void free_object(struct json_object **object)
{
	json_object_put(*object);
}

static void free_tokener(struct json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

/* Numbers that were never given out are left out. */
static void print_table(struct json *json, const char *name, const struct identity_table *table)
{
	json_array_begin(json, name);
	for (size_t i = 0; i < table->count; i++) {
		const struct identity *item = &table->items[i];

		if (!item->incarnation)
			continue;
		json_object_begin(json, NULL);
		json_unsigned(json, "number", i);
		json_string(json, "key", item->key);
		json_unsigned(json, "incarnation", item->incarnation);
		json_unsigned(json, "freed", item->freed);
		json_object_end(json);
	}
	json_array_end(json);
}

char *identities_print(const struct identities *identities)
{
	struct json json = {0};

	json_object_begin(&json, NULL);
	print_table(&json, "services", &identities->services);
	print_table(&json, "tenants", &identities->tenants);
	print_table(&json, "backends", &identities->backends);
	print_table(&json, "nat_addresses", &identities->nat_addresses);
	json_object_end(&json);
	json_raw(&json, "", 1); /* NUL */
	return json.bytes;
}

static int read_unsigned(struct json_object *from, const char *key, uint64_t most, uint64_t *ret_value)
{
	struct json_object *member;

	if (!json_object_object_get_ex(from, key, &member) || !json_object_is_type(member, json_type_int) ||
	    json_object_get_uint64(member) > most)
		return -EINVAL;
	*ret_value = json_object_get_uint64(member);
	return 0;
}

static int read_identity(struct json_object *from, struct identity_table *table)
{
	struct json_object *key;
	struct identity *item;
	uint64_t number, incarnation, freed;

	if (!json_object_is_type(from, json_type_object) || read_unsigned(from, "number", table->count - 1, &number) ||
	    read_unsigned(from, "incarnation", UINT16_MAX, &incarnation) ||
	    read_unsigned(from, "freed", UINT64_MAX, &freed) || !json_object_object_get_ex(from, "key", &key) ||
	    (key && !json_object_is_type(key, json_type_string)))
		return -EINVAL;
	item = &table->items[number];
	free(TAKE_PTR(item->key));
	item->incarnation = (uint16_t)incarnation;
	item->freed = freed;
	if (!key)
		return 0;
	item->key = strdup(json_object_get_string(key));
	return item->key ? 0 : -ENOMEM;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_unique(const struct identity_table *table)
{
	_cleanup_free_ const char **keys = calloc(table->count, sizeof(*keys));
	size_t count = 0;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < table->count; i++)
		if (table->items[i].key)
			keys[count++] = table->items[i].key;
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < count; i++)
		if (!strcmp(keys[i - 1], keys[i]))
			return -EINVAL;
	return 0;
}

static int read_table(struct json_object *root, const char *name, struct identity_table *table)
{
	struct json_object *array;
	int error = 0;

	if (!json_object_object_get_ex(root, name, &array) || !json_object_is_type(array, json_type_array))
		return -EINVAL;
	for (size_t i = 0; !error && i < json_object_array_length(array); i++)
		error = read_identity(json_object_array_get_idx(array, i), table);
	return error ? error : check_unique(table);
}

static int read_tables(struct json_object *root, struct identities *identities)
{
	int error = json_object_is_type(root, json_type_object) ? 0 : -EINVAL;

	if (!error)
		error = read_table(root, "services", &identities->services);
	if (!error)
		error = read_table(root, "tenants", &identities->tenants);
	if (!error)
		error = read_table(root, "backends", &identities->backends);
	if (!error)
		error = read_table(root, "nat_addresses", &identities->nat_addresses);
	return error;
}

int identities_parse(const char *text, size_t length, struct identities **ret_identities)
{
	_cleanup_(free_identities) struct identities *identities = NULL;
	_cleanup_(free_tokener) struct json_tokener *tokener = json_tokener_new();
	_cleanup_(free_object) struct json_object *root = NULL;
	_cleanup_free_ char *again = NULL;
	const char *unknown;
	int error = identities_new(&identities);

	if (error || !tokener)
		return -ENOMEM;
	if (length > INT_MAX)
		return -EINVAL;
	root = json_tokener_parse_ex(tokener, text, (int)length);
	error = read_tables(root, identities);
	if (error)
		return error;
	unknown = identities->tenants.items[USHER_TENANT_UNKNOWN].key;
	if (!unknown || strcmp(unknown, "unknown"))
		return -EINVAL;
	/* Whatever json-c is lenient about, and whatever is out of order or left over, would not be written so. */
	again = identities_print(identities);
	if (strlen(again) != length || memcmp(again, text, length))
		return -EINVAL;
	*ret_identities = TAKE_PTR(identities);
	return 0;
}
