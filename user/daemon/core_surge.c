// SPDX-License-Identifier: GPL-2.0-only
/* Surges: what services' backends have to do, once a second, and how far each service gives way to it. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/core.h"

#define SURGES_FILE "surges.json"

static int parse(struct core *core, const char *text, size_t length)
{
	return surges_parse(text, length, &core->standing.surges);
}

int core_surges_open(struct core *core, struct problem *problem)
{
	bool lost;

	return core_kept_read(core, SURGES_FILE, "surges begin anew", parse, &lost, problem);
}

void core_surges_save(struct core *core)
{
	struct json text = {0};

	if (!core->policy || !core->standing.surges)
		return;
	surges_print(&text, core->standing.surges);
	core_kept_write(core, SURGES_FILE, &text);
}

/* ---- load ---------------------------------------------------------------------------------------------------- */

/* Requests that it has; NAN: not known. */
static double load_of(const struct core *core, size_t backend, int64_t now)
{
	const struct load_facts *facts = &core->facts.backends[backend].load;

	if (!core_load_is_fresh(&core->policy->backends[backend].load, facts, now) || isnan(facts->running))
		return NAN;
	return facts->running + (isnan(facts->waiting) ? 0 : facts->waiting);
}

/* Of the backends that somebody may be answered by at the service those that may start flows, their tier aside. */
static int measure(const struct core *core, const struct surge_instance *instance, int64_t now,
		   struct surge_measure *ret_measure)
{
	const struct policy *policy = core->policy;
	_cleanup_free_ struct surge_backend *backends = calloc(policy->backend_count + 1, sizeof(*backends));
	size_t count = 0;

	if (!backends)
		return -ENOMEM;
	for (size_t b = 0; b < policy->backend_count; b++) {
		if (!(instance->reach[b / 64] >> b % 64 & 1) ||
		    policy->versions[policy->backends[b].version].model != policy->services[instance->service].model ||
		    !effective_starts(core->effective, b))
			continue;
		backends[count++] = (struct surge_backend){.tier = (uint32_t)service_tier(policy, instance->service, b),
							   .capacity = policy->backends[b].capacity,
							   .load = load_of(core, b, now)};
	}
	return surge_measure(backends, count, SURGE_MOST * instance->settings.open_at, ret_measure);
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static void note_change(struct core *core, const struct surge_instance *instance)
{
	const struct surge_outcome *outcome = &instance->outcome;
	const struct surge_settings *settings = &instance->settings;
	struct json *record = journal_operation(core->journal, "surge", NULL);

	log_warning("service %s: load over capacity %.2f: %u of %u overflow tiers open, %u priorities shed, and %u %% "
		    "of the next",
		    instance->name, outcome->ratio, outcome->open - 1, settings->tiers - 1,
		    surge_whole(settings, outcome->shed), surge_part(settings, outcome->shed));
	json_string(record, "service", instance->name);
	json_number(record, "ratio", outcome->ratio);
	json_unsigned(record, "open", outcome->open - 1);
	json_unsigned(record, "was_open", outcome->was_open - 1);
	json_unsigned(record, "shed", surge_whole(settings, outcome->shed));
	json_unsigned(record, "shed_part", surge_part(settings, outcome->shed));
	json_unsigned(record, "was_shed", surge_whole(settings, outcome->was_shed));
	json_unsigned(record, "was_shed_part", surge_part(settings, outcome->was_shed));
	json_unsigned(record, "known", instance->measure.known);
	json_unsigned(record, "backends", instance->measure.backends);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
	core->dirty = true;
}

void core_surges_tick(struct core *core)
{
	int64_t now = clock_monotonic();
	bool changed = false;

	for (size_t i = 0; core->policy && core->effective && i < core->standing.surges->count; i++) {
		struct surge_instance *instance = &core->standing.surges->items[i];

		if (measure(core, instance, now, &instance->measure))
			abort();
		surge_step(&instance->settings, &instance->state, &instance->measure, core_gate_clock(core) / 1000,
			   &instance->outcome);
		if (!instance->outcome.changed)
			continue;
		changed = true;
		note_change(core, instance);
	}
	if (changed)
		core_surges_save(core);
}
