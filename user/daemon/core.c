// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/core.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "kernel/counters.h"
#include "kernel/flows.h"
#include "policy/policy.h"
#include "daemon/approval.h"
#include "daemon/closed_policy.h"
#include "daemon/presence.h"

void core_problem(struct core *core, const char *format, ...)
{
	va_list arguments;
	char *sentence;

	va_start(arguments, format);
	if (vasprintf(&sentence, format, arguments) < 0)
		abort();
	va_end(arguments);
	log_warning("%s", sentence);
	for (size_t i = 0; i < core->problem_count; i++)
		if (!strcmp(core->problems[i], sentence)) {
			free(sentence);
			return;
		}
	if (core->problem_count == PROBLEMS_MAX) {
		free(core->problems[0]);
		memmove(core->problems, core->problems + 1, (PROBLEMS_MAX - 1) * sizeof(core->problems[0]));
		core->problem_count--;
	}
	core->problems[core->problem_count++] = sentence;
}

/* ---- tables -------------------------------------------------------------------------------------------------- */

static struct core_used used_by(const struct policy *policy, const struct tables *tables)
{
	return (struct core_used){
		.services = policy->service_count,
		.tenants = policy->tenant_count,
		.classes = tables->class_count,
		.routes = tables->route_count,
		.arms = tables->arm_count,
		.sets = tables->set_count,
		.ring_slots = tables->ring_lines * 32,
		.backends = policy->backend_count,
		.source4_keys = tables->source4_lines * USHER_SOURCE4_KEYS,
		.source6_keys = tables->source6_lines * USHER_SOURCE6_KEYS,
	};
}

static int make_tables(struct core *core, const struct effective *effective, struct diagnostics *diagnostics,
		       struct tables **ret_tables)
{
	const struct usher_generation *active = publisher_active(core->publisher);
	uint64_t last = active->number > core->state->generation ? active->number : core->state->generation;
	struct compile_input input = {
		.effective = effective,
		.identities = core->state->identities,
		.generation = last + 1,
		.epoch = active->epoch > core->state->epoch ? active->epoch : core->state->epoch,
		.judgement = core->state->judged ? core->state->judgement : NULL,
		.active = active,
		.hash_key = core->program->boot.hash_key,
		.memory = &core->memory,
	};

	return compile(&input, diagnostics, ret_tables);
}

/* Numbers that mean somebody else from now on begin to count from 0. */
static void reset_counters(const struct core *core, const struct identities *after)
{
	const struct identities *before = core->state->identities;

	for (uint16_t i = 0; before && i < USHER_SERVICES_MAX; i++)
		if (before->services.items[i].incarnation != after->services.items[i].incarnation)
			counters_reset_service(core->program, i);
	for (uint16_t i = 0; before && i < USHER_BACKENDS_MAX; i++)
		if (before->backends.items[i].incarnation != after->backends.items[i].incarnation) {
			counters_reset_backend(core->program, i);
			balance_forget(core->balance, i);
		}
}

/* Keeps what the next generation needs to know of this one. */
static int remember(struct core *core, const struct effective *effective, struct tables *tables)
{
	struct state *state = core->state;
	int error = core_note_able(core, effective, tables->identities);

	if (error)
		return error;
	identities_free(state->identities);
	state->identities = TAKE_PTR(tables->identities);
	memcpy(state->judgement, tables->judgement, sizeof(state->judgement));
	state->judged = true;
	state->generation = tables->header.number;
	state->epoch = tables->header.epoch;
	return state_save(state);
}

static int put_in_force(struct core *core, const struct effective *effective, struct tables *tables, const char *digest,
			struct problem *problem)
{
	int error;

	reset_counters(core, tables->identities);
	error = remember(core, effective, tables);
	if (error)
		return problem_set(problem, error, "cannot write the state folder %s: %s", core->options->state_dir,
				   strerror(-error));
	core->catalog = tables->catalog;
	journal_catalog(core->journal, TAKE_PTR(tables->catalog));
	error = publish(core->publisher, tables);
	if (error)
		return problem_set(problem, error, "cannot publish: %s", strerror(-error));
	memcpy(core->tables_digest, digest, SHA256_HEX);
	core->used = used_by(effective->policy, tables);
	core->published = clock_realtime();
	return 0;
}

/* ---- policies ------------------------------------------------------------------------------------------------ */

static void free_policy(struct policy **policy)
{
	policy_free(*policy);
}

static void free_effective(struct effective **effective)
{
	effective_free(*effective);
}

static void free_tables(struct tables **tables)
{
	tables_free(*tables);
}

static void release_facts(const struct facts *facts)
{
	free(facts->services);
	free(facts->backends);
	free(facts->versions);
}

void core_free_policy(struct core *core)
{
	effective_free(core->effective);
	policy_free(core->policy);
	release_facts(&core->facts);
	free(core->text);
	core->effective = NULL;
	core->policy = NULL;
	core->facts = (struct facts){0};
	core->text = NULL;
}

static void remember_services(struct core *core)
{
	struct state *state = core->state;

	state->service_count = 0;
	for (size_t s = 0; s < core->policy->service_count; s++)
		for (size_t a = 0; a < core->policy->services[s].address_count; a++) {
			const struct service_address *address = &core->policy->services[s].addresses[a];

			state->services = array_grow(state->services, state->service_count, &state->service_capacity,
						     sizeof(*state->services));
			state->services[state->service_count++] = (struct state_service){
				address->address, address->port, core->policy->services[s].protocol};
		}
}

/* Nobody is answered, whatever the rules say. */
static void close_routes(struct tables *tables)
{
	for (size_t r = 0; r < tables->route_count; r++) {
		tables->routes[r].reason = USHER_REASON_NO_POLICY;
		tables->routes[r].answer = USHER_ANSWER_DROP;
	}
}

/* The generation that an earlier daemon published from the same policy has the same names. */
static void name_adopted(struct core *core, struct tables *tables)
{
	const struct usher_generation *active = publisher_active(core->publisher);

	if (core->catalog || !active->number || active->number != core->state->generation)
		return;
	tables->catalog->generation = active->number;
	tables->catalog->epoch = active->epoch;
	core->catalog = tables->catalog;
	journal_catalog(core->journal, TAKE_PTR(tables->catalog));
}

int core_load(struct core *core, const char *file, const char *text, size_t length, struct approval *approval,
	      bool dry_run, struct diagnostics *diagnostics, struct problem *problem, struct core_result *ret_result)
{
	_cleanup_(free_policy) struct policy *policy = NULL;
	_cleanup_(free_effective) struct effective *effective = NULL;
	_cleanup_(free_tables) struct tables *tables = NULL;
	_cleanup_(release_facts) struct facts facts = {0};
	_cleanup_(standing_release) struct standing standing = {0};
	_cleanup_free_ char *copy = NULL;
	char digest[SHA256_HEX];
	time_t now = (time_t)(clock_realtime() / CLOCK_SECOND);
	int error = policy_parse(file, text, length, now, diagnostics, &policy);

	if (!error)
		error = presence_check(core, policy, diagnostics);
	if (!error && (!dry_run || (approval && approval->count)))
		error = approval_check(core, policy, text, length, approval, problem);
	if (error)
		return error;
	error = standing_new(policy, &core->standing, core->policy && !strcmp(policy->digest, core->policy->digest),
			     &standing);
	if (!error)
		error = core_carry_facts(core, policy, &facts);
	if (!error) {
		standing_fill(&standing, policy, &facts);
		error = decide(policy, &facts, now, &effective);
	}
	if (!error)
		error = make_tables(core, effective, diagnostics, &tables);
	if (!error)
		surges_note_reach(standing.surges, policy, tables);
	copy = malloc(length + 1);
	if (!copy)
		error = -ENOMEM;
	if (error)
		return error == -E2BIG ? error : problem_set(problem, error, "cannot compile: %s", strerror(-error));
	memcpy(copy, text, length);
	copy[length] = '\0';
	tables_digest(tables, digest);
	*ret_result = (struct core_result){.generation = tables->header.number,
					   .epoch = tables->header.epoch,
					   .revision = policy->revision,
					   .changed = strcmp(digest, core->tables_digest) != 0};
	memcpy(ret_result->digest, policy->digest, sizeof(ret_result->digest));
	if (!ret_result->changed) {
		ret_result->generation = publisher_active(core->publisher)->number;
		ret_result->epoch = publisher_active(core->publisher)->epoch;
	}
	if (dry_run)
		return 0;
	ret_result->pending = core->patience;
	if (core->patience && publisher_active(core->publisher)->number) { /* the tables follow when the facts are in */
		name_adopted(core, tables);
	} else if (core->patience) { /* until then nothing goes to the host that is not the host's */
		close_routes(tables);
		tables_digest(tables, digest);
		error = put_in_force(core, effective, tables, digest, problem);
	} else if (ret_result->changed) {
		error = put_in_force(core, effective, tables, digest, problem);
	}
	if (error)
		return error;
	core_free_policy(core);
	standing_release(&core->standing);
	core->standing = standing_take(&standing);
	core->policy = TAKE_PTR(policy);
	core->effective = TAKE_PTR(effective);
	core->facts = facts;
	facts = (struct facts){0};
	core->text = TAKE_PTR(copy);
	core->text_length = length;
	core->closed = false;
	core->dirty = true;
	journal_privacy(core->journal, &core->policy->privacy);
	journal_retain(core->journal, core->policy->retention.seconds);
	if (core->policy->retention.seconds && core->policy->retention.seconds < RETAIN_ADVISED_S)
		log_warning("records are deleted after less than 183 days: Articles 19 and 26 of the EU AI Act want "
			    "six months");
	ret_result->name = core->policy->name;
	remember_services(core);
	core_forget_verifications(core);
	core_watch(core);
	presence_apply(core);
	error = state_save(core->state);
	if (error)
		core_problem(core, "cannot write the state folder %s: %s", core->options->state_dir, strerror(-error));
	core_pools_save(core);
	core_surges_save(core);
	core_ejections_save(core);
	core_rollouts_save(core); /* what this policy does not have must not come back with a share */
	return 0;
}

int core_refresh(struct core *core)
{
	_cleanup_(free_effective) struct effective *effective = NULL;
	_cleanup_(free_tables) struct tables *tables = NULL;
	struct diagnostics ignored = {.file = ""};
	struct problem problem = {0};
	char digest[SHA256_HEX];
	int error;

	core->dirty = false;
	if (!core->policy || core->patience)
		return 0;
	core_recall_orders(core, core->policy, &core->facts);
	standing_fill(&core->standing, core->policy, &core->facts);
	error = core_recall_able(core, core->policy, &core->facts);
	if (!error)
		error = decide(core->policy, &core->facts, (int64_t)(clock_realtime() / CLOCK_SECOND), &effective);
	if (!error)
		error = make_tables(core, effective, &ignored, &tables);
	if (!error)
		surges_note_reach(core->standing.surges, core->policy, tables);
	diagnostics_free(&ignored);
	if (error) {
		problem_set(&problem, error, "cannot compile the policy again: %s", strerror(-error));
	} else {
		tables_digest(tables, digest);
		if (strcmp(digest, core->tables_digest) != 0)
			error = put_in_force(core, effective, tables, digest, &problem);
		else
			error = core_note_able(core, effective, core->state->identities);
		if (error && !*problem.text)
			problem_set(&problem, error, "%s", strerror(-error));
	}
	if (error) {
		core_problem(core, "%s", problem.text);
		return error;
	}
	effective_free(core->effective);
	core->effective = TAKE_PTR(effective);
	return 0;
}

/* ---- without a policy ---------------------------------------------------------------------------------------- */

void core_close_services(struct core *core)
{
	_cleanup_(free_policy) struct policy *policy = NULL;
	_cleanup_(free_effective) struct effective *effective = NULL;
	_cleanup_(free_tables) struct tables *tables = NULL;
	struct diagnostics ignored = {.file = ""};
	struct problem problem = {0};
	struct json text = {0};
	char digest[SHA256_HEX];
	int error;

	core->closed = true;
	core->patience = 0;
	closed_policy_print(&text, core->state);
	error = policy_parse("", text.bytes, text.length, 0, &ignored, &policy);
	if (!error)
		error = decide(policy, NULL, 0, &effective);
	if (!error)
		error = make_tables(core, effective, &ignored, &tables);
	diagnostics_free(&ignored);
	if (!error) {
		close_routes(tables);
		tables_digest(tables, digest);
		error = put_in_force(core, effective, tables, digest, &problem);
	}
	if (!error)
		revisions_note_closed(core, text.bytes, text.length, policy->digest);
	json_free(&text);
	if (error)
		core_problem(core, "the services of the last policy cannot be closed: %s",
			     *problem.text ? problem.text : strerror(-error));
	else
		log_warning("no policy is loaded: packets for the %zu service addresses of the last one are dropped",
			    core->state->service_count);
}
