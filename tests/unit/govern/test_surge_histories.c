// SPDX-License-Identifier: GPL-2.0-only
/*
 * Surges under random histories of load, of load that is not known, of clocks, pauses and restarts. What each step must come to is worked
 * out anew from all that was seen since the last change, without timers; apart from that, a copy that is read back from its bytes
 * every now and then ends in the same bytes.
 *
 * GOVERN_STEPS: how many steps (a million).
 */
#include "govern/surge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000
#define LOOKS 500 /* of one history */

static uint64_t seed;
static unsigned long long up, down, steps;

static uint32_t roll(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

/* What was seen since the last change: seconds that count, and what was found at their end. */
struct seen {
	int64_t seconds[LOOKS];
	enum surge_verdict verdicts[LOOKS];
	size_t count;
};

static struct surge_settings some_settings(void)
{
	return (struct surge_settings){.open_at = 1,
				       .close_at = 0.25 * (1 + roll(3)),
				       .open_for = roll(8),
				       .close_for = roll(12),
				       .dwell = roll(3) ? 0 : roll(10),
				       .tiers = 1 + roll(4),
				       .sheds = roll(4),
				       .steps = 1};
}

/* Backends fill up and empty; now and then one says nothing, a tier has nobody, or nothing is known at all. */
static void change_measure(const struct surge_settings *settings, struct surge_measure *measure)
{
	static const double levels[] = {0, 2, 5, 7, 8, 10, 11, 30};
	double load = levels[roll(8)];
	bool unknown = !roll(12);

	*measure = (struct surge_measure){.known = !unknown, .backends = 1};
	for (uint32_t t = 0; t < settings->tiers; t++) {
		measure->capacity[t] = roll(20) ? 10 : 0;
		measure->load[t] = measure->capacity[t] > 0 ? (roll(5) ? load : levels[roll(8)]) : 0;
	}
	for (uint32_t t = 0; unknown && t < SURGE_TIERS_MAX; t++)
		measure->load[t] = NAN;
}

static double part(const struct surge_measure *measure, uint32_t loaded, uint32_t open)
{
	double load = 0, capacity = 0;

	for (uint32_t t = 0; t < loaded; t++)
		load += measure->load[t];
	for (uint32_t t = 0; t < open; t++)
		capacity += measure->capacity[t];
	return capacity > 0 ? load / capacity : NAN;
}

static uint32_t open_of(const struct surge_settings *settings, uint32_t rung)
{
	return rung + 1 < settings->tiers ? rung + 1 : settings->tiers;
}

static enum surge_verdict verdict_of(const struct surge_settings *settings, uint32_t rung,
				     const struct surge_measure *measure)
{
	uint32_t open = open_of(settings, rung);
	double ratio = part(measure, open, open);

	/* Nobody is in them: the next one that has anybody stands in. */
	while (isnan(ratio) && open < settings->tiers) {
		open++;
		ratio = part(measure, open, open);
	}
	if (isnan(ratio))
		return SURGE_UNKNOWN;
	if (ratio >= settings->open_at)
		return SURGE_HIGH;
	return rung && part(measure, open, open_of(settings, rung - 1)) <= settings->close_at ? SURGE_LOW
											      : SURGE_BETWEEN;
}

/* Seconds since the last change; and those of them, once `dwell` was over, at both ends of which it was so. Unknown does not end what
 * was high. */
static int64_t time_of(const struct surge_settings *settings, const struct seen *seen, enum surge_verdict verdict,
		       bool first, int64_t *ret_since)
{
	int64_t since = first ? settings->dwell : 0, so = 0;

	for (size_t i = 0; i < seen->count; i++) {
		bool settled = since >= settings->dwell;
		enum surge_verdict now = seen->verdicts[i];

		since += seen->seconds[i];
		if (now != verdict && !(verdict == SURGE_HIGH && now == SURGE_UNKNOWN))
			so = 0;
		else if (settled && i && now == verdict && seen->verdicts[i - 1] == verdict)
			so += seen->seconds[i];
	}
	*ret_since = since;
	return so;
}

static void check_step(const struct surge_settings *settings, const struct surge *before, const struct surge *after,
		       const struct surge_outcome *outcome, const struct seen *seen, bool first)
{
	enum surge_verdict now = seen->verdicts[seen->count - 1];
	uint32_t last = settings->tiers - 1 + settings->sheds;
	int64_t since, high = time_of(settings, seen, SURGE_HIGH, first, &since);
	int64_t low = time_of(settings, seen, SURGE_LOW, first, &since);
	int64_t wait = (int64_t)settings->close_for << before->strikes;
	bool settled = since >= settings->dwell;

	assert_int_equal(outcome->verdict, now);
	assert_int_equal(outcome->changed, after->rung != before->rung);
	assert_int_equal(outcome->open, open_of(settings, after->rung));
	assert_int_equal(outcome->shed, after->rung < settings->tiers ? 0 : after->rung + 1 - settings->tiers);
	assert_true(after->rung <= last && outcome->shed <= settings->sheds);
	if (now == SURGE_UNKNOWN || now == SURGE_BETWEEN)
		assert_int_equal(after->rung, before->rung);
	if (now == SURGE_HIGH)
		assert_int_equal(after->rung,
				 before->rung + (before->rung < last && settled && high >= settings->open_for));
	if (now == SURGE_LOW)
		assert_int_equal(after->rung, before->rung - (before->rung && settled && low >= wait));
	assert_in_range(after->strikes, 0, SURGE_STRIKES_MAX);
	if (after->strikes > before->strikes)
		assert_true(after->rung > before->rung && before->fell && after->strikes == before->strikes + 1);
	if (after->strikes < before->strikes)
		assert_true(after->rung > before->rung || (after->rung < before->rung && before->fell));
	assert_true(surge_is_sound(after));
}

static void live(void)
{
	static struct seen seen;
	const struct surge_settings settings = some_settings();
	struct surge surge = {0}, twin = {0};
	struct surge_measure measure;
	int64_t clock = NOW;
	bool first = true; /* nothing has changed yet */

	assert_null(surge_fault(&settings));
	seen.count = 0;
	change_measure(&settings, &measure);
	for (uint32_t i = 0; i < LOOKS; i++) {
		int64_t passed = roll(8) ? roll(3) : roll(2 * SURGE_PAUSE);
		struct surge_outcome outcome, twins;
		struct surge before = surge, saved;

		if (!roll(60)) /* somebody sets the clock back */
			passed = -(int64_t)roll(100000);
		clock += passed;
		if (!roll(4))
			change_measure(&settings, &measure);
		if (!roll(40)) { /* a restart */
			saved = surge;
			memset(&surge, 0xa5, sizeof(surge));
			memcpy(&surge, &saved, sizeof(surge));
		}
		seen.seconds[seen.count] = i && passed > 0 && passed <= SURGE_PAUSE ? passed : 0;
		seen.verdicts[seen.count++] = verdict_of(&settings, surge.rung, &measure);
		surge_step(&settings, &surge, &measure, clock, &outcome);
		surge_step(&settings, &twin, &measure, clock, &twins);
		assert_memory_equal(&surge, &twin, sizeof(surge));
		check_step(&settings, &before, &surge, &outcome, &seen, first);
		up += surge.rung > before.rung;
		down += surge.rung < before.rung;
		if (surge.rung != before.rung) {
			first = false;
			seen.seconds[0] = 0;
			seen.verdicts[0] = seen.verdicts[seen.count - 1];
			seen.count = 1;
		}
	}
	steps += LOOKS;
}

static void test_histories(void **state)
{
	const char *text = getenv("GOVERN_STEPS");
	uint64_t wanted = text ? strtoull(text, NULL, 10) : 1000000;

	(void)state;
	for (uint64_t s = 1; steps < wanted; s++) {
		seed = s;
		live();
	}
	print_message("# %llu steps: %llu up, %llu down\n", steps, up, down);
	assert_true(up > steps / 100 && down > steps / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
