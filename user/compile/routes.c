// SPDX-License-Identifier: GPL-2.0-only
#include "compile/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usher/ring_hash.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "compile/crowds.h"
#include "compile/decision.h"
#include "compile/fit.h"
#include "compile/intern.h"

#define UNKNOWN UINT32_MAX

struct builder {
	const struct effective *effective;
	const struct policy *policy;
	const struct casebook *casebook;
	const struct numbers *numbers;
	struct diagnostics *diagnostics;
	struct tables *tables;
	struct intern routes, sets, arm_lists;
	struct shortlists lists;
	struct crowds crowds;
	/* Of the shortlists that there are now: the first arm of each, or UNKNOWN; pairs of them, and by pair the set of both. */
	uint32_t *list_arms, *pair_set;
	size_t list_count, list_capacity, pair_capacity;
	struct intern pairs;
	uint32_t *arm_first; /* by arm list */
	size_t arm_capacity, arm_item_capacity;
	struct usher_arm *arms;
	size_t arm_count;
	bool *share_used; /* of each share of each split, in their order */
	size_t *share_first;
};

static void builder_free(struct builder *builder)
{
	intern_free(&builder->routes);
	intern_free(&builder->sets);
	intern_free(&builder->arm_lists);
	intern_free(&builder->pairs);
	shortlists_free(&builder->lists);
	crowds_free(&builder->crowds);
	free(builder->list_arms);
	free(builder->pair_set);
	free(builder->arm_first);
	free(builder->arms);
	free(builder->share_used);
	free(builder->share_first);
}

static void rule_warning(struct builder *builder, size_t rule, const struct place *place, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), ".rules[%zu]", rule);
	diagnostics_add(builder->diagnostics, SEVERITY_WARNING, place->line, place->column, path, "%s", text);
}

/* ---- arms --------------------------------------------------------------------------------------------------- */

static int make_arms(struct builder *builder, const struct decision *decision, struct usher_arm *arms)
{
	const struct shortlist *list = decision->answering;

	for (size_t a = 0; a < list->arm_count; a++) {
		const struct decision_arm *arm = &list->arms[a];
		struct crowd crowd;
		int error = crowds_find(&builder->crowds, decision->target, arm, list, &crowd);

		if (error)
			return error;
		arms[a].ring = crowd.ring;
		arms[a].ring_size = crowd.ring_size;
		arms[a].weight = arm->weight;
		arms[a].seed = arm->version == POLICY_NONE
				       ? 0
				       : (uint32_t)usher_name_seed(builder->policy->versions[arm->version].name);
	}
	return 0;
}

/* Arms of one route lie next to each other. */
static int arm_list_of(struct builder *builder, const struct usher_arm *arms, size_t count, uint32_t *ret_first)
{
	size_t before = builder->arm_lists.count, number = intern(&builder->arm_lists, arms, count * sizeof(*arms));

	if (number == before) {
		builder->arm_first =
			array_grow(builder->arm_first, number, &builder->arm_capacity, sizeof(*builder->arm_first));
		builder->arm_first[number] = (uint32_t)builder->arm_count;
		for (size_t i = 0; i < count; i++) {
			builder->arms = array_grow(builder->arms, builder->arm_count, &builder->arm_item_capacity,
						   sizeof(*builder->arms));
			builder->arms[builder->arm_count++] = arms[i];
		}
		if (fit(builder->diagnostics, "arms", builder->arm_count, USHER_ROUTE_ARMS_MAX))
			return -E2BIG;
	}
	*ret_first = builder->arm_first[number];
	return 0;
}

/* A share can be got if a backend of its version is in the constraint set. */
static void note_shares(struct builder *builder, const struct shortlist *list)
{
	const struct rule *split = list->split == POLICY_NONE ? NULL : &builder->policy->rules[list->split];

	for (size_t s = 0; split && s < split->share_count; s++)
		for (size_t i = 0; i < list->count; i++)
			if (shortlist_continues(list, i) &&
			    builder->policy->backends[list->backends[i]].version == split->shares[s].version)
				builder->share_used[builder->share_first[list->split] + s] = true;
}

/*
 * Beside the arms of a list, those new flows that are shed: weights are scaled so that both are whole numbers, which moves nobody
 * from one version to another.
 */
static int shed_arms_of(struct builder *builder, const struct decision *decision, uint32_t *ret_first)
{
	const struct shortlist *list = decision->answering;
	struct usher_arm arms[USHER_ROUTE_ARMS] = {0};
	uint32_t whole = 0;
	int error = make_arms(builder, decision, arms);

	for (size_t a = 0; a < list->arm_count; a++) {
		whole += arms[a].weight;
		arms[a].weight *= 100 - decision->shed_part;
	}
	arms[list->arm_count].weight = whole * decision->shed_part;
	arms[list->arm_count].seed = USHER_ARM_SHED_SEED;
	return error ? error : arm_list_of(builder, arms, list->arm_count + 1, ret_first);
}

/* Shortlists have the arms that they had the first time. */
static int arms_of(struct builder *builder, const struct decision *decision, uint32_t *ret_first)
{
	const struct shortlist *list = decision->answering;
	struct usher_arm arms[USHER_ARMS_MAX] = {0};
	int error = 0;

	while (builder->list_count <= list->number) {
		builder->list_arms = array_grow(builder->list_arms, builder->list_count, &builder->list_capacity,
						sizeof(*builder->list_arms));
		builder->list_arms[builder->list_count++] = UNKNOWN;
	}
	if (builder->list_arms[list->number] == UNKNOWN) {
		error = make_arms(builder, decision, arms);
		if (!error)
			error = arm_list_of(builder, arms, list->arm_count, &builder->list_arms[list->number]);
		note_shares(builder, list);
	}
	*ret_first = builder->list_arms[list->number];
	return error;
}

/* ---- sets and routes ---------------------------------------------------------------------------------------- */

static void add_to_set(const struct builder *builder, const struct shortlist *list, struct usher_set *set)
{
	for (size_t i = 0; list && i < list->count; i++) {
		uint16_t backend = builder->numbers->backends[list->backends[i]];

		if (shortlist_continues(list, i))
			set->word[backend / 64] |= 1ULL << (backend % 64);
	}
}

static int set_of(struct builder *builder, const struct decision *decision, uint16_t *ret_set)
{
	const struct shortlist *own = decision->own, *rerouted = decision->rerouted;
	const uint32_t pair[] = {own ? own->number : UNKNOWN, rerouted ? rerouted->number : UNKNOWN};
	size_t before = builder->pairs.count, number = intern(&builder->pairs, pair, sizeof(pair));

	if (number == before) {
		struct usher_set set = {0};

		add_to_set(builder, own, &set);
		add_to_set(builder, rerouted, &set);
		builder->pair_set =
			array_grow(builder->pair_set, number, &builder->pair_capacity, sizeof(*builder->pair_set));
		builder->pair_set[number] = (uint32_t)intern(&builder->sets, &set, sizeof(set));
		if (fit(builder->diagnostics, "different constraint sets", builder->sets.count, USHER_SETS_MAX))
			return -E2BIG;
	}
	*ret_set = (uint16_t)builder->pair_set[number];
	return 0;
}

static int route_of(struct builder *builder, const struct decision *decision, uint16_t *ret_route)
{
	const struct shortlist *list = decision->answering;
	struct usher_route route = {
		.reason = decision->reason,
		.answer = (uint8_t)decision->answer,
		.arms = (uint8_t)(list ? list->arm_count + (decision->shed_part != 0) : 0),
		.rule = decision->rule == POLICY_NONE ? USHER_NONE : (uint16_t)decision->rule,
		.target = builder->numbers->services[decision->target],
	};
	size_t number;
	int error = set_of(builder, decision, &route.set);

	if (!error && list)
		error = arms_of(builder, decision, &route.first_arm);
	if (!error && list && decision->shed_part)
		error = shed_arms_of(builder, decision, &route.first_arm);
	if (error)
		return error;
	number = intern(&builder->routes, &route, sizeof(route));
	if (fit(builder->diagnostics, "different routes", number + 1, USHER_ROUTES_MAX))
		return -E2BIG;
	*ret_route = (uint16_t)number;
	return 0;
}

static void trim_shortlists(struct builder *builder)
{
	if (!shortlists_trim(&builder->lists))
		return;
	builder->list_count = 0;
	intern_clear(&builder->pairs);
}

/* Whose priority counts: who owns the service, or who comes. */
static size_t asker(const struct policy *policy, size_t service, const struct class *class)
{
	size_t owner = policy->services[service].tenant;

	return owner == POLICY_NONE ? class->tenant : owner;
}

static int routes_of_service(struct builder *builder, size_t service, const struct classes *classes)
{
	const struct service_cases *cases = &builder->casebook->services[service];
	size_t row = (size_t)builder->numbers->services[service] * builder->tables->header.class_stride;
	struct usher_line16 *index = builder->tables->route_index;
	/* The one behind them is of a family that the service has no address of: route 0. Behind that, the same of who is shed; and of who is
	 * in part. */
	size_t behind = cases->count + 1;
	const struct effective_brown *brown = &builder->lists.effective->browns[service];
	_cleanup_free_ uint16_t *routes = calloc(3 * behind, sizeof(*routes));

	if (!routes)
		return -ENOMEM;
	trim_shortlists(builder);
	for (size_t i = 0; i < cases->count; i++) {
		const struct decision decision = decision_of(
			&builder->lists, service, ruling_at(&builder->casebook->rulings, cases->ruling_of[i]));
		const struct decision shed = decision_shed(decision, service);
		struct decision browned = decision;
		int error = route_of(builder, &decision, &routes[i]);

		browned.shed_part = decision.answering ? brown->part : 0;

		if (!error && builder->lists.effective->floors[service])
			error = route_of(builder, &shed, &routes[behind + i]);
		if (!error && brown->part)
			error = route_of(builder, &browned, &routes[2 * behind + i]);
		if (error)
			return error;
	}
	for (size_t c = 0; c < classes->count; c++) {
		size_t tenant = asker(builder->policy, service, &classes->items[c]);
		size_t kind = decision_sheds(builder->lists.effective, service, tenant)	      ? 1
			      : decision_shed_part(builder->lists.effective, service, tenant) ? 2
											      : 0;

		index[(row + c) / 32].value[(row + c) % 32] = routes[cases->case_of[c] + kind * behind];
	}
	return 0;
}

/* ---- all of it ---------------------------------------------------------------------------------------------- */

static int begin(struct builder *builder, size_t class_count)
{
	const struct usher_route nothing = {
		.reason = USHER_REASON_NO_BACKEND, .rule = USHER_NONE, .target = USHER_NONE};
	const struct usher_set empty = {0};
	struct tables *tables = builder->tables;
	size_t shares = 0, rows = 0;

	/* Set 0 is empty; route 0 is what no service and no class leads to. */
	intern(&builder->sets, &empty, sizeof(empty));
	intern(&builder->routes, &nothing, sizeof(nothing));
	for (size_t s = 0; s < builder->policy->service_count; s++)
		if (rows <= builder->numbers->services[s])
			rows = (size_t)builder->numbers->services[s] + 1;
	tables->header.class_stride = (uint32_t)((class_count + 31) / 32 * 32);
	tables->route_index_lines = rows * tables->header.class_stride / 32;
	tables->route_index = arena_array(&tables->arena, tables->route_index_lines, sizeof(*tables->route_index));
	builder->share_first = calloc(builder->policy->rule_count + 1, sizeof(*builder->share_first));
	if (!builder->share_first)
		return -ENOMEM;
	for (size_t r = 0; r < builder->policy->rule_count; r++) {
		builder->share_first[r] = shares;
		shares += builder->policy->rules[r].share_count;
	}
	builder->share_used = calloc(shares + 1, sizeof(*builder->share_used));
	return builder->share_used ? 0 : -ENOMEM;
}

static void warn(struct builder *builder)
{
	const uint64_t *applied = builder->casebook->applied;

	for (size_t r = 0; r < builder->policy->rule_count; r++) {
		const struct rule *rule = &builder->policy->rules[r];

		if (!(applied[r / 64] >> (r % 64) & 1)) {
			rule_warning(builder, r, &rule->place,
				     "the rule never applies: no client that it speaks of can ask");
			continue;
		}
		for (size_t s = 0; s < rule->share_count; s++)
			if (rule->shares[s].weight && !builder->share_used[builder->share_first[r] + s])
				rule_warning(
					builder, r, &rule->shares[s].place,
					"nobody can get this share: no backend of the version is allowed to anyone");
	}
}

static void *keep(struct arena *arena, const void *items, size_t count, size_t size)
{
	void *copy = arena_array(arena, count, size);

	if (count)
		memcpy(copy, items, count * size);
	return copy;
}

static void end(struct builder *builder)
{
	struct tables *tables = builder->tables;

	tables->arms = keep(&tables->arena, builder->arms, builder->arm_count, sizeof(*tables->arms));
	tables->arm_count = builder->arm_count;
	tables->rings = keep(&tables->arena, builder->crowds.rings.lines, builder->crowds.rings.line_count,
			     sizeof(*tables->rings));
	tables->ring_lines = builder->crowds.rings.line_count;
	tables->routes =
		keep(&tables->arena, intern_bytes(&builder->routes, 0), builder->routes.count, sizeof(*tables->routes));
	tables->route_count = builder->routes.count;
	tables->sets =
		keep(&tables->arena, intern_bytes(&builder->sets, 0), builder->sets.count, sizeof(*tables->sets));
	tables->set_count = builder->sets.count;
}

/* -ENOSPC: larger rings would have been better, but there is no room for them all. */
static int build(const struct effective *effective, const struct casebook *casebook, const struct classes *classes,
		 const struct numbers *numbers, uint32_t ring_cap, struct rings *memory,
		 struct diagnostics *diagnostics, struct tables *tables)
{
	_cleanup_(builder_free) struct builder builder = {
		.effective = effective,
		.policy = effective->policy,
		.casebook = casebook,
		.numbers = numbers,
		.diagnostics = diagnostics,
		.tables = tables,
		.lists = {.effective = effective, .rulings = &casebook->rulings},
		.crowds = {.effective = effective,
			   .numbers = numbers,
			   .diagnostics = diagnostics,
			   .known = memory,
			   .ring_cap = ring_cap}};
	int error = begin(&builder, tables->class_count);

	for (size_t s = 0; !error && s < effective->policy->service_count; s++)
		error = routes_of_service(&builder, s, classes);
	if (error)
		return error;
	warn(&builder);
	end(&builder);
	if (memory) {
		rings_free(memory);
		*memory = builder.crowds.rings;
		builder.crowds.rings = (struct rings){0};
	}
	return 0;
}

int routes_build(const struct effective *effective, const struct casebook *casebook, const struct classes *classes,
		 const struct numbers *numbers, struct rings *memory, struct diagnostics *diagnostics,
		 struct tables *tables)
{
	size_t before = diagnostics->count;
	int error;

	for (uint32_t cap = USHER_RING_SIZE_MAX;; cap /= 2) {
		error = build(effective, casebook, classes, numbers, cap, memory, diagnostics, tables);
		if (error != -ENOSPC)
			return error;
		diagnostics_cut(diagnostics, before);
	}
}
