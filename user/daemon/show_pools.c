// SPDX-License-Identifier: GPL-2.0-only
/* Who is in the pools, and what has become of their sources. */
#include "base/address.h"
#include "base/clock.h"
#include "daemon/show.h"
#include "policy/policy.h"

static void show_member(struct json *to, const struct member_facts *member, const struct pool *pool)
{
	const struct region *region = member->region.country[0] ? &member->region : &pool->pattern.region;
	char endpoint[ENDPOINT_TEXT], code[8], time[CLOCK_TEXT];

	region_print(region, code);
	json_object_begin(to, NULL);
	json_string(to, "backend", member->name);
	json_string(to, "endpoint", endpoint_print(&member->address, member->port, endpoint));
	json_string(to, "region", code);
	json_unsigned(to, "capacity", member->capacity ? member->capacity : pool->pattern.capacity);
	json_string(to, "leaves", member->leave_by ? clock_print(member->leave_by, time) : NULL);
	json_object_end(to);
}

void show_pools(struct question *question)
{
	const struct core *core = question->core;
	struct json *to = question->to;
	char time[CLOCK_TEXT], version[VERSION_TEXT];

	for (size_t i = 0; core->policy && i < core->policy->pool_count; i++) {
		const struct pool *pool = &core->policy->pools[i];
		const struct pool_state *state = &core->standing.pools->items[i];
		size_t leaving = 0;

		for (size_t m = 0; m < state->members.count; m++)
			leaving += state->members.items[m].leave_by != 0;
		json_object_begin(to, NULL);
		json_string(to, "pool", pool->name);
		json_string(to, "file", pool->file);
		json_string(to, "dns", pool->dns);
		json_string(to, "serves", version_print(core->policy, pool->pattern.version, version));
		json_unsigned(to, "count", state->members.count);
		json_unsigned(to, "leaving", leaving);
		json_unsigned(to, "most", pool->most);
		json_string(to, "problem", *state->problem ? state->problem : NULL);
		json_string(to, "good_at", state->good_at ? clock_print(state->good_at, time) : NULL);
		json_array_begin(to, "members");
		for (size_t m = 0; m < state->members.count; m++)
			show_member(to, &state->members.items[m], pool);
		json_array_end(to);
		json_object_end(to);
	}
}
