// SPDX-License-Identifier: GPL-2.0-only
/* Gates: from what the edge has read to facts, once a second and whenever something has been read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/core.h"
#include "daemon/gate_report.h"
#include "daemon/gates_text.h"

#define GATES_FILE "gates.json"
#define READ_APART (500 * CLOCK_MILLISECOND)
#define STEP_APART (200 * CLOCK_MILLISECOND) /* of steps that readings lead to; there is one a second in any case */
#define SAVE_APART (60 * CLOCK_SECOND)	     /* of what was measured; transitions are saved at once */

int64_t core_gate_clock(const struct core *core)
{
	/* Keeps its pace whatever becomes of the wall clock; only a restart of the daemon looks at that again. */
	return (core->started + clock_monotonic() - core->started_monotonic) / CLOCK_MILLISECOND;
}

static int parse(struct core *core, const char *text, size_t length)
{
	return gates_text_parse(text, length, &core->standing.gates);
}

int core_gates_open(struct core *core, struct problem *problem)
{
	int64_t now = core_gate_clock(core) / 1000;
	bool lost;
	int error = core_kept_read(core, GATES_FILE,
				   "gates deny what they can deny until it is known to be good, or released", parse,
				   &lost, problem);

	gates_resume(core->standing.gates, now);
	if (error || !lost)
		return error;
	core->standing.gates = calloc(1, sizeof(*core->standing.gates));
	if (!core->standing.gates)
		abort();
	core->standing.gates->lost_at = now;
	return 0;
}

int core_gates_save(struct core *core)
{
	struct json text = {0};
	int error;

	if (!core->policy || !core->standing.gates)
		return 0;
	core->gates_saved = clock_monotonic();
	gates_text_print(&text, core->standing.gates);
	error = core_kept_write(core, GATES_FILE, &text);
	core->gates_unsaved = error; /* then again */
	return error;
}

/* ---- transitions --------------------------------------------------------------------------------------------- */

static void note_transition(void *context, const struct gate_instance *instance)
{
	struct core *core = context;
	const struct gate_policy *gate = &core->policy->gates[instance->gate];
	char text[GATE_SENTENCE];
	struct json *record = journal_operation(core->journal, "gate", NULL);

	if (quota_take(&core->verdict_lines, clock_monotonic()))
		log_warning("gate %s", gate_sentence(core->policy, instance, text));
	gate_report_subject(record, core->policy, instance);
	gate_report_state(record, gate, instance);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
	core->gates_unsaved = true;
	core->dirty = true;
}

static void step(struct core *core)
{
	core->gates_stepped = clock_monotonic();
	gates_step(core->standing.gates, core->policy, core_gate_clock(core) / 1000, note_transition, core);
	if (core->gates_unsaved)
		core_gates_save(core);
}

void core_gates_tick(struct core *core)
{
	if (!core->policy)
		return;
	step(core);
	if (core->gates_taken && clock_monotonic() - core->gates_saved >= SAVE_APART) {
		core->gates_taken = false;
		core_gates_save(core);
	}
}

/* ---- readings ------------------------------------------------------------------------------------------------ */

/* A line when an evaluator that could be read no longer can, and when it can again. */
static void say(struct core *core, size_t number, bool asked, struct cause before, struct cause cause)
{
	const struct evaluator *evaluator = &core->policy->evaluators[number];
	char text[CAUSE_TEXT];

	if (asked && (before.kind == CAUSE_NONE) == (cause.kind == CAUSE_NONE))
		return;
	if (!quota_take(&core->verdict_lines, clock_monotonic()))
		return;
	if (cause.kind == CAUSE_NONE)
		log_info("evaluator %s can be read", evaluator->name);
	else
		log_warning("evaluator %s cannot be read: %s", evaluator->name,
			    cause_print(cause, evaluator->path, text));
}

void core_gates_fact(struct core *core, const struct edge_fact *fact)
{
	struct gate_feed before;

	if (fact->round != core->watch_round || !core->policy || fact->target >= core->standing.gates->feed_count)
		return;
	before = core->standing.gates->feeds[fact->target];
	/* No evaluator is asked this often: an edge that says so is not what it was. */
	if (fact->kind == EDGE_FACT_EVALUATED && before.read_at && clock_monotonic() - before.read_at < READ_APART)
		return;
	if (gates_take(core->standing.gates, core->policy, fact, core_gate_clock(core))) {
		core->gates_taken = true;
		if (clock_monotonic() - core->gates_stepped >= STEP_APART)
			step(core);
	}
	if (fact->kind == EDGE_FACT_EVALUATED)
		say(core, fact->target, before.asked, before.cause, core->standing.gates->feeds[fact->target].cause);
}
