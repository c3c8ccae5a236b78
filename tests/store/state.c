// SPDX-License-Identifier: GPL-2.0-only
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/veil.h"
#include "audit/witness.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "ship/cursor.h"

#define WEEK (7 * 86400)
#define WEEKS 4 /* of a start */
#define KEEP 2	/* weeks that a key is kept after its own */
#define OFFSETS 100
#define DESTINATION "tcp://192.0.2.1:514"
#define WITNESS_MAX 4096

static const struct client_privacy privacy = {.mode = CLIENT_HMAC, .every_s = WEEK, .keep_s = KEEP * WEEK};

static void path_of(const char *name, char path[96])
{
	snprintf(path, 96, "%s/%s", folder, name);
}

static size_t print_line(uint64_t number, char line[64])
{
	return (size_t)snprintf(line, 64, "{\"checkpoint\":%" PRIu64 "}\n", number);
}

/* ---- the one who writes ------------------------------------------------------------------------------------- */

static void turn(struct veil *veil, struct told *told)
{
	struct veil_turn turned;

	told->week++;
	if (veil_turn(veil, (int64_t)told->week * WEEK, &turned)) {
		told->errors++;
		return;
	}
	if (*turned.made) {
		told->keys[told->key_count].week = told->week;
		memcpy(told->keys[told->key_count++].id, turned.made, sizeof(turned.made));
	}
	told->destroyed = told->week > KEEP ? told->week - KEEP : 0;
}

static void move_on(int state, struct told *told)
{
	struct cursor cursor = {.log = "0123456789abcdef", .segment = 1, .offset = (told->cursor_given + 1) * OFFSETS};

	told->cursor_given++;
	if (cursor_write(state, "1", DESTINATION, &cursor))
		told->errors++;
	else
		told->cursor = told->cursor_given;
}

static void give(struct witness *witness, struct told *told)
{
	char line[64];

	witness_give(witness, line, print_line(told->given++, line));
	told->errors += witness_run(witness) != 0;
}

static int begin(struct veil **ret_veil, struct cursor *ret_cursor, int *ret_state, bool *ret_damaged)
{
	struct problem problem = {0};
	bool damaged = false;
	char path[96];
	int error;

	*ret_state = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path_of("client-keys", path);
	error = *ret_state < 0 ? -errno : cursor_read(*ret_state, "1", DESTINATION, ret_cursor);
	*ret_damaged = error > 0;
	if (error >= 0)
		error = veil_open(path, &problem, ret_veil, &damaged);
	*ret_damaged |= damaged;
	if (!error)
		veil_set(*ret_veil, &privacy);
	else if (*ret_state >= 0)
		close(*ret_state);
	return error;
}

int write_state(struct told *told)
{
	char path[96];

	path_of("witness", path);
	if (mkdir(folder, 0750))
		return WRITER_NOT_OPENED;
	for (int start = 0; start < 2; start++) {
		uint64_t given = told->given;
		struct witness_totals totals;
		struct witness *witness;
		struct cursor cursor;
		struct veil *veil;
		bool damaged;
		int state;

		if (begin(&veil, &cursor, &state, &damaged))
			return WRITER_NOT_OPENED;
		told->opened = true;
		if (damaged || witness_new(path, &witness))
			return 1;
		for (int week = 0; week < WEEKS; week++) {
			turn(veil, told);
			move_on(state, told);
			give(witness, told);
		}
		/* What fails is tried again with the next one, of which there is none: those before it are what counts. */
		do {
			usleep(1000);
			witness_totals(witness, &totals);
		} while (totals.written + totals.errors == 0 ||
			 (!totals.error && totals.written < told->given - given));
		told->witnessed = given == told->witnessed ? given + totals.written : told->witnessed;
		told->errors += totals.errors;
		witness_close(witness);
		veil_close(veil);
		close(state);
	}
	told->ended = true;
	return 0;
}

/* ---- the one who looks --------------------------------------------------------------------------------------- */

static bool has_key(const struct veil_keys *keys, const char *id)
{
	for (size_t i = 0; i < keys->count; i++)
		if (!strcmp(keys->items[i].id, id))
			return true;
	return false;
}

static void look_at_keys(const struct told *told)
{
	struct veil_keys keys = {0};
	char path[96];
	int error;

	path_of("client-keys", path);
	error = veil_keys_read(path, &keys);
	if (error && (error != -ENOENT || told->key_count))
		say("# the keys cannot be read: %s\n", strerror(-error));
	for (uint64_t i = 0; i < told->key_count; i++) {
		uint64_t week = told->keys[i].week;

		if (week + KEEP + 1 > told->week && !has_key(&keys, told->keys[i].id))
			say("# the key of week %" PRIu64 " is not there in week %" PRIu64 "\n", week, told->week);
		if (week < told->destroyed && has_key(&keys, told->keys[i].id))
			say("# the key of week %" PRIu64 " is there, and was destroyed\n", week);
	}
	veil_keys_release(&keys);
}

static void look_at_witness(const struct told *told)
{
	_cleanup_free_ char *text = NULL;
	char path[96], line[64];
	size_t length;

	path_of("witness", path);
	if (file_read(path, WITNESS_MAX, &text, &length)) {
		if (told->witnessed)
			say("# there is no witness\n");
		return;
	}
	for (uint64_t i = 0; i < told->witnessed; i++) {
		print_line(i, line);
		if (!strstr(text, line))
			say("# line %" PRIu64 " of %" PRIu64 " is not with the witness\n", i, told->witnessed);
	}
}

bool look_at_state(const struct told *told)
{
	struct told more = *told;
	struct cursor cursor = {0};
	struct veil *veil;
	bool damaged;
	int state;

	mkdir(folder, 0750);
	look_at_keys(told);
	look_at_witness(told);
	if (begin(&veil, &cursor, &state, &damaged)) {
		say("# it does not open again\n");
		return false;
	}
	if (damaged)
		say("# half a file\n");
	if (cursor.offset < told->cursor * OFFSETS || cursor.offset > told->cursor_given * OFFSETS)
		say("# the cursor is at %" PRIu64 ", and %" PRIu64 " was acknowledged\n", cursor.offset,
		    told->cursor * OFFSETS);
	more.errors = 0;
	turn(veil, &more);
	move_on(state, &more);
	if (more.errors)
		say("# it does not go on\n");
	look_at_keys(&more);
	veil_close(veil);
	close(state);
	return !*said;
}
