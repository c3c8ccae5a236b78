// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/approval.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "policy/statement.h"

static int check_forward(const struct core *core, const struct policy *policy, const char *text, size_t length,
			 struct problem *problem)
{
	const struct state *state = core->state;
	char digest[SHA256_HEX];

	if (policy->revision > state->approved_revision)
		return 0;
	sha256_hex(text, length, digest);
	if (state->history_count && !strcmp(state->history[0].bytes_digest, digest))
		return 0;
	if (!policy->revision)
		return problem_set(problem, -EKEYREJECTED,
				   "it has no metadata.revision, without which an approval would be good for ever");
	return problem_set(
		problem, -EKEYREJECTED,
		"revision %llu was approved, and this is revision %llu: an old approval does not bring a policy "
		"back; usher rollback does, with an approval of that",
		(unsigned long long)state->approved_revision, (unsigned long long)policy->revision);
}

int approval_check(const struct core *core, const struct policy *policy, const char *text, size_t length,
		   struct approval *approval, struct problem *problem)
{
	struct approval none = {0};
	int error;

	if (!core->approvers)
		return 0;
	if (!approval)
		approval = &none;
	error = approvers_judge(core->approvers, text, length, approval, problem);
	if (!error && !approval->kept && !approval->instead_of)
		error = check_forward(core, policy, text, length, problem);
	return error;
}

int approval_read(const struct core *core, struct json_object *frame, struct answer *answer,
		  struct approval *ret_approval)
{
	struct approval approval = {0};
	struct json_object *list = NULL;
	size_t count;

	if (!json_object_object_get_ex(frame, "signatures", &list))
		return PROTOCOL_OK;
	count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : SIZE_MAX;
	if (count > APPROVERS_MAX)
		return answer_error(answer, PROTOCOL_USAGE, "signatures: a list of up to %d is expected",
				    APPROVERS_MAX);
	if (count && !core->approvers)
		return answer_error(
			answer, PROTOCOL_USAGE,
			"this host names no approvers (usherd --approvers): it cannot tell whose signatures "
			"these are");
	for (size_t i = 0; i < count; i++) {
		struct json_object *text = json_object_array_get_idx(list, i);

		if (!json_object_is_type(text, json_type_string) ||
		    signature_parse(json_object_get_string(text), (size_t)json_object_get_string_len(text),
				    approval.signatures[i].bytes))
			return answer_error(answer, PROTOCOL_USAGE, "signature %zu is not 64 bytes in base64", i + 1);
	}
	approval.count = count;
	*ret_approval = approval;
	return PROTOCOL_OK;
}

void approval_settled(struct core *core, uint64_t revision)
{
	if (core->approvers && revision > core->state->approved_revision)
		core->state->approved_revision = revision;
}

void approval_beside(struct core *core, const char *file, struct approval *ret_approval)
{
	struct approval approval = {0};

	for (size_t i = 0; core->approvers && i < approvers_count(core->approvers); i++) {
		_cleanup_free_ char *path = NULL;
		_cleanup_free_ char *bytes = NULL;
		size_t length = 0;
		int error;

		if (asprintf(&path, "%s.%s.sig", file, approvers_name(core->approvers, i)) < 0)
			abort();
		error = file_read(path, SIGNATURE_FILE_MAX, &bytes, &length);
		if (error == -ENOENT)
			continue;
		if (!error)
			error = signature_parse(bytes, length, approval.signatures[approval.count].bytes);
		if (error)
			core_problem(core, "%s: %s", path,
				     error == -EINVAL || error == -EFBIG ? "neither 64 bytes nor those in base64"
									 : strerror(-error));
		else
			approval.count++;
	}
	*ret_approval = approval;
}

void approval_refused(struct core *core, const char *verb, const struct record_actor *actor, const char *file,
		      const char *text, size_t length, const struct problem *problem)
{
	struct json *record = journal_operation(core->journal, "policy-refused", actor);
	char digest[SHA256_HEX];

	statement_document(text, length, digest);
	json_string(record, "verb", verb);
	json_string(record, "file", file);
	json_string(record, "document", digest);
	json_string(record, "problem", problem->text);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}
