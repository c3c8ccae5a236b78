// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "daemon/state_text.h"
#include "policy/bundle.h"

#define PATH_ROOM 4096
#define STATE_BYTES_MAX (64u << 20)
#define STATE_FILE "state.json"
#define STATE_COPY "state-copy.json"
#define HEADER "usher-state 1 "
#define DAMAGED "%s.damaged"

static void entry_free(struct state_entry *entry)
{
	free(entry->name);
	free(entry->file);
	free(entry->user);
	free(entry->why);
}

void state_close(struct state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->history_count; i++)
		entry_free(&state->history[i]);
	for (size_t i = 0; i < state->drain_count; i++)
		free(state->drains[i]);
	free(state->drains);
	for (size_t i = 0; i < state->quarantine_count; i++)
		state_quarantine_free(&state->quarantines[i]);
	free(state->quarantines);
	free(state->verifications);
	free(state->added);
	free(state->services);
	identities_free(state->identities);
	free(state->folder);
	free(state);
}

static void cleanup_state(struct state **state)
{
	state_close(*state);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static void state_path(const struct state *state, const char *name, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/%s", state->folder, name);
}

static void policy_path(const struct state *state, const char *digest, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/policy-%s.json", state->folder, digest);
}

static void set_aside(const char *path)
{
	char aside[PATH_ROOM + 16];

	snprintf(aside, sizeof(aside), DAMAGED, path);
	rename(path, aside);
}

/* The text behind a first line that holds its digest, or NULL. */
static const char *sealed_text(const char *bytes, size_t length, size_t *ret_length)
{
	const size_t head = sizeof(HEADER) - 1, line = head + SHA256_HEX; /* the newline where the NUL would be */
	char digest[SHA256_HEX];

	if (length < line || strncmp(bytes, HEADER, head) != 0 || bytes[line - 1] != '\n')
		return NULL;
	sha256_hex(bytes + line, length - line, digest);
	if (strncmp(bytes + head, digest, SHA256_HEX - 1) != 0)
		return NULL;
	*ret_length = length - line;
	return bytes + line;
}

int state_read_sealed(const struct state *state, const char *name, char **ret_bytes, const char **ret_text,
		      size_t *ret_length)
{
	_cleanup_free_ char *bytes = NULL;
	char path[PATH_ROOM];
	const char *text;
	size_t length = 0;
	int error;

	state_path(state, name, path);
	error = file_read(path, STATE_BYTES_MAX, &bytes, &length);
	if (error)
		return error;
	text = sealed_text(bytes, length, ret_length);
	if (!text)
		return -EBADMSG;
	*ret_text = text;
	*ret_bytes = TAKE_PTR(bytes);
	return 0;
}

void state_set_aside(const struct state *state, const char *name)
{
	char path[PATH_ROOM];

	state_path(state, name, path);
	set_aside(path);
}

bool state_was_set_aside(const struct state *state, const char *name)
{
	char path[PATH_ROOM], aside[PATH_ROOM + 16];

	state_path(state, name, path);
	snprintf(aside, sizeof(aside), DAMAGED, path);
	return access(aside, F_OK) == 0;
}

int state_write_sealed(const struct state *state, const char *name, const struct json *text)
{
	char path[PATH_ROOM], digest[SHA256_HEX];
	struct json file = {0};
	int error;

	sha256_hex(text->bytes, text->length, digest);
	json_raw(&file, HEADER, sizeof(HEADER) - 1);
	json_raw(&file, digest, strlen(digest));
	json_raw(&file, "\n", 1);
	json_raw(&file, text->bytes, text->length);
	state_path(state, name, path);
	error = file_replace(path, 0600, file.bytes, file.length);
	json_free(&file);
	return error;
}

/* Nothing is taken over from a file that is damaged, not even what came before the damage. */
static void begin_anew(struct state **state)
{
	struct state *empty = calloc(1, sizeof(*empty));

	if (!empty)
		abort();
	empty->folder = TAKE_PTR((*state)->folder);
	state_close(*state);
	*state = empty;
}

/* Returns 0, -ENOENT, -EBADMSG (and the state is empty), or -errno. */
static int read_state(const char *name, struct state **state)
{
	_cleanup_free_ char *bytes = NULL;
	const char *text = NULL;
	size_t length = 0;
	int error = state_read_sealed(*state, name, &bytes, &text, &length);

	if (!error && state_text_parse(text, length, *state)) {
		begin_anew(state);
		error = -EBADMSG;
	}
	return error;
}

/* Whoever made it may have died before it was on the disk. Where others made it, they may keep us from looking above it. */
static int make_folder(const char *folder)
{
	bool made = !mkdir(folder, 0700);
	int error;

	if (!made && errno != EEXIST)
		return -errno;
	error = file_sync_above(folder);
	return made ? error : 0;
}

int state_open(const char *folder, void (*damage)(void *context, const char *sentence), void *context,
	       struct problem *problem, struct state **ret_state)
{
	_cleanup_(cleanup_state) struct state *state = calloc(1, sizeof(*state));
	char sentence[PATH_ROOM + 256];
	int error, copy;

	if (!state)
		return problem_set(problem, -ENOMEM, "no memory");
	state->folder = strdup(folder);
	if (!state->folder)
		return problem_set(problem, -ENOMEM, "no memory");
	error = make_folder(folder);
	if (error)
		return problem_set(problem, error, "cannot make the state folder %s: %s", folder, strerror(-error));
	copy = read_state(STATE_COPY, &state);
	begin_anew(&state);
	error = read_state(STATE_FILE, &state);
	if (error && error != -ENOENT && error != -EBADMSG)
		return problem_set(problem, error, "cannot read %s/" STATE_FILE ": %s", folder, strerror(-error));
	if (copy == -EBADMSG) {
		state_set_aside(state, STATE_COPY);
		snprintf(sentence, sizeof(sentence),
			 "%s/" STATE_COPY " is damaged; it was renamed to " STATE_COPY ".damaged", folder);
		damage(context, sentence);
	}
	if (error == -EBADMSG || (error == -ENOENT && state_was_set_aside(state, STATE_FILE))) {
		state_set_aside(state, STATE_FILE);
		begin_anew(&state);
		if (!copy)
			copy = read_state(STATE_COPY, &state);
		state->damage = copy ? "the drains, quarantines, history and verifications in it are lost"
				     : "its copy, " STATE_COPY ", is taken, and nothing is lost";
		snprintf(sentence, sizeof(sentence),
			 "%s/" STATE_FILE " is damaged; it was renamed to " STATE_FILE ".damaged: %s", folder,
			 state->damage);
		damage(context, sentence);
	}
	*ret_state = TAKE_PTR(state);
	return 0;
}

int state_save(const struct state *state)
{
	struct json text = {0};
	int error;

	state_text_print(&text, state);
	error = state_write_sealed(state, STATE_COPY, &text);
	if (!error)
		error = state_write_sealed(state, STATE_FILE, &text);
	json_free(&text);
	return error;
}

/* ---- policies ------------------------------------------------------------------------------------------------ */

int state_keep_policy(const struct state *state, const char *bytes, size_t length, char ret_digest[SHA256_HEX])
{
	char path[PATH_ROOM], digest[SHA256_HEX];
	_cleanup_free_ char *there = NULL;
	size_t there_length;
	int error;

	sha256_hex(bytes, length, digest);
	policy_path(state, digest, path);
	error = state_read_policy(state, digest, &there, &there_length);
	/* Its name may not be on the disk, if that has failed before. */
	error = error ? file_replace(path, 0600, bytes, length) : file_sync_folder(state->folder);
	if (!error)
		memcpy(ret_digest, digest, sizeof(digest));
	return error;
}

int state_read_policy(const struct state *state, const char digest[SHA256_HEX], char **ret_bytes, size_t *ret_length)
{
	_cleanup_free_ char *bytes = NULL;
	char path[PATH_ROOM], found[SHA256_HEX];
	size_t length;
	int error;

	policy_path(state, digest, path);
	error = file_read(path, BUNDLE_BYTES_MAX, &bytes, &length);
	if (error)
		return error;
	sha256_hex(bytes, length, found);
	if (strcmp(found, digest) != 0) {
		set_aside(path);
		return -EBADMSG;
	}
	*ret_bytes = TAKE_PTR(bytes);
	*ret_length = length;
	return 0;
}

bool state_names_policy(const struct state *state, const char digest[SHA256_HEX])
{
	for (size_t i = 0; i < state->history_count; i++)
		if (!strcmp(state->history[i].bytes_digest, digest))
			return true;
	return false;
}

int state_drop_policy(const struct state *state, const char digest[SHA256_HEX])
{
	char path[PATH_ROOM];

	policy_path(state, digest, path);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

void state_push(struct state *state, const struct state_entry *entry)
{
	if (state->history_count == STATE_HISTORY_MAX)
		entry_free(&state->history[--state->history_count]);
	memmove(&state->history[1], &state->history[0], state->history_count * sizeof(state->history[0]));
	state->history[0] = *entry;
	state->history[0].number = ++state->changes;
	state->history_count++;
}

int state_find(const struct state *state, const char *revision, size_t *ret_index)
{
	size_t length = strlen(revision);
	bool number = length && length < 20 && strspn(revision, "0123456789") == length;

	for (size_t i = 0; i < state->history_count; i++) {
		const struct state_entry *entry = &state->history[i];

		if ((number && entry->revision == strtoull(revision, NULL, 10)) ||
		    (length >= 4 && !strncmp(entry->digest, revision, length))) {
			*ret_index = i;
			return 0;
		}
	}
	return -ENOENT;
}

/* ---- drains -------------------------------------------------------------------------------------------------- */

bool state_is_drained(const struct state *state, const char *backend)
{
	for (size_t i = 0; i < state->drain_count; i++)
		if (!strcmp(state->drains[i], backend))
			return true;
	return false;
}

bool state_set_drained(struct state *state, const char *backend, bool drained)
{
	if (state_is_drained(state, backend) == drained)
		return false;
	if (drained) {
		state->drains =
			array_grow(state->drains, state->drain_count, &state->drain_capacity, sizeof(*state->drains));
		state->drains[state->drain_count] = strdup(backend);
		if (!state->drains[state->drain_count++])
			abort();
		return true;
	}
	for (size_t i = 0; i < state->drain_count; i++)
		if (!strcmp(state->drains[i], backend)) {
			free(state->drains[i]);
			state->drains[i] = state->drains[--state->drain_count];
			break;
		}
	return true;
}

/* ---- quarantines --------------------------------------------------------------------------------------------- */

void state_quarantine_free(struct state_quarantine *quarantine)
{
	free(quarantine->name);
	free(quarantine->why);
	free(quarantine->user);
	*quarantine = (struct state_quarantine){0};
}

const struct state_quarantine *state_quarantine(const struct state *state, const char *name)
{
	for (size_t i = 0; i < state->quarantine_count; i++)
		if (!strcmp(state->quarantines[i].name, name))
			return &state->quarantines[i];
	return NULL;
}

void state_begin_quarantine(struct state *state, const struct state_quarantine *quarantine)
{
	state->quarantines = array_grow(state->quarantines, state->quarantine_count, &state->quarantine_capacity,
					sizeof(*state->quarantines));
	state->quarantines[state->quarantine_count++] = *quarantine;
}

bool state_end_quarantine(struct state *state, const char *name, struct state_quarantine *ret_quarantine)
{
	const struct state_quarantine *found = state_quarantine(state, name);
	size_t index = found ? (size_t)(found - state->quarantines) : 0;

	if (!found)
		return false;
	*ret_quarantine = *found;
	state->quarantine_count--;
	memmove(&state->quarantines[index], &state->quarantines[index + 1],
		(state->quarantine_count - index) * sizeof(state->quarantines[0]));
	return true;
}

/* ---- verifications ------------------------------------------------------------------------------------------- */

static struct state_verification *find_verification(const struct state *state, const char *backend)
{
	for (size_t i = 0; i < state->verification_count; i++)
		if (!strcmp(state->verifications[i].name, backend))
			return &state->verifications[i];
	return NULL;
}

const struct state_verification *state_verification(const struct state *state, const char *backend)
{
	return find_verification(state, backend);
}

void state_keep_verification(struct state *state, const struct state_verification *verification)
{
	struct state_verification *there = find_verification(state, verification->name);

	if (!there) {
		state->verifications = array_grow(state->verifications, state->verification_count,
						  &state->verification_capacity, sizeof(*state->verifications));
		there = &state->verifications[state->verification_count++];
	}
	*there = *verification;
}
