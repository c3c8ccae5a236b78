// SPDX-License-Identifier: GPL-2.0-only
/* Files of the state folder that hold what gates, roll-outs and surges have come to. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/core.h"

void core_record_damage(struct core *core, const char *file, const char *consequence)
{
	struct json *record = journal_operation(core->journal, "damage", NULL);

	json_string(record, "file", file);
	json_string(record, "consequence", consequence);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

int core_kept_read(struct core *core, const char *file, const char *consequence,
		   int (*parse)(struct core *core, const char *text, size_t length), bool *ret_lost,
		   struct problem *problem)
{
	_cleanup_free_ char *bytes = NULL;
	const char *text = NULL;
	size_t length = 0;
	int error = state_read_sealed(core->state, file, &bytes, &text, &length);

	if (!error)
		error = parse(core, text, length);
	if (error == -EBADMSG || error == -EINVAL) {
		state_set_aside(core->state, file);
		error = -ENOENT;
	}
	/* A daemon that ended before there was another has not made up for it. */
	*ret_lost = error == -ENOENT && state_was_set_aside(core->state, file);
	if (*ret_lost) {
		core_problem(core, "%s/%s is damaged; it was renamed to %s.damaged: %s", core->options->state_dir, file,
			     file, consequence);
		core_record_damage(core, file, consequence);
	}
	if (error && error != -ENOENT)
		return problem_set(problem, error, "cannot read %s/%s: %s", core->options->state_dir, file,
				   strerror(-error));
	return 0;
}

int core_kept_write(struct core *core, const char *file, struct json *text)
{
	int error = state_write_sealed(core->state, file, text);

	json_free(text);
	if (error)
		core_problem(core, "cannot write %s/%s: %s", core->options->state_dir, file, strerror(-error));
	return error;
}

void core_record_generation(const struct core *core, struct json *record)
{
	const struct usher_generation *active = publisher_active(core->publisher);

	if (core->patience) { /* one that is still to come */
		json_null(record, "generation");
		json_null(record, "epoch");
		return;
	}
	json_unsigned(record, "generation", active->number);
	json_unsigned(record, "epoch", active->epoch);
}
