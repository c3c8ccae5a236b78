/* SPDX-License-Identifier: GPL-2.0-only */
/* How one (service, tenant, region) is decided, by the steps of the design, with the rule that decided each of them.
 * The compiler, `diff` and `explain` all ask here, so there is one account of what the rules mean. */
#ifndef USHER_COMPILE_DECISION_H
#define USHER_COMPILE_DECISION_H

#include "govern/decide.h"

struct candidate {
	size_t backend;		   /* policy index */
	uint8_t constraint_reason; /* 0: in the constraint set; otherwise why not (enum usher_reason) */
	uint8_t start_reason;	   /* 0: in the start set too */
	size_t rule;		   /* that removed it, or POLICY_NONE */
};

struct decision_arm {
	size_t version; /* or POLICY_NONE: all versions together (no split) */
	uint32_t weight;
};

struct decision {
	uint8_t reason; /* USHER_REASON_ADMITTED, _REROUTED, or the refusal */
	enum usher_answer answer;
	size_t rule;	   /* that decided: the allow, the deny, the require that removed the last, the reroute; or
			      POLICY_NONE */
	size_t allow_rule; /* or POLICY_NONE */
	size_t split_rule; /* or POLICY_NONE */
	size_t target;	   /* service whose backends answer */
	struct candidate *candidates; /* of the service itself: every backend of its model; malloc */
	size_t candidate_count;
	struct candidate *rerouted; /* of the reroute's target, or NULL */
	size_t rerouted_count;
	struct decision_arm *arms; /* with at least one backend in the start set */
	size_t arm_count;
};

/* tenant: policy index or POLICY_UNKNOWN_TENANT, after a service's own tenant has replaced it.
 * family: AF_INET or AF_INET6 of the client. Returns 0 or -ENOMEM. */
int decision_make(const struct effective *effective, size_t service, size_t tenant, const struct region *region,
		  int family, struct decision **ret_decision);
void decision_free(struct decision *decision);

#endif
