// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/revisions.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit/segment.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/moment.h"
#include "daemon/core.h"
#include "daemon/kept.h"
#include "policy/policy.h"
#include "policy/statement.h"

#define LOOK_APART (3600 * CLOCK_SECOND)
#define LINE_ROOM 4096

void revisions_free(struct revisions *revisions)
{
	free(revisions->items);
	*revisions = (struct revisions){0};
}

static struct revision *add(struct revisions *revisions, const struct revision *revision)
{
	revisions->items =
		array_grow(revisions->items, revisions->count, &revisions->capacity, sizeof(*revisions->items));
	revisions->items[revisions->count] = *revision;
	return &revisions->items[revisions->count++];
}

static struct revision *by_bytes(const struct core *core, const char *digest)
{
	for (size_t i = 0; i < core->revisions.count; i++)
		if (!strcmp(core->revisions.items[i].bytes_digest, digest))
			return &core->revisions.items[i];
	return NULL;
}

const struct revision *revisions_by_bytes(const struct core *core, const char bytes_digest[SHA256_HEX])
{
	return by_bytes(core, bytes_digest);
}

const struct revision *revisions_find(const struct core *core, const char *text)
{
	size_t length = strlen(text);
	bool number = length && length < 20 && strspn(text, "0123456789") == length;
	const struct revision *found = NULL;

	for (size_t i = 0; i < core->revisions.count; i++) {
		const struct revision *item = &core->revisions.items[i];
		bool meant = (number && item->revision == strtoull(text, NULL, 10)) ||
			     (length >= 4 &&
			      (!strncmp(item->digest, text, length) || !strncmp(item->document, text, length)));

		if (meant && (!found || !item->last || (found->last && item->last >= found->last)))
			found = item;
	}
	return found;
}

/* ---- the list as text ---------------------------------------------------------------------------------------- */

static void save(struct core *core)
{
	struct json text = {0};

	json_array_begin(&text, NULL);
	for (size_t i = 0; i < core->revisions.count; i++) {
		const struct revision *item = &core->revisions.items[i];

		json_object_begin(&text, NULL);
		json_string(&text, "bytes_digest", item->bytes_digest);
		json_string(&text, "document", item->document);
		json_string(&text, "digest", item->digest);
		json_string(&text, "name", item->name);
		json_unsigned(&text, "revision", item->revision);
		json_unsigned(&text, "bytes", item->bytes);
		json_integer(&text, "first", item->first);
		json_integer(&text, "last", item->last);
		json_object_end(&text);
	}
	json_array_end(&text);
	json_newline(&text);
	core_kept_write(core, REVISIONS_FILE, &text);
}

static int begin(void *context, size_t count)
{
	(void)context;
	(void)count;
	return 0;
}

static bool is_digest(const char *text)
{
	return strlen(text) == SHA256_HEX - 1 && strspn(text, "0123456789abcdef") == SHA256_HEX - 1;
}

static int take(void *context, struct json_object *object)
{
	struct revision revision = {0};
	int64_t number = 0, bytes = 0;

	if (kept_text(object, "bytes_digest", revision.bytes_digest, SHA256_HEX) ||
	    kept_text(object, "document", revision.document, SHA256_HEX) ||
	    kept_text(object, "digest", revision.digest, SHA256_HEX) ||
	    kept_text(object, "name", revision.name, sizeof(revision.name)) ||
	    kept_integer(object, "revision", INT64_MAX, &number) || kept_integer(object, "bytes", INT64_MAX, &bytes) ||
	    kept_integer(object, "first", INT64_MAX, &revision.first) ||
	    kept_integer(object, "last", INT64_MAX, &revision.last) || !is_digest(revision.bytes_digest) ||
	    !is_digest(revision.document) || !is_digest(revision.digest))
		return -EINVAL;
	revision.revision = (uint64_t)number;
	revision.bytes = (uint64_t)bytes;
	add(context, &revision);
	return 0;
}

static int parse(struct core *core, const char *text, size_t length)
{
	int error = kept_list(text, length, REVISIONS_MAX, begin, take, &core->revisions);

	if (error)
		revisions_free(&core->revisions);
	return error;
}

/* ---- texts that the list does not have ----------------------------------------------------------------------- */

/* A text that lies there, and was in force as far as anybody knows. */
static void adopt(struct core *core, const char *digest, int64_t now)
{
	struct revision revision = {.first = now, .last = now};
	struct diagnostics ignored = {.file = ""};
	_cleanup_free_ char *text = NULL;
	struct policy *policy = NULL;
	size_t length;
	int error;

	if (by_bytes(core, digest))
		return;
	error = state_read_policy(core->state, digest, &text, &length);
	if (error) {
		core_problem(core, "policy-%s.json in %s: %s", digest, core->options->state_dir,
			     error == -EBADMSG ? "it is damaged, and was renamed to .damaged" : strerror(-error));
		return;
	}
	if (!policy_parse("", text, length, 0, &ignored, &policy)) {
		memcpy(revision.bytes_digest, digest, SHA256_HEX);
		memcpy(revision.digest, policy->digest, SHA256_HEX);
		statement_document(text, length, revision.document);
		snprintf(revision.name, sizeof(revision.name), "%s", policy->name ? policy->name : "");
		revision.revision = policy->revision;
		revision.bytes = length;
		for (size_t i = core->state->history_count; i-- > 0;)
			if (!strcmp(core->state->history[i].bytes_digest, digest)) {
				revision.first = revision.first < core->state->history[i].applied
							 ? revision.first
							 : core->state->history[i].applied;
				revision.last = i ? now : 0;
			}
		add(&core->revisions, &revision);
	}
	policy_free(policy);
	diagnostics_free(&ignored);
}

/* Of an earlier daemon, which had no list, or of one whose list is damaged. */
static int adopt_all(struct core *core, bool lost, struct problem *problem)
{
	DIR *folder = opendir(core->state->folder);
	int64_t now = clock_realtime();
	size_t before = core->revisions.count;
	struct dirent *entry;
	char digest[SHA256_HEX], again[80];
	int error;

	if (!folder)
		return problem_set(problem, -errno, "cannot read %s: %s", core->state->folder, strerror(errno));
	while (errno = 0, (entry = readdir(folder)) && core->revisions.count < REVISIONS_MAX) {
		if (sscanf(entry->d_name, "policy-%64[0-9a-f].json", digest) != 1 || !is_digest(digest))
			continue;
		snprintf(again, sizeof(again), "policy-%s.json", digest);
		if (!strcmp(entry->d_name, again))
			adopt(core, digest, now);
	}
	error = entry ? 0 : -errno;
	closedir(folder);
	if (error)
		return problem_set(problem, error, "cannot read %s: %s", core->state->folder, strerror(-error));
	if (core->revisions.count > before || lost)
		save(core);
	return 0;
}

int revisions_open(struct core *core, struct problem *problem)
{
	bool lost = false;
	int error = core_kept_read(core, REVISIONS_FILE,
				   "since when the policies that are kept were in force is not known any more", parse,
				   &lost, problem);

	return error ? error : adopt_all(core, lost, problem);
}

/* ---- what comes, and what goes ------------------------------------------------------------------------------- */

static void drop(struct core *core, const char *bytes_digest)
{
	int error = state_drop_policy(core->state, bytes_digest);

	if (error)
		core_problem(core, "cannot delete policy-%s.json in %s: %s", bytes_digest, core->options->state_dir,
			     strerror(-error));
}

/* Returns 0 once it is on record, and gone. */
static int delete (struct core *core, size_t index, const char *why)
{
	const struct revision *item = &core->revisions.items[index];
	struct json *record = journal_operation(core->journal, "policy-deleted", NULL);
	char time[CLOCK_TEXT];

	json_string(record, "policy_digest", item->digest);
	json_string(record, "document", item->document);
	json_unsigned(record, "policy_revision", item->revision);
	json_string(record, "last_in_force", clock_print(item->last, time));
	json_string(record, "why", why);
	if (journal_operation_end(core->journal))
		return -EIO; /* another time */
	drop(core, item->bytes_digest);
	core->revisions.count--;
	memmove(&core->revisions.items[index], &core->revisions.items[index + 1],
		(core->revisions.count - index) * sizeof(*item));
	return 0;
}

/* Out of force longest, and not named by the history; count: there is none. */
static size_t oldest(const struct core *core)
{
	const struct revisions *revisions = &core->revisions;
	size_t found = revisions->count;

	for (size_t i = 0; i < revisions->count; i++)
		if (revisions->items[i].last && !state_names_policy(core->state, revisions->items[i].bytes_digest) &&
		    (found == revisions->count || revisions->items[i].last < revisions->items[found].last))
			found = i;
	return found;
}

/* What was in force until now is no longer, unless it is `bytes_digest`. */
static bool end_others(struct core *core, const char *bytes_digest, int64_t now)
{
	bool changed = false;

	for (size_t i = 0; i < core->revisions.count; i++)
		if (!core->revisions.items[i].last &&
		    strcmp(core->revisions.items[i].bytes_digest, bytes_digest) != 0) {
			core->revisions.items[i].last = now;
			changed = true;
		}
	return changed;
}

/* For one more of so many bytes. */
static void make_room(struct core *core, uint64_t bytes)
{
	uint64_t total = bytes;
	size_t surplus;

	for (size_t i = 0; i < core->revisions.count; i++)
		total += core->revisions.items[i].bytes;
	while (core->revisions.count == REVISIONS_MAX || total > REVISIONS_BYTES_MAX) {
		surplus = oldest(core);
		if (surplus == core->revisions.count)
			return;
		total -= core->revisions.items[surplus].bytes;
		if (delete (core, surplus, "there are too many"))
			return;
	}
}

static void note(struct core *core, const struct revision *revision)
{
	bool changed = end_others(core, revision->bytes_digest, revision->first);
	struct revision *known = by_bytes(core, revision->bytes_digest);

	if (!known)
		make_room(core, revision->bytes);
	if (!known)
		add(&core->revisions, revision);
	else if (known->last)
		known->last = 0;
	else if (!changed)
		return;
	save(core);
}

void revisions_note(struct core *core)
{
	const struct state_entry *entry = &core->state->history[0];
	struct revision revision = {.revision = entry->revision, .bytes = core->text_length, .first = clock_realtime()};

	memcpy(revision.bytes_digest, entry->bytes_digest, SHA256_HEX);
	memcpy(revision.digest, entry->digest, SHA256_HEX);
	statement_document(core->text, core->text_length, revision.document);
	snprintf(revision.name, sizeof(revision.name), "%s", entry->name ? entry->name : "");
	note(core, &revision);
}

void revisions_note_closed(struct core *core, const char *text, size_t length, const char digest[SHA256_HEX])
{
	struct revision revision = {.bytes = length, .first = clock_realtime()};
	int error = state_keep_policy(core->state, text, length, revision.bytes_digest);

	if (error) {
		core_problem(core, "cannot write the state folder %s: %s", core->options->state_dir, strerror(-error));
		return;
	}
	memcpy(revision.digest, digest, SHA256_HEX);
	statement_document(text, length, revision.document);
	note(core, &revision);
}

void revisions_drop(struct core *core, const char bytes_digest[SHA256_HEX])
{
	if (!by_bytes(core, bytes_digest) && !state_names_policy(core->state, bytes_digest))
		drop(core, bytes_digest);
}

/* When the first record that is still there was written. Returns 0 or -errno. */
static int log_begins(const char *folder, int64_t *ret_realtime)
{
	struct segments segments;
	char line[LINE_ROOM], text[CLOCK_TEXT];
	const char *at;
	size_t length;
	int error = segments_list(folder, &segments);

	if (error)
		return error;
	error = segments.count ? segment_first_line(folder, segments.items[0].name, sizeof(line), line, &length)
			       : -ENOENT;
	segments_free(&segments);
	if (error)
		return error;
	at = memmem(line, length, "\"time\":\"", 8);
	if (!at || sscanf(at + 8, "%31[^\"]", text) != 1)
		return -EBADMSG;
	return moment_parse(text, false, ret_realtime);
}

void revisions_tick(struct core *core, int64_t now)
{
	int64_t begins, realtime = clock_realtime(), retain;
	bool changed = false;
	size_t index;

	if (!core->policy || !core->policy->retention.seconds ||
	    (core->revisions_looked && now - core->revisions_looked < LOOK_APART))
		return;
	core->revisions_looked = now;
	retain = core->policy->retention.seconds * CLOCK_SECOND;
	index = oldest(core);
	if (index == core->revisions.count || realtime - core->revisions.items[index].last < retain ||
	    log_begins(core->options->audit_dir, &begins))
		return;
	while ((index = oldest(core)) < core->revisions.count &&
	       realtime - core->revisions.items[index].last >= retain && core->revisions.items[index].last < begins &&
	       !delete (core, index, "no record can name it any more"))
		changed = true;
	if (changed)
		save(core);
}
