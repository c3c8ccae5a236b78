// SPDX-License-Identifier: GPL-2.0-only
/* Files of the state folder that hold what gates, roll-outs and surges have come to. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/core.h"

int core_kept_read(struct core *core, const char *file, const char *consequence,
		   int (*parse)(struct core *core, const char *text, size_t length), struct problem *problem)
{
	_cleanup_free_ char *bytes = NULL;
	const char *text = NULL;
	size_t length = 0;
	int error = state_read_sealed(core->state, file, &bytes, &text, &length);

	if (!error)
		error = parse(core, text, length);
	if (error == -EBADMSG || error == -EINVAL) {
		state_set_aside(core->state, file);
		core_problem(core, "%s/%s is damaged; it was renamed to %s.damaged: %s", core->options->state_dir, file,
			     file, consequence);
		error = 0;
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
