// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"
#include "policy/policy.h"
#include "compile/classes.h"
#include "compile/decision.h"
#include "daemon/show.h"

static uint64_t weight_of(const struct effective *effective, size_t service, const struct shortlist *list,
			  const struct decision_arm *arm)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < list->count; i++)
		if (shortlist_starts(list, effective->policy, i, arm))
			sum += effective_weight(effective, service, list->backends[i]);
	return sum;
}

static void add_arms(struct question *question, const struct decision *decision)
{
	const struct effective *effective = question->core->effective;
	const struct policy *policy = question->core->policy;
	const struct shortlist *list = decision->answering;
	size_t count = list ? list->arm_count : 0;
	struct json *to = question->to;
	uint64_t weights = 0;

	for (size_t a = 0; a < count; a++)
		weights += list->arms[a].weight;
	json_array_begin(to, "arms");
	for (size_t a = 0; a < count; a++) {
		const struct decision_arm *arm = &list->arms[a];
		uint64_t sum = weight_of(effective, decision->target, list, arm);

		json_object_begin(to, NULL);
		json_string(to, "version", arm->version == POLICY_NONE ? NULL : policy->versions[arm->version].name);
		json_number(to, "share", 100.0 * arm->weight / (double)weights);
		json_object_begin(to, "backends");
		for (size_t i = 0; i < list->count; i++)
			if (shortlist_starts(list, policy, i, arm))
				json_number(to, policy->backends[list->backends[i]].name,
					    100.0 * effective_weight(effective, decision->target, list->backends[i]) /
						    (double)sum);
		json_object_end(to);
		json_object_end(to);
	}
	json_array_end(to);
}

static void add_continues(struct question *question, const struct shortlist *list)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (shortlist_continues(list, i))
			json_string(question->to, NULL, question->core->policy->backends[list->backends[i]].name);
}

static void add_route(struct question *question, size_t service, const struct class *class)
{
	const struct core *core = question->core;
	const struct policy *policy = core->policy;
	size_t tenant =
		policy->services[service].tenant == POLICY_NONE ? class->tenant : policy->services[service].tenant;
	struct decision *decision;
	struct json *to = question->to;
	char region[8];

	decision = decision_make(core->effective, service, tenant, &class->region, class->family);
	region_print(&class->region, region);
	json_object_begin(to, NULL);
	json_string(to, "service", policy->services[service].name);
	json_string(to, "tenant", tenant == POLICY_UNKNOWN_TENANT ? "unknown" : policy->tenants[tenant].name);
	json_string(to, "region", region);
	json_string(to, "family", class->family == AF_INET ? "ipv4" : "ipv6");
	json_string(to, "reason", record_reason(decision->reason));
	json_string(to, "rule", decision->rule == POLICY_NONE ? NULL : policy->rules[decision->rule].id);
	json_string(to, "target", policy->services[decision->target].name);
	json_string(to, "answer", decision->answer == USHER_ANSWER_RESET ? "reset" : "drop");
	add_arms(question, decision);
	json_array_begin(to, "continues");
	add_continues(question, decision->own);
	add_continues(question, decision->rerouted);
	json_array_end(to);
	json_object_end(to);
	decision_free(decision);
}

static bool has_family(const struct service *service, int family)
{
	for (size_t a = 0; a < service->address_count; a++)
		if (address_family(&service->addresses[a].address) == family)
			return true;
	return false;
}

void show_routes(struct question *question)
{
	const struct policy *policy = question->core->policy;
	struct arena scratch = {0};
	struct classes classes;
	int64_t left = question->limit;

	if (!policy)
		return;
	classes = classes_of(policy, &scratch);
	for (size_t s = 0; s < policy->service_count; s++) {
		if (question->service && strcmp(question->service, policy->services[s].name) != 0)
			continue;
		for (size_t c = 0; c < classes.count && left; c++) {
			if (!has_family(&policy->services[s], classes.items[c].family))
				continue;
			add_route(question, s, &classes.items[c]);
			left--;
		}
	}
	arena_free(&scratch);
}
