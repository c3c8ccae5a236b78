/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How one (service, tenant, region, address family) is decided, by the steps of the design, with the rule that decided
 * each of them. The compiler, `diff` and `explain` all ask here, so there is one account of what the rules mean: what they say
 * (ruling.h), and what that makes of the backends (shortlist.h).
 *
 * A reroute that applies puts its target's constraint set beside the service's own, whether or not anything is rerouted
 * at the moment: an open flow there must not be cut because the service has recovered. The client stays the tenant that it
 * is at the service it called.
 */
#ifndef USHER_COMPILE_DECISION_H
#define USHER_COMPILE_DECISION_H

#include "compile/shortlist.h"

struct decision {
	uint8_t reason; /* USHER_REASON_ADMITTED, _REROUTED, or the refusal */
	enum usher_answer answer;
	size_t rule;	     /* that decided: the allow, the deny, the require that removed the last, the reroute; or
				POLICY_NONE */
	size_t allow_rule;   /* or POLICY_NONE */
	size_t reroute_rule; /* that applies, in use or not, or POLICY_NONE */
	size_t target;	     /* service whose backends answer */
	const struct shortlist *own;	   /* of the service itself; NULL after a denial by rule */
	const struct shortlist *rerouted;  /* of the reroute's target, or NULL: nobody may be rerouted */
	const struct shortlist *answering; /* the one of these two whose arms are drawn from; NULL after a refusal */
	uint32_t shed_part;		   /* per cent of new connections that draw none of these arms and are shed */
};

/* Are new connections of this tenant shed at the service? As decision_make() has it. */
bool decision_sheds(const struct effective *effective, size_t service, size_t tenant);
/* The same decision where they are: nobody is given anything, and open connections stay where they may be. */
struct decision decision_shed(struct decision decision, size_t service);

/* Per cent of new connections of this tenant that are shed at the service, where not all are. */
uint32_t decision_shed_part(const struct effective *effective, size_t service, size_t tenant);

/* Its shortlists are those of `lists`. */
struct decision decision_of(struct shortlists *lists, size_t service, const struct ruling *ruling);

/* One by itself; its shortlists have their candidates.
 * tenant: policy index or POLICY_UNKNOWN_TENANT, after a service's own tenant has replaced it.
 * family: AF_INET or AF_INET6 of the client. */
struct decision *decision_make(const struct effective *effective, size_t service, size_t tenant,
			       const struct region *region, int family);
void decision_free(struct decision *decision); /* that decision_make() has made */

#endif
