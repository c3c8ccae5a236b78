// SPDX-License-Identifier: GPL-2.0-only
/* A new key for the audit log, by an operator's order. */
#include <string.h>

#include "audit/signer.h"
#include "base/utf8.h"
#include "daemon/request.h"

int request_rotate_key(struct core *core, const struct request *request, struct answer *answer)
{
	struct problem problem = {0};
	char old[SIGNER_ID];
	const char *why;

	if (protocol_string(request->frame, "why", &why) || !utf8_is_line(why, PROTOCOL_WHY_MAX))
		return answer_error(answer, PROTOCOL_USAGE,
				    "why: one line of 1 to %d bytes of UTF-8 is expected, without control characters",
				    PROTOCOL_WHY_MAX);
	strcpy(old, journal_key(core->journal));
	if (journal_rotate_key(core->journal, &request->actor, why, &problem)) {
		core_problem(core, "the audit log has no new key: %s", problem.text);
		return answer_error(answer, PROTOCOL_FAILED, "%s; the key stays as it is", problem.text);
	}
	answer_text(answer, "old_key", old);
	answer_text(answer, "new_key", journal_key(core->journal));
	return PROTOCOL_OK;
}
