// SPDX-License-Identifier: GPL-2.0-only
/* Tenants and where their clients come from: prefixes of the policy's own and of geography files. */
#include "growing.h"

#include <arpa/inet.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_TEXT (INET6_ADDRSTRLEN + 5)
#define GEOGRAPHY_LINES_MAX 12

struct prefix {
	uint8_t bytes[16];
	unsigned int bits;
	bool ipv6;
};

static void cut_host_bits(struct prefix *prefix)
{
	for (unsigned int bit = prefix->bits; bit < (prefix->ipv6 ? 128u : 32u); bit++)
		prefix->bytes[bit / 8] = (uint8_t)(prefix->bytes[bit / 8] & ~(0x80u >> (bit % 8)));
}

/* A prefix of its own, or one within, around or beside an earlier one. */
static struct prefix draw_prefix(struct random *random, const struct prefix *earlier, size_t count)
{
	static const uint8_t base6[4] = {0x20, 0x01, 0x0d, 0xb8};
	struct prefix prefix = {.ipv6 = random_chance(random, 40)};

	for (size_t i = 0; i < 16; i++)
		prefix.bytes[i] = (uint8_t)random_next(random);
	if (prefix.ipv6)
		memcpy(prefix.bytes, base6, sizeof(base6));
	else
		prefix.bytes[0] = (uint8_t)random_between(random, 20, 22);
	prefix.bits = prefix.ipv6 ? random_between(random, 16, 128) : random_between(random, 6, 32);
	if (count && random_chance(random, 70)) {
		const struct prefix *near = &earlier[random_below(random, count)];
		unsigned int most = near->ipv6 ? 128 : 32;

		if (near->ipv6 != prefix.ipv6)
			prefix.bits = random_between(random, near->bits, most);
		prefix.ipv6 = near->ipv6;
		for (unsigned int bit = 0; bit < near->bits && bit < most; bit++) {
			uint8_t mask = (uint8_t)(0x80u >> (bit % 8));

			prefix.bytes[bit / 8] =
				(uint8_t)((prefix.bytes[bit / 8] & ~mask) | (near->bytes[bit / 8] & mask));
		}
		prefix.bits = random_between(random, near->bits > 4 ? near->bits - 4 : 0, most);
	} else if (random_chance(random, 3)) {
		prefix.bits = 0;
	}
	cut_host_bits(&prefix);
	return prefix;
}

static bool is_new(const struct prefix *prefix, const struct prefix *earlier, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (earlier[i].ipv6 == prefix->ipv6 && earlier[i].bits == prefix->bits &&
		    !memcmp(earlier[i].bytes, prefix->bytes, prefix->ipv6 ? 16 : 4))
			return false;
	return true;
}

static void print_prefix(const struct prefix *prefix, char text[PREFIX_TEXT])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(prefix->ipv6 ? AF_INET6 : AF_INET, prefix->bytes, address, sizeof(address));
	snprintf(text, PREFIX_TEXT, "%s/%u", address, prefix->bits);
}

/* ---- geography files --------------------------------------------------------------------------------------- */

/* Of all files together: no two may have the same prefix. */
struct geography {
	struct random random;
	struct prefix prefixes[TENANTS_MAX * GEOGRAPHY_LINES_MAX];
	size_t count;
};

/* In no order; among them some that the policy itself has, where its own word goes. */
static void draw_lines(struct geography *geography, const struct prefix *own, size_t own_count, FILE *file)
{
	struct random *random = &geography->random;
	char text[PREFIX_TEXT];

	for (size_t n = random_between(random, 1, GEOGRAPHY_LINES_MAX), lines = 0; n || !lines; n -= !!n) {
		struct prefix prefix = own_count && random_chance(random, 50)
					       ? draw_prefix(random, own, own_count)
					       : draw_prefix(random, geography->prefixes, geography->count);

		if (own_count && random_chance(random, 15))
			prefix = own[random_below(random, own_count)];
		if (!is_new(&prefix, geography->prefixes, geography->count))
			continue;
		geography->prefixes[geography->count++] = prefix;
		lines++;
		print_prefix(&prefix, text);
		if (random_chance(random, 10))
			fputs("# nothing\n\n", file);
		fprintf(file, "%s,%s%s\n", text, pick_text(random, grown_places, GROWN_PLACES),
			random_chance(random, 10) ? "\r" : "");
	}
}

static void grow_geography(struct geography *geography, FILE *files, const char *tenant, json_object *sources,
			   const struct prefix *own, size_t own_count)
{
	char name[NAME_SIZE + 4], *bytes = NULL;
	json_object *source = json_object_new_object();
	size_t length = 0;
	FILE *file = open_memstream(&bytes, &length);

	draw_lines(geography, own, own_count, file);
	fclose(file);
	snprintf(name, sizeof(name), "%s.csv", tenant);
	add_text(source, "geo", name);
	json_object_array_add(sources, source);
	fputc('\0', files);
	fprintf(files, "usher-file read %zu %zu\n%s", strlen(name), length, name);
	fwrite(bytes, 1, length, files);
	free(bytes);
}

/* ---- tenants ----------------------------------------------------------------------------------------------- */

void grow_tenants(struct growing *growing)
{
	struct random random = section_random(growing, RECIPE_TENANTS);
	json_object *tenants = new_member(growing->root, "tenants");
	struct geography geography = {.random = {random.state ^ 0x67656f67726170ULL}};
	struct random priorities = {random.state ^ 0x7072696f72697479ULL};
	struct prefix prefixes[PREFIXES_MAX];
	size_t count = 0;

	growing->tenant_count = 1 + growing->recipe->seed % TENANTS_MAX;
	for (size_t t = 0; t < growing->tenant_count; t++) {
		char name[NAME_SIZE], text[PREFIX_TEXT];

		tenant_name(t, name);
		json_object *tenant = new_member(tenants, name), *sources = json_object_new_array();

		if (random_chance(&priorities, 60))
			json_object_object_add(tenant, "priority",
					       json_object_new_int((int)random_below(&priorities, 4)));
		for (size_t n = random_below(&random, PREFIXES_MAX / TENANTS_MAX); n; n--) {
			struct prefix prefix = draw_prefix(&random, prefixes, count);

			if (!is_new(&prefix, prefixes, count))
				continue;
			prefixes[count++] = prefix;
			print_prefix(&prefix, text);
			json_object *source = json_object_new_object();

			add_text(source, "prefix", text);
			add_text(source, "region", pick_text(&random, grown_places, GROWN_PLACES));
			json_object_array_add(sources, source);
		}
		if (random_chance(&geography.random, 35))
			grow_geography(&geography, growing->files, name, sources, prefixes, count);
		if (json_object_array_length(sources))
			json_object_object_add(tenant, "sources", sources);
		else
			json_object_put(sources);
		if (random_chance(&random, 25))
			add_text(tenant, "audit", "required");
	}
}
