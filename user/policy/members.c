// SPDX-License-Identifier: GPL-2.0-only
#include "policy/members.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/cleanup.h"

#include "policy/parse.h"
#include "policy/policy.h"

void member_list_free(struct member_list *list)
{
	free(list->items);
	*list = (struct member_list){0};
}

int member_list_copy(const struct member_list *from, struct member_list *ret_list)
{
	struct member_facts *items = calloc(from->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	if (from->count)
		memcpy(items, from->items, from->count * sizeof(*items));
	*ret_list = (struct member_list){items, from->count};
	return 0;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(((const struct member_facts *)left)->name, ((const struct member_facts *)right)->name);
}

const struct member_facts *member_find(const struct member_list *list, const char *name)
{
	struct member_facts wanted = {0};

	snprintf(wanted.name, sizeof(wanted.name), "%s", name);
	return list->count ? bsearch(&wanted, list->items, list->count, sizeof(wanted), compare_names) : NULL;
}

void member_list_sort(struct member_list *list)
{
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_names);
}

/* ---- bounds -------------------------------------------------------------------------------------------------- */

static bool prefix_has(const struct pool_prefix *prefix, const struct usher_address *address)
{
	unsigned int whole = prefix->bits / 8u, rest = prefix->bits % 8u;

	if (memcmp(prefix->address.bytes, address->bytes, whole) != 0)
		return false;
	return !rest || !((prefix->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest));
}

static bool is_within(const struct pool *pool, const struct usher_address *address)
{
	for (size_t i = 0; i < pool->within_count; i++)
		if (prefix_has(&pool->within[i], address))
			return true;
	return false;
}

bool pool_may_have_port(const struct pool *pool, uint32_t port)
{
	for (size_t i = 0; i < pool->port_count; i++)
		if (pool->ports[i] == port)
			return true;
	return false;
}

/* Whose the address is already, as in "an address of service x", or NULL. */
static const char *owner(const struct policy *policy, const struct member_facts *member, char text[MEMBER_SENTENCE])
{
	for (size_t i = 0; i < policy->nat_address_count; i++)
		if (address_equal(&policy->nat_addresses[i], &member->address))
			return "is one of .nat.addresses, which belong to usher alone";
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t a = 0; a < policy->services[s].address_count; a++)
			if (address_equal(&policy->services[s].addresses[a].address, &member->address)) {
				snprintf(text, MEMBER_SENTENCE, "has the address of service \"%s\"",
					 policy->services[s].name);
				return text;
			}
	for (size_t b = 0; b < policy->backend_count; b++)
		if (!policy->backends[b].pool && policy->backends[b].port == member->port &&
		    address_equal(&policy->backends[b].address, &member->address)) {
			snprintf(text, MEMBER_SENTENCE, "is backend \"%s\" already", policy->backends[b].name);
			return text;
		}
	return NULL;
}

static const char *forward_refusal(const struct policy *policy, const struct pool *pool,
				   const struct member_facts *member, char text[MEMBER_SENTENCE])
{
	int family = address_family(&member->address);
	uint16_t port = policy_other_port(policy, policy->versions[pool->pattern.version].model, member->port);

	if (pool->pattern.forward == USHER_FORWARD_NAT)
		return policy_has_nat_address(policy, family) ? NULL : "has no address of its family in .nat.addresses";
	if (!port)
		return NULL;
	snprintf(text, MEMBER_SENTENCE, "has port %u, a service of its model %u, and %s leaves the port as it is",
		 member->port, port, forward_names[pool->pattern.forward]);
	return text;
}

const char *member_refusal(const struct policy *policy, const struct pool *pool, const struct member_facts *member,
			   char text[MEMBER_SENTENCE])
{
	const struct region *region = member->region.country[0] ? &member->region : &pool->pattern.region;
	char address[ADDRESS_TEXT], code[8];
	const char *refusal;

	if (!is_within(pool, &member->address)) {
		snprintf(text, MEMBER_SENTENCE, "has %s, which is in none of the prefixes of pool \"%s\"",
			 address_print(&member->address, address), pool->name);
		return text;
	}
	if (!pool_may_have_port(pool, member->port)) {
		snprintf(text, MEMBER_SENTENCE, "has port %u, which members of pool \"%s\" may not have", member->port,
			 pool->name);
		return text;
	}
	if (!region_inside(region, &pool->regions)) {
		region_print(region, code);
		snprintf(text, MEMBER_SENTENCE, "is in %s, which is outside the regions of pool \"%s\"", code,
			 pool->name);
		return text;
	}
	refusal = owner(policy, member, text);
	return refusal ? refusal : forward_refusal(policy, pool, member, text);
}

/* ---- of addresses -------------------------------------------------------------------------------------------- */

/* Each address and port has one, and none has that of another. */
static void name_by_address(const struct pool *pool, struct member_facts *member)
{
	char address[ADDRESS_TEXT];

	address_print(&member->address, address);
	for (char *c = address; *c; c++)
		if (*c == ':')
			*c = '-';
	snprintf(member->name, sizeof(member->name), "%s.%s-%u", pool->name, address, member->port);
}

int members_of_addresses(const struct policy *policy, const struct pool *pool, const struct usher_address *addresses,
			 size_t count, char sentence[MEMBER_SENTENCE], struct member_list *ret_list)
{
	_cleanup_(member_list_free) struct member_list list = {.items = calloc(count + 1, sizeof(*list.items))};
	char text[MEMBER_SENTENCE], address[ADDRESS_TEXT];
	size_t kept = 0;

	if (!list.items)
		abort();
	for (size_t i = 0; i < count; i++) {
		struct member_facts *member = &list.items[list.count++];
		const char *refusal;

		*member = (struct member_facts){.address = addresses[i], .port = pool->pattern.port};
		name_by_address(pool, member);
		refusal = is_host_address(&member->address) ? member_refusal(policy, pool, member, text)
							    : "is an address that a backend cannot have";
		if (refusal) {
			snprintf(sentence, MEMBER_SENTENCE, "%s %.180s", address_print(&addresses[i], address),
				 refusal);
			return -EINVAL;
		}
	}
	member_list_sort(&list);
	for (size_t i = 0; i < list.count; i++)
		if (!kept || strcmp(list.items[kept - 1].name, list.items[i].name) != 0)
			list.items[kept++] = list.items[i];
	list.count = kept;
	if (kept > pool->most) {
		snprintf(sentence, MEMBER_SENTENCE, "there are %zu addresses; at most %u are possible", kept,
			 pool->most);
		return -EINVAL;
	}
	*ret_list = list;
	list = (struct member_list){0};
	return 0;
}

/* ---- among the backends -------------------------------------------------------------------------------------- */

struct placed {
	struct backend backend;
	size_t before; /* its index until now, or POLICY_NONE */
};

static int compare_placed(const void *left, const void *right)
{
	return strcmp(((const struct placed *)left)->backend.name, ((const struct placed *)right)->backend.name);
}

static struct backend as_backend(struct policy *policy, const struct pool *pool, const struct member_facts *member)
{
	struct backend backend = pool->pattern;

	backend.name = arena_strndup(&policy->arena, member->name, strlen(member->name));
	backend.address = member->address;
	backend.port = member->port;
	backend.leaving = member->leave_by != 0;
	if (member->capacity)
		backend.capacity = member->capacity;
	if (member->region.country[0])
		backend.region = member->region;
	return backend;
}

static void renumber(struct policy *policy, const size_t *numbers, struct index_list *list)
{
	size_t *items = arena_array(&policy->arena, list->count, sizeof(*items));

	/* Names keep their order, so the list stays sorted. */
	for (size_t i = 0; i < list->count; i++)
		items[i] = numbers[list->items[i]];
	list->items = items;
}

static void number_all(struct policy *policy, struct index_list *list)
{
	size_t *items = arena_array(&policy->arena, policy->backend_count, sizeof(*items));

	for (size_t i = 0; i < policy->backend_count; i++)
		items[i] = i;
	list->items = items;
	list->count = policy->backend_count;
}

static void renumber_references(struct policy *policy, const size_t *numbers)
{
	struct rule *rules = arena_array(&policy->arena, policy->rule_count, sizeof(*rules));
	struct gate_policy *gates = arena_array(&policy->arena, policy->gate_count, sizeof(*gates));

	for (size_t r = 0; r < policy->rule_count; r++) {
		rules[r] = policy->rules[r];
		renumber(policy, numbers, &rules[r].match.backends);
	}
	for (size_t g = 0; g < policy->gate_count; g++) {
		gates[g] = policy->gates[g];
		if (gates[g].on == GATE_ON_BACKEND && gates[g].all_subjects)
			number_all(policy, &gates[g].subjects);
		else if (gates[g].on == GATE_ON_BACKEND)
			renumber(policy, numbers, &gates[g].subjects);
	}
	policy->rules = rules;
	policy->gates = gates;
}

void policy_add_members(struct policy *policy, const struct member_list *lists)
{
	_cleanup_free_ struct placed *placed = NULL;
	_cleanup_free_ size_t *numbers = NULL;
	size_t count = policy->backend_count, all = 0;

	for (size_t p = 0; p < policy->pool_count; p++)
		count += lists[p].count;
	placed = calloc(count + 1, sizeof(*placed));
	numbers = calloc(policy->backend_count + 1, sizeof(*numbers));
	if (!placed || !numbers)
		abort();
	for (size_t b = 0; b < policy->backend_count; b++)
		placed[all++] = (struct placed){policy->backends[b], b};
	for (size_t p = 0; p < policy->pool_count; p++)
		for (size_t m = 0; m < lists[p].count; m++)
			placed[all++] =
				(struct placed){as_backend(policy, &policy->pools[p], &lists[p].items[m]), POLICY_NONE};
	qsort(placed, all, sizeof(*placed), compare_placed);
	policy->backends = arena_array(&policy->arena, all, sizeof(*policy->backends));
	policy->backend_count = all;
	for (size_t b = 0; b < all; b++) {
		policy->backends[b] = placed[b].backend;
		if (placed[b].before != POLICY_NONE)
			numbers[placed[b].before] = b;
	}
	renumber_references(policy, numbers);
}

/* ---- those that a policy is checked with --------------------------------------------------------------------- */

static void assume(const struct pool *pool, const struct pool_prefix *prefix, const struct region *region,
		   struct member_list *list)
{
	bool ipv6 = address_family(&prefix->address) != AF_INET;
	struct member_facts member = {.address = prefix->address, .port = pool->ports[0]};
	char code[8] = "";

	if (list->count == pool->most)
		return;
	if (region) {
		member.region = *region;
		region_print(region, code);
		for (char *c = code; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	snprintf(member.name, sizeof(member.name), "%s.any%s%s%s", pool->name, region ? "-" : "", code,
		 ipv6 ? "-ipv6" : "");
	list->items[list->count++] = member;
}

static void assume_of(const struct pool *pool, struct member_list *list)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t f = 0; f < 2; f++) {
		size_t i = 0;

		while (i < pool->within_count && address_family(&pool->within[i].address) != families[f])
			i++;
		if (i == pool->within_count || !pool->port_count)
			continue;
		if (pool->pattern.region.country[0])
			assume(pool, &pool->within[i], NULL, list);
		for (size_t r = 0; !pool->pattern.region.country[0] && r < pool->regions.count; r++)
			assume(pool, &pool->within[i], &pool->regions.items[r], list);
	}
}

void policy_assume_members(struct policy *policy)
{
	_cleanup_free_ struct member_list *lists = calloc(policy->pool_count + 1, sizeof(*lists));

	if (!lists)
		abort();
	for (size_t p = 0; p < policy->pool_count; p++) {
		lists[p].items = calloc(policy->pools[p].most + 1, sizeof(*lists[p].items));
		if (!lists[p].items)
			abort();
		assume_of(&policy->pools[p], &lists[p]);
	}
	if (policy->pool_count)
		policy_add_members(policy, lists);
	for (size_t p = 0; p < policy->pool_count; p++)
		member_list_free(&lists[p]);
}
