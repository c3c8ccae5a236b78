// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/standing.h"

#include "base/cleanup.h"

void standing_release(struct standing *standing)
{
	gates_free(standing->gates);
	rollouts_free(standing->rollouts);
	surges_free(standing->surges);
	ejections_free(standing->ejections);
	pools_free(standing->pools);
	*standing = (struct standing){0};
}

struct standing standing_take(struct standing *standing)
{
	struct standing taken = *standing;

	*standing = (struct standing){0};
	return taken;
}

int standing_new(struct policy *policy, const struct standing *before, bool same, struct standing *ret_standing)
{
	_cleanup_(standing_release) struct standing standing = {0};
	int error = pools_new(policy, before->pools, same, &standing.pools);

	if (error)
		return error;
	pools_expand(standing.pools, policy); /* first: the others know backends by their numbers */
	error = gates_new(policy, before->gates, &standing.gates);
	if (!error)
		error = rollouts_new(policy, before->rollouts, &standing.rollouts);
	if (!error)
		error = surges_new(policy, before->surges, &standing.surges);
	if (!error)
		error = ejections_new(policy, before->ejections, &standing.ejections);
	if (error)
		return error;
	*ret_standing = standing_take(&standing);
	return 0;
}

void standing_fill(const struct standing *standing, const struct policy *policy, struct facts *facts)
{
	gates_fill(standing->gates, policy, facts);
	rollouts_fill(standing->rollouts, policy, facts);
	surges_fill(standing->surges, facts);
	ejections_fill(standing->ejections, facts);
}
