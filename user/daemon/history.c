// SPDX-License-Identifier: GPL-2.0-only
/* The verbs that tell of policies: what was in force, what is, and the document of any that is kept. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/approval_text.h"
#include "daemon/request.h"

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
		const struct revision *revision = revisions_by_bytes(core, entry->bytes_digest);

		json_object_begin(body, NULL);
		json_unsigned(body, "number", entry->number);
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
		json_string(body, "document", revision ? revision->document : NULL);
		json_string(body, "why", entry->why);
		approval_print(body, &entry->approval);
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

int request_document(struct core *core, const struct request *request, struct answer *answer)
{
	const struct revision *revision;
	_cleanup_free_ char *text = NULL;
	const char *named;
	size_t length;
	int error;

	if (protocol_string(request->frame, "revision", &named))
		return answer_error(answer, PROTOCOL_USAGE, "a revision is a number or the beginning of a digest");
	revision = revisions_find(core, named);
	if (!revision)
		return answer_error(
			answer, PROTOCOL_NEGATIVE,
			"no policy of that revision, or digest, is kept: it was never in force here, or it has "
			"outlived the record");
	error = state_read_policy(core->state, revision->bytes_digest, &text, &length);
	if (error)
		return answer_error(answer, PROTOCOL_FAILED, "policy-%s.json cannot be read from %s: %s",
				    revision->bytes_digest, core->options->state_dir,
				    error == -EBADMSG ? "it was damaged, and is set aside" : strerror(-error));
	answer_text(answer, "digest", revision->digest);
	answer_text(answer, "document", revision->document);
	answer_text(answer, "name", *revision->name ? revision->name : NULL);
	answer_number(answer, "revision", revision->revision);
	answer_time(answer, "first", revision->first);
	answer_time(answer, "last", revision->last);
	answer->has_body = true;
	json_raw(&answer->body, text, length);
	return PROTOCOL_OK;
}
