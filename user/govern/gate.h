/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One gate: a figure with its interval comes in, whether the gate denies comes out. Pure; time is an argument, in
 * seconds since the epoch.
 *
 * 1. An estimate is bad if its whole interval lies where the policy says "breach", good if all of it lies where the
 *    policy says "recover", and between otherwise. Between, nothing changes.
 * 2. Unknown is what is missing, no number, too old, or rests on too few samples. It is not bad and not good: it does
 *    not count towards a breach nor take back what does, and recovery begins anew after it.
 * 3. An estimate counts until it is stale or followed by another, however seldom anybody looks: what has been bad for
 *    long enough is a breach at the next step, whatever that step brings.
 * 4. Ways into denial are never held up. Ways out are: by `dwell`, by the rate of transitions, by `latch`. When the
 *    transitions of an hour are used up a gate can still breach, once, and stays so until the hour allows another. So,
 *    unless an operator releases, no 3,600 seconds have more than transitions_per_hour + 1, and the last of that many
 *    is a denial.
 * 5. A latched breach ends by an operator alone. A denial for want of data is no finding and is not latched.
 * 6. A clock that is set back stands still for the gate: everything that it remembers is moved along, so that nothing
 *    becomes younger or older. One that is set forward is taken for a silence: hand in a clock that keeps its pace.
 * 7. At most one transition a step.
 * 8. What a gate remembered may be lost. It then denies, for want of data, until it has been good for as long as a breach takes to
 *    recover, or an operator releases it; if it latches, until then alone: nobody knows whether it was breached.
 */
#ifndef USHER_GOVERN_GATE_H
#define USHER_GOVERN_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "govern/statistics.h"
#include "policy/gate_settings.h"

#define GATE_HOUR 3600

struct gate_estimate {
	bool known; /* otherwise the rest means nothing */
	struct interval interval;
	/* When it was measured. The same number again is the same measurement. Later than now counts as now. */
	int64_t observed_at;
};

enum gate_state {
	GATE_OK,
	GATE_BREACHED, /* denies: bad for long enough */
	GATE_NO_DATA,  /* denies: unknown for too long, and `then` says quarantine */
	GATE_STATES,
};
extern const char *const gate_state_names[GATE_STATES];

enum gate_verdict { GATE_UNKNOWN, GATE_BAD, GATE_BETWEEN, GATE_GOOD, GATE_VERDICTS };
extern const char *const gate_verdict_names[GATE_VERDICTS];

/* Why a verdict is unknown. */
enum gate_signal {
	GATE_SIGNAL_FRESH, /* it is not */
	GATE_SIGNAL_MISSING,
	GATE_SIGNAL_INVALID, /* no interval, or samples, that there can be */
	GATE_SIGNAL_STALE,
	GATE_SIGNAL_FEW_SAMPLES,
	GATE_SIGNALS,
};
extern const char *const gate_signal_names[GATE_SIGNALS];

/*
 * All that a gate remembers: no pointer, no padding, so its bytes can be written down and read back. All zero is a gate
 * that has never been stepped. Times are seconds since the epoch by the clock of the last step.
 */
struct gate {
	int64_t stepped_at;
	int64_t state_since;
	int64_t unknown_since; /* means nothing while something is known */
	int64_t observed_at;   /* the last estimate, as this clock has it */
	int64_t observed_as;   /* and as it came */
	int64_t bad_for, good_for;
	int64_t transitions[GATE_TRANSITIONS_MAX]; /* the latest first */
	double low, point, high, samples;	   /* of the last estimate with sound numbers */
	uint8_t transition_count;
	uint8_t stepped, observed; /* has there ever been a step, such an estimate? */
	uint8_t state, verdict, signal;
	uint8_t lost; /* it denies because of that */
	uint8_t padding;
};
_Static_assert(sizeof(struct gate) == 8 * (11 + GATE_TRANSITIONS_MAX) + 8, "struct gate has padding");

/* What there is to know after a step. */
struct gate_outcome {
	enum gate_state state;
	bool denies;	     /* state is not GATE_OK */
	bool changed;	     /* by this step: a transition */
	bool alert;	     /* unknown for `hold` or longer, and `then` does not say keep */
	enum gate_state was; /* before this step */
	enum gate_verdict verdict;
	enum gate_signal signal;
	int64_t state_for; /* seconds that it has been in this state */
	/* How long it has been bad, good, unknown: what `for` and `hold` are compared with. Bad stands still while unknown. */
	int64_t bad_for, good_for, unknown_for;
	/* The last estimate with sound numbers, fresh or not, and its age in seconds; -1: there has been none. */
	struct interval last;
	int64_t age;
	/* When time alone changes state or alert, if nothing else is measured; INT64_MAX: it does not. Later than now. */
	int64_t next_change;
};

/*
 * Something has been measured, or time has passed. `estimate` is the latest there is, new or not. `settings` have no
 * fault, and may be others than at the last step; a breach stays one under them until they say that it has recovered.
 */
void gate_step(const struct gate_settings *settings, struct gate *gate, const struct gate_estimate *estimate,
	       int64_t now, struct gate_outcome *ret_outcome);

/*
 * To be called before the first step after a pause in which nobody measured, such as a restart. What was known is not
 * known any more, and the pause is no silence of the signal: `hold` begins now, or goes on where it was. Denial, dwell
 * and rate stay.
 */
void gate_resume(struct gate *gate, int64_t now);

/* An operator lets go of a denial, whatever holds it; what speaks for a breach is counted anew, and so is `hold`.
 * Returns whether there was one. */
bool gate_release(struct gate *gate, int64_t now);

/* What it remembered is lost, and so all that it is: see 8. */
void gate_lose(struct gate *gate, int64_t now);

/* Are these bytes, read from somewhere, what a gate can remember? */
bool gate_is_sound(const struct gate *gate);

#endif
