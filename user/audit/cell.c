// SPDX-License-Identifier: GPL-2.0-only
#include "audit/cell.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define DIGEST_SHOWN 12

const char *cell_plain(struct line_value value, struct cell *cell)
{
	int error = 0;

	if (!value.at)
		return "-";
	if (*value.at == '"')
		error = line_text(value, sizeof(cell->text), cell->text);
	else
		snprintf(cell->text, sizeof(cell->text), "%.*s", (int)value.length, value.at);
	return error ? "(too long)" : cell->text;
}

const char *cell_text(const struct fields *fields, enum fields_key key, struct cell *cell)
{
	return cell_plain(fields->values[key], cell);
}

const char *cell_version(const struct fields *fields, struct cell *cell)
{
	struct cell model, version;

	if (!fields->values[FIELDS_VERSION].at)
		return cell_text(fields, FIELDS_MODEL, cell);
	snprintf(cell->text, sizeof(cell->text), "%.255s@%.255s", cell_text(fields, FIELDS_MODEL, &model),
		 cell_text(fields, FIELDS_VERSION, &version));
	return cell->text;
}

const char *cell_policy(const struct fields *fields, struct cell *cell)
{
	struct cell revision, digest;

	snprintf(cell->text, sizeof(cell->text), "%.32s (%.*s)", cell_text(fields, FIELDS_POLICY_REVISION, &revision),
		 DIGEST_SHOWN, cell_text(fields, FIELDS_POLICY_DIGEST, &digest));
	return cell->text;
}

const char *cell_time(const struct fields *fields, struct cell *cell)
{
	const char *text = cell_text(fields, FIELDS_TIME, cell);

	return strlen(text) < CLOCK_TEXT ? text : "-";
}

const char *cell_actor(const struct fields *fields, struct cell *cell)
{
	struct cell user, uid;

	if (!fields->values[FIELDS_ACTOR].at)
		return "usher";
	snprintf(cell->text, sizeof(cell->text), "%.255s (uid %.32s)",
		 cell_plain(fields_inside(fields, FIELDS_ACTOR, "user"), &user),
		 cell_plain(fields_inside(fields, FIELDS_ACTOR, "uid"), &uid));
	return cell->text;
}

const char *cell_subject(const struct fields *fields, struct cell *cell)
{
	if (fields->values[FIELDS_BACKEND].at)
		return cell_text(fields, FIELDS_BACKEND, cell);
	if (fields->values[FIELDS_MODEL].at)
		return cell_version(fields, cell);
	return cell_text(fields, FIELDS_SERVICE, cell);
}

static const char *approver_in(struct line_value approval, struct cell *cell)
{
	struct line_value name;

	return line_find(approval, "approver", &name) && *name.at == '"' ? cell_plain(name, cell) : "unknown";
}

const char *cell_approvers(const struct fields *fields, struct cell *cell)
{
	struct line_value approval;
	struct cell name;
	struct line list;
	size_t used = 0;

	if (!fields->values[FIELDS_APPROVALS].at)
		return "-";
	line_begin_list(fields->values[FIELDS_APPROVALS], &list);
	while (used < sizeof(cell->text) && line_item(&list, &approval))
		used += (size_t)snprintf(cell->text + used, sizeof(cell->text) - used, "%s%s", used ? ", " : "",
					 approver_in(approval, &name));
	return !used ? "nobody" : used < sizeof(cell->text) ? cell->text : "(too long)";
}
