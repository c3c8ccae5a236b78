// SPDX-License-Identifier: GPL-2.0-only
/*
 * One gate, scene by scene. A scene is a line of steps, "TIME WHAT STATE, …": at that time this is handed in, and that
 * is the state afterwards. After each step what it says of the next change is tried on a copy: nothing before it,
 * something at it.
 */
#include "govern/gate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"

#define NOW 1700000000

/* A floor of 0.90 that is left again above 0.92. */
#define FLOOR                                                                                                          \
	.breach_below = 0.90, .breach_above = INFINITY, .recover_from = 0.92, .recover_to = INFINITY,                  \
	.min_samples = 100, .breach_for = 600, .recover_for = 3600, .stale_after = 600, .hold = 1800

/* The same without timers, for scenes about one rule. */
#define AT_ONCE                                                                                                        \
	.breach_below = 0.90, .breach_above = INFINITY, .recover_from = 0.92, .recover_to = INFINITY,                  \
	.stale_after = 600, .hold = 1800
#define FOUR_FIFTHS                                                                                                    \
	.breach_below = 0.8, .breach_above = 1.25, .recover_from = 0.9, .recover_to = 1.1, .stale_after = 600,         \
	.hold = 1800

static const struct {
	const char *word;
	double low, point, high, samples;
	int64_t observed; /* from now */
	bool known;
} words[] = {
	{"good", 0.93, 0.94, 0.95, 1000, 0, true},
	{"bad", 0.80, 0.85, 0.89, 1000, 0, true},
	{"between", 0.905, 0.91, 0.915, 1000, 0, true},
	{"doubt", 0.85, 0.89, 0.93, 1000, 0, true},   /* its point is bad, its interval is not */
	{"goodish", 0.91, 0.93, 0.95, 1000, 0, true}, /* its point is good, its interval is not */
	{"few", 0.10, 0.20, 0.30, 99, 0, true},
	{"old", 0.10, 0.20, 0.30, 1000, -600, true},
	{"youngish", 0.10, 0.20, 0.30, 1000, -599, true},
	{"future", 0.80, 0.85, 0.89, 1000, 100000, true},
	{"nan", NAN, 0.85, 0.89, 1000, 0, true},
	{"upside-down", 0.89, 0.85, 0.80, 1000, 0, true},
	{"no-count", 0.80, 0.85, 0.89, -1, 0, true},
	{"missing", 0.10, 0.20, 0.30, 1000, 0, false},
	{"low", 0.5, 0.6, 0.7, 1000, 0, true}, /* of a ratio */
	{"high", 1.3, 1.5, INFINITY, 1000, 0, true},
	{"wide", 0.5, 1.0, 1.5, 1000, 0, true},
	{"even", 0.95, 1.0, 1.05, 1000, 0, true},
};

static struct {
	struct gate_settings settings;
	struct gate gate;
	struct gate_estimate estimate;
	struct gate_outcome outcome;
	const char *scene;
} stage;

static struct gate_estimate estimate_of(const char *word, int64_t now)
{
	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (!strcmp(words[i].word, word))
			return (struct gate_estimate){
				.known = words[i].known,
				.interval = {words[i].low, words[i].point, words[i].high, words[i].samples},
				.observed_at = now + words[i].observed,
			};
	fail_msg("%s: %s?", stage.scene, word);
	return (struct gate_estimate){0};
}

static bool same_outside(const struct gate_outcome *a, const struct gate_outcome *b)
{
	return a->state == b->state && a->alert == b->alert;
}

/* Is what it says of the next change so? */
static void try_next_change(int64_t now)
{
	int64_t next = stage.outcome.next_change;
	struct gate_outcome outcome;
	struct gate gate = stage.gate;

	if (next <= now)
		fail_msg("%s: at %lld the next change is at %lld", stage.scene, (long long)now, (long long)next);
	gate_step(&stage.settings, &gate, &stage.estimate, next - 1, &outcome);
	if (!same_outside(&outcome, &stage.outcome))
		fail_msg("%s: after %lld it changes before %lld", stage.scene, (long long)(now - NOW),
			 (long long)(next - NOW));
	if (next == INT64_MAX)
		return;
	gate = stage.gate;
	gate_step(&stage.settings, &gate, &stage.estimate, next, &outcome);
	if (same_outside(&outcome, &stage.outcome))
		fail_msg("%s: after %lld it does not change at %lld", stage.scene, (long long)(now - NOW),
			 (long long)(next - NOW));
}

/* Written down and read back. */
static void put_away(void)
{
	unsigned char bytes[sizeof(stage.gate)];

	memcpy(bytes, &stage.gate, sizeof(bytes));
	memset(&stage.gate, 0xa5, sizeof(stage.gate));
	memcpy(&stage.gate, bytes, sizeof(bytes));
	assert_true(gate_is_sound(&stage.gate));
}

static void act(int64_t now, const char *word)
{
	if (!strcmp(word, "resume")) {
		gate_resume(&stage.gate, now);
		return;
	}
	if (!strcmp(word, "release")) {
		assert_true(gate_release(&stage.gate, now));
		stage.outcome.state = GATE_OK;
		return;
	}
	if (strcmp(word, "same")) /* the last one again */
		stage.estimate = estimate_of(word, now);
	gate_step(&stage.settings, &stage.gate, &stage.estimate, now, &stage.outcome);
	assert_int_equal(stage.outcome.denies, stage.outcome.state != GATE_OK);
	try_next_change(now);
}

static void play(const char *name, const struct gate_settings *settings, const char *steps)
{
	memset(&stage, 0, sizeof(stage));
	stage.settings = *settings;
	stage.scene = name;
	assert_null(gate_fault(settings));
	while (*steps) {
		char word[16], state[16];
		long long at;
		int length;

		if (sscanf(steps, "%lld %15s %15[a-z-]%n", &at, word, state, &length) != 3)
			fail_msg("%s: %s?", name, steps);
		steps += length + (int)strspn(steps + length, ", ");
		act(NOW + at, word);
		if (strcmp(gate_state_names[stage.outcome.state], state))
			fail_msg("%s: %s at %lld: %s, not %s", name, word, at, gate_state_names[stage.outcome.state],
				 state);
		put_away();
	}
}

static const struct {
	const char *name;
	struct gate_settings settings;
	const char *steps;
} scenes[] = {
	{"the whole interval has to be bad",
	 {AT_ONCE},
	 "0 doubt ok, 60 doubt ok, 120 between ok, 180 goodish ok, 240 bad breached"},
	{"and good, to recover",
	 {AT_ONCE},
	 "0 bad breached, 60 doubt breached, 120 between breached, 180 goodish breached, 240 good ok"},
	{"the lower end alone: doubt is a breach",
	 {AT_ONCE, .bound = GATE_BOUND_LOWER},
	 "0 between ok, 60 doubt breached, 120 goodish breached, 180 good ok"},
	{"the upper end alone: a floor is as good as what may be",
	 {AT_ONCE, .bound = GATE_BOUND_UPPER},
	 "0 doubt ok, 60 bad breached, 120 between breached, 180 doubt ok"},
	{"the point alone: no doubt",
	 {AT_ONCE, .bound = GATE_BOUND_POINT},
	 "0 between ok, 60 doubt breached, 120 goodish ok"},
	{"outside two limits",
	 {FOUR_FIFTHS},
	 "0 even ok, 60 wide ok, 120 low breached, 180 wide breached, 240 even ok, 300 high breached, 360 even ok"},
	{"a ceiling",
	 {.breach_below = -INFINITY,
	  .breach_above = 0.2,
	  .recover_from = -INFINITY,
	  .recover_to = 0.1,
	  .stale_after = 600},
	 "0 low breached, 60 few breached"},

	{"bad for long enough", {FLOOR}, "0 bad ok, 300 bad ok, 599 bad ok, 600 bad breached"},
	{"looked at seldom", {FLOOR}, "0 bad ok, 600 same breached"},
	{"what comes after long enough comes too late",
	 {FLOOR},
	 "0 bad ok, 300 bad ok, 700 good breached, 760 good breached"},
	{"bad begins anew after between",
	 {FLOOR},
	 "0 bad ok, 500 bad ok, 560 between ok, 600 bad ok, 1199 bad ok, 1200 bad breached"},
	{"bad is not taken back by unknown, and does not count on",
	 {FLOOR},
	 "0 bad ok, 300 bad ok, 400 missing ok, 900 missing ok, 1000 bad ok, 1199 bad ok, 1200 bad breached"},
	{"an estimate counts as long as it is fresh", {FLOOR}, "0 bad ok, 100 bad ok, 699 same breached"},
	{"bad ends where the estimate is stale",
	 {AT_ONCE, .breach_for = 601},
	 "0 bad ok, 600 same ok, 1700 same ok, 2000 bad ok, 2001 bad breached"},
	{"good for long enough",
	 {FLOOR},
	 "0 bad ok, 600 bad breached, 700 good breached, 1200 good breached, 1700 good breached, 2200 good breached, "
	 "2700 good breached,"
	 "3200 good breached, 3700 good breached, 4200 good breached, 4299 good breached, 4300 good ok"},
	{"good begins anew after between",
	 {AT_ONCE, .recover_for = 300},
	 "0 bad breached, 100 good breached, 390 between breached, 400 good breached, 699 good breached, 700 good ok"},
	{"and after unknown",
	 {AT_ONCE, .recover_for = 300},
	 "0 bad breached, 100 good breached, 390 missing breached, 400 good breached, 699 good breached, 700 good ok"},
	{"and after a silence that nobody looked at",
	 {AT_ONCE, .recover_for = 900},
	 "0 bad breached, 100 good breached, 800 good breached, 1300 good breached, 1699 good breached, 1700 good ok"},
	{"good that is over does not let anybody out",
	 {AT_ONCE, .recover_for = 300},
	 "0 bad breached, 100 good breached, 500 bad breached"},
	{"a lost signal is no recovery",
	 {AT_ONCE},
	 "0 bad breached, 60 missing breached, 9000 missing breached, 90000 missing breached"},

	{"few samples are unknown",
	 {AT_ONCE, .min_samples = 100},
	 "0 few ok, 60 few ok, 1799 few ok, 1800 few no-data"},
	{"so is what is too old", {AT_ONCE}, "0 old ok, 1799 old ok, 1800 old no-data, 1860 youngish breached"},
	{"and what is no number", {AT_ONCE}, "0 nan ok, 600 upside-down ok, 1200 no-count ok, 1800 nan no-data"},
	{"cold start: hold begins at the first step", {AT_ONCE}, "0 missing ok, 1799 missing ok, 1800 missing no-data"},
	{"hold begins when the estimate is stale, though nobody looks",
	 {AT_ONCE},
	 "0 good ok, 2399 same ok, 2400 same no-data"},
	{"and anew after each estimate",
	 {AT_ONCE},
	 "0 missing ok, 1700 good ok, 1800 missing ok, 3599 missing ok, 3600 missing no-data"},
	{"then keep",
	 {AT_ONCE, .then = GATE_THEN_KEEP},
	 "0 missing ok, 1800 missing ok, 90000 missing ok, 90060 bad breached"},
	{"then alert",
	 {AT_ONCE, .then = GATE_THEN_ALERT},
	 "0 missing ok, 1800 missing ok, 90000 missing ok, 90060 bad breached"},
	{"no data ends with any that are not bad", {AT_ONCE}, "0 missing ok, 1800 missing no-data, 1860 between ok"},
	{"but not with bad ones",
	 {FLOOR},
	 "0 missing ok, 1800 missing no-data, 1860 bad no-data, 1920 missing no-data, 2000 bad no-data, 2539 bad "
	 "no-data, 2540 bad breached"},
	{"one transition a step, though the denial is an old one",
	 {AT_ONCE, .breach_for = 60},
	 "0 missing ok, 1800 missing no-data, 1860 bad no-data, 1960 good breached, 1961 good ok"},
	{"no hold at all",
	 {.breach_below = 0.9,
	  .breach_above = INFINITY,
	  .recover_from = 0.9,
	  .recover_to = INFINITY,
	  .stale_after = 60},
	 "0 missing no-data, 1 good ok, 60 same ok, 61 same no-data"},

	{"a denial dwells",
	 {AT_ONCE, .dwell = 900},
	 "0 bad breached, 60 good breached, 600 good breached, 899 good breached, 900 good ok"},
	{"dwell is of no-data too",
	 {AT_ONCE, .dwell = 900},
	 "0 missing ok, 1800 missing no-data, 1900 good no-data, 2300 good no-data, 2699 good no-data, 2700 good ok"},
	{"dwell does not hold up a breach",
	 {AT_ONCE, .dwell = 900},
	 "0 bad breached, 400 good breached, 900 good ok, 901 bad breached"},
	{"a breach after no-data dwells anew",
	 {AT_ONCE, .dwell = 900},
	 "0 missing ok, 1800 missing no-data, 2600 bad breached, 3499 good breached, 3500 good ok"},
	{"but is no transition for the rate",
	 {AT_ONCE, .transitions_per_hour = 2},
	 "0 missing ok, 1800 missing no-data, 2600 bad breached, 2700 good ok"},
	{"two transitions an hour: a third may breach, none may recover",
	 {AT_ONCE, .transitions_per_hour = 2},
	 "0 bad breached, 60 good ok, 120 bad breached, 180 good breached, 600 good breached, 1100 good breached, 1600 "
	 "good breached,"
	 "2100 good breached, 2600 good breached, 3100 good breached, 3600 good breached, 3659 good breached, 3660 "
	 "good ok, 3661 bad breached"},
	{"one an hour: who has breached stays for an hour",
	 {AT_ONCE, .transitions_per_hour = 1},
	 "0 bad breached, 60 good breached, 3599 good breached, 3600 good ok, 3660 bad breached, 7259 good breached, "
	 "7260 good ok"},

	{"a latch",
	 {FOUR_FIFTHS, .latch = true},
	 "0 low breached, 60 even breached, 90000 even breached, 90010 release ok, 90020 even ok"},
	{"no latch on want of data", {FOUR_FIFTHS, .latch = true}, "0 missing ok, 1800 missing no-data, 1860 even ok"},
	{"who is released while bad has `for` again",
	 {FLOOR},
	 "0 bad ok, 600 bad breached, 700 release ok, 760 bad ok, 1299 bad ok, 1300 bad breached"},
	{"who is released without data has `hold` again",
	 {AT_ONCE},
	 "0 missing ok, 1800 missing no-data, 1900 release ok, 3699 missing ok, 3700 missing no-data"},
	{"an operator waits for no dwell",
	 {AT_ONCE, .dwell = 900, .transitions_per_hour = 1},
	 "0 bad breached, 5 good breached, 10 release ok, 20 good ok"},

	{"a clock that is set back stands still",
	 {FLOOR},
	 "0 bad ok, 300 bad ok, -5000 bad ok, -4701 bad ok, -4700 bad breached"},
	{"for a recovery too",
	 {AT_ONCE, .recover_for = 300},
	 "0 bad breached, 10 good breached, 200 good breached, -900 good breached, -791 good breached, -790 good ok"},
	{"for hold",
	 {AT_ONCE},
	 "0 missing ok, 1000 missing ok, -9000 missing ok, -8201 missing ok, -8200 missing no-data"},
	{"for dwell",
	 {AT_ONCE, .dwell = 900},
	 "0 bad breached, 500 good breached, -9000 good breached, -8601 good breached, -8600 good ok"},
	{"for the rate",
	 {AT_ONCE, .transitions_per_hour = 1},
	 "0 bad breached, 600 good breached, -9000 good breached, -6001 good breached, -6000 good ok"},
	{"an old estimate grows no younger by it",
	 {AT_ONCE},
	 "0 good ok, 500 same ok, -10000 same ok, -9901 same ok, -8101 same ok, -8100 same no-data"},
	{"nor one that was never seen",
	 {AT_ONCE, .breach_for = 601},
	 "0 future ok, 600 same ok, 2399 same ok, 2400 same no-data"},

	{"a restart is no silence",
	 {AT_ONCE},
	 "0 good ok, 100 good ok, 90000 resume ok, 90000 missing ok, 91799 missing ok, 91800 missing no-data"},
	{"nor does it give hold anew",
	 {AT_ONCE},
	 "0 missing ok, 1000 missing ok, 90000 resume ok, 90799 missing ok, 90800 missing no-data"},
	{"nor does bad count while nobody measures",
	 {FLOOR},
	 "0 bad ok, 100 bad ok, 90000 resume ok, 90000 bad ok, 90499 bad ok, 90500 bad breached"},
	{"nor good",
	 {AT_ONCE, .recover_for = 300},
	 "0 bad breached, 100 good breached, 350 good breached, 360 resume breached, 360 good breached, 659 good "
	 "breached, 660 good ok"},
	{"dwell goes on", {AT_ONCE, .dwell = 900}, "0 bad breached, 900 resume breached, 900 good ok"},
	{"before any step there is nothing to resume",
	 {AT_ONCE},
	 "0 resume ok, 90000 missing ok, 91799 missing ok, 91800 missing no-data"},
};

static const struct gate_settings floor_gate = {FLOOR};

static void test_scenes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(scenes); i++)
		play(scenes[i].name, &scenes[i].settings, scenes[i].steps);
}

/* What `explain` shows. */
static void test_what_is_told(void **state)
{
	const struct gate_outcome *told = &stage.outcome;

	(void)state;
	play("pending", &floor_gate, "0 bad ok, 240 same ok");
	assert_int_equal(told->verdict, GATE_BAD);
	assert_int_equal(told->signal, GATE_SIGNAL_FRESH);
	assert_int_equal(told->bad_for, 240);
	assert_int_equal(told->age, 240);
	assert_int_equal(told->next_change, NOW + 600);
	assert_true(told->last.low == 0.80 && told->last.point == 0.85 && told->last.high == 0.89 &&
		    told->last.samples == 1000);
	assert_false(told->changed);
	play("breached", &floor_gate, "0 bad ok, 600 bad breached");
	assert_true(told->changed && told->was == GATE_OK && told->state_for == 0);
	play("recovering", &floor_gate, "0 bad ok, 600 bad breached, 700 good breached, 1000 same breached");
	assert_true(!told->changed && told->was == GATE_BREACHED && told->state_for == 400);
	assert_int_equal(told->good_for, 300);
	assert_int_equal(told->bad_for, 0);
	/* What is unknown still shows what was known last. */
	play("lost", &floor_gate, "0 good ok, 700 missing ok");
	assert_int_equal(told->verdict, GATE_UNKNOWN);
	assert_int_equal(told->signal, GATE_SIGNAL_MISSING);
	assert_int_equal(told->unknown_for, 100);
	assert_int_equal(told->age, 700);
	assert_true(told->last.point == 0.94);
	play("stale", &floor_gate, "0 good ok, 700 same ok");
	assert_int_equal(told->signal, GATE_SIGNAL_STALE);
	play("few", &floor_gate, "0 few ok");
	assert_int_equal(told->signal, GATE_SIGNAL_FEW_SAMPLES);
	assert_true(told->last.samples == 99);
	play("never", &floor_gate, "0 missing ok");
	assert_int_equal(told->age, -1);
	play("no number", &floor_gate, "0 nan ok");
	assert_int_equal(told->signal, GATE_SIGNAL_INVALID);
	assert_int_equal(told->age, -1);
}

static bool alert_of(enum gate_then then, const char *steps)
{
	struct gate_settings settings = {AT_ONCE, .then = then};

	play("alert", &settings, steps);
	return stage.outcome.alert;
}

static void test_who_is_alerted(void **state)
{
	(void)state;
	assert_false(alert_of(GATE_THEN_ALERT, "0 missing ok, 1799 missing ok"));
	assert_true(alert_of(GATE_THEN_ALERT, "0 missing ok, 1800 missing ok"));
	assert_false(alert_of(GATE_THEN_ALERT, "0 missing ok, 1800 missing ok, 1801 good ok"));
	assert_true(alert_of(GATE_THEN_ALERT, "0 bad breached, 60 missing breached, 1860 missing breached"));
	assert_true(alert_of(GATE_THEN_QUARANTINE, "0 missing ok, 1800 missing no-data"));
	assert_false(alert_of(GATE_THEN_KEEP, "0 missing ok, 1800 missing ok"));
}

static void test_release_of_nothing(void **state)
{
	struct gate gate = {0};

	(void)state;
	assert_false(gate_release(&gate, NOW));
	play("ok", &floor_gate, "0 good ok");
	assert_false(gate_release(&stage.gate, NOW + 1));
}

static void test_settings_with_a_fault(void **state)
{
	static const struct {
		struct gate_settings settings;
		const char *fault;
	} table[] = {
		{{AT_ONCE}, NULL},
		{{FOUR_FIFTHS}, NULL},
		{{.breach_below = NAN, .breach_above = 1, .recover_to = 1, .stale_after = 1}, "a limit is no number"},
		{{.breach_below = -INFINITY, .breach_above = INFINITY, .stale_after = 1}, "nothing is a breach"},
		{{.breach_below = 2, .breach_above = 1, .stale_after = 1}, "everything is a breach"},
		{{.breach_below = 0.9,
		  .breach_above = INFINITY,
		  .recover_from = 0.8,
		  .recover_to = 1,
		  .stale_after = 1},
		 "recovers where it breaches"},
		{{.breach_below = 0.8, .breach_above = 1.2, .recover_from = 0.9, .recover_to = 1.3, .stale_after = 1},
		 "recovers where it breaches"},
		{{.breach_below = 0.8, .breach_above = 1.2, .recover_from = 1.1, .recover_to = 1, .stale_after = 1},
		 "nothing is a recovery"},
		{{AT_ONCE, .min_samples = -1}, "min_samples is no count"},
		{{AT_ONCE, .min_samples = NAN}, "min_samples is no count"},
		{{.breach_below = 0.8, .breach_above = 1.2, .recover_from = 0.9, .recover_to = 1.1},
		 "stale_after is 0"},
		{{AT_ONCE, .transitions_per_hour = GATE_TRANSITIONS_MAX + 1},
		 "more transitions per hour than are kept"},
		{{AT_ONCE, .bound = GATE_BOUNDS}, "no such choice"},
		{{AT_ONCE, .then = GATE_THENS}, "no such choice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		const char *fault = gate_fault(&table[i].settings);

		if (!table[i].fault)
			assert_null(fault);
		else
			assert_string_equal(fault ? fault : "nothing", table[i].fault);
	}
}

/* What it remembered is lost; one look at a step with this word, so many seconds after that. */
static enum gate_state lost_then(struct gate *gate, const struct gate_settings *settings, int64_t after,
				 const char *word)
{
	stage.settings = *settings;
	stage.estimate = estimate_of(word, NOW + after);
	gate_step(settings, gate, &stage.estimate, NOW + after, &stage.outcome);
	stage.gate = *gate;
	try_next_change(NOW + after);
	put_away();
	return (enum gate_state)gate->state;
}

static void test_what_is_lost_may_have_been_a_breach(void **state)
{
	struct gate_settings floor = floor_gate, latched = floor_gate;
	struct gate gate;

	(void)state;
	stage.scene = "lost";
	floor.recover_for = 100;
	floor.then = GATE_THEN_KEEP;
	/* Neither doubt nor silence nor what is between ends it, and good not at once. */
	gate_lose(&gate, NOW);
	assert_true(gate_is_sound(&gate));
	assert_int_equal(lost_then(&gate, &floor, 1, "missing"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 90000, "missing"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 90001, "between"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 90002, "few"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 90003, "good"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 90102, "good"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 90103, "good"), GATE_OK);
	assert_false(gate.lost);
	/* From then on it is any other gate. */
	floor.then = GATE_THEN_QUARANTINE;
	assert_int_equal(lost_then(&gate, &floor, 90104, "missing"), GATE_OK);
	assert_int_equal(lost_then(&gate, &floor, 99000, "missing"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 99001, "between"), GATE_OK);
	/* Bad is a breach. */
	gate_lose(&gate, NOW);
	assert_int_equal(lost_then(&gate, &floor, 1, "bad"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &floor, 1 + floor.breach_for, "bad"), GATE_BREACHED);
	assert_false(gate.lost);
	/* One that latches is an operator's. */
	latched.latch = true;
	latched.recover_for = 100;
	gate_lose(&gate, NOW);
	assert_int_equal(lost_then(&gate, &latched, 1, "good"), GATE_NO_DATA);
	assert_int_equal(lost_then(&gate, &latched, 500, "good"), GATE_NO_DATA);
	gate_resume(&gate, NOW + 600);
	assert_int_equal(lost_then(&gate, &latched, 700, "good"), GATE_NO_DATA);
	assert_true(gate_release(&gate, NOW + 800));
	assert_int_equal(lost_then(&gate, &latched, 801, "good"), GATE_OK);
	gate.lost = 1; /* and denies nothing */
	assert_false(gate_is_sound(&gate));
}

static void test_bytes_that_are_no_gate(void **state)
{
	struct gate gate = {0};

	(void)state;
	assert_true(gate_is_sound(&gate));
	gate.state = GATE_BREACHED; /* and never stepped */
	assert_false(gate_is_sound(&gate));
	gate.stepped = 1;
	assert_true(gate_is_sound(&gate));
	gate.transition_count = GATE_TRANSITIONS_MAX + 1;
	assert_false(gate_is_sound(&gate));
	memset(&gate, 0xff, sizeof(gate));
	assert_false(gate_is_sound(&gate));
}

/* Times at the ends of what there is: nothing overflows, and what is oldest is stale. */
static void test_times_at_the_ends(void **state)
{
	static const int64_t times[] = {INT64_MIN, -1, 0, 1, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(times); i++)
		for (size_t j = 0; j < ARRAY_COUNT(times); j++)
			for (size_t k = 0; k < ARRAY_COUNT(times); k++) {
				struct gate gate = {0};
				struct gate_outcome outcome;
				struct gate_estimate bad = estimate_of("bad", 0), missing = {0};

				bad.observed_at = times[k];
				gate_step(&floor_gate, &gate, &bad, times[i], &outcome);
				gate_step(&floor_gate, &gate, &missing, times[j], &outcome);
				gate_step(&floor_gate, &gate, &bad, times[i], &outcome);
				assert_true(outcome.age >= 0);
				gate_resume(&gate, times[j]);
				gate_release(&gate, times[k]);
				gate_step(&floor_gate, &gate, &bad, times[k], &outcome);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenes),
		cmocka_unit_test(test_what_is_told),
		cmocka_unit_test(test_who_is_alerted),
		cmocka_unit_test(test_release_of_nothing),
		cmocka_unit_test(test_settings_with_a_fault),
		cmocka_unit_test(test_what_is_lost_may_have_been_a_breach),
		cmocka_unit_test(test_bytes_that_are_no_gate),
		cmocka_unit_test(test_times_at_the_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
