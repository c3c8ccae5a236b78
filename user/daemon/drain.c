// SPDX-License-Identifier: GPL-2.0-only
/* Drains: a backend that is given no new flows, while its open ones go on. */
#include "daemon/request.h"

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
		if (state_save(core->state))
			core_problem(core, "cannot write the state folder %s", core->options->state_dir);
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
