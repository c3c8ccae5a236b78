// SPDX-License-Identifier: GPL-2.0-only
/* usher audit report: a page for whoever has to answer for a range of time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/query.h"
#include "audit/report.h"
#include "audit/segment.h"
#include "base/cleanup.h"
#include "cli/audit.h"
#include "cli/audit_filter.h"
#include "cli/audit_trust.h"
#include "cli/output.h"
#include "cli/verbs.h"

#define FIRST_LINE_ROOM 4096

struct findings {
	char *texts[REPORT_FINDINGS];
	size_t count;
};

static void free_findings(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free(findings->texts[i]);
}

static void note(const struct verify_finding *finding, void *context)
{
	struct findings *findings = context;

	if (findings->count == REPORT_FINDINGS)
		return;
	if (asprintf(&findings->texts[findings->count], "%s:%" PRIu64 ": %s",
		     finding->segment ? finding->segment : "the log", finding->first_line, finding->text) < 0)
		abort();
	findings->count++;
}

struct changes {
	struct report *report;
	const char *since;
};

static int take_line(const char *line, size_t length, void *context)
{
	report_take(context, line, length);
	return 0;
}

static int take_change(const char *line, size_t length, void *context)
{
	struct changes *changes = context;

	report_take_change(changes->report, changes->since, line, length);
	return 0;
}

/* What was in the range, and then what brought the policies that are named there. */
static int read_log(const char *folder, const struct filter *filter, struct report *report)
{
	struct filter range = {0}, operations = {.texts[FILTER_TYPE] = "operation"};
	struct query_place begin = {0}, again = {0};
	struct changes changes = {report, filter->since};
	int error;

	memcpy(range.since, filter->since, sizeof(range.since));
	memcpy(range.until, filter->until, sizeof(range.until));
	memcpy(operations.until, filter->until, sizeof(operations.until));
	error = query_run(folder, &range, &begin, take_line, report, NULL);
	return error ? error : query_run(folder, &operations, &again, take_change, &changes, NULL);
}

static int fail(const char *folder, int error)
{
	return cli_fail(CLI_SYSTEM, "%s: %s", folder, error == -ENOENT ? "there is no record" : strerror(-error));
}

/* The name that the log has given itself, where its first file says so. */
static void name_log(const char *folder, char log[CHAIN_LOG])
{
	_cleanup_(segments_free) struct segments segments = {0};
	struct chain_segment front;
	char line[FIRST_LINE_ROOM];
	size_t length;

	strcpy(log, "-");
	if (!segments_list(folder, &segments) && segments.count &&
	    !segment_first_line(folder, segments.items[0].name, sizeof(line), line, &length) &&
	    !chain_parse_segment(line, length, &front))
		memcpy(log, front.log, CHAIN_LOG);
}

static int print(struct report *report, const struct report_frame *frame, enum page_form form, const char *path)
{
	_cleanup_(output_discard) struct output output = {0};
	struct page page;
	int status = output_open(path, &output);

	if (status)
		return status;
	page_begin(&page, form, "usher: audit report");
	report_print(report, frame, &page);
	page_end(&page);
	fwrite(page.text.bytes, 1, page.text.length, output.file);
	json_free(&page.text);
	return output_finish(&output);
}

static int make(const char *folder, const struct filter *filter, const struct audit_trust *trust, enum page_form form,
		const char *path)
{
	_cleanup_(report_free) struct report report = {0};
	_cleanup_(free_findings) struct findings findings = {0};
	const struct verify_trust given = audit_trust_given(trust);
	struct verify_summary summary;
	char log[CHAIN_LOG];
	struct report_frame frame = {.log = log,
				     .since = filter->since,
				     .until = filter->until,
				     .made = clock_realtime(),
				     .usher = USHER_VERSION,
				     .summary = &summary,
				     .key_count = trust->key_count,
				     .witness_count = trust->witness_count,
				     .own_keys = trust->own_keys};
	int error, status;

	if (filter_describe(filter, &report.arena))
		report.narrow = filter;
	error = read_log(folder, filter, &report);
	if (!error)
		error = verify_folder(folder, &given, note, &findings, &summary);
	if (error)
		return fail(folder, error);
	name_log(folder, log);
	frame.findings = (const char *const *)findings.texts;
	frame.finding_count = findings.count;
	status = print(&report, &frame, form, path);
	return status ? status : summary.findings ? CLI_NO : CLI_OK;
}

int audit_report(int argc, char **argv)
{
	static const struct option options[] = {
		{"html", no_argument, NULL, 'H'},
		{"output", required_argument, NULL, 'O'},
		{"key", required_argument, NULL, 'k'},
		{"witness", required_argument, NULL, 'w'},
		{"dir", required_argument, NULL, 'd'},
		AUDIT_DECISION_OPTIONS,
		{0},
	};
	_cleanup_(audit_trust_free) struct audit_trust trust = {0};
	const char *folder = AUDIT_DIR, *path = NULL;
	struct filter filter = {0};
	bool html = false;
	int letter, status = CLI_OK;

	while (!status && (letter = cli_option(argc, argv, options)) != -1) {
		if (letter == 'k')
			status = audit_trust_key(&trust, optarg);
		else if (letter == 'w')
			status = audit_trust_witness(&trust, optarg);
		else if (letter == 'O')
			path = optarg;
		else if (letter == 'd')
			folder = optarg;
		else if (letter == 'H')
			html = true;
		else
			status = audit_filter_take(letter, optarg, &filter);
	}
	if (!status)
		status = cli_operands(argc, 1, "report");
	if (!status)
		status = audit_filter_check(&filter);
	if (!status && html && cli_json)
		status = cli_misuse("--html and -j are two forms: give one of them");
	if (!status)
		status = audit_trust_folder(&trust, folder);
	if (status)
		return status;
	return make(folder, &filter, &trust, cli_json ? PAGE_JSON : html ? PAGE_HTML : PAGE_MARKDOWN, path);
}
