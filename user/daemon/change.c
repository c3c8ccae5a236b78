// SPDX-License-Identifier: GPL-2.0-only
/* The verbs that change what is in force: apply, confirm, rollback, drain; and those that tell of it: history, policy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/change.h"
#include "daemon/request.h"

#define CONFIRM_MAX_MS (7LL * 24 * 3600 * 1000)

static char *copy(const char *text)
{
	char *bytes = text ? strdup(text) : NULL;

	if (text && !bytes)
		abort();
	return bytes;
}

static void record_change(struct core *core, const char *activity, const struct record_actor *actor,
			  const struct core_result *result, const char *file)
{
	struct json *record = journal_operation(core->journal, activity, actor);

	json_string(record, "policy_digest", result->digest);
	json_unsigned(record, "policy_revision", result->revision);
	json_unsigned(record, "generation", result->generation);
	json_unsigned(record, "epoch", result->epoch);
	json_string(record, "file", file);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

static void save(struct core *core)
{
	int error = state_save(core->state);

	if (error)
		core_problem(core, "cannot write the state folder %s: %s", core->options->state_dir, strerror(-error));
}

/* Loads a policy and enters it into the history. */
static int change(struct core *core, const char *verb, const char *file, const char *text, size_t length,
		  const struct record_actor *actor, bool confirmed, struct diagnostics *diagnostics,
		  struct problem *problem, struct core_result *ret_result)
{
	struct state_entry entry = {.applied = clock_realtime(), .confirmed = confirmed};
	int error = state_keep_policy(core->state, text, length, entry.bytes_digest);

	if (error)
		return problem_set(problem, error, "cannot write the state folder %s: %s", core->options->state_dir,
				   strerror(-error));
	error = core_load(core, file, text, length, false, diagnostics, problem, ret_result);
	if (error) {
		state_drop_policy(core->state, entry.bytes_digest);
		return error;
	}
	core->unconfirmed = false;
	memcpy(entry.digest, ret_result->digest, sizeof(entry.digest));
	entry.name = copy(ret_result->name);
	entry.revision = ret_result->revision;
	entry.file = copy(file);
	strncpy(entry.verb, verb, sizeof(entry.verb) - 1);
	entry.uid = actor ? actor->uid : 0;
	entry.user = copy(actor ? actor->user : NULL);
	entry.generation = ret_result->generation;
	state_push(core->state, &entry);
	save(core);
	record_change(core, verb, actor, ret_result, file);
	return 0;
}

int change_start(struct core *core, const char *file, const char *text, size_t length, struct diagnostics *diagnostics,
		 struct problem *problem)
{
	struct core_result result;

	core->state->confirm_by = 0;
	return change(core, "start", file, text, length, NULL, true, diagnostics, problem, &result);
}

/* ---- apply --------------------------------------------------------------------------------------------------- */

static void add_diagnostics(struct answer *answer, const struct diagnostics *diagnostics)
{
	struct json *body = &answer->body;

	answer->has_body = true;
	json_object_begin(body, NULL);
	json_array_begin(body, "diagnostics");
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct diagnostic *item = &diagnostics->items[i];

		json_object_begin(body, NULL);
		json_string(body, "severity", item->severity == SEVERITY_ERROR ? "error" : "warning");
		json_unsigned(body, "line", item->line);
		json_unsigned(body, "column", item->column);
		json_string(body, "path", item->path);
		json_string(body, "text", item->text);
		if (item->file)
			json_string(body, "file", item->file);
		json_object_end(body);
	}
	json_array_end(body);
	json_object_end(body);
}

static int report(struct answer *answer, int error, const struct core_result *result, const struct problem *problem,
		  const struct diagnostics *diagnostics)
{
	add_diagnostics(answer, diagnostics);
	if (error == -EINVAL || error == -E2BIG)
		return answer_error(answer, PROTOCOL_REFUSED, "the policy is refused: %zu error%s", diagnostics->errors,
				    diagnostics->errors == 1 ? "" : "s");
	if (error)
		return answer_error(answer, PROTOCOL_FAILED, "%s", problem->text);
	answer_number(answer, "generation", result->generation);
	answer_number(answer, "epoch", result->epoch);
	answer_text(answer, "digest", result->digest);
	answer_text(answer, "name", result->name);
	answer_number(answer, "revision", result->revision);
	answer_boolean(answer, "changed", result->changed);
	if (result->pending)
		answer_boolean(answer, "pending", true);
	return PROTOCOL_OK;
}

/* What there is to confirm is confirmed before something else can be asked for. */
static int refuse_while_waiting(const struct core *core, struct answer *answer)
{
	char text[CLOCK_TEXT];

	if (!core->state->confirm_by)
		return PROTOCOL_OK;
	return answer_error(answer, PROTOCOL_FAILED,
			    "the policy in force waits for `usher confirm` until %s; confirm it or roll back first",
			    clock_print(core->state->confirm_by, text));
}

int request_apply(struct core *core, const struct request *request, struct answer *answer)
{
	struct diagnostics diagnostics = {0};
	struct problem problem = {0};
	struct core_result result = {0};
	const char *file = "policy";
	int64_t confirm_within = 0;
	int dry_run = 0, error, status;

	if (protocol_string(request->frame, "file", &file) == -EINVAL ||
	    protocol_boolean(request->frame, "dry_run", &dry_run) == -EINVAL ||
	    protocol_integer(request->frame, "confirm_within_ms", 1, CONFIRM_MAX_MS, &confirm_within) == -EINVAL)
		return answer_error(answer, PROTOCOL_USAGE, "a field of the request is not what it should be");
	if (!request->body.bytes)
		return answer_error(answer, PROTOCOL_USAGE, "the request has no policy");
	if (!dry_run) {
		status = refuse_while_waiting(core, answer);
		if (status)
			return status;
	}
	diagnostics.file = file;
	if (dry_run)
		error = core_load(core, file, request->body.bytes, request->body.length, true, &diagnostics, &problem,
				  &result);
	else
		error = change(core, "apply", file, request->body.bytes, request->body.length, &request->actor,
			       !confirm_within, &diagnostics, &problem, &result);
	if (!error && confirm_within) {
		core->state->confirm_by = clock_realtime() + confirm_within * CLOCK_MILLISECOND;
		save(core);
		answer_time(answer, "confirm_by", core->state->confirm_by);
	}
	status = report(answer, error, &result, &problem, &diagnostics);
	diagnostics_free(&diagnostics);
	return status;
}

/* ---- confirm, rollback --------------------------------------------------------------------------------------- */

int request_confirm(struct core *core, const struct request *request, struct answer *answer)
{
	struct state_entry *entry = &core->state->history[0];
	const struct usher_generation *active = publisher_active(core->publisher);
	struct core_result result = {.generation = active->number, .epoch = active->epoch};

	if (!core->state->confirm_by) {
		if (core->unconfirmed)
			return answer_error(answer, PROTOCOL_UNCONFIRMED,
					    "too late: the policy before it is in force again");
		return answer_error(answer, PROTOCOL_NEGATIVE, "nothing waits to be confirmed");
	}
	core->state->confirm_by = 0;
	entry->confirmed = true;
	save(core);
	memcpy(result.digest, entry->digest, sizeof(result.digest));
	result.revision = entry->revision;
	record_change(core, "confirm", &request->actor, &result, entry->file);
	answer_number(answer, "generation", result.generation);
	answer_text(answer, "digest", entry->digest);
	return PROTOCOL_OK;
}

/* Puts the policy of an entry in force again. */
static int go_back(struct core *core, size_t index, const char *verb, const struct record_actor *actor,
		   struct diagnostics *diagnostics, struct problem *problem, struct core_result *ret_result)
{
	const struct state_entry *entry = &core->state->history[index];
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *file = copy(entry->file);
	size_t length;
	int error = state_read_policy(core->state, entry->bytes_digest, &text, &length);

	if (error)
		return problem_set(problem, error == -EBADMSG ? -EIO : error,
				   "the text of that policy (%.12s) cannot be read from %s: %s", entry->digest,
				   core->options->state_dir, error == -EBADMSG ? "it is damaged" : strerror(-error));
	diagnostics->file = file;
	return change(core, verb, file, text, length, actor, true, diagnostics, problem, ret_result);
}

void change_unconfirmed(struct core *core)
{
	struct diagnostics diagnostics = {0};
	struct problem problem = {0};
	struct core_result result = {0};
	int error;

	core->state->confirm_by = 0;
	if (core->state->history_count < 2) {
		core_problem(core, "the first policy was not confirmed in time, and there is none before it: it stays");
		return;
	}
	error = go_back(core, 1, "rollback", NULL, &diagnostics, &problem, &result);
	if (error)
		core_problem(core, "the policy was not confirmed in time and cannot be rolled back: %s",
			     *problem.text ? problem.text : strerror(-error));
	else
		core_problem(core, "the policy was not confirmed in time: revision %llu is in force again",
			     (unsigned long long)result.revision);
	core->unconfirmed = !error;
	diagnostics_free(&diagnostics);
}

int request_rollback(struct core *core, const struct request *request, struct answer *answer)
{
	struct diagnostics diagnostics = {0};
	struct problem problem = {0};
	struct core_result result = {0};
	const char *revision = NULL;
	size_t index = 1;
	int error, status;

	if (protocol_string(request->frame, "revision", &revision) == -EINVAL)
		return answer_error(answer, PROTOCOL_USAGE, "a revision is a number or the beginning of a digest");
	if (revision ? state_find(core->state, revision, &index) : core->state->history_count < 2 ? -ENOENT : 0)
		return answer_error(answer, PROTOCOL_USAGE,
				    revision ? "history knows no such revision" : "there is no policy before this one");
	/* Without a revision: the last one that was another policy. */
	while (!revision && index + 1 < core->state->history_count &&
	       !strcmp(core->state->history[index].digest, core->state->history[0].digest))
		index++;
	error = go_back(core, index, "rollback", &request->actor, &diagnostics, &problem, &result);
	if (!error) {
		core->state->confirm_by = 0;
		save(core);
	}
	status = report(answer, error, &result, &problem, &diagnostics);
	diagnostics_free(&diagnostics);
	return status;
}

/* ---- what there was ------------------------------------------------------------------------------------------- */

int request_history(struct core *core, const struct request *request, struct answer *answer)
{
	struct json *body = &answer->body;
	char time[CLOCK_TEXT];

	(void)request;
	answer->has_body = true;
	json_object_begin(body, NULL);
	json_array_begin(body, "history");
	for (size_t i = 0; i < core->state->history_count; i++) {
		const struct state_entry *entry = &core->state->history[i];

		json_object_begin(body, NULL);
		json_string(body, "digest", entry->digest);
		json_string(body, "name", entry->name);
		json_unsigned(body, "revision", entry->revision);
		json_string(body, "file", entry->file);
		json_string(body, "applied", clock_print(entry->applied, time));
		json_string(body, "verb", entry->verb);
		json_unsigned(body, "uid", entry->uid);
		json_string(body, "user", entry->user);
		json_unsigned(body, "generation", entry->generation);
		json_boolean(body, "active", !i && core->policy);
		json_boolean(body, "confirmed", entry->confirmed);
		json_object_end(body);
	}
	json_array_end(body);
	json_object_end(body);
	return PROTOCOL_OK;
}

int request_policy(struct core *core, const struct request *request, struct answer *answer)
{
	(void)request;
	if (!core->policy)
		return answer_error(answer, PROTOCOL_NEGATIVE, "no policy is loaded");
	answer_text(answer, "file", core->policy->file);
	answer_text(answer, "digest", core->policy->digest);
	answer_text(answer, "name", core->policy->name);
	answer_number(answer, "revision", core->policy->revision);
	answer->has_body = true;
	json_raw(&answer->body, core->text, core->text_length);
	return PROTOCOL_OK;
}

/* ---- drains -------------------------------------------------------------------------------------------------- */

static int set_drain(struct core *core, const struct request *request, struct answer *answer, bool drained)
{
	const char *backend;
	struct json *record;
	size_t index;
	bool changed;

	if (protocol_string(request->frame, "backend", &backend))
		return answer_error(answer, PROTOCOL_USAGE, "the request names no backend");
	/* The drain of a backend that the policy has dropped can still be ended. */
	if (core_backend(core, backend, &index) && !(!drained && state_is_drained(core->state, backend)))
		return answer_error(answer, PROTOCOL_USAGE, "the policy has no backend %s", backend);
	changed = state_set_drained(core->state, backend, drained);
	if (changed) {
		save(core);
		if (core_refresh(core))
			return answer_error(answer, PROTOCOL_FAILED, "cannot publish; `usher show` says why");
		record = journal_operation(core->journal, drained ? "drain" : "undrain", &request->actor);
		json_string(record, "backend", backend);
		json_unsigned(record, "generation", publisher_active(core->publisher)->number);
		if (journal_operation_end(core->journal))
			core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
	}
	answer_number(answer, "generation", publisher_active(core->publisher)->number);
	answer_boolean(answer, "changed", changed);
	return PROTOCOL_OK;
}

int request_drain(struct core *core, const struct request *request, struct answer *answer)
{
	return set_drain(core, request, answer, true);
}

int request_undrain(struct core *core, const struct request *request, struct answer *answer)
{
	return set_drain(core, request, answer, false);
}
