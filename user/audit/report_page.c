// SPDX-License-Identifier: GPL-2.0-only
/* The report as a page: what it says, in the order in which somebody who has to answer for it asks. */
#include "audit/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"

#define COLUMNS_MAX (TALLY_CELLS + 4)
_Static_assert(REPORT_CELLS < COLUMNS_MAX, "a list's columns and its time");

__attribute__((format(printf, 3, 4))) static void say(struct page *page, bool strong, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	page_paragraph(page, strong, text);
}

static const char *or_else(const char *text, const char *otherwise)
{
	return text[0] ? text : otherwise;
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static void print_tally(struct page *page, struct tally *tally, const char *const *columns, size_t count,
			const char *none)
{
	const char *heads[COLUMNS_MAX], *cells[COLUMNS_MAX];
	char number[24];

	memcpy(heads, columns, count * sizeof(*columns));
	heads[count] = "how often";
	heads[count + 1] = "first";
	heads[count + 2] = "last";
	if (!tally->row_count) {
		page_paragraph(page, false, none);
		return;
	}
	if (tally->others)
		say(page, true, "There were more than %d rows: %" PRIu64 " are in none of them.", TALLY_ROWS,
		    tally->others);
	tally_sort(tally);
	page_table_begin(page, heads, count + 3);
	for (size_t i = 0; i < tally->row_count; i++) {
		const struct tally_row *row = tally->rows[i];

		memcpy(cells, row->cells, count * sizeof(*cells));
		snprintf(number, sizeof(number), "%" PRIu64, row->count);
		cells[count] = number;
		cells[count + 1] = row->first;
		cells[count + 2] = row->last;
		page_row(page, cells, count + 3);
	}
	page_table_end(page);
}

static void print_list(struct page *page, const struct report_list *list, const char *const *columns, size_t count,
		       const char *none)
{
	const char *heads[COLUMNS_MAX], *cells[COLUMNS_MAX];

	heads[0] = "time";
	memcpy(heads + 1, columns, count * sizeof(*columns));
	if (!list->count) {
		page_paragraph(page, false, none);
		return;
	}
	if (list->left_out)
		say(page, true, "The first %d of them; %" PRIu64 " more came later.", REPORT_ENTRIES, list->left_out);
	page_table_begin(page, heads, count + 1);
	for (size_t i = 0; i < list->count; i++) {
		cells[0] = list->entries[i].time;
		memcpy(cells + 1, list->entries[i].cells, count * sizeof(*cells));
		page_row(page, cells, count + 1);
	}
	page_table_end(page);
}

/* ---- sections --------------------------------------------------------------------------------------------------- */

static void print_narrowing(struct report *report, struct page *page)
{
	const char *what = report->narrow ? filter_describe(report->narrow, &report->arena) : NULL;

	if (!what)
		return;
	say(page, true,
	    "Answers, denials, revocations and ends below are those of %s alone: %" PRIu64
	    " of these decisions. Policies "
	    "and whatever else was changed, and gaps, are everybody's.",
	    what, report->told);
	if (report->unclear)
		say(page, true,
		    "%" PRIu64
		    " more decisions may be of that client, or not: on record of their clients is no address "
		    "(they were counted, or it is a pseudonym whose key is not at hand), or only the network.",
		    report->unclear);
}

static void print_frame(struct report *report, const struct report_frame *frame, struct page *page)
{
	char made[CLOCK_TEXT];

	page_heading(page, "What this is");
	say(page, false, "The audit log %s of usher, from %s to %s. Made %s by usher %s from the log itself.",
	    frame->log, or_else(frame->since, "its beginning"), or_else(frame->until, "its end"),
	    clock_print(frame->made, made), frame->usher);
	if (report->records)
		say(page, false, "%" PRIu64 " records of that range, from %s to %s, of %" PRIu64 " decisions.",
		    report->records, report->first, report->last, report->decisions);
	else
		page_paragraph(page, true, "There is no record of that range.");
	print_narrowing(report, page);
	page_paragraph(page, false,
		       "A decision is about a connection, not about a request. Times are UTC, by the gateway's clock.");
}

static void print_findings(const struct report_frame *frame, struct page *page)
{
	static const char *const columns[] = {"where, and what does not hold"};

	if (!frame->finding_count)
		return;
	page_table_begin(page, columns, 1);
	for (size_t i = 0; i < frame->finding_count; i++)
		page_row(page, &frame->findings[i], 1);
	page_table_end(page);
}

static void print_verification(const struct report *report, const struct report_frame *frame, struct page *page)
{
	const struct verify_summary *summary = frame->summary;

	page_heading(page, "Is the record whole and unedited");
	if (summary->findings)
		say(page, true, "No: %" PRIu64 " findings. What follows rests on a log that is not as it was written.",
		    summary->findings);
	else
		say(page, true,
		    "Yes: every seal holds, from file %u on, and no number is missing that is not in a gap.",
		    summary->first_segment);
	say(page, false, "%" PRIu64 " seals over %" PRIu64 " lines, %" PRIu64 " lines at the end without one yet.",
	    summary->seals, summary->lines, summary->unsealed_lines);
	say(page, false, "%" PRIu64 " signed checkpoints hold, the last of %s, with %" PRIu64 " seals since.",
	    summary->checkpoints, or_else(summary->signed_time, "-"), summary->last_seal - summary->signed_seal);
	if (summary->deleted)
		say(page, false, "%u files before that were deleted after their time; signed records say so.",
		    summary->deleted);
	say(page, false, "Judged by %zu public keys%s, and by %zu checkpoints that were kept.", frame->key_count,
	    frame->own_keys ? " that lie beside the log, where whoever could edit it could have put them" : "",
	    frame->witness_count);
	if (report->lost)
		say(page, true, "%" PRIu64 " decisions of the range were made and not recorded: see the gaps.",
		    report->lost);
	print_findings(frame, page);
}

static bool asks_of_decisions(const struct filter *narrow)
{
	return narrow && (narrow->texts[FILTER_VERDICT] || narrow->texts[FILTER_REASON] || narrow->texts[FILTER_RULE]);
}

static void print_decisions(struct report *report, struct page *page)
{
	static const char *const answered[] = {"tenant",	 "client region", "service", "version",
					       "backend region", "rule",	  "policy"};
	static const char *const denied[] = {"reason", "rule", "tenant", "client region", "service", "policy"};
	static const char *const revoked[] = {"tenant", "service", "version", "backend", "rule", "policy"};

	static const char *const ended[] = {"how", "tenant", "service", "version", "backend region"};

	page_heading(page, "Who was answered by what, under which rule and policy");
	page_paragraph(page, false,
		       "Connections that were given to a backend. A policy is named by its revision and the beginning "
		       "of its digest; who brought and approved it stands under Policies.");
	print_tally(page, &report->answered, answered, ARRAY_COUNT(answered), "Nobody was.");
	page_heading(page, "Denials, by reason");
	print_tally(page, &report->denied, denied, ARRAY_COUNT(denied), "There were none.");
	page_heading(page, "Revocations: open connections that were cut");
	print_tally(page, &report->revoked, revoked, ARRAY_COUNT(revoked), "There were none.");
	page_heading(page, "Ends of connections");
	if (asks_of_decisions(report->narrow))
		page_paragraph(page, false, "An end has no verdict, reason and rule on record: none is told here.");
	else
		print_tally(page, &report->ended, ended, ARRAY_COUNT(ended), "None is on record.");
}

static void print_policies(struct report *report, struct page *page)
{
	static const char *const columns[] = {"what", "revision", "digest", "generation",
					      "file", "who",	  "why",    "approved by"};
	struct report_list list = {0};

	page_heading(page, "Policies: who applied them, why, and who approved them");
	page_paragraph(
		page, false,
		"Each change of the range, and before it what brought the policies that decisions above are "
		"under. Approved by: those whose signatures usherd had checked, which are in the record of the "
		"change; nobody: this host asked for none. Not in this log: no record up to the end of the range "
		"says how that policy came into force.");
	if (report->policies.left_out)
		say(page, true, "Decisions are under more than %d policies: %" PRIu64 " are under others than these.",
		    REPORT_POLICIES, report->policies.left_out);
	report_policies_list(&report->policies, &report->arena, &list);
	print_list(page, &list, columns, ARRAY_COUNT(columns), "None was applied or taken back.");
	report_list_free(&list);
}

static void print_changes(struct report *report, struct page *page)
{
	static const char *const quarantines[] = {"what", "of", "gate", "who", "why"};
	static const char *const gates[] = {"gate", "of", "state", "figure"};
	static const char *const rollouts[] = {"roll-out", "version", "change", "share", "who", "why"};
	static const char *const operations[] = {"what", "of", "who", "why"};

	print_policies(report, page);
	page_heading(page, "Quarantines, releases and drains");
	print_list(page, &report->quarantines, quarantines, ARRAY_COUNT(quarantines), "There were none.");
	page_heading(page, "Gates");
	print_list(page, &report->gates, gates, ARRAY_COUNT(gates), "None changed its state.");
	page_heading(page, "Roll-outs");
	print_list(page, &report->rollouts, rollouts, ARRAY_COUNT(rollouts), "None changed its share.");
	page_heading(page, "Other operations");
	print_tally(page, &report->operations, operations, ARRAY_COUNT(operations), "There were none.");
}

void report_print(struct report *report, const struct report_frame *frame, struct page *page)
{
	static const char *const gaps[] = {"run", "CPU", "ring", "first", "last", "how many"};

	print_frame(report, frame, page);
	print_verification(report, frame, page);
	print_decisions(report, page);
	print_changes(report, page);
	page_heading(page, "Gaps: decisions that were made and not recorded");
	print_list(page, &report->gaps, gaps, ARRAY_COUNT(gaps), "There were none.");
}
