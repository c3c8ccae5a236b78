/* SPDX-License-Identifier: GPL-2.0-only */
/* The effective policy: what the policy says once the facts of this moment are counted in. Pure; time is an argument.
 */
#ifndef USHER_GOVERN_DECIDE_H
#define USHER_GOVERN_DECIDE_H

#include "govern/facts.h"

struct effective_backend {
	/* 0: may continue / may start; otherwise the reason that takes it out (enum usher_reason). */
	uint8_t constraint_reason; /* the first that holds of EVIDENCE_EXPIRED, QUARANTINED, GATE_BREACHED, UNVERIFIED */
	uint8_t start_reason;	   /* the first that holds of DRAINING, UNHEALTHY, UNREACHABLE */
	uint32_t
		ejected; /* 0: it is not. Otherwise it may start flows only where too many others are (compile/shortlist.c) */
	uint32_t share; /* per cent of its weight that gates leave it */
	struct next_hop next_hop;
	int64_t able_since; /* what the facts are to say next time; 0: it may not start */
};

/* Of a service: the shares of its two versions, in the place of those of any split. */
struct effective_rollout {
	size_t rollout;		/* of the policy; POLICY_NONE: the service has none */
	struct share shares[2]; /* of the old version, of the new one; per cent */
};

/* So many per cent of the new connections of tenants of this priority are shed; 0: none. */
struct effective_brown {
	uint32_t priority, part;
};

struct effective {
	const struct policy *policy;
	struct effective_backend *backends; /* by policy backend index; malloc */
	/* By policy version index: has the version's label number n lapsed? A lapsed label is no label. */
	uint64_t *lapsed_labels;  /* bit n: labels[n] of that version */
	uint32_t *version_shares; /* by policy version index: per cent of its weight in a split that gates leave it */
	struct effective_rollout *rollouts; /* by policy service index */
	uint32_t *open;			    /* by policy service index: overflow tiers that are open beside the first */
	uint32_t *floors;		    /* the same: tenants of a lower priority are shed */
	struct effective_brown *browns;	    /* the same: those of the lowest that is served, in part */
	bool *rerouted; /* by policy service index: nobody may start there (GATE_BREACHED), whoever could */
	/* Who serves model m: backends serving[serving_first[m]] up to serving[serving_first[m + 1]], by index. */
	size_t *serving, *serving_first;
	int64_t now;	     /* that this was decided for */
	bool all_warm;	     /* decided without facts: nobody is new */
	int64_t next_change; /* seconds since the epoch at which time alone changes this; INT64_MAX: never */
};

/* facts may be NULL: then every backend is healthy, reachable (no next hop) and neither draining nor in quarantine, and
 * every roll-out is at its first step, as `check` and `diff` assume. A backend that the facts do not reach is one that nothing is known of. now: seconds since the epoch.
 * Returns 0 or -ENOMEM. */
int decide(const struct policy *policy, const struct facts *facts, int64_t now, struct effective **ret_effective);
void effective_free(struct effective *effective);
/* Has an operator put the backend, or the version that it serves, into quarantine? */
bool facts_quarantined(const struct facts *facts, const struct policy *policy, size_t backend);

/* May it start flows, whatever a service or a rule says? */
bool effective_starts(const struct effective *effective, size_t backend);

/* The part of its weight, of SLOW_START_WHOLE and at least 1, that a backend which may start gets in this service at this
 * moment: what slow start gives it, less what gates take. */
uint32_t effective_part(const struct effective *effective, size_t service, size_t backend);
/* The same in per cent. */
double effective_percent(const struct effective *effective, size_t service, size_t backend);
/* That part of its capacity: its weight in a ring of the service, on a scale of its own. At least 1. */
uint32_t effective_weight(const struct effective *effective, size_t service, size_t backend);

#endif
