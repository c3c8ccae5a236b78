// SPDX-License-Identifier: GPL-2.0-only
#include "compile/shortlist.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/arena.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "policy/policy.h"

/* 64 MiB of them, if each has as many backends as there can be. */
#define SHORTLISTS_KEPT 65536

/* ---- what a rule says of a backend ------------------------------------------------------------------------- */

enum label_state { LABEL_MISSING, LABEL_LAPSED, LABEL_GOOD };

static enum label_state label_of(const struct effective *effective, size_t v, const char *name)
{
	const struct version *version = &effective->policy->versions[v];

	for (size_t n = 0; n < version->label_count; n++)
		if (!strcmp(version->labels[n].name, name))
			return effective->lapsed_labels[v] >> n & 1 ? LABEL_LAPSED : LABEL_GOOD;
	return LABEL_MISSING;
}

/* The worst of all the labels that are asked for. */
static enum label_state labels_of(const struct effective *effective, size_t version, const struct backend_match *match)
{
	enum label_state worst = LABEL_GOOD;

	for (size_t i = 0; i < match->label_count && worst != LABEL_MISSING; i++) {
		enum label_state state = label_of(effective, version, match->labels[i]);

		if (state < worst)
			worst = state;
	}
	return worst;
}

static bool matches_but_labels(const struct policy *policy, size_t b, const struct backend_match *match)
{
	const struct backend *backend = &policy->backends[b];
	const struct version *version = &policy->versions[backend->version];

	if (match->regions_given && !region_inside(&backend->region, &match->regions))
		return false;
	if (match->versions.given && !index_list_has(&match->versions, backend->version))
		return false;
	if (match->backends.given && !index_list_has(&match->backends, b))
		return false;
	if (match->stages && !(match->stages >> version->stage & 1))
		return false;
	return !match->score_given || (version->validated && version->score >= match->score_min);
}

/* Why this rule takes the backend away, or 0. */
static uint8_t removal(const struct effective *effective, const struct rule *rule, size_t b)
{
	const struct backend_match *match = &rule->match;
	bool matches = matches_but_labels(effective->policy, b, match);
	enum label_state labels =
		matches ? labels_of(effective, effective->policy->backends[b].version, match) : LABEL_MISSING;

	if (rule->effect == RULE_DENY_BACKENDS)
		return labels == LABEL_GOOD ? USHER_REASON_DENY_BACKENDS : 0;
	if (labels == LABEL_LAPSED)
		return USHER_REASON_EVIDENCE_EXPIRED;
	return labels == LABEL_MISSING ? USHER_REASON_REQUIRE_RULE : 0;
}

/* ---- candidates -------------------------------------------------------------------------------------------- */

/* One question: everything that stays the same while it is answered. */
struct question {
	const struct effective *effective;
	const struct criteria *criteria;
	size_t takers;
	const struct share *shares; /* of its roll-out, or of a split; NULL: of neither */
	size_t share_count;
	size_t share_rule; /* that gives them, or POLICY_NONE */
	bool rerouted;	   /* the service, by a gate */
	size_t service;
};

static uint32_t share_of(const struct question *question, size_t version)
{
	for (size_t i = 0; i < question->share_count; i++)
		if (question->shares[i].version == version)
			return question->shares[i].weight;
	return 0;
}

static void judge_constraint(const struct question *question, struct candidate *candidate)
{
	const struct effective *effective = question->effective;
	const uint32_t *takers = question->criteria->takers;
	size_t b = candidate->backend;

	for (size_t i = 0; i < question->takers; i++) {
		candidate->constraint_reason = removal(effective, &effective->policy->rules[takers[i]], b);
		if (candidate->constraint_reason) {
			candidate->rule = takers[i];
			return;
		}
	}
	candidate->constraint_reason = effective->backends[b].constraint_reason;
	if (candidate->constraint_reason != USHER_REASON_EVIDENCE_EXPIRED &&
	    !USHER_FORWARD_IS_TUNNEL(effective->policy->backends[b].forward) &&
	    address_family(&effective->policy->backends[b].address) != (int)question->criteria->family)
		candidate->constraint_reason = USHER_REASON_ADDRESS_FAMILY;
}

static void judge_start(const struct question *question, struct candidate *candidate)
{
	const struct effective *effective = question->effective;
	size_t version = effective->policy->backends[candidate->backend].version;

	if (question->rerouted) {
		candidate->start_reason = USHER_REASON_GATE_BREACHED;
	} else if (question->shares && !share_of(question, version)) {
		candidate->start_reason = USHER_REASON_NO_SHARE;
		candidate->rule = question->share_rule;
	} else {
		candidate->start_reason = effective->backends[candidate->backend].start_reason;
	}
}

static int by_ejection(const void *a, const void *b, void *context)
{
	const struct effective_backend *backends = context;
	const struct candidate *left = *(struct candidate *const *)a, *right = *(struct candidate *const *)b;

	return backends[left->backend].ejected < backends[right->backend].ejected ? -1 : 1;
}

/* Of those that could start, outliers may not, up to `most` per cent: in a smaller set than its model's, who went last stays. */
static void eject(const struct question *question, struct candidate *candidates, size_t count)
{
	const struct policy *policy = question->effective->policy;
	uint32_t most = policy->models[policy->services[question->service].model].outlier.most;
	_cleanup_free_ struct candidate **out = NULL;
	size_t could = 0, ejected = 0;

	if (!most)
		return;
	out = calloc(count + 1, sizeof(struct candidate *));
	if (!out)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (candidates[i].constraint_reason || candidates[i].start_reason)
			continue;
		could++;
		if (question->effective->backends[candidates[i].backend].ejected)
			out[ejected++] = &candidates[i];
	}
	qsort_r(out, ejected, sizeof(struct candidate *), by_ejection, question->effective->backends);
	for (size_t i = 0; i < ejected && (i + 1) * 100 <= could * most; i++)
		out[i]->start_reason = USHER_REASON_EJECTED;
}

/* Which arm it is of, by number; the only one without shares. */
static size_t arm_of(const struct question *question, size_t backend)
{
	size_t version = question->effective->policy->backends[backend].version, arm = 0;

	while (arm < question->share_count && question->shares[arm].version != version)
		arm++;
	return arm;
}

/*
 * Of a service with overflow only those of tiers that are open may start; where nobody of these could, the next tier with anybody is. Both
 * inside each arm: how full backends are says nothing about the versions' shares.
 */
static void close_tiers(const struct question *question, struct candidate *candidates, size_t count)
{
	const struct policy *policy = question->effective->policy;
	_cleanup_free_ size_t *lowest = NULL;

	if (!policy->services[question->service].tier_count)
		return;
	lowest = malloc((question->share_count + 1) * sizeof(*lowest));
	if (!lowest)
		abort();
	for (size_t arm = 0; arm <= question->share_count; arm++)
		lowest[arm] = SIZE_MAX;
	for (size_t i = 0; i < count; i++) {
		size_t tier = service_tier(policy, question->service, candidates[i].backend);
		size_t *of_arm = &lowest[arm_of(question, candidates[i].backend)];

		if (!candidates[i].constraint_reason && !candidates[i].start_reason && tier < *of_arm)
			*of_arm = tier;
	}
	for (size_t i = 0; i < count; i++) {
		size_t tier = service_tier(policy, question->service, candidates[i].backend);

		if (!candidates[i].constraint_reason && !candidates[i].start_reason &&
		    tier > question->effective->open[question->service] &&
		    tier > lowest[arm_of(question, candidates[i].backend)])
			candidates[i].start_reason = USHER_REASON_TIER_CLOSED;
	}
}

static void judge(const struct question *question, const size_t *backends, size_t count, struct candidate *candidates)
{
	for (size_t i = 0; i < count; i++) {
		candidates[i] = (struct candidate){.backend = backends[i], .rule = POLICY_NONE};
		judge_constraint(question, &candidates[i]);
		if (!candidates[i].constraint_reason)
			judge_start(question, &candidates[i]);
	}
	eject(question, candidates, count);
	close_tiers(question, candidates, count);
}

/* Steps in the order in which candidates fall; a rule's place in the document orders those that fall by rule. */
static unsigned int step_of(uint8_t reason)
{
	static const uint8_t steps[] = {
		USHER_REASON_REQUIRE_RULE, USHER_REASON_EVIDENCE_EXPIRED, USHER_REASON_ADDRESS_FAMILY,
		USHER_REASON_QUARANTINED,  USHER_REASON_GATE_BREACHED,	  USHER_REASON_UNVERIFIED,
		USHER_REASON_NO_SHARE,	   USHER_REASON_DRAINING,	  USHER_REASON_UNHEALTHY,
		USHER_REASON_UNREACHABLE,  USHER_REASON_EJECTED,	  USHER_REASON_TIER_CLOSED,
	};

	for (unsigned int i = 0; i < ARRAY_COUNT(steps); i++)
		if (steps[i] == reason)
			return i;
	return 0;
}

/* Did `a` fall after `b`? */
static bool fell_later(const struct candidate *a, const struct candidate *b)
{
	bool a_by_rule = a->constraint_reason && a->rule != POLICY_NONE;
	bool b_by_rule = b->constraint_reason && b->rule != POLICY_NONE;
	uint8_t a_reason = a->constraint_reason ? a->constraint_reason : a->start_reason;
	uint8_t b_reason = b->constraint_reason ? b->constraint_reason : b->start_reason;

	/* A gate takes versions and backends out of the one set, and a service's new connections from the other. */
	if (!a->constraint_reason != !b->constraint_reason)
		return !a->constraint_reason;
	if (a_by_rule != b_by_rule)
		return b_by_rule;
	if (!a_by_rule)
		return step_of(a_reason) > step_of(b_reason);
	if (a->rule != b->rule)
		return a->rule > b->rule;
	return a_reason == USHER_REASON_REQUIRE_RULE && b_reason == USHER_REASON_EVIDENCE_EXPIRED;
}

/* ---- what they come to ------------------------------------------------------------------------------------- */

static void set_bit(uint64_t *bits, size_t bit)
{
	bits[bit / 64] |= 1ULL << (bit % 64);
}

static bool has_bit(const uint64_t *bits, size_t bit)
{
	return bits[bit / 64] >> (bit % 64) & 1;
}

static void sum_up(const struct candidate *candidates, struct shortlist *list)
{
	const struct candidate *last = NULL;
	bool somebody = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct candidate *candidate = &candidates[i];

		if (!candidate->constraint_reason)
			set_bit(list->may_continue, i);
		if (!candidate->constraint_reason && !candidate->start_reason) {
			set_bit(list->may_start, i);
			somebody = true;
		} else if (!last || fell_later(candidate, last)) {
			last = candidate;
		}
	}
	list->rule = POLICY_NONE;
	if (somebody)
		return;
	list->reason = USHER_REASON_NO_BACKEND;
	if (!last)
		return;
	list->reason = last->constraint_reason ? last->constraint_reason : last->start_reason;
	list->rule = last->rule;
}

bool shortlist_continues(const struct shortlist *list, size_t i)
{
	return has_bit(list->may_continue, i);
}

bool shortlist_starts(const struct shortlist *list, const struct policy *policy, size_t i,
		      const struct decision_arm *arm)
{
	return has_bit(list->may_start, i) &&
	       (arm->version == POLICY_NONE || policy->backends[list->backends[i]].version == arm->version);
}

static bool has_starts(const struct shortlist *list, const struct policy *policy, const struct decision_arm *arm)
{
	for (size_t i = 0; i < list->count; i++)
		if (shortlist_starts(list, policy, i, arm))
			return true;
	return false;
}

static void make_arms(const struct question *question, struct arena *arena, struct shortlist *list)
{
	list->arms = arena_array(arena, question->shares ? question->share_count : 1, sizeof(*list->arms));
	if (!question->shares && !list->reason)
		list->arms[list->arm_count++] = (struct decision_arm){POLICY_NONE, 1};
	for (size_t i = 0; question->shares && i < question->share_count; i++) {
		const struct share *share = &question->shares[i];
		const struct decision_arm arm = {share->version,
						 share->weight * question->effective->version_shares[share->version]};

		if (arm.weight && has_starts(list, question->effective->policy, &arm))
			list->arms[list->arm_count++] = arm;
	}
}

/* A roll-out takes the place of whatever split the rules have. */
static void find_shares(struct question *question, size_t service)
{
	const struct effective_rollout *rollout = &question->effective->rollouts[service];
	const struct rule *split;

	question->share_rule = POLICY_NONE;
	if (rollout->rollout != POLICY_NONE) {
		question->shares = rollout->shares;
		question->share_count = ARRAY_COUNT(rollout->shares);
	} else if (question->criteria->split != CRITERIA_NO_SPLIT) {
		split = &question->effective->policy->rules[question->criteria->split];
		question->shares = split->shares;
		question->share_count = split->share_count;
		question->share_rule = question->criteria->split;
	}
}

static void judge_all(const struct question *question, bool keep, struct arena *arena, struct shortlist *list)
{
	struct arena scratch = {0};
	struct candidate *candidates = arena_array(keep ? arena : &scratch, list->count, sizeof(*candidates));

	judge(question, list->backends, list->count, candidates);
	sum_up(candidates, list);
	list->candidates = keep ? candidates : NULL;
	arena_free(&scratch);
}

static struct shortlist *make(const struct shortlists *lists, size_t service, size_t criteria, struct arena *arena)
{
	const struct effective *effective = lists->effective;
	const size_t *first = &effective->serving_first[effective->policy->services[service].model];
	size_t words = (first[1] - first[0] + 63) / 64;
	struct shortlist *list = arena_alloc(arena, sizeof(*list));
	struct question question = {
		.effective = effective, .rerouted = effective->rerouted[service], .service = service};

	question.criteria = criteria_at(lists->rulings, criteria, &question.takers);
	find_shares(&question, service);
	*list = (struct shortlist){.backends = effective->serving + first[0],
				   .count = first[1] - first[0],
				   .may_continue = arena_array(arena, words, sizeof(uint64_t)),
				   .may_start = arena_array(arena, words, sizeof(uint64_t)),
				   .split = question.criteria->split == CRITERIA_NO_SPLIT ? POLICY_NONE
											  : question.criteria->split,
				   .rollout = effective->rollouts[service].rollout};
	judge_all(&question, lists->keep_candidates, arena, list);
	make_arms(&question, arena, list);
	return list;
}

/* ---- many of them ------------------------------------------------------------------------------------------ */

const struct shortlist *shortlists_find(struct shortlists *lists, size_t service, size_t criteria)
{
	const struct service *served = &lists->effective->policy->services[service];
	/* Tiers are a service's own. */
	const size_t key[] = {served->model,
			      served->slow_start_ms,
			      lists->effective->rerouted[service],
			      lists->effective->rollouts[service].rollout,
			      served->tier_count ? service + 1 : 0,
			      criteria};
	size_t before = lists->keys.count, number;
	struct shortlist *list;

	if (criteria == CRITERIA_NONE)
		return NULL;
	number = intern(&lists->keys, key, sizeof(key));
	if (number < before)
		return lists->items[number];
	list = make(lists, service, criteria, &lists->arena);
	list->number = (uint32_t)number;
	lists->items = array_grow(lists->items, number, &lists->capacity, sizeof(*lists->items));
	lists->items[number] = list;
	return list;
}

bool shortlists_trim(struct shortlists *lists)
{
	if (lists->keys.count < SHORTLISTS_KEPT)
		return false;
	intern_clear(&lists->keys);
	arena_free(&lists->arena);
	lists->arena = (struct arena){0};
	return true;
}

void shortlists_free(struct shortlists *lists)
{
	intern_free(&lists->keys);
	arena_free(&lists->arena);
	free(lists->items);
}
