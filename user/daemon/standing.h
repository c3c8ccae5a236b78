/* SPDX-License-Identifier: GPL-2.0-only */
/* What a policy has come to by what was measured, counted and ordered: how its gates, roll-outs, surges, outliers and pools stand. */
#ifndef USHER_DAEMON_STANDING_H
#define USHER_DAEMON_STANDING_H

#include "daemon/ejections.h"
#include "daemon/gates.h"
#include "daemon/pools.h"
#include "daemon/rollouts.h"
#include "daemon/surges.h"

/* Without a policy: what an earlier daemon knew of each, or NULL. */
struct standing {
	struct gates *gates;
	struct rollouts *rollouts;
	struct surges *surges;
	struct ejections *ejections;
	struct pools *pools;
};

/*
 * That of a policy that has just been parsed, where `before` stands, by names; puts the members of its pools among its backends. same: it is
 * the policy that `before` is of. Returns 0 or -ENOMEM.
 */
int standing_new(struct policy *policy, const struct standing *before, bool same, struct standing *ret_standing);
void standing_release(struct standing *standing);
/* Hands it on: there is nothing in it any more. */
struct standing standing_take(struct standing *standing);
/* What follows from it for backends, versions and services. */
void standing_fill(const struct standing *standing, const struct policy *policy, struct facts *facts);

#endif
