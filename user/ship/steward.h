/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parent of the senders. Forked from the core before any input is read, it is of the daemon's user, holds no capability, and speaks to nobody
 * but its children: it opens segments of the audit log for them, read-only, and writes their cursors. What a child says is of fixed size, and the
 * worst that it can do is to name a wrong place of its own. A child that ends is followed by another one.
 */
#ifndef USHER_SHIP_STEWARD_H
#define USHER_SHIP_STEWARD_H

#include "ship/credentials.h"
#include "ship/cursor.h"
#include "ship/ship.h"

enum steward_verb {
	STEWARD_OPEN, /* the first segment of this number or a greater one */
	STEWARD_SAVE, /* a cursor */
};

struct steward_question {
	uint32_t verb; /* enum steward_verb */
	uint32_t number;
	struct cursor cursor;
};

/* Beside it, if it is a segment, its file. */
struct steward_answer {
	int32_t error; /* 0 or -errno; -ENOENT: there is no such segment (yet) */
	uint32_t number;
	uint32_t compressed;
	uint32_t padding;
	uint64_t behind;     /* bytes of the segments after it, as they lie there */
	char log[CHAIN_LOG]; /* that it is of, as its first line says; "": it says nothing yet */
};

/* A child's: asks and waits. Returns 0 with a file, -1 if it is none; or -errno, -ENOTCONN if the steward is gone. */
int steward_ask(int socket, const struct steward_question *question, struct steward_answer *ret_answer, int *ret_file);

/* Sees to the senders until the core lets go of `socket`. statuses: one page for each destination. Returns the exit status. */
int steward_run(const struct ship_options *options, const struct credentials *credentials, int socket,
		struct ship_status *const *statuses);

#endif
