// SPDX-License-Identifier: GPL-2.0-only
#include "edge/families.h"

#include <string.h>

#include "base/array.h"

#define PROBES 16 /* names that are made to collide cost no more; who finds no room is not remembered */
#define TYPE_MASK 0x7u
#define KEY_BIT 0x8u /* no key is 0 */

#define TYPE(name) (1u << EXPOSITION_##name)

static const struct {
	const char *suffix;
	unsigned int types; /* that have it */
	bool prometheus;    /* has it, too */
} suffixes[] = {
	{"_bucket", TYPE(HISTOGRAM) | TYPE(GAUGEHISTOGRAM), true},
	{"_sum", TYPE(HISTOGRAM) | TYPE(SUMMARY), true},
	{"_count", TYPE(HISTOGRAM) | TYPE(SUMMARY), true},
	{"_created", TYPE(COUNTER) | TYPE(HISTOGRAM) | TYPE(SUMMARY), false},
	{"_total", TYPE(COUNTER), false},
	{"_info", TYPE(INFO), false},
	{"_gsum", TYPE(GAUGEHISTOGRAM), false},
	{"_gcount", TYPE(GAUGEHISTOGRAM), false},
};

/* FNV-1a, 64 bits. */
static uint64_t family_key(const char *name, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3;
	return (hash & ~(uint64_t)(TYPE_MASK | KEY_BIT)) | KEY_BIT;
}

/* Where the family is, or could be; NULL: there is no room. */
static const uint64_t *find_family(const struct families *families, uint64_t key)
{
	uint64_t slot = key >> 32;

	for (unsigned int i = 0; i < PROBES; i++, slot++) {
		const uint64_t *family = &families->slots[slot % FAMILIES_SLOTS];

		if (!*family || (*family & ~(uint64_t)TYPE_MASK) == key)
			return family;
	}
	return NULL;
}

static bool family_type(const struct families *families, uint64_t key, enum exposition_type *ret_type)
{
	const uint64_t *family = &families->current;

	if ((*family & ~(uint64_t)TYPE_MASK) != key)
		family = find_family(families, key);
	if (!family || !*family)
		return false;
	*ret_type = (enum exposition_type)(*family & TYPE_MASK);
	return true;
}

enum exposition_type families_sample_type(const struct families *families, const char *name, size_t length,
					  bool openmetrics)
{
	enum exposition_type type;

	if (family_type(families, family_key(name, length), &type))
		return type;
	for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
		size_t suffix = strlen(suffixes[i].suffix);

		if ((suffixes[i].prometheus || openmetrics) && length > suffix &&
		    !memcmp(name + length - suffix, suffixes[i].suffix, suffix) &&
		    family_type(families, family_key(name, length - suffix), &type) && suffixes[i].types & (1u << type))
			return type;
	}
	return EXPOSITION_UNKNOWN;
}

bool families_declare(struct families *families, const char *name, size_t length, enum exposition_type type)
{
	uint64_t key = family_key(name, length);
	const uint64_t *family = find_family(families, key);
	enum exposition_type before;

	if (family_type(families, key, &before) && before != type)
		return false;
	families->current = key | type;
	if (family && !*family && families->count < EXPOSITION_FAMILIES_MAX) {
		families->slots[family - families->slots] = families->current;
		families->count++;
	}
	return true;
}

void families_clear(struct families *families)
{
	families->current = 0;
	if (families->count)
		memset(families->slots, 0, sizeof(families->slots));
	families->count = 0;
}
