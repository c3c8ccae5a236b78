// SPDX-License-Identifier: GPL-2.0-only
#include "policies.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/core.h"
#include "daemon/state_text.h"

#define CHANGES 3   /* of a start */
#define REFUSED 100 /* revisions from here on are not put in force */
#define TRIES 2	    /* at keeping one, as an operator has them */
#define TEXT_ROOM 256

static struct options options = {.state_dir = folder};

static size_t print_policy(uint64_t revision, char text[TEXT_ROOM])
{
	return (size_t)snprintf(text, TEXT_ROOM,
				"{\"apiVersion\":\"usher/v1\",\"metadata\":{\"name\":\"n\",\"revision\":%" PRIu64
				"},\"models\":{},\"backends\":{},\"services\":{},\"rules\":[]}",
				revision);
}

static void digest_of(uint64_t revision, char digest[SHA256_HEX])
{
	char text[TEXT_ROOM];

	sha256_hex(text, print_policy(revision, text), digest);
}

/* ---- a core that has nothing but the folder ------------------------------------------------------------------- */

static void note_damage(void *context, const char *sentence)
{
	bool *damaged = context;

	*damaged = true;
	say("# %s\n", sentence);
}

/* How many there were. */
static uint64_t take_problems(struct core *core)
{
	uint64_t count = core->problem_count;

	while (core->problem_count)
		free(core->problems[--core->problem_count]);
	return count;
}

static void end(struct core *core)
{
	take_problems(core);
	revisions_free(&core->revisions);
	state_close(core->state);
}

/* Damage goes on record, for which there is no journal here. */
static bool is_damaged(const struct core *core, const char *name)
{
	_cleanup_free_ char *bytes = NULL;
	const char *text;
	size_t length;

	if (state_read_sealed(core->state, name, &bytes, &text, &length) != -EBADMSG)
		return false;
	say("# %s is damaged\n", name);
	return true;
}

static int begin(struct core *core, bool *ret_damaged)
{
	struct problem problem = {0};
	int error;

	*core = (struct core){.options = &options};
	*ret_damaged = false;
	error = state_open(folder, note_damage, ret_damaged, &problem, &core->state);
	if (error)
		return error;
	*ret_damaged |= is_damaged(core, REVISIONS_FILE);
	error = *ret_damaged ? -EBADMSG : revisions_open(core, &problem);
	if (error)
		end(core);
	return error;
}

/* ---- the one who writes ------------------------------------------------------------------------------------- */

static int keep(struct core *core, uint64_t revision, char digest[SHA256_HEX], struct told *told)
{
	char text[TEXT_ROOM];
	size_t length = print_policy(revision, text);
	int error = -1;

	for (int i = 0; error && i < TRIES; i++) {
		error = state_keep_policy(core->state, text, length, digest);
		told->errors += error != 0;
	}
	return error;
}

static void save(struct core *core, struct told *told)
{
	struct json text = {0};

	state_text_print(&text, core->state);
	sha256_hex(text.bytes, text.length, told->states[told->states_given++]);
	json_free(&text);
	if (state_save(core->state))
		told->errors++;
	else
		told->states_saved = told->states_given;
}

static void list(struct core *core, uint64_t revision, struct told *told)
{
	char text[TEXT_ROOM];
	uint64_t problems;

	core->text_length = print_policy(revision, text);
	core->text = text;
	revisions_note(core);
	core->text = NULL;
	problems = take_problems(core);
	told->errors += problems;
	if (!problems)
		told->listed |= 1ull << revision;
}

/* As change() of the daemon has it. */
static void put_in_force(struct core *core, struct told *told)
{
	uint64_t revision = told->revisions++;
	struct state_entry entry = {.revision = revision, .verb = "apply", .confirmed = true, .applied = 1};

	if (keep(core, revision, entry.bytes_digest, told))
		return;
	told->kept |= 1ull << revision;
	memcpy(entry.digest, entry.bytes_digest, SHA256_HEX);
	entry.name = strdup("n");
	entry.file = strdup("f");
	state_push(core->state, &entry);
	save(core, told);
	list(core, revision, told);
}

static void refuse(struct core *core, struct told *told)
{
	char digest[SHA256_HEX];
	uint64_t problems;

	if (keep(core, REFUSED + told->revisions, digest, told))
		return;
	revisions_drop(core, digest);
	problems = take_problems(core);
	told->errors += problems;
	if (!problems)
		told->gone |= 1ull << told->revisions;
}

/* What was in force last is again. */
static int restore(struct core *core, struct told *told)
{
	const struct state_entry *entry = &core->state->history[0];
	_cleanup_free_ char *text = NULL;
	size_t length;
	int error;

	if (!core->state->history_count)
		return 0;
	error = state_read_policy(core->state, entry->bytes_digest, &text, &length);
	told->errors += error != 0;
	if (!error)
		list(core, entry->revision, told);
	return error == -ENOENT || error == -EBADMSG ? error : 0;
}

int write_policies(struct told *told)
{
	for (int start = 0; start < 2; start++) {
		struct core core;
		bool damaged;

		if (begin(&core, &damaged))
			return damaged ? 1 : WRITER_NOT_OPENED;
		told->opened = true;
		told->errors += take_problems(&core);
		if (restore(&core, told)) {
			end(&core);
			return 1;
		}
		for (int i = 0; i < CHANGES; i++) {
			put_in_force(&core, told);
			refuse(&core, told);
		}
		end(&core);
	}
	told->ended = true;
	return 0;
}

/* ---- the one who looks --------------------------------------------------------------------------------------- */

/* One of those that were written, and none from before the last that was said to be. */
static void look_at_file(const struct core *core, const char *name, const struct told *told)
{
	_cleanup_free_ char *bytes = NULL;
	char digest[SHA256_HEX];
	const char *text;
	size_t length;
	uint64_t i;
	int error = state_read_sealed(core->state, name, &bytes, &text, &length);

	if (error == -ENOENT && !told->states_saved)
		return;
	if (error) {
		say("# %s cannot be read: %s\n", name, strerror(-error));
		return;
	}
	sha256_hex(text, length, digest);
	for (i = told->states_given; i > 0 && strcmp(told->states[i - 1], digest) != 0; i--)
		;
	if (!i || i < told->states_saved)
		say("# %s is state %" PRIu64 " of %" PRIu64 ", and %" PRIu64 " was saved\n", name, i,
		    told->states_given, told->states_saved);
}

/* What is taken is what is in the file. */
static void look_at_state_taken(const struct core *core, const struct told *told)
{
	_cleanup_free_ char *bytes = NULL;
	struct json again = {0};
	const char *text;
	size_t length;

	if (state_read_sealed(core->state, "state.json", &bytes, &text, &length)) {
		if (core->state->history_count || told->states_saved)
			say("# there is a state, and no file of it\n");
		return;
	}
	state_text_print(&again, core->state);
	if (again.length != length || memcmp(again.bytes, text, length) != 0)
		say("# the state is not that of its file\n");
	json_free(&again);
}

static void look_at_text(const struct core *core, uint64_t revision)
{
	_cleanup_free_ char *text = NULL;
	char wanted[TEXT_ROOM], digest[SHA256_HEX];
	size_t length;
	int error;

	digest_of(revision, digest);
	error = state_read_policy(core->state, digest, &text, &length);
	if (error)
		say("# revision %" PRIu64 ", which was kept, cannot be read: %s\n", revision, strerror(-error));
	else if (length != print_policy(revision, wanted) || memcmp(text, wanted, length) != 0)
		say("# revision %" PRIu64 " is another text\n", revision);
	if (!revisions_by_bytes(core, digest))
		say("# revision %" PRIu64 ", which was kept, is not known\n", revision);
}

static void look_at_refused(const struct core *core, uint64_t revision)
{
	_cleanup_free_ char *text = NULL;
	char digest[SHA256_HEX];
	size_t length;

	digest_of(revision, digest);
	if (state_read_policy(core->state, digest, &text, &length) != -ENOENT || revisions_by_bytes(core, digest))
		say("# revision %" PRIu64 ", which was refused, is there\n", revision);
}

static void look_at_list(const struct core *core, const struct told *told)
{
	_cleanup_free_ char *bytes = NULL;
	char digest[SHA256_HEX];
	const char *text = NULL;
	size_t length = 0;

	if (state_read_sealed(core->state, REVISIONS_FILE, &bytes, &text, &length) && told->listed)
		say("# there is no list\n");
	for (uint64_t i = 0; text && i < told->revisions; i++) {
		digest_of(i, digest);
		if (told->listed >> i & 1 && !memmem(text, length, digest, strlen(digest)))
			say("# revision %" PRIu64 " is not on the list\n", i);
	}
}

bool look_at_policies(const struct told *told)
{
	struct told more = *told;
	struct core core;
	bool damaged;

	if (begin(&core, &damaged)) {
		say("# it does not open again\n");
		return false;
	}
	look_at_file(&core, "state.json", told);
	look_at_file(&core, "state-copy.json", told);
	look_at_state_taken(&core, told);
	look_at_list(&core, told);
	for (uint64_t i = 0; i < told->revisions; i++)
		if (told->kept >> i & 1)
			look_at_text(&core, i);
	for (uint64_t i = 0; i <= told->revisions; i++)
		if (told->gone >> i & 1)
			look_at_refused(&core, REFUSED + i);
	more.errors = take_problems(&core);
	restore(&core, &more);
	put_in_force(&core, &more);
	if (more.errors)
		say("# it does not go on\n");
	end(&core);
	return !*said;
}
