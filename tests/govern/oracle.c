// SPDX-License-Identifier: GPL-2.0-only
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void oracle_begin(struct oracle *oracle, const struct gate_settings *settings)
{
	oracle->settings = settings;
	oracle->letters = oracle->seconds = oracle->now = 0;
	oracle->stepped = oracle->observed_any = false;
	oracle->verdict = 'U';
	oracle->observed = oracle->observed_as = 0;
	oracle->state = GATE_OK;
	oracle->entered = oracle->transition_count = 0;
}

/* ---- its life ------------------------------------------------------------------------------------------------ */

static void write_letter(struct oracle *oracle, char letter)
{
	if (oracle->letters == ORACLE_LIFE)
		abort();
	oracle->life[oracle->letters++] = letter;
}

static char second_of(const struct oracle *oracle)
{
	static const char letters[] = {['B'] = 'b', ['M'] = 'm', ['G'] = 'g', ['U'] = 'u'};

	if (oracle->seconds >= oracle->observed + oracle->settings->stale_after)
		return 'u';
	return letters[(int)oracle->verdict];
}

/* A clock that goes back makes no seconds. */
static void live_until(struct oracle *oracle, int64_t now, bool measured)
{
	int64_t seconds = oracle->stepped && now > oracle->now ? now - oracle->now : 0;

	for (int64_t i = 0; i < seconds; i++) {
		write_letter(oracle, measured ? second_of(oracle) : 'n');
		oracle->seconds++;
	}
	oracle->now = now;
	oracle->stepped = true;
}

/* How many of `counted` are there since the last one of `ends`? */
static int64_t count_back(const struct oracle *oracle, char counted, const char *ends)
{
	bool is_end[128] = {false};
	int64_t count = 0;

	for (; *ends; ends++)
		is_end[(int)*ends] = true;
	for (int64_t i = oracle->letters; i-- > 0 && !is_end[(int)oracle->life[i]];)
		count += oracle->life[i] == counted;
	return count;
}

static int64_t bad_for(const struct oracle *oracle)
{
	return count_back(oracle, 'b', "gmGMR");
}

static int64_t good_for(const struct oracle *oracle)
{
	return count_back(oracle, 'g', "bmunBMUPR");
}

static int64_t unknown_for(const struct oracle *oracle)
{
	return count_back(oracle, 'u', "bmgBMGR");
}

/* ---- judging ------------------------------------------------------------------------------------------------- */

static void ends_that_count(const struct gate_settings *settings, const struct interval *interval, double ends[2])
{
	switch (settings->bound) {
	case GATE_BOUND_LOWER:
		ends[0] = ends[1] = interval->low;
		return;
	case GATE_BOUND_UPPER:
		ends[0] = ends[1] = interval->high;
		return;
	case GATE_BOUND_POINT:
		ends[0] = ends[1] = interval->point;
		return;
	default:
		ends[0] = interval->low;
		ends[1] = interval->high;
	}
}

bool oracle_is_bad(const struct gate_settings *settings, const struct interval *interval)
{
	double ends[2];

	ends_that_count(settings, interval, ends);
	return (ends[0] < settings->breach_below && ends[1] < settings->breach_below) ||
	       (ends[0] > settings->breach_above && ends[1] > settings->breach_above);
}

bool oracle_is_good(const struct gate_settings *settings, const struct interval *interval)
{
	double ends[2];
	bool good = true;

	ends_that_count(settings, interval, ends);
	for (int i = 0; i < 2; i++)
		good = good && ends[i] >= settings->recover_from && ends[i] <= settings->recover_to;
	return good;
}

static char verdict_on(struct oracle *oracle, const struct gate_estimate *estimate)
{
	const struct interval *interval = &estimate->interval;

	if (!estimate->known)
		return 'U';
	if (isnan(interval->low) || isnan(interval->point) || isnan(interval->high) || isnan(interval->samples))
		return 'U';
	if (interval->low > interval->point || interval->point > interval->high || interval->samples < 0)
		return 'U';
	if (!oracle->observed_any || oracle->observed_as != estimate->observed_at) {
		int64_t age = oracle->now - estimate->observed_at;

		oracle->observed = oracle->seconds - (age > 0 ? age : 0);
	}
	oracle->observed_any = true;
	oracle->observed_as = estimate->observed_at;
	if (oracle->seconds - oracle->observed >= oracle->settings->stale_after)
		return 'U';
	if (interval->samples < oracle->settings->min_samples)
		return 'U';
	if (oracle_is_bad(oracle->settings, interval))
		return 'B';
	return oracle_is_good(oracle->settings, interval) ? 'G' : 'M';
}

/* ---- deciding ------------------------------------------------------------------------------------------------ */

static void enter(struct oracle *oracle, enum gate_state state)
{
	if ((state == GATE_OK) != (oracle->state == GATE_OK)) {
		if (oracle->transition_count == ORACLE_TRANSITIONS)
			abort();
		oracle->transitions[oracle->transition_count++] = oracle->seconds;
	}
	oracle->entered = oracle->seconds;
	oracle->state = state;
}

static bool may_end(const struct oracle *oracle)
{
	const struct gate_settings *settings = oracle->settings;
	int64_t denied_for = oracle->seconds - oracle->entered;
	int64_t in_the_hour = 0;

	for (int64_t i = 0; i < oracle->transition_count; i++)
		in_the_hour += oracle->transitions[i] > oracle->seconds - 3600;
	if (settings->transitions_per_hour && in_the_hour >= settings->transitions_per_hour)
		return false;
	return denied_for >= 1 && denied_for >= settings->dwell;
}

static void decide_state(struct oracle *oracle)
{
	const struct gate_settings *settings = oracle->settings;
	char verdict = oracle->verdict;

	if (oracle->state != GATE_BREACHED && verdict == 'B' && bad_for(oracle) >= settings->breach_for)
		enter(oracle, GATE_BREACHED);
	else if (oracle->state == GATE_BREACHED && verdict == 'G' && good_for(oracle) >= settings->recover_for &&
		 !settings->latch && may_end(oracle))
		enter(oracle, GATE_OK);
	else if (oracle->state == GATE_NO_DATA && (verdict == 'G' || verdict == 'M') && may_end(oracle))
		enter(oracle, GATE_OK);
	else if (oracle->state == GATE_OK && verdict == 'U' && settings->then == GATE_THEN_QUARANTINE &&
		 unknown_for(oracle) >= settings->hold)
		enter(oracle, GATE_NO_DATA);
}

struct oracle_answer oracle_step(struct oracle *oracle, const struct gate_estimate *estimate, int64_t now)
{
	const struct gate_settings *settings = oracle->settings;
	int64_t bad;

	live_until(oracle, now, true);
	bad = bad_for(oracle);
	/* Long enough while nobody looked? */
	if (oracle->state != GATE_BREACHED && bad > 0 && bad >= settings->breach_for) {
		enter(oracle, GATE_BREACHED);
		oracle->verdict = verdict_on(oracle, estimate);
		write_letter(oracle, oracle->verdict);
	} else {
		oracle->verdict = verdict_on(oracle, estimate);
		write_letter(oracle, oracle->verdict);
		decide_state(oracle);
	}
	return (struct oracle_answer){
		.state = oracle->state,
		.verdict = oracle->verdict,
		.alert = settings->then != GATE_THEN_KEEP && oracle->verdict == 'U' &&
			 unknown_for(oracle) >= settings->hold,
		.bad_for = bad_for(oracle),
		.good_for = good_for(oracle),
		.unknown_for = oracle->verdict == 'U' ? unknown_for(oracle) : 0,
		.age = oracle->observed_any ? oracle->seconds - oracle->observed : -1,
	};
}

void oracle_resume(struct oracle *oracle, int64_t now)
{
	if (!oracle->stepped)
		return;
	live_until(oracle, now, false);
	write_letter(oracle, 'P');
	oracle->verdict = 'U';
}

bool oracle_release(struct oracle *oracle, int64_t now)
{
	if (oracle->state == GATE_OK)
		return false;
	live_until(oracle, now, false);
	enter(oracle, GATE_OK);
	write_letter(oracle, 'R');
	return true;
}
