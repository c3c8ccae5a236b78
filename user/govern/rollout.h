/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One roll-out: what is known of the new version comes in, its share comes out. Pure; time is an argument, in seconds.
 *
 * 1. Its share is 0 or one of the steps. It grows by one step at a time, and by itself only if all that the step has to
 *    rest on is known and good: each needed gate by a measurement of this step, the time, the flows. Unknown is not good.
 * 2. The share 0 comes first; from it to the first step nothing but the gates counts, since there is no traffic yet.
 * 3. A needed gate that is breached acts at the next look, also while the roll-out is paused, and after it is done. A
 *    roll-out that was rolled back or aborted stays so until an operator resumes it: it then begins anew.
 * 4. Each step's evidence begins with it. Only time between two looks close to each other counts, and only while the
 *    share is in force and nobody has paused: neither a clock that is set nor a time in which nobody looked is evidence.
 */
#ifndef USHER_GOVERN_ROLLOUT_H
#define USHER_GOVERN_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/rollout_settings.h"

#define ROLLOUT_LOOKS_APART 10 /* seconds; of a longer time between two looks no more than this counts */

enum rollout_state {
	ROLLOUT_WAITING, /* for the gates, before its first step */
	ROLLOUT_RUNNING,
	ROLLOUT_PAUSED, /* at the share that it has; before the first step as well */
	ROLLOUT_ROLLED_BACK,
	ROLLOUT_ABORTED,
	ROLLOUT_DONE, /* at its last step */
	ROLLOUT_STATES,
};
extern const char *const rollout_state_names[ROLLOUT_STATES];

/* What a needed gate says of the new version. */
enum rollout_verdict { ROLLOUT_UNKNOWN, ROLLOUT_GOOD, ROLLOUT_BAD };

struct rollout_need {
	enum rollout_verdict verdict;
	int64_t age; /* seconds since it was measured; -1: never */
};

struct rollout_evidence {
	bool in_force;			  /* are the shares that it has set those of new flows? */
	uint64_t flows;			  /* that the new version was given since the last look */
	const struct rollout_need *needs; /* settings.need_count of them */
};

/*
 * All that a roll-out remembers: no pointer, no padding, so its bytes can be written down and read back. All zero is one
 * that has not begun.
 */
struct rollout {
	int64_t looked_at; /* means nothing unless `looked` */
	int64_t watched;   /* seconds of this step that were looked at */
	uint64_t flows;	   /* in them */
	uint8_t looked, state;
	uint8_t step;	/* its share is steps[step - 1]; 0: nothing */
	uint8_t breach; /* 1 + number of the need whose breach led to its state; 0: none did */
	uint8_t padding[4];
};
_Static_assert(sizeof(struct rollout) == 32, "struct rollout has padding");

/* Why a need does not speak for the next step. */
enum rollout_hold {
	ROLLOUT_HOLD_NOT, /* it does */
	ROLLOUT_HOLD_UNKNOWN,
	ROLLOUT_HOLD_EARLIER, /* good, measured before this step */
	ROLLOUT_HOLD_BREACHED,
	ROLLOUT_HOLDS,
};
extern const char *const rollout_hold_names[ROLLOUT_HOLDS];

struct rollout_outcome {
	bool changed; /* by this look: state or step */
	enum rollout_state was;
	uint8_t share_before, share, next_share; /* per cent; next_share 0: there is no next step */
	/* What the step that is over, or goes on, rests on: of the first the numbers at its end. */
	int64_t watched;
	uint64_t flows;
	/* What is missing for the next step, whatever else keeps it from being taken. */
	int64_t time_left;
	uint64_t flows_left;
	enum rollout_hold holds[USHER_ROLLOUT_NEEDS_MAX];
};

/* Time has passed. At most one change a look. */
void rollout_look(const struct rollout_settings *settings, struct rollout *rollout,
		  const struct rollout_evidence *evidence, int64_t now, struct rollout_outcome *ret_outcome);

enum rollout_order { ROLLOUT_PAUSE, ROLLOUT_RESUME, ROLLOUT_ABORT, ROLLOUT_PROMOTE, ROLLOUT_ORDERS };
extern const char *const rollout_order_names[ROLLOUT_ORDERS];

enum rollout_answer {
	ROLLOUT_OBEYED,
	ROLLOUT_NOTHING, /* it is so already */
	ROLLOUT_OVER,	 /* done, rolled back or aborted: there is nothing to pause, or no next step */
	ROLLOUT_BREACH,	 /* a needed gate is breached: the next look would take it back */
};

/* An operator's word. Promote takes the next step whatever is missing for it, also while paused; resume begins a roll-out
 * anew that was rolled back or aborted. needs: as in the evidence. */
enum rollout_answer rollout_obey(const struct rollout_settings *settings, struct rollout *rollout,
				 enum rollout_order order, const struct rollout_need *needs);

/* The share of the new version, per cent. */
uint8_t rollout_share(const struct rollout_settings *settings, const struct rollout *rollout);
/* To be called before the first look after a time in which nobody looked. */
void rollout_wake(struct rollout *rollout);
/* Its steps are the same, what they rest on is not: the evidence of this one begins anew. */
void rollout_forget_evidence(struct rollout *rollout);
/* Are these bytes, read from somewhere, what a roll-out with these settings can remember? */
bool rollout_is_sound(const struct rollout_settings *settings, const struct rollout *rollout);

#endif
