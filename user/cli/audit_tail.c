// SPDX-License-Identifier: GPL-2.0-only
/* usher audit tail: the last records, from the log's files, so that it works without a daemon as well. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/query.h"
#include "audit/segment.h"
#include "base/cleanup.h"
#include "cli/audit.h"
#include "cli/audit_filter.h"
#include "cli/audit_line.h"
#include "cli/verbs.h"

#define LINES_DEFAULT 10

/* The last lines that match: a ring. */
struct tail {
	char **lines;
	size_t room, count, next;
};

static void free_tail(struct tail *tail)
{
	for (size_t i = 0; tail->lines && i < tail->room; i++)
		free(tail->lines[i]);
	free(tail->lines);
}

static int count_line(const char *line, size_t length, void *context)
{
	(void)line;
	(void)length;
	(void)context;
	return 0;
}

static int keep_line(const char *line, size_t length, void *context)
{
	struct tail *tail = context;

	free(tail->lines[tail->next]);
	tail->lines[tail->next] = strndup(line, length);
	if (!tail->lines[tail->next])
		return -ENOMEM;
	tail->next = (tail->next + 1) % tail->room;
	tail->count += tail->count < tail->room;
	return 0;
}

static int print_line(const char *line, size_t length, void *context)
{
	(void)context;
	audit_print_line(line, length);
	return 0;
}

static void print_tail(const struct tail *tail)
{
	for (size_t i = 0; i < tail->count; i++) {
		const char *line = tail->lines[(tail->next + tail->room - tail->count + i) % tail->room];

		audit_print_line(line, strlen(line));
	}
}

/* A segment from which on there are so many that match: looks at the newest ones, and at twice as many if there are too few. */
static int find_place(const char *folder, const struct filter *filter, size_t lines, struct query_place *ret_place)
{
	_cleanup_(segments_free) struct segments segments = {0};
	int error = segments_list(folder, &segments);

	*ret_place = (struct query_place){0};
	for (size_t back = 1; !error && back < segments.count; back *= 2) {
		const struct query_place begins = {.segment = segments.items[segments.count - back].number};
		struct query_place place = begins;
		struct query_totals totals = {0};

		error = query_run(folder, filter, &place, count_line, NULL, &totals);
		if (error || totals.found >= lines) {
			*ret_place = begins;
			break;
		}
	}
	return error;
}

static int tail_folder(const char *folder, size_t lines, bool follow, const struct filter *filter)
{
	const struct timespec pause = {.tv_nsec = 200000000};
	_cleanup_(free_tail) struct tail tail = {.lines = calloc(lines, sizeof(*tail.lines)), .room = lines};
	struct query_place place;
	int error;

	if (!tail.lines)
		return cli_fail(CLI_SYSTEM, "no memory for %zu lines", lines);
	error = find_place(folder, filter, lines, &place);
	if (!error)
		error = query_run(folder, filter, &place, keep_line, &tail, NULL);
	print_tail(&tail);
	/* A log that is not there yet may come. */
	while (follow && (!error || error == -ENOENT) && !fflush(stdout) && !ferror(stdout)) {
		nanosleep(&pause, NULL);
		error = query_run(folder, filter, &place, print_line, NULL, NULL);
	}
	return error ? cli_fail(CLI_SYSTEM, "%s: %s", folder,
				error == -ENOENT ? "there is no record" : strerror(-error))
		     : CLI_OK;
}

int audit_tail(int argc, char **argv)
{
	static const struct option options[] = {
		{"follow", no_argument, NULL, 'f'},
		{"lines", required_argument, NULL, 'n'},
		{"dir", required_argument, NULL, 'd'},
		AUDIT_FILTER_OPTIONS,
		{0},
	};
	const char *folder = AUDIT_DIR;
	struct filter filter = {0};
	int lines = LINES_DEFAULT, letter, status;
	bool follow = false;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		switch (letter) {
		case 'f':
			follow = true;
			break;
		case 'n':
			if (cli_count(optarg, &lines))
				return cli_misuse("--lines takes a number from 1 to a million: %s", optarg);
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
	status = cli_operands(argc, 1, "tail");
	if (!status)
		status = audit_filter_check(&filter);
	return status ? status : tail_folder(folder, (size_t)lines, follow, &filter);
}
