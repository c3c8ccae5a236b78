// SPDX-License-Identifier: GPL-2.0-only
#include "ring.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RINGS_MAX 64		 /* different ones that are remembered */
#define DRAW_ERROR 1e-4		 /* of the program's logarithms, and a little */
#define SLOTS_EACH 512		 /* for each backend of the model, their number rounded up to a power of two */
#define SLOTS_FOR_ALL (1u << 18) /* at most, for that reason */
#define SLOTS_SMALLEST 128	 /* for the least capacity of the model */
#define SLOTS_MAX (1u << 20)	 /* of a ring */

struct ring {
	ref_backends members;
	uint32_t size;
	uint8_t *slots; /* position in policy->backends */
};

struct ring_cache {
	const struct ref_policy *policy;
	uint32_t slots_max;
	size_t count;
	struct ring rings[RINGS_MAX];
};

struct ring_cache *ring_cache_new(void)
{
	struct ring_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		abort();
	return cache;
}

static void forget(struct ring_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++)
		free(cache->rings[i].slots);
	cache->count = 0;
}

void ring_cache_free(struct ring_cache *cache)
{
	forget(cache);
	free(cache);
}

void ring_cache_begin(struct ring_cache *cache, const struct ref_policy *policy, uint32_t slots_max)
{
	forget(cache);
	cache->policy = policy;
	cache->slots_max = slots_max;
}

/* ---- hashes -------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static uint64_t seed_of(const char *name)
{
	uint64_t hash = 14695981039346656037ULL;

	while (*name) {
		hash ^= (uint8_t)*name++;
		hash *= 1099511628211ULL;
	}
	return mix(hash);
}

/* words: five, native; those that a hash leaves out are its caller's business. */
static uint64_t nh(const uint64_t *words, const size_t *keys, size_t count)
{
	static const uint64_t pi[] = {0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL, 0xa4093822299f31d0ULL,
				      0x082efa98ec4e6c89ULL, 0x452821e638d01377ULL};
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t low = (uint32_t)words[i] + (uint32_t)pi[keys[i]];
		uint32_t high = (uint32_t)(words[i] >> 32) + (uint32_t)(pi[keys[i]] >> 32);

		sum += (uint64_t)low * high;
	}
	return mix(sum);
}

static uint64_t flow_hash(const struct wire *wire, uint64_t seed)
{
	uint64_t words[5] = {[4] = (uint64_t)wire->protocol << 32 | (uint64_t)htons(wire->destination_port) << 16 |
				   htons(wire->source_port)};

	memcpy(&words[0], &wire->source, 16);
	memcpy(&words[2], &wire->destination, 16);
	return mix(nh(words, (const size_t[]){0, 1, 2, 3, 4}, 5) ^ seed);
}

/* Of an IPv4 address, or of the /64 of an IPv6 one. */
static uint64_t client_hash(const struct wire *wire, uint64_t seed)
{
	uint64_t words[3] = {0};

	memcpy(words, &wire->source, wire->ipv6 ? 8 : 16);
	return mix(nh(words, (const size_t[]){0, 1, 4}, 3) ^ seed);
}

/* ---- rings --------------------------------------------------------------------------------------------------- */

static uint32_t power_of_two(uint64_t least)
{
	uint32_t size = 1;

	while (size < least && size < SLOTS_MAX)
		size <<= 1;
	return size;
}

/* By all backends of the model, whether they may start flows or not. */
static uint32_t size_for(const struct ring_cache *cache, const char *model)
{
	uint64_t count = 0, sum = 0, least = UINT32_MAX;
	uint32_t by_count, by_capacity, size;

	for (size_t i = 0; i < cache->policy->backend_count; i++) {
		const struct ref_backend *backend = &cache->policy->backends[i];

		if (strcmp(backend->version->model, model) != 0)
			continue;
		count++;
		sum += backend->capacity;
		if (backend->capacity < least)
			least = backend->capacity;
	}
	by_count = power_of_two(power_of_two(count) * (uint64_t)SLOTS_EACH);
	if (by_count > SLOTS_FOR_ALL)
		by_count = SLOTS_FOR_ALL;
	by_capacity = power_of_two(sum * SLOTS_SMALLEST / least);
	size = by_count > by_capacity ? by_count : by_capacity;
	return size < cache->slots_max ? size : cache->slots_max;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp((*(const struct ref_backend *const *)left)->name,
		      (*(const struct ref_backend *const *)right)->name);
}

/* Its capacity, in 120 parts less what gates take; at least one of them. */
static uint64_t weight_of(const struct ref_backend *backend)
{
	uint64_t version = backend->version->share ? backend->version->share : 100,
		 own = backend->share ? backend->share : 100;
	uint64_t part = 120 * (version * own / 100) / 100;

	return backend->capacity * (part ? part : 1);
}

/* In each round, whoever's weight adds up to one more of the greatest takes the next free slot of its own walk. */
static void deal(const struct ref_policy *policy, struct ring *ring)
{
	const struct ref_backend *members[REF_BACKENDS_MAX];
	uint64_t position[REF_BACKENDS_MAX], stride[REF_BACKENDS_MAX], weight[REF_BACKENDS_MAX], most = 0;
	uint32_t filled = 0;
	size_t count = 0;

	for (size_t i = 0; i < policy->backend_count; i++)
		if (ring->members >> i & 1)
			members[count++] = &policy->backends[i];
	qsort(members, count, sizeof(*members), compare_names);
	for (size_t i = 0; i < count; i++) {
		uint64_t hash = mix(seed_of(members[i]->name));

		position[i] = (uint32_t)hash % ring->size;
		stride[i] = (hash >> 32) % ring->size | 1;
		weight[i] = weight_of(members[i]);
		if (weight[i] > most)
			most = weight[i];
	}
	memset(ring->slots, 0xff, ring->size);
	for (uint64_t round = 1; filled < ring->size; round++)
		for (size_t i = 0; i < count && filled < ring->size; i++) {
			if (round * weight[i] / most == (round - 1) * weight[i] / most)
				continue;
			while (ring->slots[position[i]] != 0xff)
				position[i] = (position[i] + stride[i]) % ring->size;
			ring->slots[position[i]] = (uint8_t)(members[i] - policy->backends);
			filled++;
		}
}

static const struct ring *ring_of(struct ring_cache *cache, ref_backends members, uint32_t size)
{
	struct ring *ring;

	for (size_t i = 0; i < cache->count; i++)
		if (cache->rings[i].members == members && cache->rings[i].size == size)
			return &cache->rings[i];
	if (cache->count == RINGS_MAX)
		forget(cache);
	ring = &cache->rings[cache->count++];
	*ring = (struct ring){members, size, malloc(size)};
	if (!ring->slots)
		abort();
	deal(cache->policy, ring);
	return ring;
}

/* ---- the choice ---------------------------------------------------------------------------------------------- */

static uint32_t arm_seed(const struct ref_arm *arm)
{
	if (arm->shed)
		return 0x73686564;
	return arm->version ? (uint32_t)seed_of(arm->version) : 0;
}

/* An exponential variate over its weight. */
static double draw(uint64_t hash, const struct ref_arm *arm)
{
	uint64_t uniform = mix(hash ^ arm_seed(arm) * 0x9e3779b97f4a7c15ULL) >> 32;

	return (32 - log2((double)uniform + 1)) / arm->weight;
}

static size_t slot_of(const struct ring *ring, const struct ref_arm *arm, uint64_t hash)
{
	return (mix(hash + arm_seed(arm)) >> 32) * ring->size >> 32;
}

static bool has_less(const struct ref_load *a, const struct ref_load *b)
{
	unsigned __int128 one = (unsigned __int128)(uint32_t)(a->opened - a->then) * a->cost + a->share;
	unsigned __int128 other = (unsigned __int128)(uint32_t)(b->opened - b->then) * b->cost + b->share;

	return a->cost && b->cost && one < other;
}

/* loads: NULL: the first candidate whatever they are. */
static ref_backends choose_in_arm(struct ring_cache *cache, const struct ref_judgement *judgement,
				  const struct ref_arm *arm, uint64_t hash, const struct ref_load *loads)
{
	const struct ring *ring;
	uint8_t first, second;

	if (arm->shed)
		return REF_SHED;
	if (!(arm->backends & (arm->backends - 1)))
		return arm->backends;
	ring = ring_of(cache, arm->backends, size_for(cache, judgement->target->model));
	first = ring->slots[slot_of(ring, arm, hash)];
	second = ring->slots[slot_of(ring, arm, mix(hash ^ 0xbe5466cf34e90c6cULL))];
	return 1ULL << (loads && has_less(&loads[second], &loads[first]) ? second : first);
}

static ref_backends choose(struct ring_cache *cache, const struct ref_judgement *judgement, const struct wire *wire,
			   const struct ref_load *loads)
{
	uint64_t seed = seed_of(judgement->target->name), hash = flow_hash(wire, seed);
	uint64_t who = judgement->target->sticky ? client_hash(wire, seed) : hash;
	double draws[USHER_ARMS_MAX + 1], least = HUGE_VAL;
	ref_backends chosen = 0;

	for (size_t a = 0; a < judgement->arm_count; a++) {
		draws[a] = draw(who, &judgement->arms[a]);
		if (draws[a] < least)
			least = draws[a];
	}
	for (size_t a = 0; a < judgement->arm_count; a++)
		if (draws[a] <= least + DRAW_ERROR / judgement->arms[a].weight + DRAW_ERROR * least)
			chosen |= choose_in_arm(cache, judgement, &judgement->arms[a], hash, loads);
	return chosen;
}

ref_backends ring_choose(struct ring_cache *cache, const struct ref_judgement *judgement, const struct wire *wire)
{
	return choose(cache, judgement, wire, NULL);
}

ref_backends ring_choose_least(struct ring_cache *cache, const struct ref_judgement *judgement, const struct wire *wire,
			       const struct ref_load *loads)
{
	return choose(cache, judgement, wire, loads);
}
