/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules alone say to some clients at one service, whatever the facts of the moment: it stays as long as the policy does.
 *
 * Rules of both services take away from the candidates of a reroute's target; deny, allow and split are asked of the target alone.
 */
#ifndef USHER_COMPILE_RULING_H
#define USHER_COMPILE_RULING_H

#include "compile/intern.h"
#include "policy/model.h"

#define CRITERIA_NONE SIZE_MAX
#define CRITERIA_NO_SPLIT UINT32_MAX

/* By what the backends of some model are judged. */
struct criteria {
	uint32_t family;   /* AF_INET, AF_INET6 */
	uint32_t split;	   /* rule, or CRITERIA_NO_SPLIT */
	uint32_t takers[]; /* rules that take backends away, in order */
};

/* Rules are positions in the policy, or POLICY_NONE. */
struct ruling {
	size_t deny, allow;	/* the first of each */
	size_t reroute;		/* the first, if its target would have these clients */
	size_t criteria;	/* number of those for the service's backends; CRITERIA_NONE: the clients may not ask */
	size_t target_criteria; /* of those for the backends of the reroute's target; CRITERIA_NONE: it has none */
};

/* Equal ones have one number; so have equal criteria. */
struct rulings {
	struct intern items, criteria;
};

/*
 * The number of what the rules say at `service`. covering: bit r % 64 of word r / 64: rule r covers the clients' tenant and region.
 * Bits of rules that cover neither the service nor one that it may be rerouted to may be left out.
 */
size_t rulings_add(struct rulings *rulings, const struct policy *policy, size_t service, const uint64_t *covering,
		   size_t words, int family);
void rulings_free(struct rulings *rulings);

/* Both valid until the next rulings_add(). */
const struct ruling *ruling_at(const struct rulings *rulings, size_t number);
const struct criteria *criteria_at(const struct rulings *rulings, size_t number, size_t *ret_takers);

#endif
