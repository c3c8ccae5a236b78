// SPDX-License-Identifier: GPL-2.0-only
/* The verbs that change what is in force: apply, confirm, rollback, drain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "daemon/approval.h"
#include "daemon/approval_text.h"
#include "daemon/change.h"
#include "daemon/request.h"
#include "policy/statement.h"

#define CONFIRM_MAX_MS (7LL * 24 * 3600 * 1000)

static char *copy(const char *text)
{
	char *bytes = text ? strdup(text) : NULL;

	if (text && !bytes)
		abort();
	return bytes;
}

/* What is to come into force, and by whose order. */
struct order {
	const char *verb, *file, *text;
	size_t length;
	const struct record_actor *actor; /* NULL: nobody's */
	const char *why;		  /* or NULL */
	struct approval *approval;
	bool confirmed;
};

/* Of the policy that the history has come to. */
static void record_change(struct core *core, const char *activity, const struct record_actor *actor, const char *why)
{
	const struct state_entry *entry = &core->state->history[0];
	const struct revision *revision = revisions_by_bytes(core, entry->bytes_digest);
	struct json *record = journal_operation(core->journal, activity, actor);

	json_string(record, "policy_digest", entry->digest);
	json_unsigned(record, "policy_revision", entry->revision);
	core_record_generation(core, record);
	json_string(record, "file", entry->file);
	json_unsigned(record, "change", entry->number);
	json_string(record, "document", revision ? revision->document : NULL);
	json_string(record, "why", why);
	approval_print(record, &entry->approval);
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
static int change(struct core *core, const struct order *order, struct diagnostics *diagnostics,
		  struct problem *problem, struct core_result *ret_result)
{
	struct state_entry entry = {.applied = clock_realtime(), .confirmed = order->confirmed};
	const struct record_actor *actor = order->actor;
	int error = state_keep_policy(core->state, order->text, order->length, entry.bytes_digest);

	if (error)
		return problem_set(problem, error, "cannot write the state folder %s: %s", core->options->state_dir,
				   strerror(-error));
	error = core_load(core, order->file, order->text, order->length, order->approval, false, diagnostics, problem,
			  ret_result);
	if (error == -EKEYREJECTED)
		approval_refused(core, order->verb, actor, order->file, order->text, order->length, problem);
	if (error) {
		revisions_drop(core, entry.bytes_digest);
		return error;
	}
	core->unconfirmed = false;
	memcpy(entry.digest, ret_result->digest, sizeof(entry.digest));
	entry.name = copy(ret_result->name);
	entry.revision = ret_result->revision;
	entry.file = copy(order->file);
	strncpy(entry.verb, order->verb, sizeof(entry.verb) - 1);
	entry.uid = actor ? actor->uid : 0;
	entry.user = copy(actor ? actor->user : NULL);
	entry.why = copy(order->why);
	entry.generation = ret_result->generation;
	if (core->approvers)
		entry.approval = *order->approval;
	state_push(core->state, &entry);
	if (entry.confirmed)
		approval_settled(core, entry.revision);
	save(core);
	revisions_note(core);
	record_change(core, order->verb, actor, order->why);
	return 0;
}

int change_start(struct core *core, const char *file, const char *text, size_t length, struct diagnostics *diagnostics,
		 struct problem *problem)
{
	struct approval approval;
	const struct order order = {.verb = "start",
				    .file = file,
				    .text = text,
				    .length = length,
				    .approval = &approval,
				    .confirmed = true};
	struct core_result result;

	approval_beside(core, file, &approval);
	core->state->confirm_by = 0;
	return change(core, &order, diagnostics, problem, &result);
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
	if (error == -EKEYREJECTED)
		return answer_error(answer, PROTOCOL_REFUSED, "the policy is not approved: %s", problem->text);
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

/* Reads why, and signatures, of an apply or a rollback. */
static int read_reasons(const struct core *core, const struct request *request, bool dry_run, struct answer *answer,
			const char **ret_why, struct approval *ret_approval)
{
	int absent = protocol_string(request->frame, "why", ret_why);

	if (absent == -EINVAL || (!absent && !utf8_is_line(*ret_why, PROTOCOL_WHY_MAX)))
		return answer_error(answer, PROTOCOL_USAGE,
				    "why: one line of 1 to %d bytes of UTF-8 is expected, without control characters",
				    PROTOCOL_WHY_MAX);
	if (absent && core->approvers && !dry_run)
		return answer_error(
			answer, PROTOCOL_USAGE,
			"this host has policies approved, and the record says why they come: --why is missing");
	return approval_read(core, request->frame, answer, ret_approval);
}

int request_apply(struct core *core, const struct request *request, struct answer *answer)
{
	struct diagnostics diagnostics = {0};
	struct problem problem = {0};
	struct core_result result = {0};
	struct approval approval = {0};
	struct order order = {.verb = "apply",
			      .file = "policy",
			      .text = request->body.bytes,
			      .length = request->body.length,
			      .actor = &request->actor,
			      .approval = &approval};
	int64_t confirm_within = 0;
	int dry_run = 0, error, status;

	if (protocol_string(request->frame, "file", &order.file) == -EINVAL ||
	    protocol_boolean(request->frame, "dry_run", &dry_run) == -EINVAL ||
	    protocol_integer(request->frame, "confirm_within_ms", 1, CONFIRM_MAX_MS, &confirm_within) == -EINVAL)
		return answer_error(answer, PROTOCOL_USAGE, "a field of the request is not what it should be");
	if (!request->body.bytes)
		return answer_error(answer, PROTOCOL_USAGE, "the request has no policy");
	status = read_reasons(core, request, dry_run, answer, &order.why, &approval);
	if (!status && !dry_run)
		status = refuse_while_waiting(core, answer);
	if (status)
		return status;
	order.confirmed = !confirm_within;
	diagnostics.file = order.file;
	if (dry_run)
		error = core_load(core, order.file, order.text, order.length, &approval, true, &diagnostics, &problem,
				  &result);
	else
		error = change(core, &order, &diagnostics, &problem, &result);
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

	if (!core->state->confirm_by) {
		if (core->unconfirmed)
			return answer_error(answer, PROTOCOL_UNCONFIRMED,
					    "too late: the policy before it is in force again");
		return answer_error(answer, PROTOCOL_NEGATIVE, "nothing waits to be confirmed");
	}
	core->state->confirm_by = 0;
	entry->confirmed = true;
	approval_settled(core, entry->revision);
	save(core);
	record_change(core, "confirm", &request->actor, NULL);
	answer_number(answer, "generation", publisher_active(core->publisher)->number);
	answer_text(answer, "digest", entry->digest);
	return PROTOCOL_OK;
}

static int read_text(const struct core *core, const struct state_entry *entry, struct problem *problem, char **ret_text,
		     size_t *ret_length)
{
	int error = state_read_policy(core->state, entry->bytes_digest, ret_text, ret_length);

	if (error)
		return problem_set(problem, error == -EBADMSG ? -EIO : error,
				   "the text of that policy (%.12s) cannot be read from %s: %s", entry->digest,
				   core->options->state_dir, error == -EBADMSG ? "it is damaged" : strerror(-error));
	return 0;
}

/* Puts the policy of an entry in force again. approval NULL: by the one that it has come with. */
static int go_back(struct core *core, size_t index, const struct record_actor *actor, const char *why,
		   struct approval *approval, struct diagnostics *diagnostics, struct problem *problem,
		   struct core_result *ret_result)
{
	const struct state_entry *entry = &core->state->history[index];
	struct approval kept = entry->approval;
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *file = copy(entry->file);
	struct order order = {.verb = "rollback",
			      .file = file,
			      .actor = actor,
			      .why = why,
			      .approval = approval ? approval : &kept,
			      .confirmed = true};
	size_t length = 0;
	int error = read_text(core, entry, problem, &text, &length);

	if (error)
		return error;
	kept.kept = true;
	order.text = text;
	order.length = length;
	diagnostics->file = file;
	return change(core, &order, diagnostics, problem, ret_result);
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
	error = go_back(core, 1, NULL, "it was not confirmed in time", NULL, &diagnostics, &problem, &result);
	if (error)
		core_problem(core, "the policy was not confirmed in time and cannot be rolled back: %s",
			     *problem.text ? problem.text : strerror(-error));
	else
		core_problem(core, "the policy was not confirmed in time: revision %llu is in force again",
			     (unsigned long long)result.revision);
	core->unconfirmed = !error;
	diagnostics_free(&diagnostics);
}

/* What those who approve the going back have to sign. */
static int tell_statement(const struct core *core, size_t index, struct answer *answer)
{
	struct problem problem = {0};
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (read_text(core, &core->state->history[index], &problem, &text, &length))
		return answer_error(answer, PROTOCOL_FAILED, "%s", problem.text);
	answer->has_body = true;
	if (statement_print(text, length, core->state->changes, &answer->body))
		return answer_error(answer, PROTOCOL_FAILED, "a geography file of that policy could not be read");
	return PROTOCOL_OK;
}

/* Which entry: one that is named, or else the last one that was another policy. Returns 0 or -ENOENT. */
static int find_entry(const struct core *core, const char *revision, size_t *ret_index)
{
	const struct state *state = core->state;
	size_t index = 1;

	if (revision)
		return state_find(state, revision, ret_index);
	if (state->history_count < 2)
		return -ENOENT;
	while (index + 1 < state->history_count && !strcmp(state->history[index].digest, state->history[0].digest))
		index++;
	*ret_index = index;
	return 0;
}

int request_rollback(struct core *core, const struct request *request, struct answer *answer)
{
	struct diagnostics diagnostics = {0};
	struct problem problem = {0};
	struct core_result result = {0};
	struct approval approval = {0};
	const char *revision = NULL, *why = NULL;
	size_t index = 0;
	int statement = 0, error, status;
	bool early;

	if (protocol_string(request->frame, "revision", &revision) == -EINVAL ||
	    protocol_boolean(request->frame, "statement", &statement) == -EINVAL)
		return answer_error(answer, PROTOCOL_USAGE, "a revision is a number or the beginning of a digest");
	if (find_entry(core, revision, &index))
		return answer_error(answer, PROTOCOL_USAGE,
				    revision ? "history knows no such revision" : "there is no policy before this one");
	if (statement)
		return tell_statement(core, index, answer);
	status = read_reasons(core, request, false, answer, &why, &approval);
	if (status)
		return status;
	/* What comes back by itself for want of a confirm may come at once. */
	early = core->state->confirm_by && index == 1 && !approval.count;
	approval.instead_of = core->state->changes;
	error = go_back(core, index, &request->actor, why, early ? NULL : &approval, &diagnostics, &problem, &result);
	if (!error) {
		core->state->confirm_by = 0;
		save(core);
	}
	status = report(answer, error, &result, &problem, &diagnostics);
	diagnostics_free(&diagnostics);
	return status;
}
