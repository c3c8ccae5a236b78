// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/surges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/reference.h"
#include "daemon/kept.h"

static void free_surges(struct surges **surges)
{
	surges_free(*surges);
}

void surges_free(struct surges *surges)
{
	if (!surges)
		return;
	free(surges->items);
	free(surges);
}

/* Strangers have a priority as well. */
static uint32_t sheds_of(const struct policy *policy)
{
	_cleanup_free_ uint32_t *priorities = calloc(policy->tenant_count + 1, sizeof(*priorities));

	if (!priorities)
		abort();
	for (size_t t = 0; t < policy->tenant_count; t++)
		priorities[t] = policy->tenants[t].priority;
	return surge_sheds(priorities, policy->tenant_count + 1);
}

static void make(const struct policy *policy, size_t number, const struct surges *before,
		 struct surge_instance *instance)
{
	const struct service *service = &policy->services[number];

	snprintf(instance->name, sizeof(instance->name), "%s", service->name);
	instance->service = number;
	instance->settings = (struct surge_settings){.open_at = service->open_at,
						     .close_at = service->close_at,
						     .open_for = service->open_for_s,
						     .close_for = service->close_for_s,
						     .dwell = service->open_for_s,
						     .tiers = (uint32_t)service->tier_count + 1,
						     .sheds = service->shed_steps * sheds_of(policy),
						     .steps = service->shed_steps};
	for (size_t i = 0; before && i < before->count; i++)
		if (!strcmp(before->items[i].name, instance->name)) {
			instance->state = before->items[i].state;
			instance->state.rung =
				surge_rung(&before->items[i].settings, &instance->settings, instance->state.rung);
			instance->outcome = before->items[i].outcome;
		}
}

int surges_new(const struct policy *policy, const struct surges *before, struct surges **ret_surges)
{
	_cleanup_(free_surges) struct surges *surges = calloc(1, sizeof(*surges));

	if (!surges)
		return -ENOMEM;
	surges->items = calloc(policy->service_count + 1, sizeof(*surges->items));
	if (!surges->items)
		return -ENOMEM;
	for (size_t s = 0; s < policy->service_count; s++)
		if (policy->services[s].tier_count || policy->services[s].shed_steps)
			make(policy, s, before, &surges->items[surges->count++]);
	*ret_surges = TAKE_PTR(surges);
	return 0;
}

const struct surge_instance *surges_find(const struct surges *surges, size_t service)
{
	for (size_t i = 0; surges && i < surges->count; i++)
		if (surges->items[i].service == service)
			return &surges->items[i];
	return NULL;
}

/* By their numbers. */
static void collect_sets(const struct tables *tables, uint16_t service, struct usher_set *to)
{
	_cleanup_free_ bool *seen = calloc(USHER_ROUTES_MAX, sizeof(*seen));
	size_t row = (size_t)service * tables->header.class_stride;

	if (!seen)
		abort();
	for (size_t c = 0; c < tables->class_count; c++) {
		uint16_t route = tables->route_index[(row + c) / 32].value[(row + c) % 32];
		const struct usher_set *set = &tables->sets[tables->routes[route].set];

		if (seen[route])
			continue;
		seen[route] = true;
		for (size_t w = 0; w < sizeof(set->word) / sizeof(set->word[0]); w++)
			to->word[w] |= set->word[w];
	}
}

static void note_reach(struct surge_instance *instance, const struct policy *policy, const struct tables *tables)
{
	const struct catalog *catalog = tables->catalog;
	const struct named backends = NAMED("backend", policy->backends, policy->backend_count);
	struct usher_set set = {0};
	uint16_t number = 0;

	memset(instance->reach, 0, sizeof(instance->reach));
	while (number < USHER_SERVICES_MAX &&
	       (!catalog->services[number].name || strcmp(catalog->services[number].name, instance->name) != 0))
		number++;
	if (number == USHER_SERVICES_MAX)
		return;
	collect_sets(tables, number, &set);
	for (size_t n = 0; n < USHER_BACKENDS_MAX; n++) {
		const char *name = set.word[n / 64] >> n % 64 & 1 ? catalog->backends[n].name : NULL;
		size_t index = name ? named_find(&backends, name) : POLICY_NONE;

		if (index != POLICY_NONE)
			instance->reach[index / 64] |= 1ULL << index % 64;
	}
}

void surges_note_reach(struct surges *surges, const struct policy *policy, const struct tables *tables)
{
	for (size_t i = 0; surges && i < surges->count; i++)
		note_reach(&surges->items[i], policy, tables);
}

/* By its rung, which is what is kept. */
static void fill(const struct surge_instance *instance, struct service_facts *facts)
{
	uint32_t rung = instance->state.rung, further = instance->settings.tiers - 1;

	if (rung > further + instance->settings.sheds)
		rung = further + instance->settings.sheds;
	facts->open = rung < further ? rung : further;
	facts->shed = surge_whole(&instance->settings, rung - facts->open);
	facts->shed_part = surge_part(&instance->settings, rung - facts->open);
}

void surges_fill(const struct surges *surges, struct facts *facts)
{
	for (size_t s = 0; s < facts->service_count; s++)
		facts->services[s].open = facts->services[s].shed = facts->services[s].shed_part = 0;
	for (size_t i = 0; surges && i < surges->count; i++)
		fill(&surges->items[i], &facts->services[surges->items[i].service]);
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

void surges_print(struct json *to, const struct surges *surges)
{
	json_array_begin(to, NULL);
	for (size_t i = 0; surges && i < surges->count; i++) {
		const struct surge *state = &surges->items[i].state;
		const struct surge_settings *settings = &surges->items[i].settings;

		json_object_begin(to, NULL);
		json_string(to, "service", surges->items[i].name);
		json_unsigned(to, "rung", state->rung);
		json_unsigned(to, "tiers", settings->tiers);
		json_unsigned(to, "sheds", settings->sheds);
		json_unsigned(to, "steps", settings->steps);
		json_unsigned(to, "strikes", state->strikes);
		json_integer(to, "rung_for", state->rung_for);
		json_integer(to, "fall_for", state->fall_for);
		json_boolean(to, "fell", state->fell);
		json_object_end(to);
	}
	json_array_end(to);
}

static int begin(void *context, size_t count)
{
	struct surges *surges = context;

	surges->items = calloc(count + 1, sizeof(*surges->items));
	return surges->items ? 0 : -ENOMEM;
}

static int parse_instance(void *context, struct json_object *object)
{
	struct surges *surges = context;
	struct surge_instance *instance = &surges->items[surges->count++];
	struct json_object *fell = kept_member(object, "fell", json_type_boolean);
	int64_t rung, tiers, sheds, steps, strikes, rung_for, fall_for;

	if (!fell || kept_text(object, "service", instance->name, sizeof(instance->name)) ||
	    kept_integer(object, "rung", UINT32_MAX, &rung) || kept_integer(object, "tiers", SURGE_TIERS_MAX, &tiers) ||
	    kept_integer(object, "sheds", UINT32_MAX, &sheds) ||
	    kept_integer(object, "steps", SURGE_STEPS_MAX, &steps) || (sheds && !steps) || !tiers ||
	    rung > tiers - 1 + sheds || kept_integer(object, "strikes", SURGE_STRIKES_MAX, &strikes) ||
	    kept_integer(object, "rung_for", INT64_MAX, &rung_for) ||
	    kept_integer(object, "fall_for", INT64_MAX, &fall_for))
		return -EINVAL;
	instance->settings =
		(struct surge_settings){.tiers = (uint32_t)tiers, .sheds = (uint32_t)sheds, .steps = (uint32_t)steps};
	instance->state = (struct surge){.rung = (uint32_t)rung,
					 .strikes = (uint32_t)strikes,
					 .rung_for = rung_for,
					 .fall_for = fall_for,
					 .fell = json_object_get_boolean(fell) != 0,
					 .stepped = 1};
	return surge_is_sound(&instance->state) ? 0 : -EINVAL;
}

int surges_parse(const char *text, size_t length, struct surges **ret_surges)
{
	struct surges *surges = calloc(1, sizeof(*surges));
	int error = surges ? kept_list(text, length, USHER_SERVICES_MAX, begin, parse_instance, surges) : -ENOMEM;

	if (error)
		surges_free(surges);
	else
		*ret_surges = surges;
	return error;
}
