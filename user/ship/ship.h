/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the audit log, to others: this is the core's side of it.
 *
 * The log itself is what waits for a destination that is slow or away: it lies on the disk, in order, each batch closed by a seal. To each
 * destination one process (sender.h) follows it from the place that the destination's cursor names (cursor.h), so that none waits for another, and
 * the log for none of them. They hold no capability, are another user than root, and open no file of the daemon's: their parent (steward.h)
 * hands them the segments, read-only, and writes the cursors.
 *
 * 1. Each line of the log that is there is sent at least once, in the order of the log. After a crash or a connection that broke, all
 *    from the cursor on is sent again.
 * 2. What deletion after the policy's retain has taken away before it was sent is counted and said: it waits for nobody.
 * 3. A sender writes into a page that it shares with the core how far it is. The core believes none of it: it is shown, and nothing rests on it.
 */
#ifndef USHER_SHIP_SHIP_H
#define USHER_SHIP_SHIP_H

#include <sys/types.h>

#include "base/problem.h"
#include "ship/destination.h"

#define SHIP_ERROR_TEXT 512

struct ship_options {
	struct destination destinations[SHIP_DESTINATIONS_MAX];
	size_t count;
	const char *ca_file;		  /* whom TLS trusts; NULL: the host's */
	const char *cert_file, *key_file; /* who we are by TLS; NULL: nobody in particular */
	uint8_t facility;		  /* of syslog */
	const char *audit_dir, *state_dir;
};

/* What a sender says of itself. */
struct ship_status {
	uint64_t lines, bytes;	/* that the destination has taken, since the daemon started; some of them twice */
	uint64_t errors;	/* connections that failed or broke, and whatever else keeps records from it */
	uint64_t repeats;	/* times that it began again at the cursor, with lines on the way */
	uint64_t lost_segments; /* that were deleted before all of them was sent */
	uint64_t behind;	/* bytes of the log that are still to be sent; of compressed files, as they lie there */
	uint64_t segment, offset; /* of the cursor */
	int64_t oldest;		  /* time of the first record that it has not taken, ns since 1970; 0: none is known */
	int64_t looked;		  /* CLOCK_MONOTONIC, when the sender was alive last */
	int64_t error_at;	  /* ns since 1970, of the last error; 0: there was none */
	uint64_t connected;	  /* 0, 1 */
	char error[SHIP_ERROR_TEXT];
};

struct ship;

/*
 * Forks the steward, if there are destinations. To be called before anything that others can influence has been read; no sender begins before
 * ship_begin. Returns 0, or -errno with a sentence if certificates cannot be read.
 */
int ship_start(const struct ship_options *options, struct problem *problem, struct ship **ret_ship);
/* The state folder and the log are open, and this daemon's. */
void ship_begin(struct ship *ship);
/* All of them end. NULL: nothing. */
void ship_close(struct ship *ship);
/* Is there still someone who sees to the senders? */
bool ship_is_alive(struct ship *ship);
/* What the sender of a destination says; its text is printable. */
void ship_status(const struct ship *ship, size_t destination, struct ship_status *ret_status);

#endif
