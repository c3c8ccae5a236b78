// SPDX-License-Identifier: GPL-2.0-only
/* usher audit query: which records answer the question, from the first one on, as they are found. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/query.h"
#include "cli/audit.h"
#include "cli/audit_filter.h"
#include "cli/audit_line.h"
#include "cli/verbs.h"

#define ENOUGH 1
#define BROKEN 2

struct answer {
	int most, count; /* most 0: all */
};

static int print_line(const char *line, size_t length, void *context)
{
	struct answer *answer = context;

	audit_print_line(line, length);
	if (ferror(stdout)) /* nobody reads on */
		return BROKEN;
	return ++answer->count == answer->most ? ENOUGH : 0;
}

int audit_query(int argc, char **argv)
{
	static const struct option options[] = {
		{"limit", required_argument, NULL, 'l'},
		{"dir", required_argument, NULL, 'd'},
		AUDIT_FILTER_OPTIONS,
		{0},
	};
	const char *folder = AUDIT_DIR;
	struct answer answer = {0};
	struct query_place place = {0};
	struct query_totals totals = {0};
	struct filter filter = {0};
	int letter, status, error;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		switch (letter) {
		case 'l':
			if (cli_count(optarg, &answer.most))
				return cli_misuse("--limit takes a number from 1 to a million: %s", optarg);
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
	status = cli_operands(argc, 1, "query");
	if (!status)
		status = audit_filter_check(&filter);
	if (status)
		return status;
	error = query_run(folder, &filter, &place, print_line, &answer, &totals);
	if (error < 0)
		return cli_fail(CLI_SYSTEM, "%s: %s", folder,
				error == -ENOENT ? "there is no record" : strerror(-error));
	if (fflush(stdout) || error == BROKEN)
		return CLI_SYSTEM;
	if (error == ENOUGH)
		totals.unknown = 0; /* no more was asked for */
	status = audit_filter_rest(folder, &totals);
	if (status)
		return status;
	return answer.count ? CLI_OK : CLI_NO;
}
