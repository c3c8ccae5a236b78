// SPDX-License-Identifier: GPL-2.0-only
/* Outliers: what the kernel has seen of backends, once a second, and who is left out for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/core.h"

#define EJECTIONS_FILE "ejections.json"

static int parse(struct core *core, const char *text, size_t length)
{
	return ejections_parse(text, length, &core->standing.ejections);
}

int core_ejections_open(struct core *core, struct problem *problem)
{
	bool lost;

	return core_kept_read(core, EJECTIONS_FILE, "outliers are looked for anew", parse, &lost, problem);
}

int core_ejections_save(struct core *core)
{
	struct json text = {0};

	if (!core->policy || !core->standing.ejections)
		return 0;
	ejections_print(&text, core->standing.ejections);
	return core_kept_write(core, EJECTIONS_FILE, &text);
}

static void note(struct core *core, const struct ejection_instance *instance, const char *what)
{
	struct json *record = journal_operation(core->journal, "ejection", NULL);

	json_string(record, "backend", instance->name);
	json_string(record, "change", what);
	if (instance->state.out) {
		json_integer(record, "seconds", instance->finding.seconds);
		ejection_describe(record, &instance->finding);
	}
	core_record_generation(core, record);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
	core->dirty = true;
}

/* ---- what has been seen -------------------------------------------------------------------------------------- */

static struct ejection_counts counts_of(const struct usher_backend_figures *figures)
{
	struct ejection_counts counts = {.unconnected = figures->refused + figures->connect_timeouts,
					 .resets = figures->resets,
					 .given_up = figures->first_byte_timeouts};

	for (size_t i = 0; i < USHER_LATENCY_BUCKETS; i++) {
		counts.connected += figures->connect.bucket[i];
		counts.answers[i] = figures->first_byte.bucket[i];
	}
	return counts;
}

/* Who is out is seen by few: what it does then is no evidence. */
static void take(struct core *core, const struct usher_backend_figures *figures, int64_t now)
{
	for (uint16_t n = 0; n < USHER_BACKENDS_MAX; n++) {
		const struct catalog_backend *backend = &core->catalog->backends[n];
		struct ejection_instance *instance =
			backend->name ? ejections_find(core->standing.ejections, backend->name) : NULL;
		struct ejection_counts counts;

		if (!instance || instance->state.out)
			continue;
		if (instance->number != n || instance->incarnation != backend->incarnation)
			ejection_forget(&instance->state);
		instance->number = n;
		instance->incarnation = backend->incarnation;
		counts = counts_of(&figures[n]);
		ejection_take(policy_outlier(core->policy, instance->backend), &instance->state, &counts, now);
	}
}

/* ---- steps --------------------------------------------------------------------------------------------------- */

static bool take_back(struct core *core, const struct outlier_settings *settings, struct ejection_instance *instance,
		      int64_t now)
{
	if (!ejection_return(settings, &instance->state, now))
		return false;
	log_info("backend %s may be given new connections again", instance->name);
	instance->found = false;
	note(core, instance, "returned");
	return true;
}

static void put_out(struct core *core, struct ejection_instance *instance, const struct ejection_finding *finding)
{
	char text[EJECTION_TEXT];

	instance->finding = *finding;
	instance->found = true;
	log_warning("backend %s is given no new connection for %lld s: %s", instance->name, (long long)finding->seconds,
		    ejection_print(finding, text));
	note(core, instance, "ejected");
}

/* Of one model, whose backends are in a row. Has anybody gone or come? */
static bool step(struct core *core, size_t model, int64_t now)
{
	const struct policy *policy = core->policy;
	const struct outlier_settings *settings = &policy->models[model].outlier;
	const size_t *first = &core->effective->serving_first[model];
	_cleanup_free_ struct ejection_member *members = calloc(first[1] - first[0] + 1, sizeof(*members));
	struct ejection_finding finding;
	bool changed = false;
	size_t count = 0;

	if (!members)
		abort();
	for (size_t i = first[0]; i < first[1]; i++) {
		size_t b = core->effective->serving[i];
		const struct effective_backend *effective = &core->effective->backends[b];
		struct ejection_instance *instance = ejections_find(core->standing.ejections, policy->backends[b].name);

		changed |= take_back(core, settings, instance, now);
		members[count++] = (struct ejection_member){
			.ejection = &instance->state,
			.version = policy->backends[b].version - policy->models[model].versions.items[0],
			.able = !effective->constraint_reason && !effective->start_reason};
	}
	ejections_step(settings, members, count, policy->models[model].versions.count, now, &finding);
	if (finding.member == SIZE_MAX)
		return changed;
	put_out(core,
		ejections_find(core->standing.ejections,
			       policy->backends[core->effective->serving[first[0] + finding.member]].name),
		&finding);
	return true;
}

void core_ejections_tick(struct core *core)
{
	_cleanup_free_ struct usher_backend_figures *figures = NULL;
	int64_t now = core_gate_clock(core) / 1000;
	bool changed = false;
	int error;

	if (!core->policy || !core->effective || !core->catalog || !core->standing.ejections->count)
		return;
	figures = calloc(USHER_BACKENDS_MAX, sizeof(*figures));
	if (!figures)
		abort();
	error = counters_figures(core->program, figures);
	if (error)
		core_problem(core, "what backends fail at cannot be read: %s", strerror(-error));
	else
		take(core, figures, now);
	for (size_t m = 0; m < core->policy->model_count; m++)
		if (core->policy->models[m].outlier.signals)
			changed |= step(core, m, now);
	if (changed)
		core_ejections_save(core);
}
