// SPDX-License-Identifier: GPL-2.0-only
#include "compile/ruling.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/policy.h"
#include "compile/covers.h"

/* What applies to one service, by effect, as positions in the policy. */
struct verdicts {
	size_t deny, allow, split, reroute; /* the first of each, or POLICY_NONE */
};

/* One question: everything that stays the same while it is answered. */
struct question {
	const struct policy *policy;
	const uint64_t *covering;
	size_t words;
	int family;
	struct criteria *criteria; /* with room for every rule */
	size_t takers;
};

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

/* Verdicts of the rules of `service`; what takes away is noted, also that of `also` unless POLICY_NONE. */
static struct verdicts collect(struct question *question, size_t service, size_t also)
{
	struct verdicts verdicts = {POLICY_NONE, POLICY_NONE, POLICY_NONE, POLICY_NONE};

	question->takers = 0;
	for (size_t w = 0; w < question->words; w++) {
		for (uint64_t bits = question->covering[w]; bits; bits &= bits - 1) {
			size_t r = w * 64 + (size_t)__builtin_ctzll(bits);
			const struct rule *rule = &question->policy->rules[r];
			bool own = rule_covers_service(rule, service);

			if (own)
				note_verdict(&verdicts, rule->effect, r);
			if (rule->effect != RULE_DENY_BACKENDS && rule->effect != RULE_REQUIRE)
				continue;
			if (own || (also != POLICY_NONE && rule_covers_service(rule, also)))
				question->criteria->takers[question->takers++] = (uint32_t)r;
		}
	}
	return verdicts;
}

static bool may_ask(const struct verdicts *verdicts)
{
	return verdicts->deny == POLICY_NONE && verdicts->allow != POLICY_NONE;
}

/* The number of the criteria whose rules collect() has just noted. */
static size_t add_criteria(struct rulings *rulings, const struct question *question, size_t split)
{
	struct criteria *criteria = question->criteria;

	criteria->family = (uint32_t)question->family;
	criteria->split = split == POLICY_NONE ? CRITERIA_NO_SPLIT : (uint32_t)split;
	return intern(&rulings->criteria, criteria, sizeof(*criteria) + question->takers * sizeof(*criteria->takers));
}

static void rule_on_reroute(struct rulings *rulings, struct question *question, size_t service, size_t rule,
			    struct ruling *ruling)
{
	const struct policy *policy = question->policy;
	size_t target = policy->rules[rule].reroute;
	struct verdicts verdicts;

	if (target == service || policy->services[target].protocol != policy->services[service].protocol)
		return;
	verdicts = collect(question, target, service);
	if (!may_ask(&verdicts))
		return;
	ruling->reroute = rule;
	ruling->target_criteria = add_criteria(rulings, question, verdicts.split);
}

size_t rulings_add(struct rulings *rulings, const struct policy *policy, size_t service, const uint64_t *covering,
		   size_t words, int family)
{
	_cleanup_free_ struct criteria *criteria =
		malloc(sizeof(*criteria) + policy->rule_count * sizeof(*criteria->takers));
	struct question question = {policy, covering, words, family, criteria, 0};
	struct verdicts verdicts;
	struct ruling ruling;

	if (!criteria)
		abort();
	verdicts = collect(&question, service, POLICY_NONE);
	ruling = (struct ruling){verdicts.deny, verdicts.allow, POLICY_NONE, CRITERIA_NONE, CRITERIA_NONE};
	if (may_ask(&verdicts)) {
		ruling.criteria = add_criteria(rulings, &question, verdicts.split);
		if (verdicts.reroute != POLICY_NONE)
			rule_on_reroute(rulings, &question, service, verdicts.reroute, &ruling);
	}
	return intern(&rulings->items, &ruling, sizeof(ruling));
}

void rulings_free(struct rulings *rulings)
{
	intern_free(&rulings->items);
	intern_free(&rulings->criteria);
}

const struct ruling *ruling_at(const struct rulings *rulings, size_t number)
{
	return intern_bytes(&rulings->items, number);
}

const struct criteria *criteria_at(const struct rulings *rulings, size_t number, size_t *ret_takers)
{
	const struct criteria *criteria = intern_bytes(&rulings->criteria, number);

	*ret_takers = (rulings->criteria.items[number].length - sizeof(*criteria)) / sizeof(*criteria->takers);
	return criteria;
}
