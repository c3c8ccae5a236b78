// SPDX-License-Identifier: GPL-2.0-only
#include "compile/decision.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "compile/covers.h"

/* ---- which rules apply ------------------------------------------------------------------------------------- */

/* What applies to one service, by effect, as positions in the policy. */
struct verdicts {
	size_t deny, allow, split, reroute; /* the first of each, or POLICY_NONE */
};

struct takers {
	size_t *rules; /* that take backends away, in order */
	size_t count, capacity;
};

static void free_takers(struct takers *takers)
{
	free(takers->rules);
}

static void add_taker(struct takers *takers, size_t rule)
{
	takers->rules = array_grow(takers->rules, takers->count, &takers->capacity, sizeof(*takers->rules));
	takers->rules[takers->count++] = rule;
}

static void note_first(size_t *first, size_t rule)
{
	if (*first == POLICY_NONE)
		*first = rule;
}

static void note_verdict(struct verdicts *verdicts, enum rule_effect effect, size_t rule)
{
	switch (effect) {
	case RULE_DENY:
		note_first(&verdicts->deny, rule);
		break;
	case RULE_ALLOW:
		note_first(&verdicts->allow, rule);
		break;
	case RULE_SPLIT:
		note_first(&verdicts->split, rule);
		break;
	case RULE_REROUTE:
		note_first(&verdicts->reroute, rule);
		break;
	case RULE_DENY_BACKENDS:
	case RULE_REQUIRE:
		break;
	}
}

/* One question: everything that stays the same while it is answered. */
struct question {
	const struct effective *effective;
	const uint64_t *covering;
	size_t words;
	int family;
};

/* Verdicts of the rules of `service`; what takes away is added to `takers`, also that of `also` unless POLICY_NONE. */
static struct verdicts collect(const struct question *question, size_t service, size_t also, struct takers *takers)
{
	struct verdicts verdicts = {POLICY_NONE, POLICY_NONE, POLICY_NONE, POLICY_NONE};

	for (size_t w = 0; w < question->words; w++) {
		for (uint64_t bits = question->covering[w]; bits; bits &= bits - 1) {
			size_t r = w * 64 + (size_t)__builtin_ctzll(bits);
			const struct rule *rule = &question->effective->policy->rules[r];
			bool own = rule_covers_service(rule, service);

			if (own)
				note_verdict(&verdicts, rule->effect, r);
			if (rule->effect != RULE_DENY_BACKENDS && rule->effect != RULE_REQUIRE)
				continue;
			if (own || (also != POLICY_NONE && rule_covers_service(rule, also)))
				add_taker(takers, r);
		}
	}
	return verdicts;
}

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

static uint32_t share_of(const struct rule *split, size_t version)
{
	for (size_t i = 0; i < split->share_count; i++)
		if (split->shares[i].version == version)
			return split->shares[i].weight;
	return 0;
}

static void judge_constraint(const struct question *question, const struct takers *takers, struct candidate *candidate)
{
	const struct effective *effective = question->effective;
	size_t b = candidate->backend;

	for (size_t i = 0; i < takers->count; i++) {
		candidate->constraint_reason = removal(effective, &effective->policy->rules[takers->rules[i]], b);
		if (candidate->constraint_reason) {
			candidate->rule = takers->rules[i];
			return;
		}
	}
	if (effective->backends[b].constraint_reason)
		candidate->constraint_reason = effective->backends[b].constraint_reason;
	else if (!USHER_FORWARD_IS_TUNNEL(effective->policy->backends[b].forward) &&
		 address_family(&effective->policy->backends[b].address) != question->family)
		candidate->constraint_reason = USHER_REASON_ADDRESS_FAMILY;
}

static void judge_start(const struct effective *effective, size_t split, struct candidate *candidate)
{
	const struct policy *policy = effective->policy;

	if (split != POLICY_NONE && !share_of(&policy->rules[split], policy->backends[candidate->backend].version)) {
		candidate->start_reason = USHER_REASON_NO_SHARE;
		candidate->rule = split;
	} else {
		candidate->start_reason = effective->backends[candidate->backend].start_reason;
	}
}

static int judge(const struct question *question, size_t service, const struct takers *takers, size_t split,
		 struct candidate **ret_candidates, size_t *ret_count)
{
	const struct effective *effective = question->effective;
	size_t model = effective->policy->services[service].model;
	size_t first = effective->serving_first[model];
	size_t count = effective->serving_first[model + 1] - first;
	struct candidate *candidates = calloc(count ? count : 1, sizeof(*candidates));

	if (!candidates)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		candidates[i].backend = effective->serving[first + i];
		candidates[i].rule = POLICY_NONE;
		judge_constraint(question, takers, &candidates[i]);
		if (!candidates[i].constraint_reason)
			judge_start(effective, split, &candidates[i]);
	}
	*ret_candidates = candidates;
	*ret_count = count;
	return 0;
}

/* Steps in the order in which candidates fall; a rule's place in the document orders those that fall by rule. */
static unsigned int step_of(uint8_t reason)
{
	static const uint8_t steps[] = {
		USHER_REASON_REQUIRE_RULE, USHER_REASON_EVIDENCE_EXPIRED, USHER_REASON_ADDRESS_FAMILY,
		USHER_REASON_NO_SHARE,	   USHER_REASON_DRAINING,	  USHER_REASON_UNHEALTHY,
		USHER_REASON_UNREACHABLE,
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

	if (a_by_rule != b_by_rule)
		return b_by_rule;
	if (!a_by_rule)
		return step_of(a_reason) > step_of(b_reason);
	if (a->rule != b->rule)
		return a->rule > b->rule;
	return a_reason == USHER_REASON_REQUIRE_RULE && b_reason == USHER_REASON_EVIDENCE_EXPIRED;
}

static bool may_start(const struct candidate *candidate)
{
	return !candidate->constraint_reason && !candidate->start_reason;
}

/* The candidate that fell last, or NULL: somebody is left, or nobody ever was (`*ret_empty`). */
static const struct candidate *last_to_fall(const struct candidate *candidates, size_t count)
{
	const struct candidate *last = NULL;

	for (size_t i = 0; i < count; i++) {
		if (may_start(&candidates[i]))
			return NULL;
		if (!last || fell_later(&candidates[i], last))
			last = &candidates[i];
	}
	return last;
}

/* ---- arms -------------------------------------------------------------------------------------------------- */

static bool version_may_start(const struct policy *policy, const struct candidate *candidates, size_t count,
			      size_t version)
{
	for (size_t i = 0; i < count; i++)
		if (may_start(&candidates[i]) && policy->backends[candidates[i].backend].version == version)
			return true;
	return false;
}

static int make_arms(const struct policy *policy, const struct candidate *candidates, size_t count, size_t split,
		     struct decision *decision)
{
	const struct rule *rule = split == POLICY_NONE ? NULL : &policy->rules[split];

	decision->arms = calloc(rule ? rule->share_count : 1, sizeof(*decision->arms));
	if (!decision->arms)
		return -ENOMEM;
	decision->split_rule = split;
	if (!rule) {
		decision->arms[0] = (struct decision_arm){POLICY_NONE, 1};
		decision->arm_count = 1;
		return 0;
	}
	for (size_t i = 0; i < rule->share_count; i++) {
		const struct share *share = &rule->shares[i];

		if (share->weight && version_may_start(policy, candidates, count, share->version))
			decision->arms[decision->arm_count++] = (struct decision_arm){share->version, share->weight};
	}
	return 0;
}

/* ---- the decision ------------------------------------------------------------------------------------------ */

static void free_decision(struct decision **decision)
{
	decision_free(*decision);
}

void decision_free(struct decision *decision)
{
	if (!decision)
		return;
	free(decision->candidates);
	free(decision->rerouted);
	free(decision->arms);
	free(decision);
}

/* Tries the target of a reroute: its candidates in any case, its arms if the service itself has nobody to start with. */
static int decide_reroute(const struct question *question, size_t service, size_t rule, struct decision *decision)
{
	const struct policy *policy = question->effective->policy;
	size_t target = policy->rules[rule].reroute;
	_cleanup_(free_takers) struct takers takers = {0};
	struct verdicts verdicts;
	int error;

	if (target == service || policy->services[target].protocol != policy->services[service].protocol)
		return 0;
	verdicts = collect(question, target, service, &takers);
	if (verdicts.deny != POLICY_NONE || verdicts.allow == POLICY_NONE)
		return 0;
	error = judge(question, target, &takers, verdicts.split, &decision->rerouted, &decision->rerouted_count);
	if (error)
		return error;
	decision->reroute_rule = rule;
	if (decision->arm_count || !decision->rerouted_count ||
	    last_to_fall(decision->rerouted, decision->rerouted_count))
		return 0;
	decision->reason = USHER_REASON_REROUTED;
	decision->rule = rule;
	decision->target = target;
	free(TAKE_PTR(decision->arms));
	return make_arms(policy, decision->rerouted, decision->rerouted_count, verdicts.split, decision);
}

/* Steps 3 and later, for a client that may ask. */
static int decide_candidates(const struct question *question, size_t service, const struct verdicts *verdicts,
			     const struct takers *takers, struct decision *decision)
{
	const struct candidate *last;
	int error =
		judge(question, service, takers, verdicts->split, &decision->candidates, &decision->candidate_count);

	if (error)
		return error;
	last = last_to_fall(decision->candidates, decision->candidate_count);
	if (last) {
		decision->reason = last->constraint_reason ? last->constraint_reason : last->start_reason;
		decision->rule = last->rule;
	} else if (!decision->candidate_count) {
		decision->reason = USHER_REASON_NO_BACKEND;
	} else {
		decision->reason = USHER_REASON_ADMITTED;
		decision->rule = verdicts->allow;
		error = make_arms(question->effective->policy, decision->candidates, decision->candidate_count,
				  verdicts->split, decision);
		if (error)
			return error;
	}
	if (verdicts->reroute == POLICY_NONE)
		return 0;
	return decide_reroute(question, service, verdicts->reroute, decision);
}

int decision_by_rules(const struct effective *effective, size_t service, const uint64_t *covering, size_t words,
		      int family, struct decision **ret_decision)
{
	_cleanup_(free_decision) struct decision *decision = calloc(1, sizeof(*decision));
	_cleanup_(free_takers) struct takers takers = {0};
	const struct question question = {effective, covering, words, family};
	struct verdicts verdicts;
	int error;

	if (!decision)
		return -ENOMEM;
	verdicts = collect(&question, service, POLICY_NONE, &takers);
	decision->answer = USHER_ANSWER_RESET;
	decision->rule = decision->split_rule = decision->reroute_rule = POLICY_NONE;
	decision->allow_rule = verdicts.allow;
	decision->target = service;
	if (verdicts.deny != POLICY_NONE) {
		decision->reason = USHER_REASON_DENY_RULE;
		decision->rule = verdicts.deny;
		decision->answer = effective->policy->rules[verdicts.deny].answer;
	} else if (verdicts.allow == POLICY_NONE) {
		decision->reason = USHER_REASON_NO_ALLOW_RULE;
	} else {
		error = decide_candidates(&question, service, &verdicts, &takers, decision);
		if (error)
			return error;
	}
	*ret_decision = TAKE_PTR(decision);
	return 0;
}

int decision_make(const struct effective *effective, size_t service, size_t tenant, const struct region *region,
		  int family, struct decision **ret_decision)
{
	const struct policy *policy = effective->policy;
	size_t words = (policy->rule_count + 63) / 64;
	_cleanup_free_ uint64_t *covering = calloc(words ? words : 1, sizeof(*covering));

	if (!covering)
		return -ENOMEM;
	for (size_t r = 0; r < policy->rule_count; r++)
		if (rule_covers_tenant(&policy->rules[r], tenant) && rule_covers_region(&policy->rules[r], region))
			covering[r / 64] |= 1ULL << (r % 64);
	return decision_by_rules(effective, service, covering, words, family, ret_decision);
}
