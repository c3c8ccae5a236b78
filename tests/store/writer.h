/* SPDX-License-Identifier: GPL-2.0-only */
/* A small log that has all that a log can have, and what has to be true of it whatever happened to the one who wrote it. */
#ifndef USHER_STORE_WRITER_H
#define USHER_STORE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha256.h"

#define WRITER_NOT_OPENED 3 /* the log could not be opened, and that was said */

/* What the one who writes has been told. */
struct told {
	uint64_t acknowledged; /* numbers below this are in the log */
	uint64_t synced;       /* and those below this on the disk */
	uint64_t errors;
	uint64_t refused;	   /* batches that the disk had no room for at first */
	uint64_t place, under_way; /* bytes that the sync is of that has begun, and numbers below this are in them */
	bool opened, ended;
	/* Of the files beside the log (state.h). */
	uint64_t week, destroyed; /* keys that were made before the week `destroyed` are not there any more */
	uint64_t key_count;
	struct {
		uint64_t week;
		char id[17];
	} keys[16];
	uint64_t cursor, cursor_given; /* steps that are acknowledged, and that were asked for */
	uint64_t given, witnessed;     /* lines; those before `witnessed` are there */
	/* Of the state folder (policies.h): revisions that were given, as bits those that were said to be kept, and to be on the list. */
	uint64_t revisions, kept, listed;
	uint64_t gone;			     /* of those that were refused, as bits those that were said to be gone */
	uint64_t states_given, states_saved; /* the last that was asked for, and that was saved: from 1 on */
	char states[16][SHA256_HEX];
	uint64_t first; /* number of those that are sent elsewhere (shipping.h) */
};

extern char folder[64], key_path[96]; /* of the log, and of its key, which is in there as well */

/* Batches, checkpoints, files that end, are compressed and deleted, a new key; begun twice. Returns an exit status.
 * patience: half milliseconds that those who compress and delete may be still before they are taken to have done. */
int write_log(int patience, struct told *told);
/* The same on a disk that is full in the middle of some batches, and half a line is at the end when it begins again. */
int write_torn_log(int patience, struct told *told);

/* What is not as it should be, a line each; look() adds to it. */
extern char said[8192];
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* The log opens, goes on, verifies, and has the numbers below `due` once each, but for those whose segments were deleted. witness: the line of a
 * checkpoint that somebody keeps elsewhere, or NULL. */
bool look(uint64_t due, const char *witness);

#endif
