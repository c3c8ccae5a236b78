// SPDX-License-Identifier: GPL-2.0-only
#include "govern/gate.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const gate_state_names[GATE_STATES] = {
	[GATE_OK] = "ok",
	[GATE_BREACHED] = "breached",
	[GATE_NO_DATA] = "no-data",
};

const char *const gate_verdict_names[GATE_VERDICTS] = {
	[GATE_UNKNOWN] = "unknown",
	[GATE_BAD] = "bad",
	[GATE_BETWEEN] = "between",
	[GATE_GOOD] = "good",
};

const char *const gate_signal_names[GATE_SIGNALS] = {
	[GATE_SIGNAL_FRESH] = "fresh", [GATE_SIGNAL_MISSING] = "missing",	  [GATE_SIGNAL_INVALID] = "invalid",
	[GATE_SIGNAL_STALE] = "stale", [GATE_SIGNAL_FEW_SAMPLES] = "few-samples",
};

/* ---- time ---------------------------------------------------------------------------------------------------- */

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* a - b, a + b: as far as an int64_t goes. */
static int64_t less(int64_t a, int64_t b)
{
	int64_t difference;

	if (__builtin_sub_overflow(a, b, &difference))
		return b < 0 ? INT64_MAX : INT64_MIN;
	return difference;
}

static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

/* All that is remembered, by a clock that was set back to `now`. Nothing comes to lie after it. */
static void set_back(struct gate *gate, int64_t now)
{
	int64_t by = less(now, gate->stepped_at);

	gate->stepped_at = now;
	gate->state_since = smaller(plus(gate->state_since, by), now);
	gate->unknown_since = smaller(plus(gate->unknown_since, by), now);
	gate->observed_at = smaller(plus(gate->observed_at, by), now);
	for (size_t i = 0; i < gate->transition_count; i++)
		gate->transitions[i] = smaller(plus(gate->transitions[i], by), now);
}

static void begin(struct gate *gate, int64_t now)
{
	if (!gate->stepped)
		*gate = (struct gate){
			.stepped = 1,
			.stepped_at = now,
			.state_since = now,
			.unknown_since = now,
			.signal = GATE_SIGNAL_MISSING,
		};
	else if (now < gate->stepped_at)
		set_back(gate, now);
}

/* From when on the last estimate is too old. */
static int64_t stale_at(const struct gate_settings *settings, const struct gate *gate)
{
	return plus(gate->observed_at, settings->stale_after);
}

static void forget(struct gate *gate, enum gate_signal signal, int64_t since)
{
	if (gate->verdict != GATE_UNKNOWN)
		gate->unknown_since = since;
	gate->verdict = GATE_UNKNOWN;
	gate->signal = (uint8_t)signal;
	gate->good_for = 0;
}

/* The time since the last step, under what was known then. */
static void advance(const struct gate_settings *settings, struct gate *gate, int64_t now)
{
	int64_t stale = stale_at(settings, gate);
	int64_t passed = less(smaller(now, larger(stale, gate->stepped_at)), gate->stepped_at);

	if (gate->verdict == GATE_BAD)
		gate->bad_for = plus(gate->bad_for, passed);
	if (gate->verdict == GATE_GOOD)
		gate->good_for = plus(gate->good_for, passed);
	if (gate->verdict != GATE_UNKNOWN && now > stale)
		forget(gate, GATE_SIGNAL_STALE, larger(stale, gate->stepped_at));
	gate->stepped_at = now;
}

/* ---- judging ------------------------------------------------------------------------------------------------- */

static bool is_sound(const struct interval *interval)
{
	return interval->low <= interval->point && interval->point <= interval->high && isfinite(interval->samples) &&
	       interval->samples >= 0;
}

static enum gate_verdict judge(const struct gate_settings *settings, const struct interval *interval)
{
	double low = interval->low, high = interval->high;

	if (settings->bound == GATE_BOUND_LOWER)
		high = low;
	if (settings->bound == GATE_BOUND_UPPER)
		low = high;
	if (settings->bound == GATE_BOUND_POINT)
		low = high = interval->point;
	if (high < settings->breach_below || low > settings->breach_above)
		return GATE_BAD;
	if (low >= settings->recover_from && high <= settings->recover_to)
		return GATE_GOOD;
	return GATE_BETWEEN;
}

static void remember(struct gate *gate, const struct gate_estimate *estimate, int64_t now)
{
	/* The same measurement again keeps its age, whatever the clock has done in between. */
	if (!gate->observed || estimate->observed_at != gate->observed_as)
		gate->observed_at = smaller(estimate->observed_at, now);
	gate->observed = 1;
	gate->observed_as = estimate->observed_at;
	gate->low = estimate->interval.low;
	gate->point = estimate->interval.point;
	gate->high = estimate->interval.high;
	gate->samples = estimate->interval.samples;
}

static void observe(const struct gate_settings *settings, struct gate *gate, const struct gate_estimate *estimate,
		    int64_t now)
{
	enum gate_verdict verdict;

	if (!estimate->known) {
		forget(gate, GATE_SIGNAL_MISSING, now);
		return;
	}
	if (!is_sound(&estimate->interval)) {
		forget(gate, GATE_SIGNAL_INVALID, now);
		return;
	}
	remember(gate, estimate, now);
	if (now >= stale_at(settings, gate)) {
		forget(gate, GATE_SIGNAL_STALE, now);
		return;
	}
	if (estimate->interval.samples < settings->min_samples) {
		forget(gate, GATE_SIGNAL_FEW_SAMPLES, now);
		return;
	}
	verdict = judge(settings, &estimate->interval);
	if (verdict != GATE_BAD)
		gate->bad_for = 0;
	if (verdict != GATE_GOOD)
		gate->good_for = 0;
	gate->verdict = (uint8_t)verdict;
	gate->signal = GATE_SIGNAL_FRESH;
}

/* ---- transitions --------------------------------------------------------------------------------------------- */

static void enter(struct gate *gate, enum gate_state state, int64_t now)
{
	/* From one denial to another changes the reason and not what is denied: the rate is not about that. */
	if (gate->state == GATE_OK || state == GATE_OK) {
		memmove(gate->transitions + 1, gate->transitions,
			sizeof(gate->transitions) - sizeof(*gate->transitions));
		gate->transitions[0] = now;
		if (gate->transition_count < GATE_TRANSITIONS_MAX)
			gate->transition_count++;
	}
	gate->state_since = now;
	gate->state = (uint8_t)state;
	gate->lost = 0;
}

/* When a denial may end at the earliest, as far as dwell and rate are concerned. */
static int64_t earliest_end(const struct gate_settings *settings, const struct gate *gate)
{
	int64_t end = plus(gate->state_since, larger(settings->dwell, 1));
	uint32_t rate = settings->transitions_per_hour;

	if (rate && rate <= gate->transition_count)
		end = larger(end, plus(gate->transitions[rate - 1], GATE_HOUR));
	return end;
}

/* Long enough, whatever is known by now. */
static bool breach_is_due(const struct gate_settings *settings, const struct gate *gate)
{
	return gate->state != GATE_BREACHED && gate->bad_for > 0 && gate->bad_for >= settings->breach_for;
}

static bool has_recovered(const struct gate_settings *settings, const struct gate *gate, int64_t now)
{
	if (now < earliest_end(settings, gate))
		return false;
	if (gate->state == GATE_NO_DATA && !gate->lost)
		return gate->verdict == GATE_GOOD || gate->verdict == GATE_BETWEEN;
	return gate->verdict == GATE_GOOD && gate->good_for >= settings->recover_for && !settings->latch;
}

static bool is_overdue(const struct gate_settings *settings, const struct gate *gate, int64_t now)
{
	return gate->verdict == GATE_UNKNOWN && less(now, gate->unknown_since) >= settings->hold;
}

static void decide_state(const struct gate_settings *settings, struct gate *gate, int64_t now)
{
	if (gate->state != GATE_BREACHED && gate->verdict == GATE_BAD && gate->bad_for >= settings->breach_for)
		enter(gate, GATE_BREACHED, now);
	else if (gate->state != GATE_OK && has_recovered(settings, gate, now))
		enter(gate, GATE_OK, now);
	else if (gate->state == GATE_OK && settings->then == GATE_THEN_QUARANTINE && is_overdue(settings, gate, now))
		enter(gate, GATE_NO_DATA, now);
}

/* ---- what comes of it ---------------------------------------------------------------------------------------- */

/* Of what is known now, until it is stale. */
static int64_t next_while_fresh(const struct gate_settings *settings, const struct gate *gate, int64_t now)
{
	if (gate->state != GATE_BREACHED && gate->verdict == GATE_BAD)
		return plus(now, less(settings->breach_for, gate->bad_for));
	if (gate->state == GATE_NO_DATA && !gate->lost)
		return larger(earliest_end(settings, gate), plus(now, 1));
	if (gate->state != GATE_OK && gate->verdict == GATE_GOOD && !settings->latch)
		return larger(
			larger(earliest_end(settings, gate), plus(now, less(settings->recover_for, gate->good_for))),
			plus(now, 1));
	return INT64_MAX;
}

static int64_t next_change(const struct gate_settings *settings, const struct gate *gate, int64_t now)
{
	int64_t unknown_since = gate->unknown_since;

	if (gate->verdict != GATE_UNKNOWN) {
		int64_t next = next_while_fresh(settings, gate, now), stale = stale_at(settings, gate);

		/* A breach may be due at the very moment at which its estimate becomes stale, a recovery may not. */
		if (next < stale || (next == stale && gate->verdict == GATE_BAD))
			return next;
		unknown_since = stale;
	}
	if (settings->then == GATE_THEN_KEEP || is_overdue(settings, gate, now))
		return INT64_MAX;
	return plus(unknown_since, settings->hold);
}

static void report(const struct gate_settings *settings, const struct gate *gate, int64_t now, enum gate_state was,
		   struct gate_outcome *ret_outcome)
{
	bool unknown = gate->verdict == GATE_UNKNOWN;

	*ret_outcome = (struct gate_outcome){
		.state = (enum gate_state)gate->state,
		.denies = gate->state != GATE_OK,
		.changed = gate->state != was,
		.alert = is_overdue(settings, gate, now) && settings->then != GATE_THEN_KEEP,
		.was = was,
		.verdict = (enum gate_verdict)gate->verdict,
		.signal = (enum gate_signal)gate->signal,
		.state_for = less(now, gate->state_since),
		.bad_for = gate->bad_for,
		.good_for = gate->good_for,
		.unknown_for = unknown ? less(now, gate->unknown_since) : 0,
		.last = {.low = gate->low, .point = gate->point, .high = gate->high, .samples = gate->samples},
		.age = gate->observed ? less(now, gate->observed_at) : -1,
		.next_change = next_change(settings, gate, now),
	};
}

void gate_step(const struct gate_settings *settings, struct gate *gate, const struct gate_estimate *estimate,
	       int64_t now, struct gate_outcome *ret_outcome)
{
	enum gate_state was;
	bool due;

	begin(gate, now);
	was = (enum gate_state)gate->state;
	advance(settings, gate, now);
	/* Whatever this step brings comes too late for a breach that has been long enough. */
	due = breach_is_due(settings, gate);
	if (due)
		enter(gate, GATE_BREACHED, now);
	observe(settings, gate, estimate, now);
	if (!due)
		decide_state(settings, gate, now);
	report(settings, gate, now, was, ret_outcome);
}

void gate_resume(struct gate *gate, int64_t now)
{
	bool was_unknown = gate->verdict == GATE_UNKNOWN;
	int64_t paused;

	if (!gate->stepped)
		return;
	begin(gate, now);
	paused = less(now, gate->stepped_at);
	if (was_unknown)
		gate->unknown_since = plus(gate->unknown_since, paused);
	else
		forget(gate, GATE_SIGNAL_MISSING, now);
	gate->stepped_at = now;
}

bool gate_release(struct gate *gate, int64_t now)
{
	if (gate->state == GATE_OK)
		return false;
	begin(gate, now);
	gate->stepped_at = now;
	enter(gate, GATE_OK, now);
	gate->bad_for = 0;
	gate->good_for = 0;
	gate->unknown_since = now;
	return true;
}

void gate_lose(struct gate *gate, int64_t now)
{
	*gate = (struct gate){.stepped = 1,
			      .stepped_at = now,
			      .state_since = now,
			      .unknown_since = now,
			      .state = GATE_NO_DATA,
			      .signal = GATE_SIGNAL_MISSING,
			      .lost = 1};
}

bool gate_is_sound(const struct gate *gate)
{
	return gate->transition_count <= GATE_TRANSITIONS_MAX && gate->stepped <= 1 && gate->observed <= 1 &&
	       gate->lost <= (gate->state == GATE_NO_DATA) && gate->state < GATE_STATES &&
	       gate->verdict < GATE_VERDICTS && gate->signal < GATE_SIGNALS &&
	       (gate->stepped || gate->state == GATE_OK) && gate->bad_for >= 0 && gate->good_for >= 0 &&
	       gate->state_since <= gate->stepped_at;
}
