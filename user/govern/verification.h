/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a backend serve what the policy says it does? Pure; times are CLOCK_MONOTONIC ns.
 *
 * 1. Only an answer that says so verifies it. One that says something else takes it out at once.
 * 2. No answer leaves a verified one verified until its last good answer is stale; nobody else is verified by silence.
 * 3. A process that began after the last good answer has not been asked: it is out until it has been.
 */
#ifndef USHER_GOVERN_VERIFICATION_H
#define USHER_GOVERN_VERIFICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "govern/cause.h"

#define VERIFICATION_FOUND 55 /* bytes, with the final NUL */

enum verification_state {
	VERIFICATION_UNASKED, /* no answer yet */
	VERIFICATION_VERIFIED,
	VERIFICATION_MISMATCHED, /* it says that it serves something else */
	VERIFICATION_STALE,	 /* it was verified, and has not answered for too long */
	VERIFICATION_RESTARTED,	 /* it was verified; its process is another one now */
	VERIFICATION_STATES,
};
extern const char *const verification_state_names[VERIFICATION_STATES];

struct verification {
	uint8_t state;			/* enum verification_state */
	bool asked;			/* has it been, by this daemon, well or not? */
	struct cause cause;		/* of the last time */
	char found[VERIFICATION_FOUND]; /* what it said last; "": nothing yet */
	int64_t answered_at;		/* when it said that */
	int64_t good_at;		/* when it last said what it should; 0: never */
	int64_t began_at;		/* since when its process is known to be the one it is; 0: not known */
	double start_time;		/* of that process, as it says; NAN: not known */
};

/* These return whether the state has changed. */

/* It has answered, at this time. */
bool verification_answer(struct verification *verification, bool matches, const char *found, int64_t at);
/* It has not. */
bool verification_silence(struct verification *verification, struct cause cause);
/* When its process began, as it says, read at this time; NAN: it does not say. */
bool verification_process(struct verification *verification, double start_time, int64_t read_at);
/* Time passes. */
bool verification_tick(struct verification *verification, int64_t stale_after, int64_t now);

#endif
