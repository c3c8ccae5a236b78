// SPDX-License-Identifier: GPL-2.0-only
/*
 * A gate under random histories: measured and missing, stale, of too few samples, inside the band and at its edges,
 * looked at often and seldom, with clocks that go back, restarts, and operators who release. Each step must come out as
 * the oracle has it, which works everything out anew from the whole history, and keep rules that are looked at here
 * without either.
 *
 * GOVERN_STEPS says how many steps (a million). An argument is the seed (1).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#include "../model/random.h"
#include "oracle.h"

#define STEPS 1000 /* of one history */

enum rule {
	RULE_ORACLE,
	RULE_BAND,
	RULE_BREACH,
	RULE_UNKNOWN,
	RULE_LATCH,
	RULE_DWELL,
	RULE_RATE,
	RULE_ACTS,
	RULE_NEXT,
	RULE_REPLAY,
	RULE_RESTORED,
	RULES,
};

static const char *const rule_names[RULES] = {
	[RULE_ORACLE] = "state, verdict and timers are the oracle's",
	[RULE_BAND] = "nothing changes inside the hysteresis band, but that missing data come back",
	[RULE_BREACH] = "a breach has been bad for long enough, a recovery good for long enough",
	[RULE_UNKNOWN] = "what is unknown ends no denial",
	[RULE_LATCH] = "a latched breach ends by an operator alone",
	[RULE_DWELL] = "a state that denies lasts as long as it must",
	[RULE_RATE] = "no hour has more transitions than it may, but for one denial",
	[RULE_ACTS] = "what has been bad for long enough denies",
	[RULE_NEXT] = "nothing changes before the time that is told, and something does at it",
	[RULE_REPLAY] = "the same history gives the same states",
	[RULE_RESTORED] = "a gate that was written down and read back goes on as before",
};

enum act { ACT_STEP, ACT_RESUME, ACT_RELEASE };

struct happening {
	enum act act;
	int64_t now;
	struct gate_estimate estimate;
};

static struct {
	uint64_t seed, history;
	uint64_t broken[RULES];
	uint64_t steps, edges[GATE_STATES][GATE_STATES], signals[GATE_SIGNALS], verdicts[GATE_VERDICTS], releases,
		resumes;
	uint64_t held_by_rate, held_by_dwell, late;
} run;

static void expect(bool good, enum rule rule, size_t step)
{
	if (!good && !run.broken[rule]++)
		printf("# %s: first broken in history %llu of seed %llu, step %zu\n", rule_names[rule],
		       (unsigned long long)run.history, (unsigned long long)run.seed, step);
}

/* ---- a history ----------------------------------------------------------------------------------------------- */

/* 0 in half of the cases. */
static uint32_t some_time(struct random *random, uint32_t most)
{
	return random_chance(random, 50) ? 0 : random_below(random, most + 1);
}

static struct gate_settings some_settings(struct random *random)
{
	static const uint32_t rates[] = {0, 0, 1, 2, 3, GATE_TRANSITIONS_MAX};
	static const enum gate_bound bounds[] = {GATE_BOUND_INTERVAL, GATE_BOUND_INTERVAL, GATE_BOUND_INTERVAL,
						 GATE_BOUND_LOWER,    GATE_BOUND_UPPER,	   GATE_BOUND_POINT};
	struct gate_settings settings = {
		.breach_below = -INFINITY,
		.breach_above = INFINITY,
		.recover_from = -INFINITY,
		.recover_to = INFINITY,
		.min_samples = random_chance(random, 50) ? 0 : 100,
		.bound = bounds[random_below(random, ARRAY_COUNT(bounds))],
		.then = (enum gate_then)random_below(random, GATE_THENS),
		.latch = random_chance(random, 20),
		.breach_for = some_time(random, 300),
		.recover_for = some_time(random, 300),
		.stale_after = 1 + random_below(random, 200),
		.hold = some_time(random, 400),
		.dwell = some_time(random, 400),
		.transitions_per_hour = rates[random_below(random, ARRAY_COUNT(rates))],
	};
	uint32_t kind = random_below(random, 3);
	double band = random_below(random, 3);

	if (kind != 0) {
		settings.breach_below = -5;
		settings.recover_from = -5 + band;
	}
	if (kind != 1) {
		settings.breach_above = 5;
		settings.recover_to = 5 - band;
	}
	return settings;
}

/* Whole numbers from -8 to 8, so that limits are met exactly. */
static double some_figure(struct random *random, int near)
{
	return near + (int)random_below(random, 5) - 2;
}

static void some_interval(struct random *random, int near, struct interval *ret_interval)
{
	double figures[3];

	for (int i = 0; i < 3; i++)
		figures[i] = some_figure(random, near);
	ret_interval->low = fmin(fmin(figures[0], figures[1]), figures[2]);
	ret_interval->high = fmax(fmax(figures[0], figures[1]), figures[2]);
	ret_interval->point = figures[0] + figures[1] + figures[2] - ret_interval->low - ret_interval->high;
	ret_interval->samples = 100 + random_below(random, 1000);
	if (random_chance(random, 5))
		ret_interval->high = INFINITY;
}

static void spoil(struct random *random, struct gate_estimate *estimate)
{
	switch (random_below(random, 6)) {
	case 0:
		estimate->known = false;
		break;
	case 1:
		estimate->interval.low = NAN;
		break;
	case 2:
		estimate->interval.samples = random_chance(random, 50) ? -1 : NAN;
		break;
	case 3:
		estimate->interval.samples = 99;
		break;
	case 4:
		estimate->observed_at -= random_below(random, 1000);
		break;
	default:
		estimate->interval.point = estimate->interval.low - 1;
	}
}

static int64_t some_pause(struct random *random)
{
	uint32_t kind = random_below(random, 100);

	if (kind < 70)
		return random_below(random, 20);
	if (kind < 92)
		return random_below(random, 100);
	if (kind < 98)
		return random_below(random, 1000);
	return -(int64_t)random_below(random, 5000);
}

/* The world stays as it is for a while: near one figure, or mostly silent. */
static void make_history(struct random *random, struct happening *history)
{
	int64_t now = 1000000000 + random_below(random, 1000000000);
	struct gate_estimate last = {0};
	int near = 0;
	unsigned int silent = 0;

	for (size_t i = 0; i < STEPS; i++) {
		if (random_chance(random, 4))
			near = (int)random_below(random, 17) - 8;
		if (random_chance(random, 4))
			silent = random_chance(random, 30) ? 95 : 4;
		now += some_pause(random);
		if (random_chance(random, 70)) {
			last = (struct gate_estimate){.known = true, .observed_at = now};
			some_interval(random, near, &last.interval);
			if (random_chance(random, 20))
				last.observed_at += (int64_t)random_below(random, 100) - 80;
			if (random_chance(random, silent))
				spoil(random, &last);
		}
		history[i] = (struct happening){.act = ACT_STEP, .now = now, .estimate = last};
		if (random_chance(random, 2))
			history[i].act = random_chance(random, 50) ? ACT_RESUME : ACT_RELEASE;
	}
}

/* ---- rules that need no oracle ------------------------------------------------------------------------------- */

/* What is remembered of the outside of a gate. */
struct outside {
	struct gate_outcome last;
	int64_t life, state_since; /* in seconds of its own: a clock that goes back makes none */
	int64_t now;
	int64_t transitions[STEPS + 1];
	size_t transition_count;
	bool lived;
};

static void live(struct outside *outside, int64_t now)
{
	if (outside->lived && now > outside->now)
		outside->life += now - outside->now;
	outside->now = now;
	outside->lived = true;
}

static void turn(struct outside *outside)
{
	outside->transitions[outside->transition_count++] = outside->life;
}

static void check_rate(const struct outside *outside, const struct gate_settings *settings, bool denies, size_t step)
{
	size_t in_the_hour = 0;

	for (size_t i = outside->transition_count; i-- > 0 && outside->transitions[i] > outside->life - GATE_HOUR;)
		in_the_hour++;
	expect(!settings->transitions_per_hour || denies || in_the_hour <= settings->transitions_per_hour, RULE_RATE,
	       step);
}

static void check_edge(const struct outside *outside, const struct gate_settings *settings,
		       const struct happening *what, const struct gate_outcome *outcome, size_t step)
{
	const struct interval *interval = &what->estimate.interval;
	bool was_bad = outside->last.verdict == GATE_BAD, unknown = outcome->verdict == GATE_UNKNOWN;

	expect(!unknown || outcome->denies, RULE_UNKNOWN, step);
	if (outcome->verdict == GATE_BETWEEN)
		expect(was_bad || (outcome->was == GATE_NO_DATA && outcome->state == GATE_OK), RULE_BAND, step);
	if (outcome->state == GATE_BREACHED)
		expect(was_bad || (!unknown && oracle_is_bad(settings, interval)), RULE_BREACH, step);
	if (outcome->state == GATE_BREACHED && outcome->verdict == GATE_BAD)
		expect(outcome->bad_for >= settings->breach_for, RULE_BREACH, step);
	if (outcome->state == GATE_NO_DATA)
		expect(unknown && outcome->was == GATE_OK && outcome->unknown_for >= settings->hold, RULE_BREACH, step);
	if (outcome->state != GATE_OK)
		return;
	expect(outcome->was == GATE_NO_DATA || oracle_is_good(settings, interval), RULE_BREACH, step);
	expect(outcome->was == GATE_NO_DATA || outcome->good_for >= settings->recover_for, RULE_BREACH, step);
	expect(!oracle_is_bad(settings, interval), RULE_UNKNOWN, step);
	expect(interval->samples >= settings->min_samples && outcome->age < settings->stale_after, RULE_UNKNOWN, step);
	expect(outcome->was != GATE_BREACHED || !settings->latch, RULE_LATCH, step);
	expect(outside->life - outside->state_since >= settings->dwell, RULE_DWELL, step);
}

static void check_outcome(struct outside *outside, const struct gate_settings *settings, const struct happening *what,
			  const struct gate_outcome *outcome, size_t step)
{
	if (outcome->changed)
		check_edge(outside, settings, what, outcome, step);
	if ((outcome->was == GATE_OK) != (outcome->state == GATE_OK)) {
		turn(outside);
		check_rate(outside, settings, outcome->denies, step);
	}
	if (outcome->changed)
		outside->state_since = outside->life;
	if (outcome->verdict == GATE_BAD && outcome->bad_for >= settings->breach_for)
		expect(outcome->state == GATE_BREACHED, RULE_ACTS, step);
	run.late += outcome->changed && outcome->state == GATE_BREACHED && outcome->verdict != GATE_BAD;
	outside->last = *outcome;
}

static bool same_outside(const struct gate_outcome *a, const struct gate_outcome *b)
{
	return a->state == b->state && a->alert == b->alert;
}

static void check_next_change(const struct gate_settings *settings, const struct gate *gate,
			      const struct happening *what, const struct gate_outcome *outcome, size_t step)
{
	int64_t next = outcome->next_change;
	struct gate_outcome then;
	struct gate copy = *gate;

	expect(next > what->now, RULE_NEXT, step);
	gate_step(settings, &copy, &what->estimate, next - 1, &then);
	expect(same_outside(outcome, &then), RULE_NEXT, step);
	if (next == INT64_MAX)
		return;
	copy = *gate;
	gate_step(settings, &copy, &what->estimate, next, &then);
	expect(!same_outside(outcome, &then), RULE_NEXT, step);
}

/* ---- histories ----------------------------------------------------------------------------------------------- */

static struct oracle oracle;

static bool agree(const struct oracle_answer *answer, const struct gate_outcome *outcome)
{
	static const char letters[GATE_VERDICTS] = {
		[GATE_UNKNOWN] = 'U', [GATE_BAD] = 'B', [GATE_BETWEEN] = 'M', [GATE_GOOD] = 'G'};

	return answer->state == outcome->state && answer->verdict == letters[outcome->verdict] &&
	       answer->alert == outcome->alert && answer->bad_for == outcome->bad_for &&
	       answer->good_for == outcome->good_for && answer->unknown_for == outcome->unknown_for &&
	       answer->age == outcome->age;
}

/* Why does a gate that has recovered otherwise still deny? Counted, so that these cases are known to be met. */
static void count_held(const struct gate_settings *settings, const struct gate_outcome *outcome)
{
	if (outcome->state != GATE_BREACHED || outcome->verdict != GATE_GOOD || settings->latch ||
	    outcome->good_for < settings->recover_for)
		return;
	if (outcome->state_for < settings->dwell)
		run.held_by_dwell++;
	else
		run.held_by_rate++;
}

static void play_step(const struct gate_settings *settings, const struct happening *what, struct gate *gate,
		      struct outside *outside, struct random *random, size_t step)
{
	struct oracle_answer answer = oracle_step(&oracle, &what->estimate, what->now);
	struct gate_outcome outcome;

	gate_step(settings, gate, &what->estimate, what->now, &outcome);
	expect(agree(&answer, &outcome), RULE_ORACLE, step);
	check_outcome(outside, settings, what, &outcome, step);
	if (random_chance(random, 25))
		check_next_change(settings, gate, what, &outcome, step);
	run.edges[outcome.was][outcome.state] += outcome.changed;
	run.signals[outcome.signal]++;
	run.verdicts[outcome.verdict]++;
	run.steps++;
	count_held(settings, &outcome);
}

static void play_release(const struct happening *what, struct gate *gate, struct outside *outside, size_t step)
{
	bool released = gate_release(gate, what->now);

	expect(released == oracle_release(&oracle, what->now), RULE_ORACLE, step);
	if (!released)
		return;
	/* An operator's transition counts for the gate's rate, and is not bound by it. */
	turn(outside);
	outside->last.state = GATE_OK;
	outside->last.verdict = GATE_BAD; /* may have been: what comes next is not about the band */
	run.releases++;
}

static void play(const struct gate_settings *settings, const struct happening *history, struct random *random,
		 struct gate gates[STEPS])
{
	struct outside outside = {0};
	struct gate gate = {0};

	oracle_begin(&oracle, settings);
	for (size_t i = 0; i < STEPS; i++) {
		const struct happening *what = &history[i];

		if (what->act != ACT_RELEASE || gate.state != GATE_OK)
			live(&outside, what->now);
		if (what->act == ACT_STEP) {
			play_step(settings, what, &gate, &outside, random, i);
		} else if (what->act == ACT_RESUME) {
			gate_resume(&gate, what->now);
			oracle_resume(&oracle, what->now);
			run.resumes++;
		} else {
			play_release(what, &gate, &outside, i);
		}
		gates[i] = gate;
	}
}

/* The same once more; from time to time the gate is written down, forgotten, and read back. */
static void play_again(const struct gate_settings *settings, const struct happening *history, struct random *random,
		       bool put_away, const struct gate gates[STEPS])
{
	struct gate gate = {0};

	for (size_t i = 0; i < STEPS; i++) {
		struct gate_outcome outcome;

		if (history[i].act == ACT_STEP)
			gate_step(settings, &gate, &history[i].estimate, history[i].now, &outcome);
		else if (history[i].act == ACT_RESUME)
			gate_resume(&gate, history[i].now);
		else
			gate_release(&gate, history[i].now);
		if (put_away && random_chance(random, 10)) {
			unsigned char bytes[sizeof(gate)];

			memcpy(bytes, &gate, sizeof(bytes));
			memset(&gate, 0xa5, sizeof(gate));
			memcpy(&gate, bytes, sizeof(bytes));
			expect(gate_is_sound(&gate), RULE_RESTORED, i);
		}
		expect(!memcmp(&gate, &gates[i], sizeof(gate)), put_away ? RULE_RESTORED : RULE_REPLAY, i);
	}
}

static void print_counts(void)
{
	printf("# %llu steps: %llu bad, %llu between, %llu good, %llu unknown (%llu missing, %llu invalid, %llu stale, "
	       "%llu few)\n",
	       (unsigned long long)run.steps, (unsigned long long)run.verdicts[GATE_BAD],
	       (unsigned long long)run.verdicts[GATE_BETWEEN], (unsigned long long)run.verdicts[GATE_GOOD],
	       (unsigned long long)run.verdicts[GATE_UNKNOWN], (unsigned long long)run.signals[GATE_SIGNAL_MISSING],
	       (unsigned long long)run.signals[GATE_SIGNAL_INVALID], (unsigned long long)run.signals[GATE_SIGNAL_STALE],
	       (unsigned long long)run.signals[GATE_SIGNAL_FEW_SAMPLES]);
	for (size_t from = 0; from < GATE_STATES; from++)
		for (size_t to = 0; to < GATE_STATES; to++)
			if (run.edges[from][to])
				printf("# %s to %s: %llu\n", gate_state_names[from], gate_state_names[to],
				       (unsigned long long)run.edges[from][to]);
	printf("# %llu released, %llu restarts; recoveries held up in %llu steps by dwell, in %llu by the rate; %llu "
	       "breaches acted on late\n",
	       (unsigned long long)run.releases, (unsigned long long)run.resumes, (unsigned long long)run.held_by_dwell,
	       (unsigned long long)run.held_by_rate, (unsigned long long)run.late);
}

/* A rule that no history has met is not held by any. */
static bool all_was_met(void)
{
	uint64_t least = run.steps / 10000;
	bool met = run.releases > least / 10 && run.held_by_dwell > least && run.held_by_rate > least &&
		   run.late > least / 10;

	for (size_t v = 0; v < GATE_VERDICTS; v++)
		met = met && run.verdicts[v] > run.steps / 50;
	for (size_t s = 0; s < GATE_SIGNALS; s++)
		met = met && run.signals[s] > least;
	return met && run.edges[GATE_OK][GATE_BREACHED] > least && run.edges[GATE_BREACHED][GATE_OK] > least &&
	       run.edges[GATE_OK][GATE_NO_DATA] > least && run.edges[GATE_NO_DATA][GATE_OK] > least &&
	       run.edges[GATE_NO_DATA][GATE_BREACHED] > least && !run.edges[GATE_BREACHED][GATE_NO_DATA];
}

int main(int argc, char *argv[])
{
	const char *text = getenv("GOVERN_STEPS");
	uint64_t wanted = text ? strtoull(text, NULL, 10) : 1000000;
	static struct happening history[STEPS];
	static struct gate gates[STEPS];
	struct random random;
	bool failed = false, met;

	run.seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	random.state = run.seed;
	for (; run.steps < wanted; run.history++) {
		struct gate_settings settings = some_settings(&random);

		if (gate_fault(&settings)) {
			printf("Bail out! settings: %s\n", gate_fault(&settings));
			return EXIT_FAILURE;
		}
		make_history(&random, history);
		play(&settings, history, &random, gates);
		play_again(&settings, history, &random, false, gates);
		play_again(&settings, history, &random, true, gates);
	}
	print_counts();
	for (size_t r = 0; r < RULES; r++) {
		printf("%s %zu - %s\n", run.broken[r] ? "not ok" : "ok", r + 1, rule_names[r]);
		if (run.broken[r])
			printf("#   broken %llu times\n", (unsigned long long)run.broken[r]);
		failed = failed || run.broken[r];
	}
	met = all_was_met();
	printf("%s %d - every verdict, transition and hindrance was met\n", met ? "ok" : "not ok", RULES + 1);
	printf("1..%d\n", RULES + 1);
	return failed || !met ? EXIT_FAILURE : EXIT_SUCCESS;
}
