// SPDX-License-Identifier: GPL-2.0-only
/* Roll-outs: looked at once a second, after the gates. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/core.h"
#include "daemon/rollout_report.h"

#define ROLLOUTS_FILE "rollouts.json"
#define SAVE_APART (10 * CLOCK_SECOND) /* of evidence; steps are saved at once */

static int parse(struct core *core, const char *text, size_t length)
{
	return rollouts_parse(text, length, &core->standing.rollouts);
}

int core_rollouts_open(struct core *core, struct problem *problem)
{
	bool lost;
	int error = core_kept_read(core, ROLLOUTS_FILE, "roll-outs stand still at 0 % until `usher rollout resume`",
				   parse, &lost, problem);

	if (error || !lost)
		return error;
	core->standing.rollouts = calloc(1, sizeof(*core->standing.rollouts));
	if (!core->standing.rollouts)
		abort();
	core->standing.rollouts->lost = true;
	return 0;
}

int core_rollouts_save(struct core *core)
{
	struct json text = {0};

	if (!core->policy || !core->standing.rollouts)
		return 0;
	core->rollouts_saved = clock_monotonic();
	rollouts_print(&text, core->standing.rollouts);
	return core_kept_write(core, ROLLOUTS_FILE, &text);
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

void core_rollout_record(struct core *core, const struct rollout_instance *instance,
			 const struct rollout_change *change)
{
	struct json *to = journal_operation(core->journal, "rollout", change->actor);

	rollout_report_subject(to, core->policy, instance);
	json_string(to, "change", change->what);
	json_string(to, "was", rollout_state_names[change->was]);
	json_string(to, "state", rollout_state_names[instance->state.state]);
	json_unsigned(to, "share_before", change->share_before);
	json_unsigned(to, "share",
		      rollout_share(&core->policy->rollouts[instance->rollout].settings, &instance->state));
	json_integer(to, "watched", change->watched);
	json_unsigned(to, "flows", change->flows);
	rollout_report_needs(to, core, instance);
	if (change->why) {
		json_string(to, "why", change->why);
		core_record_generation(core, to);
	}
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

static void note_change(struct core *core, struct rollout_instance *instance)
{
	const struct rollout_outcome *outcome = &instance->outcome;
	bool forward = outcome->share > outcome->share_before;
	const struct rollout_change change = {.what = forward ? "step" : rollout_state_names[instance->state.state],
					      .was = outcome->was,
					      .share_before = outcome->share_before,
					      .watched = outcome->watched,
					      .flows = outcome->flows};
	const struct rollout_policy *rollout = &core->policy->rollouts[instance->rollout];
	char version[VERSION_TEXT];

	if (forward)
		log_info("roll-out %s: %s gets %u %% now, after %lld s and %llu flows at %u %%", instance->name,
			 version_print(core->policy, rollout->to, version), outcome->share, (long long)outcome->watched,
			 (unsigned long long)outcome->flows, outcome->share_before);
	else
		log_warning("roll-out %s is %s: %s was breached; %s gets %u %%", instance->name,
			    rollout_state_names[instance->state.state],
			    core->policy->gates[rollout->needs[instance->state.breach - 1]].name,
			    version_print(core->policy, rollout->to, version), outcome->share);
	core_rollout_record(core, instance, &change);
	core->dirty = true;
}

/* Are the shares that the tables were made of those that it has set? */
static bool in_force(const struct core *core, const struct rollout_policy *rollout, uint8_t share)
{
	if (core->patience || !core->effective)
		return false;
	return core->effective->rollouts[rollout->service].shares[1].weight == share;
}

static void look(struct core *core, struct rollout_instance *instance)
{
	const struct rollout_policy *rollout = &core->policy->rollouts[instance->rollout];
	struct rollout_need needs[USHER_ROLLOUT_NEEDS_MAX];
	struct rollout_evidence evidence = {.needs = needs};
	const struct rollout_instance before = *instance;

	rollouts_needs(core->policy, core->standing.gates, rollout, needs);
	evidence.in_force = in_force(core, rollout, rollout_share(&rollout->settings, &instance->state));
	evidence.flows = rollouts_flows(core->standing.rollouts, core->policy, core->catalog, rollout->to);
	rollout_look(&rollout->settings, &instance->state, &evidence, core_gate_clock(core) / 1000, &instance->outcome);
	instance->in_force = evidence.in_force;
	if (!instance->since)
		instance->since = clock_realtime();
	if (!instance->outcome.changed) {
		core->dirty = core->dirty || !evidence.in_force; /* the publish has failed: again */
		return;
	}
	instance->since = clock_realtime();
	instance->word.given = false;
	if (core_rollouts_save(core) && instance->outcome.share > instance->outcome.share_before)
		*instance = before; /* what cannot be kept is not in force; tried again by the next look */
	else
		note_change(core, instance);
}

/* One that is over, or paused, gathers nothing. */
static bool may_step(const struct rollouts *rollouts)
{
	for (size_t i = 0; i < rollouts->count; i++)
		if (rollouts->items[i].state.state == ROLLOUT_WAITING ||
		    rollouts->items[i].state.state == ROLLOUT_RUNNING)
			return true;
	return false;
}

/* Counters that cannot be read keep nobody from acting on a breach: there is no traffic that anybody knows of. */
static void count_flows(struct core *core)
{
	_cleanup_free_ struct counters *counters = NULL;

	if (!may_step(core->standing.rollouts)) {
		rollouts_count_nothing(core->standing.rollouts);
		return;
	}
	counters = malloc(sizeof(*counters));
	if (!counters)
		abort();
	if (counters_read(core->program, counters))
		rollouts_count_nothing(core->standing.rollouts);
	else
		rollouts_count(core->standing.rollouts, core->catalog, counters);
}

void core_rollouts_tick(struct core *core)
{
	if (!core->policy || !core->standing.rollouts->count || !core->catalog)
		return;
	count_flows(core);
	for (size_t i = 0; i < core->standing.rollouts->count; i++)
		look(core, &core->standing.rollouts->items[i]);
	if (clock_monotonic() - core->rollouts_saved >= SAVE_APART)
		core_rollouts_save(core);
}
