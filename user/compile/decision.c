// SPDX-License-Identifier: GPL-2.0-only
#include "compile/decision.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "policy/policy.h"
#include "compile/covers.h"

static void refuse_by_rule(const struct policy *policy, const struct ruling *ruling, struct decision *decision)
{
	decision->reason = USHER_REASON_NO_ALLOW_RULE;
	if (ruling->deny == POLICY_NONE)
		return;
	decision->reason = USHER_REASON_DENY_RULE;
	decision->rule = ruling->deny;
	decision->answer = policy->rules[ruling->deny].answer;
}

struct decision decision_of(struct shortlists *lists, size_t service, const struct ruling *ruling)
{
	const struct policy *policy = lists->effective->policy;
	size_t target = ruling->reroute == POLICY_NONE ? service : policy->rules[ruling->reroute].reroute;
	struct decision decision = {.answer = USHER_ANSWER_RESET,
				    .rule = POLICY_NONE,
				    .allow_rule = ruling->allow,
				    .reroute_rule = ruling->reroute,
				    .target = service,
				    .own = shortlists_find(lists, service, ruling->criteria),
				    .rerouted = shortlists_find(lists, target, ruling->target_criteria)};

	if (!decision.own) {
		refuse_by_rule(policy, ruling, &decision);
	} else if (!decision.own->reason) {
		decision.reason = USHER_REASON_ADMITTED;
		decision.rule = ruling->allow;
		decision.answering = decision.own;
	} else if (decision.rerouted && !decision.rerouted->reason) {
		decision.reason = USHER_REASON_REROUTED;
		decision.rule = ruling->reroute;
		decision.target = target;
		decision.answering = decision.rerouted;
	} else {
		decision.reason = decision.own->reason;
		decision.rule = decision.own->rule;
	}
	return decision;
}

static uint32_t priority_of(const struct effective *effective, size_t tenant)
{
	return tenant < effective->policy->tenant_count ? effective->policy->tenants[tenant].priority : 0;
}

bool decision_sheds(const struct effective *effective, size_t service, size_t tenant)
{
	return priority_of(effective, tenant) < effective->floors[service];
}

uint32_t decision_shed_part(const struct effective *effective, size_t service, size_t tenant)
{
	const struct effective_brown *brown = &effective->browns[service];

	return priority_of(effective, tenant) == brown->priority ? brown->part : 0;
}

struct decision decision_shed(struct decision decision, size_t service)
{
	if (!decision.answering)
		return decision; /* refused for another reason */
	decision.reason = USHER_REASON_SHED;
	decision.answer = USHER_ANSWER_DROP;
	decision.rule = POLICY_NONE;
	decision.answering = NULL;
	decision.target = service;
	return decision;
}

/* ---- one by itself ----------------------------------------------------------------------------------------- */

struct decision_alone {
	struct decision decision;
	struct rulings rulings;
	struct shortlists lists;
};

struct decision *decision_make(const struct effective *effective, size_t service, size_t tenant,
			       const struct region *region, int family)
{
	const struct policy *policy = effective->policy;
	size_t words = (policy->rule_count + 63) / 64, ruling;
	_cleanup_free_ uint64_t *covering = calloc(words + 1, sizeof(*covering));
	struct decision_alone *alone = calloc(1, sizeof(*alone));

	if (!covering || !alone)
		abort();
	for (size_t r = 0; r < policy->rule_count; r++)
		if (rule_covers_tenant(&policy->rules[r], tenant) && rule_covers_region(&policy->rules[r], region))
			covering[r / 64] |= 1ULL << (r % 64);
	ruling = rulings_add(&alone->rulings, policy, service, covering, words, family);
	alone->lists = (struct shortlists){.effective = effective, .rulings = &alone->rulings, .keep_candidates = true};
	alone->decision = decision_of(&alone->lists, service, ruling_at(&alone->rulings, ruling));
	if (decision_sheds(effective, service, tenant))
		alone->decision = decision_shed(alone->decision, service);
	if (alone->decision.answering)
		alone->decision.shed_part = decision_shed_part(effective, service, tenant);
	return &alone->decision;
}

void decision_free(struct decision *decision)
{
	struct decision_alone *alone = (struct decision_alone *)decision; /* which begins with it */

	if (!alone)
		return;
	shortlists_free(&alone->lists);
	rulings_free(&alone->rulings);
	free(alone);
}
