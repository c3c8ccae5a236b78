// SPDX-License-Identifier: GPL-2.0-only
/* Pools as one daemon keeps them for the next: who was in them. What they may hold is the policy's to say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "daemon/kept.h"
#include "daemon/pools.h"
#include "policy/policy.h"
#include "policy/region.h"

static void print_member(struct json *to, const struct member_facts *member)
{
	char address[ADDRESS_TEXT], region[8];

	json_object_begin(to, NULL);
	json_string(to, "name", member->name);
	json_string(to, "address", address_print(&member->address, address));
	json_unsigned(to, "port", member->port);
	json_unsigned(to, "capacity", member->capacity);
	region_print(&member->region, region);
	json_string(to, "region", member->region.country[0] ? region : "");
	json_integer(to, "leave_by", member->leave_by);
	json_object_end(to);
}

void pools_print(struct json *to, const struct pools *pools)
{
	json_array_begin(to, NULL);
	for (size_t i = 0; pools && i < pools->count; i++) {
		json_object_begin(to, NULL);
		json_string(to, "name", pools->items[i].name);
		json_integer(to, "good_at", pools->items[i].good_at);
		json_array_begin(to, "members");
		for (size_t m = 0; m < pools->items[i].members.count; m++)
			print_member(to, &pools->items[i].members.items[m]);
		json_array_end(to);
		json_object_end(to);
	}
	json_array_end(to);
}

static int parse_member(const char *pool, struct json_object *object, struct member_facts *member)
{
	char address[ADDRESS_TEXT], region[8];
	size_t length = strlen(pool);
	int64_t port, capacity;

	if (!json_object_is_type(object, json_type_object) ||
	    kept_text(object, "name", member->name, sizeof(member->name)) ||
	    kept_text(object, "address", address, sizeof(address)) || address_parse(address, &member->address) ||
	    kept_text(object, "region", region, sizeof(region)) || (*region && region_parse(region, &member->region)) ||
	    kept_integer(object, "port", UINT16_MAX, &port) ||
	    kept_integer(object, "capacity", USHER_WEIGHT_MAX, &capacity) ||
	    kept_integer(object, "leave_by", INT64_MAX, &member->leave_by))
		return -EINVAL;
	member->port = (uint16_t)port;
	member->capacity = (uint32_t)capacity;
	return is_name(member->name) && !strncmp(member->name, pool, length) && member->name[length] == '.' ? 0
													    : -EINVAL;
}

/* In the order that they are looked for in. */
static int parse_members(struct pool_state *state, struct json_object *array)
{
	size_t count = array ? json_object_array_length(array) : SIZE_MAX;

	if (count > USHER_POOL_MEMBERS_MAX)
		return -EINVAL;
	state->members.items = calloc(count + 1, sizeof(*state->members.items));
	if (!state->members.items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (parse_member(state->name, json_object_array_get_idx(array, i), &state->members.items[i]) ||
		    (i && strcmp(state->members.items[i - 1].name, state->members.items[i].name) >= 0))
			return -EINVAL;
		state->members.count++;
	}
	return 0;
}

static int begin(void *context, size_t count)
{
	struct pools *pools = context;

	pools->items = calloc(count + 1, sizeof(*pools->items));
	return pools->items ? 0 : -ENOMEM;
}

static int parse_pool(void *context, struct json_object *object)
{
	struct pools *pools = context;
	struct pool_state *state = &pools->items[pools->count++];

	if (kept_text(object, "name", state->name, sizeof(state->name)) || !is_name(state->name) ||
	    kept_integer(object, "good_at", INT64_MAX, &state->good_at))
		return -EINVAL;
	return parse_members(state, kept_member(object, "members", json_type_array));
}

int pools_parse(const char *text, size_t length, struct pools **ret_pools)
{
	struct pools *pools = calloc(1, sizeof(*pools));
	int error = pools ? kept_list(text, length, USHER_POOLS_MAX, begin, parse_pool, pools) : -ENOMEM;

	if (error)
		pools_free(pools);
	else
		*ret_pools = pools;
	return error;
}
