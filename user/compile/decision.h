/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How one (service, tenant, region, address family) is decided, by the steps of the design, with the rule that decided
 * each of them. The compiler, `diff` and `explain` all ask here, so there is one account of what the rules mean.
 *
 * Candidates fall step by step, and the step that takes the last one gives the refusal its reason and its rule:
 *   rules that take away, in the order of the document (EVIDENCE_EXPIRED if a require asks for labels that are there but
 *   lapsed, otherwise REQUIRE_RULE or DENY_BACKENDS; if one rule takes the last ones for both, REQUIRE_RULE);
 *   an expired validation; the address family; a split without a share for them; draining; health; reachability.
 * The first three make the constraint set, all of them the start set.
 *
 * A reroute that applies puts its target's constraint set beside the service's own, whether or not anything is rerouted
 * at the moment: an open flow there must not be cut because the service has recovered. Rules of both services take away
 * from the target's candidates; deny, allow and split are asked of the target alone. The client stays the tenant that it
 * is at the service it called.
 */
#ifndef USHER_COMPILE_DECISION_H
#define USHER_COMPILE_DECISION_H

#include "govern/decide.h"

struct candidate {
	size_t backend;		   /* policy index */
	uint8_t constraint_reason; /* 0: in the constraint set; otherwise why not (enum usher_reason) */
	uint8_t start_reason;	   /* 0: in the start set too; NO_SHARE is one of the reasons */
	size_t rule;		   /* that removed it, or POLICY_NONE */
};

struct decision_arm {
	size_t version; /* or POLICY_NONE: all versions together (no split) */
	uint32_t weight;
};

struct decision {
	uint8_t reason; /* USHER_REASON_ADMITTED, _REROUTED, or the refusal */
	enum usher_answer answer;
	size_t rule;	     /* that decided: the allow, the deny, the require that removed the last, the reroute; or
				POLICY_NONE */
	size_t allow_rule;   /* or POLICY_NONE */
	size_t split_rule;   /* of the service that answers, or POLICY_NONE */
	size_t reroute_rule; /* that applies, in use or not, or POLICY_NONE */
	size_t target;	     /* service whose backends answer */
	struct candidate
		*candidates; /* of the service itself: every backend of its model; empty after a denial by rule */
	size_t candidate_count;
	struct candidate *rerouted; /* of the reroute's target, or NULL: nobody may be rerouted */
	size_t rerouted_count;
	struct decision_arm *arms; /* with at least one backend in the start set */
	size_t arm_count;
};

/* tenant: policy index or POLICY_UNKNOWN_TENANT, after a service's own tenant has replaced it.
 * family: AF_INET or AF_INET6 of the client. Returns 0 or -ENOMEM. */
int decision_make(const struct effective *effective, size_t service, size_t tenant, const struct region *region,
		  int family, struct decision **ret_decision);

/* The same, when it is known which rules cover tenant and region: bit r % 64 of word r / 64 for rule r, as many words as
 * `words`. Bits of rules that cover neither the service nor a service that it may be rerouted to may be left out. */
int decision_by_rules(const struct effective *effective, size_t service, const uint64_t *covering, size_t words,
		      int family, struct decision **ret_decision);
void decision_free(struct decision *decision);

#endif
