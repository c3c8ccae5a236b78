// SPDX-License-Identifier: GPL-2.0-only
/* usher audit export: records in a form that other programs read, as they are found; or the part of the log that proves them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/csv.h"
#include "audit/fields.h"
#include "audit/ocsf.h"
#include "audit/query.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "cli/audit.h"
#include "cli/audit_evidence.h"
#include "cli/audit_filter.h"
#include "cli/output.h"
#include "cli/verbs.h"

#define BROKEN 1
#define FLUSH (64u << 10)

struct export
{
	struct output output;
	struct json text;
	uint64_t written, gaps, lost, other; /* others than `written` have no place in the form */
};

static void release(struct export *export)
{
	output_discard(&export->output);
	json_free(&export->text);
}

static int pass_on(struct export *export, size_t more_than)
{
	if (export->text.length <= more_than)
		return 0;
	fwrite(export->text.bytes, 1, export->text.length, export->output.file);
	json_clear(&export->text);
	return ferror(export->output.file) ? BROKEN : 0;
}

/* ---- forms ---------------------------------------------------------------------------------------------------- */

static int as_jsonl(const char *line, size_t length, void *context)
{
	struct export *export = context;

	json_raw(&export->text, line, length);
	json_raw(&export->text, "\n", 1);
	export->written++;
	return pass_on(export, FLUSH);
}

static int as_csv(const char *line, size_t length, void *context)
{
	struct export *export = context;

	csv_row(&export->text, line, length);
	export->written++;
	return pass_on(export, FLUSH);
}

static void leave_out(struct export *export, const char *line, size_t length)
{
	struct fields fields;

	fields_read(line, length, &fields);
	if (fields_is(&fields, FIELDS_TYPE, "gap")) {
		export->gaps++;
		export->lost += fields_number(&fields, FIELDS_COUNT);
	} else {
		export->other++;
	}
}

static int as_ocsf(const char *line, size_t length, void *context)
{
	struct export *export = context;

	if (ocsf_event(&export->text, line, length, USHER_VERSION))
		export->written++;
	else
		leave_out(export, line, length);
	return pass_on(export, FLUSH);
}

static const struct form {
	const char *name;
	query_found *found;
	void (*begin)(struct json *to);
} forms[] = {
	{"jsonl", as_jsonl, NULL},
	{"csv", as_csv, csv_header},
	{"ocsf", as_ocsf, NULL},
};

/* ---- the command ---------------------------------------------------------------------------------------------- */

static void say(const struct export *export)
{
	struct json to = {0};

	if (export->gaps || export->other)
		fprintf(stderr,
			"usher audit: left out, as there is no class of events for them: %" PRIu64 " gaps (%" PRIu64
			" decisions that were not recorded), %" PRIu64 " others: --format jsonl and csv have them\n",
			export->gaps, export->lost, export->other);
	if (!export->output.path)
		return;
	if (!cli_json) {
		printf("%" PRIu64 " records in %s\n", export->written, export->output.path);
		return;
	}
	json_object_begin(&to, NULL);
	json_string(&to, "file", export->output.path);
	json_unsigned(&to, "records", export->written);
	json_unsigned(&to, "left_out", export->gaps + export->other);
	json_object_end(&to);
	json_newline(&to);
	fwrite(to.bytes, 1, to.length, stdout);
	json_free(&to);
}

static int export_records(const char *folder, const struct filter *filter, const struct form *form, const char *path)
{
	_cleanup_(release) struct export export = {0};
	struct query_place place = {0};
	struct query_totals totals = {0};
	int status = output_open(path, &export.output), error;

	if (status)
		return status;
	if (form->begin)
		form->begin(&export.text);
	error = query_run(folder, filter, &place, form->found, &export, &totals);
	if (error < 0)
		return cli_fail(CLI_SYSTEM, "%s: %s", folder,
				error == -ENOENT ? "there is no record" : strerror(-error));
	if (totals.damaged)
		return audit_filter_rest(folder, &totals);
	pass_on(&export, 0);
	status = output_finish(&export.output);
	if (status)
		return status;
	say(&export);
	status = audit_filter_rest(folder, &totals);
	if (status)
		return status;
	return export.written ? CLI_OK : CLI_NO;
}

/* Evidence is a part of the log as it stands: records cannot be picked out of it. */
static bool picks(const struct filter *filter)
{
	bool any = filter->by_client || filter->flow;

	for (size_t i = 0; i < FILTER_TEXT_COUNT; i++)
		any |= filter->texts[i] != NULL;
	return any;
}

static int export_form(const char *folder, const struct filter *filter, const char *name, const char *path,
		       const char *key, const char *state)
{
	if (!strcmp(name, "evidence")) {
		if (picks(filter))
			return cli_misuse(
				"evidence is all of a range, to --since and --until: no other filter goes with it");
		return audit_evidence_write(folder, filter, path, key, state ? state : OPTIONS_STATE_DIR);
	}
	if (state)
		return cli_misuse("--state-dir goes with --format evidence");
	if (key)
		return cli_misuse("--sign goes with --format evidence");
	for (size_t i = 0; i < ARRAY_COUNT(forms); i++)
		if (!strcmp(forms[i].name, name))
			return export_records(folder, filter, &forms[i], path);
	return cli_misuse("--format takes jsonl, csv, ocsf or evidence: %s", name);
}

int audit_export(int argc, char **argv)
{
	static const struct option options[] = {
		{"format", required_argument, NULL, 'f'},
		{"output", required_argument, NULL, 'O'},
		{"sign", required_argument, NULL, 'S'},
		{"state-dir", required_argument, NULL, 'D'},
		{"dir", required_argument, NULL, 'd'},
		AUDIT_FILTER_OPTIONS,
		{0},
	};
	const char *folder = AUDIT_DIR, *format = "jsonl", *path = NULL, *key = NULL, *state = NULL;
	struct filter filter = {0};
	int letter, status;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		switch (letter) {
		case 'f':
			format = optarg;
			break;
		case 'O':
			path = optarg;
			break;
		case 'S':
			key = optarg;
			break;
		case 'D':
			state = optarg;
			break;
		case 'd':
			folder = optarg;
			break;
		default:
			status = audit_filter_take(letter, optarg, &filter);
			if (status)
				return status;
		}
	}
	status = cli_operands(argc, 1, "export");
	if (!status)
		status = audit_filter_check(&filter);
	return status ? status : export_form(folder, &filter, format, path, key, state);
}
