// SPDX-License-Identifier: GPL-2.0-only
#include "growing.h"

#include <json-c/json.h>
#include <stdio.h>

/* ---- rules ------------------------------------------------------------------------------------------------- */

static void some_names(json_object *to, const char *key, struct random *random, size_t count,
		       void (*name_of)(size_t, char[NAME_SIZE]), const char *further)
{
	json_object *list = json_object_new_array();
	size_t total = count + (further ? 1 : 0);
	uint64_t used = 0;

	for (size_t n = random_between(random, 1, 3); n; n--)
		used |= 1ULL << random_below(random, total);
	for (size_t i = 0; i < total; i++) {
		char name[NAME_SIZE];

		if (!(used >> i & 1))
			continue;
		if (i < count)
			name_of(i, name);
		append_text(list, i < count ? name : further);
	}
	json_object_object_add(to, key, list);
}

static void grow_when(const struct growing *growing, struct random *random, json_object *rule, bool narrow)
{
	unsigned int chance = narrow ? 70 : 25;
	json_object *when = json_object_new_object();

	if (random_chance(random, chance))
		some_names(when, "tenant", random, growing->tenant_count, tenant_name, "unknown");
	if (random_chance(random, chance))
		some_names(when, "service", random, growing->service_count, service_name, NULL);
	if (random_chance(random, chance))
		json_object_object_add(when, "client_region", region_list(growing, random, true));
	if (json_object_object_length(when))
		json_object_object_add(rule, "when", when);
	else
		json_object_put(when);
}

static void grow_stages(struct random *random, json_object *match, bool keep)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < GROWN_STAGES; i++)
		if (random_chance(random, keep ? 75 : 25))
			append_text(list, grown_stages[i]);
	if (!json_object_array_length(list))
		append_text(list, keep ? "production" : "archived");
	json_object_object_add(match, "stage", list);
}

static void grow_match(const struct growing *growing, struct random *random, json_object *match, bool keep)
{
	do {
		if (random_chance(random, 35))
			json_object_object_add(match, "region", region_list(growing, random, false));
		if (random_chance(random, 25))
			grow_stages(random, match, keep);
		if (random_chance(random, 25)) {
			json_object *list = json_object_new_array();

			append_text(list, pick_text(random, grown_labels, GROWN_LABELS));
			json_object_object_add(match, "labels", list);
		}
		if (random_chance(random, 15)) {
			json_object *score = new_member(match, "score");

			json_object_object_add(score, "min",
					       json_object_new_double((double)random_below(random, 800) / 1000));
		}
		if (growing->backend_count && random_chance(random, keep ? 10 : 25))
			some_names(match, "backend", random, growing->backend_count, backend_name, NULL);
	} while (!json_object_object_length(match));
}

static void grow_split(const struct growing *growing, struct random *random, json_object *rule)
{
	size_t model = random_below(random, growing->model_count);
	json_object *list = json_object_new_array(), *when = new_member(rule, "when"), *split;
	bool any = false;

	for (size_t i = 0; i < growing->service_count; i++) {
		char name[NAME_SIZE];

		if (growing->service_model[i] != model || (i >= growing->model_count && random_chance(random, 40)))
			continue;
		service_name(i, name);
		append_text(list, name);
	}
	if (!json_object_array_length(list)) { /* no service of that model: one that everyone has */
		append_text(list, "service-0");
		model = growing->service_model[0];
	}
	json_object_object_add(when, "service", list);
	if (random_chance(random, 30))
		json_object_object_add(when, "client_region", region_list(growing, random, true));
	if (random_chance(random, 20))
		some_names(when, "tenant", random, growing->tenant_count, tenant_name, "unknown");
	split = new_member(rule, "split");
	for (size_t v = 0; v < growing->version_count[model]; v++) {
		bool last = v + 1 == growing->version_count[model];
		char name[NAME_SIZE];

		if (!random_chance(random, 75) && !(last && !any))
			continue;
		uint32_t weight = random_chance(random, 15) ? 0 : random_between(random, 1, 100);

		if (last && !any && !weight)
			weight = 1;
		any |= weight != 0;
		version_name(v, name);
		json_object_object_add(split, name, json_object_new_int((int)weight));
	}
}

/* From an earlier service to a later one of the same protocol; false if there is no such pair. */
static bool grow_reroute(const struct growing *growing, struct random *random, json_object *rule)
{
	size_t from = random_below(random, growing->service_count);
	char name[NAME_SIZE];

	for (size_t to = from + 1; to < growing->service_count; to++) {
		if (growing->service_udp[to] != growing->service_udp[from] || growing->service_owned[to] ||
		    random_chance(random, 30))
			continue;
		json_object *when = new_member(rule, "when"), *list = json_object_new_array();

		service_name(from, name);
		append_text(list, name);
		json_object_object_add(when, "service", list);
		if (random_chance(random, 20))
			json_object_object_add(when, "client_region", region_list(growing, random, true));
		service_name(to, name);
		add_text(new_member(rule, "reroute"), "service", name);
		return true;
	}
	return false;
}

static void grow_taking(const struct growing *growing, struct random *random, json_object *rule)
{
	uint32_t kind = random_below(random, 100);

	grow_when(growing, random, rule, true);
	if (kind < 30) {
		json_object_object_add(rule, "deny", json_object_new_boolean(true));
		if (random_chance(random, 60))
			add_text(rule, "answer", random_chance(random, 50) ? "drop" : "reset");
	} else if (kind < 60) {
		grow_match(growing, random, new_member(rule, "deny"), false);
	} else {
		grow_match(growing, random, new_member(rule, "require"), true);
	}
}

static void grow_allow(const struct growing *growing, struct random *random, json_object *rule)
{
	grow_when(growing, random, rule, random_chance(random, 50));
	json_object_object_add(rule, "allow", json_object_new_boolean(true));
}

static json_object *grow_rule(const struct growing *growing, size_t i)
{
	struct random random = {growing->recipe->seed + 1000 + i};
	json_object *rule = json_object_new_object();
	char id[NAME_SIZE];

	random.state = random_next(&random) + growing->recipe->rule_salt[i];
	uint32_t kind = random_below(&random, 100);

	snprintf(id, sizeof(id), "rule-%zu", i);
	add_text(rule, "id", id);
	if (i == 0 && kind < 75) { /* most policies let most known tenants ask */
		json_object_object_add(rule, "allow", json_object_new_boolean(true));
	} else if (kind < 35) {
		grow_allow(growing, &random, rule);
	} else if (kind < 55) {
		grow_split(growing, &random, rule);
	} else if (kind > 80 || !grow_reroute(growing, &random, rule)) {
		grow_taking(growing, &random, rule);
	}
	return rule;
}

void grow_rules(struct growing *growing)
{
	struct random random = section_random(growing, RECIPE_RULES);
	json_object *rules = json_object_new_array();
	size_t count = random_between(&random, 1, random_between(&random, 2, GENERATED_RULES_MAX));
	const struct recipe *recipe = growing->recipe;

	for (size_t pass = 0; pass < 3; pass++) {
		for (size_t i = 0; pass == 1 && i < count; i++)
			json_object_array_add(rules, grow_rule(growing, i));
		for (size_t i = 0; pass != 1 && i < recipe->extra_count; i++) {
			struct random extra = {recipe->extra_seed[i]};
			json_object *rule = json_object_new_object();
			char id[NAME_SIZE];

			if (recipe->extra_seed[i] % 2 != (pass == 0)) {
				json_object_put(rule);
				continue;
			}
			snprintf(id, sizeof(id), "extra-%zu", i);
			add_text(rule, "id", id);
			grow_taking(growing, &extra, rule);
			json_object_array_add(rules, rule);
		}
	}
	json_object_object_add(growing->root, "rules", rules);
}
