// SPDX-License-Identifier: GPL-2.0-only
/* Of `explain`: the roll-out that sets the shares. */
#include "daemon/inquiry.h"
#include "daemon/rollout_report.h"

void explain_rollout(struct inquiry *inquiry, const struct shortlist *list)
{
	const struct policy *policy = inquiry->policy;
	const struct rollout_policy *rollout = &policy->rollouts[list->rollout];
	const struct rollout_instance *instance = &inquiry->core->standing.rollouts->items[list->rollout];
	bool sticky = policy->services[rollout->service].sticky_client;
	size_t version = list->arms[inquiry->answer.arm].version;

	inquiry_step(
		inquiry, "which-arm", NULL,
		"version %s, one of %zu arms, drawn by the %s; roll-out %s (%s), which takes the place of any split, "
		"gives %u %% to %s and the rest to %s",
		policy->versions[version].name, list->arm_count,
		sticky ? "client's address, so it stays" : "flow's addresses and ports", rollout->name,
		rollout_state_names[instance->state.state], rollout_share(&rollout->settings, &instance->state),
		policy->versions[rollout->to].name, policy->versions[rollout->from].name);
}

void explain_rollout_field(struct inquiry *inquiry)
{
	const struct shortlist *list = inquiry->decision->answering;

	json_string(inquiry->to, "rollout",
		    list && list->rollout != POLICY_NONE ? inquiry->policy->rollouts[list->rollout].name : NULL);
}
