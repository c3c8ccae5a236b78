// SPDX-License-Identifier: GPL-2.0-only
/* usher audit tail: reads the record of decisions from its files, so that it works without a daemon as well. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "cli/audit.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"

#define LINES_DEFAULT 10
#define FOLLOW_ROOM 100000 /* records between two looks */
#define PATH_ROOM 4096

struct filter {
	const char *verdict, *reason, *tenant, *service; /* NULL: any */
};

/* The last lines that match: a ring. */
struct tail {
	char **lines;
	size_t room, count, next;
};

/* ---- one record ----------------------------------------------------------------------------------------------- */

static bool has(struct json_object *record, const char *key, const char *wanted)
{
	return !wanted || (field(record, key) && !strcmp(field_text(record, key), wanted));
}

static bool matches(struct json_object *record, const struct filter *filter)
{
	return has(record, "verdict", filter->verdict) && has(record, "reason", filter->reason) &&
	       has(record, "tenant", filter->tenant) && has(record, "service", filter->service);
}

static void print_decision(struct json_object *record)
{
	struct json_object *client = field(record, "src_endpoint");
	const char *verdict = field_text(record, "verdict");
	bool good = !strcmp(verdict, "forward");

	printf(" %s%-8s %-16s%s ", ink(good ? INK_GOOD : INK_BAD), verdict, field_text(record, "reason"),
	       ink(INK_PLAIN));
	printf("%s (%s) ", field_text(record, "tenant"), field_text(record, "client_region"));
	if (field(record, "count"))
		printf("%lld times", (long long)field_integer(record, "count"));
	else
		printf("%s:%lld", field_text(client, "ip"), (long long)field_integer(client, "port"));
	printf(" -> %s", field_text(record, "service"));
	if (field(record, "target"))
		printf(", rerouted to %s", field_text(record, "target"));
	if (field(record, "backend"))
		printf(" -> %s (%s@%s in %s)", field_text(record, "backend"), field_text(record, "model"),
		       field_text(record, "version"), field_text(record, "backend_region"));
	if (field(record, "rule"))
		printf(", rule %s", field_text(record, "rule"));
	printf(", generation %lld", (long long)field_integer(record, "generation"));
}

/* What a gate has come to, and on which figure. */
static void print_gate(struct json_object *record)
{
	printf(": %s, then %s", field_text(record, "was"), field_text(record, "state"));
	if (field(record, "value"))
		printf(", at %.4g (%.4g to %.4g, %.0f samples)", field_number(record, "value"),
		       field_number(record, "low"), field_number(record, "high"), field_number(record, "samples"));
	if (strcmp(field_text(record, "state"), "ok") != 0)
		printf("; %s", field_text(record, "action"));
}

/* Which change of a roll-out, and what the new version gets by it. */
static void print_rollout(struct json_object *record)
{
	printf(" %s %s: %s@%s from %lld to %lld %%", field_text(record, "rollout"), field_text(record, "change"),
	       field_text(record, "model"), field_text(record, "to"), (long long)field_integer(record, "share_before"),
	       (long long)field_integer(record, "share"));
}

static void print_verification(struct json_object *record)
{
	printf(": %s", field_text(record, "state"));
	if (field(record, "found")) {
		fputs(", it says ", stdout);
		ink_text(stdout, field_text(record, "found"));
		fputs(" where ", stdout);
		ink_text(stdout, field_text(record, "expected"));
		fputs(" is expected", stdout);
	}
}

static void print_surge(struct json_object *record)
{
	printf(": load over capacity %.2f; %lld overflow tiers open, %lld priorities shed",
	       field_number(record, "ratio"), (long long)field_integer(record, "open"),
	       (long long)field_integer(record, "shed"));
	if (field_integer(record, "shed_part"))
		printf(", %lld %% of the next", (long long)field_integer(record, "shed_part"));
}

static void print_ejection(struct json_object *record)
{
	printf(": %s", field_text(record, "change"));
	if (!field(record, "signal"))
		return;
	printf(" for %lld s: ", (long long)field_integer(record, "seconds"));
	ink_text(stdout, field_text(record, "text"));
}

static void print_operation(struct json_object *record)
{
	struct json_object *actor = field(record, "actor");

	printf(" %s", field_text(record, "activity"));
	if (field(record, "gate"))
		printf(" %s", field_text(record, "gate"));
	if (field(record, "rollout"))
		print_rollout(record);
	else if (field(record, "service"))
		printf(" %s", field_text(record, "service"));
	else if (field(record, "backend"))
		printf(" %s", field_text(record, "backend"));
	else if (field(record, "version"))
		printf(" %s@%s", field_text(record, "model"), field_text(record, "version"));
	if (!strcmp(field_text(record, "activity"), "gate"))
		print_gate(record);
	else if (!strcmp(field_text(record, "activity"), "verification"))
		print_verification(record);
	else if (!strcmp(field_text(record, "activity"), "surge"))
		print_surge(record);
	else if (!strcmp(field_text(record, "activity"), "ejection"))
		print_ejection(record);
	if (field(record, "policy_revision"))
		printf(" revision %lld", (long long)field_integer(record, "policy_revision"));
	if (actor)
		printf(" by %s (uid %lld)", field_text(actor, "user"), (long long)field_integer(actor, "uid"));
	if (field(record, "generation"))
		printf(", generation %lld", (long long)field_integer(record, "generation"));
	if (field(record, "why")) {
		fputs(": ", stdout);
		ink_text(stdout, field_text(record, "why"));
	}
}

static void print_record(struct json_object *record)
{
	const char *type = field_text(record, "type");

	fputs(field_text(record, "time"), stdout);
	if (!strcmp(type, "decision"))
		print_decision(record);
	else if (!strcmp(type, "operation"))
		print_operation(record);
	else if (!strcmp(type, "gap"))
		printf(" %sgap%s of %lld records, CPU %lld, ring %s, from %lld", ink(INK_BAD), ink(INK_PLAIN),
		       (long long)field_integer(record, "count"), (long long)field_integer(record, "cpu"),
		       field_text(record, "ring"), (long long)field_integer(record, "first"));
	else
		printf(" %s", type);
	putchar('\n');
}

/* How far the log has come, and what proves it, are no records of what has happened. */
static bool is_note(const char *type)
{
	static const char *const notes[] = {"position", "segment", "seal", "checkpoint"};

	for (size_t i = 0; i < ARRAY_COUNT(notes); i++)
		if (!strcmp(type, notes[i]))
			return true;
	return false;
}

/* The line as JSON if it is a record that matches, to be released; NULL if not. */
static struct json_object *take(const char *line, size_t length, const struct filter *filter)
{
	struct json_object *record = NULL;

	if (tree_parse(line, length, &record))
		return NULL;
	if (!is_note(field_text(record, "type")) && matches(record, filter))
		return record;
	json_object_put(record);
	return NULL;
}

static void print_line(const char *line, struct json_object *record)
{
	if (cli_json)
		puts(line);
	else
		print_record(record);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static int is_segment(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return !strncmp(entry->d_name, "usher-", 6) && length > 6 && !strcmp(entry->d_name + length - 6, ".jsonl");
}

static size_t chomp(char *line, ssize_t got)
{
	if (got > 0 && line[got - 1] == '\n')
		line[--got] = '\0';
	return (size_t)got;
}

static void keep(struct tail *tail, const char *line)
{
	free(tail->lines[tail->next]);
	tail->lines[tail->next] = strdup(line);
	tail->next = (tail->next + 1) % tail->room;
	tail->count += tail->count < tail->room;
}

static void read_segment(FILE *file, const struct filter *filter, struct tail *tail)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t got;

	while ((got = getline(&line, &room, file)) > 0) {
		if (line[got - 1] != '\n') { /* being written: the rest of it comes later */
			fseek(file, -got, SEEK_CUR);
			break;
		}
		struct json_object *record = take(line, chomp(line, got), filter);

		if (record)
			keep(tail, line);
		json_object_put(record);
	}
	clearerr(file);
}

/* The last `most` of what is kept. */
static void print_tail(struct tail *tail, size_t most)
{
	static const struct filter any;

	if (tail->count > most)
		tail->count = most;
	for (size_t i = 0; i < tail->count; i++) {
		const char *line = tail->lines[(tail->next + tail->room - tail->count + i) % tail->room];
		struct json_object *record = line ? take(line, strlen(line), &any) : NULL;

		if (record)
			print_line(line, record);
		json_object_put(record);
	}
	tail->count = 0;
	fflush(stdout);
}

static FILE *open_segment(const char *folder, const char *name)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return fopen(path, "re");
}

/* Reads every segment after the one called `last` (NULL: all), and leaves the newest one open. */
static int read_folder(const char *folder, char **last, FILE **open_file, const struct filter *filter,
		       struct tail *tail)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort);

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		FILE *file = *last && strcmp(entries[i]->d_name, *last) <= 0 ? NULL
									     : open_segment(folder, entries[i]->d_name);

		if (file) {
			if (*open_file) {
				read_segment(*open_file, filter, tail); /* what came before the next one was begun */
				fclose(*open_file);
			}
			read_segment(file, filter, tail);
			*open_file = file;
			free(*last);
			*last = strdup(entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static int tail_folder(const char *folder, size_t lines, bool follow, const struct filter *filter)
{
	const struct timespec pause = {.tv_nsec = 200000000};
	struct tail tail = {.room = follow && lines < FOLLOW_ROOM ? FOLLOW_ROOM : lines};
	char *last = NULL;
	FILE *file = NULL;
	int error;

	tail.lines = calloc(tail.room, sizeof(*tail.lines));
	if (!tail.lines)
		return cli_fail(CLI_SYSTEM, "no memory for %zu lines", lines);
	error = read_folder(folder, &last, &file, filter, &tail);
	print_tail(&tail, lines);
	while (follow && !error && !ferror(stdout)) {
		nanosleep(&pause, NULL);
		if (file)
			read_segment(file, filter, &tail);
		error = read_folder(folder, &last, &file, filter, &tail);
		print_tail(&tail, tail.room);
	}
	for (size_t i = 0; i < tail.room; i++)
		free(tail.lines[i]);
	free(tail.lines);
	free(last);
	if (file)
		fclose(file);
	return error ? cli_fail(CLI_SYSTEM, "%s: %s", folder, strerror(-error)) : CLI_OK;
}

int audit_tail(int argc, char **argv)
{
	static const struct option options[] = {
		{"follow", no_argument, NULL, 'f'},	   {"lines", required_argument, NULL, 'n'},
		{"verdict", required_argument, NULL, 'v'}, {"reason", required_argument, NULL, 'r'},
		{"tenant", required_argument, NULL, 't'},  {"service", required_argument, NULL, 'e'},
		{"dir", required_argument, NULL, 'd'},	   {0},
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
		case 'v':
			filter.verdict = optarg;
			break;
		case 'r':
			filter.reason = optarg;
			break;
		case 't':
			filter.tenant = optarg;
			break;
		case 'e':
			filter.service = optarg;
			break;
		case 'd':
			folder = optarg;
			break;
		default:
			return CLI_USAGE;
		}
	}
	status = cli_operands(argc, 1, "tail");
	if (status)
		return status;
	return tail_folder(folder, (size_t)lines, follow, &filter);
}
