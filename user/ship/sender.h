/* SPDX-License-Identifier: GPL-2.0-only */
/* The process that sends the log to one destination. */
#ifndef USHER_SHIP_SENDER_H
#define USHER_SHIP_SENDER_H

#include "ship/credentials.h"
#include "ship/cursor.h"
#include "ship/ship.h"

struct sender_setup {
	const struct destination *destination;
	const struct credentials *credentials;
	uint8_t facility;
	int32_t pid; /* the daemon's */
	struct cursor cursor;
	struct ship_status *status;
};

/* Gives up what it does not need, then sends until the steward lets go of `socket`. Returns the exit status. */
int sender_run(int socket, const struct sender_setup *setup);

#endif
