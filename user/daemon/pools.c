// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/pools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"

const char *const pool_change_words[POOL_CHANGES_COUNT] = {
#define X(name, word) [POOL_##name] = (word),
	POOL_CHANGES(X)
#undef X
};

static void free_pools(struct pools **pools)
{
	pools_free(*pools);
}

void pools_free(struct pools *pools)
{
	for (size_t i = 0; pools && i < pools->count; i++) {
		member_list_free(&pools->items[i].members);
		free(pools->items[i].addresses);
	}
	if (pools)
		free(pools->items);
	free(pools);
}

/* ---- from one policy to the next ----------------------------------------------------------------------------- */

static const struct pool_state *find(const struct pools *pools, const char *name)
{
	for (size_t i = 0; pools && i < pools->count; i++)
		if (!strcmp(pools->items[i].name, name))
			return &pools->items[i];
	return NULL;
}

/* What a source has said under other bounds is judged again under these, one by one: here nobody else's word is at stake. */
static int carry(const struct policy *policy, const struct pool *pool, const struct pool_state *before,
		 struct pool_state *state)
{
	char text[MEMBER_SENTENCE];
	int error = member_list_copy(&before->members, &state->members);
	size_t kept = 0;

	for (size_t i = 0; !error && i < state->members.count && kept < pool->most; i++) {
		const struct member_facts *member = &state->members.items[i];

		if (member->port && (member->region.country[0] || pool->pattern.region.country[0]) &&
		    !member_refusal(policy, pool, member, text))
			state->members.items[kept++] = *member;
	}
	state->members.count = kept;
	state->good_at = before->good_at;
	memcpy(state->problem, before->problem, sizeof(state->problem));
	return error;
}

/* What has been seen and heard of its source. */
static int carry_source(const struct pool_state *before, struct pool_state *state)
{
	state->file = before->file;
	state->look_at = before->look_at;
	state->retry_at = before->retry_at;
	state->heard = before->heard;
	if (!before->addresses)
		return 0;
	state->addresses = calloc(POOL_ADDRESSES_ROOM, sizeof(*state->addresses));
	if (!state->addresses)
		return -ENOMEM;
	state->address_count = before->address_count;
	memcpy(state->addresses, before->addresses, POOL_ADDRESSES_ROOM * sizeof(*state->addresses));
	return 0;
}

int pools_new(const struct policy *policy, const struct pools *before, bool same, struct pools **ret_pools)
{
	_cleanup_(free_pools) struct pools *pools = calloc(1, sizeof(*pools));
	int error = 0;

	if (!pools)
		return -ENOMEM;
	pools->items = calloc(policy->pool_count + 1, sizeof(*pools->items));
	if (!pools->items)
		return -ENOMEM;
	for (size_t i = 0; i < policy->pool_count && !error; i++) {
		struct pool_state *state = &pools->items[pools->count++];
		const struct pool_state *found = find(before, policy->pools[i].name);

		snprintf(state->name, sizeof(state->name), "%s", policy->pools[i].name);
		if (found)
			error = carry(policy, &policy->pools[i], found, state);
		if (found && same && !error)
			error = carry_source(found, state);
	}
	if (!error)
		*ret_pools = TAKE_PTR(pools);
	return error;
}

void pools_expand(const struct pools *pools, struct policy *policy)
{
	_cleanup_free_ struct member_list *lists = calloc(pools->count + 1, sizeof(*lists));

	if (!lists)
		abort();
	for (size_t i = 0; i < pools->count; i++)
		lists[i] = pools->items[i].members;
	if (pools->count)
		policy_add_members(policy, lists);
}

/* ---- what a source has said ---------------------------------------------------------------------------------- */

static bool has_endpoint(const struct member_list *list, const struct member_facts *member)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].port == member->port && address_equal(&list->items[i].address, &member->address))
			return true;
	return false;
}

static int compare_leaving(const void *left, const void *right)
{
	const struct member_facts *a = left, *b = right;

	return (a->leave_by < b->leave_by) - (a->leave_by > b->leave_by);
}

int pool_follow(const struct pool *pool, const struct member_list *before, const struct member_list *named, int64_t now,
		struct member_list *ret_after)
{
	struct member_list after = {.items = calloc(before->count + named->count + 1, sizeof(*after.items)),
				    .count = named->count};

	if (!after.items)
		return -ENOMEM;
	if (named->count)
		memcpy(after.items, named->items, named->count * sizeof(*after.items));
	for (size_t i = 0; i < before->count; i++) {
		struct member_facts member = before->items[i];

		/* Two backends at one address are one server, which would be told apart by nobody. */
		if (member_find(named, member.name) || has_endpoint(named, &member))
			continue;
		if (!member.leave_by)
			member.leave_by = now + pool->linger_ms * CLOCK_MILLISECOND;
		if (member.leave_by > now)
			after.items[after.count++] = member;
	}
	/* Those who have longest to stay first; the others make room. */
	qsort(after.items + named->count, after.count - named->count, sizeof(*after.items), compare_leaving);
	if (after.count > pool->most)
		after.count = pool->most;
	member_list_sort(&after);
	*ret_after = after;
	return 0;
}

int pool_expire(const struct member_list *before, int64_t now, struct member_list *ret_after)
{
	size_t kept = 0;
	int error = member_list_copy(before, ret_after);

	for (size_t i = 0; !error && i < before->count; i++)
		if (!before->items[i].leave_by || before->items[i].leave_by > now)
			ret_after->items[kept++] = before->items[i];
	if (!error)
		ret_after->count = kept;
	return error;
}

static bool same_facts(const struct member_facts *a, const struct member_facts *b)
{
	return address_equal(&a->address, &b->address) && a->port == b->port && a->capacity == b->capacity &&
	       !memcmp(&a->region, &b->region, sizeof(a->region));
}

size_t pool_compare(const struct member_list *before, const struct member_list *after,
		    void (*tell)(void *context, enum pool_change change, const struct member_facts *member),
		    void *context)
{
	size_t b = 0, a = 0, count = 0;

	while (b < before->count || a < after->count) {
		const struct member_facts *old = b < before->count ? &before->items[b] : NULL;
		const struct member_facts *new = a < after->count ? &after->items[a] : NULL;
		int order = !old ? 1 : !new ? -1 : strcmp(old->name, new->name);
		enum pool_change change = POOL_CHANGES_COUNT;

		if (order < 0)
			change = POOL_LEFT;
		else if (order > 0)
			change = POOL_JOINED;
		else if (!same_facts(old, new))
			change = POOL_CHANGED;
		else if (!old->leave_by != !new->leave_by)
			change = new->leave_by ? POOL_LEAVING : POOL_RETURNED;
		if (change != POOL_CHANGES_COUNT) {
			count++;
			tell(context, change, order < 0 ? old : new);
		}
		b += order <= 0;
		a += order >= 0;
	}
	return count;
}
