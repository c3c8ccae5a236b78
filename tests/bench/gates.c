// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often gates cry wolf, and how soon they see one. Figures over a window of the last WINDOW checks, one check each
 * 30 s; the seed is fixed, so the table is the same each time. `gates.bench` takes no argument.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "govern/gate.h"

#include "../model/random.h"

#define EVERY 30  /* seconds between checks */
#define WINDOW 40 /* checks: 20 minutes */
#define RUNS 250
#define CHECKS 2880 /* of a run: a day */
#define BUCKETS 10
#define REFERENCE 10000 /* samples that drift is measured against */

enum kind { RATIO, ACCURACY, DRIFT };

/* What is measured, and how it truly is. */
struct world {
	enum kind kind;
	double rates[2];	/* of the two groups; of the model */
	double shares[BUCKETS]; /* of what is seen now; the reference has equal ones */
};

/* Groups are one after the other; of drift the first is the reference. */
struct counts {
	double of[2][BUCKETS], samples;
};

static struct random random_source;

static double uniform(void)
{
	return (double)(random_next(&random_source) >> 11) * 0x1p-53;
}

static double successes(size_t trials, double rate)
{
	size_t count = 0;

	for (size_t i = 0; i < trials; i++)
		count += uniform() < rate;
	return (double)count;
}

static void draw_buckets(const double *shares, size_t samples, double *counts)
{
	for (size_t i = 0; i < samples; i++) {
		double at = uniform();
		size_t b = 0;

		while (b + 1 < BUCKETS && at >= shares[b])
			at -= shares[b++];
		counts[b]++;
	}
}

static void draw_reference(const struct world *world, struct counts *to)
{
	static const double equal[BUCKETS] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};

	if (world->kind == DRIFT)
		draw_buckets(equal, REFERENCE, to->of[0]);
}

static void draw(const struct world *world, size_t samples, struct counts *ret_counts)
{
	*ret_counts = (struct counts){.samples = (double)samples};
	if (world->kind == DRIFT) {
		draw_buckets(world->shares, samples, ret_counts->of[1]);
		return;
	}
	ret_counts->of[0][0] = successes(samples, world->rates[0]);
	if (world->kind == RATIO)
		ret_counts->of[1][0] = successes(samples, world->rates[1]);
}

static void add(struct counts *to, const struct counts *what, double sign)
{
	for (size_t g = 0; g < 2; g++)
		for (size_t b = 0; b < BUCKETS; b++)
			to->of[g][b] += sign * what->of[g][b];
	to->samples += sign * what->samples;
}

static bool estimate(const struct world *world, const struct counts *counts, struct interval *ret_interval)
{
	const struct proportion a = {counts->of[0][0], counts->samples}, b = {counts->of[1][0], counts->samples};

	switch (world->kind) {
	case RATIO:
		return !statistics_ratio(a, b, STATISTICS_95, ret_interval);
	case ACCURACY:
		return !statistics_proportion(a, STATISTICS_95, ret_interval);
	default:
		return !statistics_stability(counts->of[0], counts->of[1], BUCKETS, STATISTICS_95, ret_interval);
	}
}

/* ---- gates --------------------------------------------------------------------------------------------------- */

/* As in the design's policy, but that none is latched, so that each false alarm counts by itself; and whatever the
 * number of samples. */
static const struct gate_settings shipped[] = {
	[RATIO] = {.breach_below = 0.8,
		   .breach_above = 1.25,
		   .recover_from = 0.8,
		   .recover_to = 1.25,
		   .breach_for = 1800,
		   .recover_for = 1800,
		   .stale_after = 600,
		   .hold = 1800},
	[ACCURACY] = {.breach_below = 0.90,
		      .breach_above = INFINITY,
		      .recover_from = 0.92,
		      .recover_to = INFINITY,
		      .breach_for = 600,
		      .recover_for = 3600,
		      .stale_after = 600,
		      .hold = 1800},
	[DRIFT] = {.breach_below = -INFINITY,
		   .breach_above = 0.1,
		   .recover_from = -INFINITY,
		   .recover_to = 0.1,
		   .breach_for = 1800,
		   .recover_for = 1800,
		   .stale_after = 600,
		   .hold = 1800},
};

static struct gate_settings without_timers(enum kind kind, enum gate_bound bound)
{
	struct gate_settings settings = shipped[kind];

	settings.bound = bound;
	settings.breach_for = settings.recover_for = 0;
	return settings;
}

static bool is_outside(const struct gate_settings *settings, double low, double high)
{
	return high < settings->breach_below || low > settings->breach_above;
}

struct alarms {
	uint64_t checks, point, interval, denied, breaches;
};

/* A day after the other, each with a gate of its own and a window that is full when it begins. */
static struct alarms watch(const struct world *world, const struct gate_settings *settings, size_t samples)
{
	struct alarms alarms = {0};
	static struct counts window[WINDOW];

	for (int r = 0; r < RUNS; r++) {
		struct counts sum = {0};
		struct gate gate = {0};

		draw_reference(world, &sum);
		for (size_t w = 0; w < WINDOW; w++) {
			draw(world, samples / WINDOW, &window[w]);
			add(&sum, &window[w], 1);
		}
		for (int64_t c = 0; c < CHECKS; c++) {
			struct gate_estimate now = {.observed_at = c * EVERY};
			struct counts *oldest = &window[c % WINDOW];
			struct gate_outcome outcome;

			now.known = estimate(world, &sum, &now.interval);
			gate_step(settings, &gate, &now, c * EVERY, &outcome);
			alarms.checks++;
			alarms.point += now.known && is_outside(settings, now.interval.point, now.interval.point);
			alarms.interval += now.known && is_outside(settings, now.interval.low, now.interval.high);
			alarms.denied += outcome.denies;
			alarms.breaches += outcome.changed && outcome.denies;
			add(&sum, oldest, -1);
			draw(world, samples / WINDOW, oldest);
			add(&sum, oldest, 1);
		}
	}
	return alarms;
}

static double percent(uint64_t part, uint64_t of)
{
	return 100.0 * (double)part / (double)of;
}

static void print_alarms(const char *what, const struct world *world, size_t samples)
{
	struct alarms alarms = watch(world, &shipped[world->kind], samples);

	printf("%-34s %7zu %8.2f %% %8.3f %% %8.3f %% %10.2f\n", what, samples, percent(alarms.point, alarms.checks),
	       percent(alarms.interval, alarms.checks), percent(alarms.denied, alarms.checks),
	       1000.0 * (double)alarms.breaches / ((double)alarms.checks * EVERY / 3600));
}

/* ---- how soon ------------------------------------------------------------------------------------------------ */

/* In how many of a thousand windows of so many samples is the whole interval outside? */
static int found(const struct world *world, const struct gate_settings *settings, size_t samples)
{
	int count = 0;

	for (int r = 0; r < 1000; r++) {
		struct counts counts, reference = {0};
		struct interval interval;

		draw(world, samples, &counts);
		draw_reference(world, &reference);
		add(&counts, &reference, 1);
		count += estimate(world, &counts, &interval) && is_outside(settings, interval.low, interval.high);
	}
	return count;
}

/* The smallest window, in steps of a fiftieth of it or so, that finds it in 95 % of the cases. */
static size_t window_that_finds(const struct world *world)
{
	size_t low = 20, high = 40;

	while (found(world, &shipped[world->kind], high) < 950) {
		low = high;
		high *= 2;
	}
	while (high - low > high / 50 + 1) {
		size_t middle = low + (high - low) / 2;

		if (found(world, &shipped[world->kind], middle) < 950)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static int compare(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* Counts since the beginning, a check each 30 s: with how many samples had 95 % of the gates breached? */
static size_t growing_until_breach(const struct world *world, size_t each)
{
	static size_t samples[RUNS];

	for (int r = 0; r < RUNS; r++) {
		struct counts sum = {0};
		struct gate gate = {0};
		struct gate_outcome outcome = {.denies = false};

		draw_reference(world, &sum);
		for (int64_t now = 0; !outcome.denies; now += EVERY) {
			struct gate_estimate estimated = {.observed_at = now};
			struct counts counts;

			draw(world, each, &counts);
			add(&sum, &counts, 1);
			estimated.known = estimate(world, &sum, &estimated.interval);
			gate_step(&shipped[world->kind], &gate, &estimated, now, &outcome);
		}
		samples[r] = (size_t)sum.samples;
	}
	qsort(samples, RUNS, sizeof(*samples), compare);
	return samples[RUNS * 95 / 100];
}

static void print_found(const char *what, const struct world *world)
{
	printf("%-34s %10zu %16zu\n", what, window_that_finds(world), growing_until_breach(world, 10));
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

/* Buckets that fall from one end to the other: 0 is no drift, 1 is as much as there can be. */
static struct world drift(double slope)
{
	struct world world = {.kind = DRIFT};

	for (size_t b = 0; b < BUCKETS; b++)
		world.shares[b] = (1 + slope * (1 - 2 * (double)b / (BUCKETS - 1))) / BUCKETS;
	return world;
}

static double index_of(const struct world *world)
{
	double sum = 0;

	for (size_t b = 0; b < BUCKETS; b++)
		sum += (world->shares[b] - 0.1) * log(world->shares[b] / 0.1);
	return sum;
}

static void print_bounds(void)
{
	static const double truths[] = {0.90, 0.91, 0.92, 0.93};
	static const size_t sizes[] = {200, 2000};

	puts("\nWhat a gate may hold against a floor of 0.90, share of checks in which that is below it\n"
	     "true accuracy               samples     point   lower end   upper end (the whole interval)");
	for (size_t t = 0; t < ARRAY_COUNT(truths); t++)
		for (size_t s = 0; s < ARRAY_COUNT(sizes); s++) {
			const struct world world = {.kind = ACCURACY, .rates = {truths[t]}};
			struct gate_settings lower = without_timers(ACCURACY, GATE_BOUND_LOWER);
			struct alarms alarms;

			lower.recover_from = lower.breach_below;
			alarms = watch(&world, &lower, sizes[s]);
			printf("%-27.2f %7zu %7.2f %%  %7.2f %%  %8.3f %%\n", truths[t], sizes[s],
			       percent(alarms.point, alarms.checks), percent(alarms.denied, alarms.checks),
			       percent(alarms.interval, alarms.checks));
		}
}

int main(void)
{
	static const size_t of_ratio[] = {200, 1000, 2000}, of_accuracy[] = {200, 1000, 2000},
			    of_drift[] = {80, 200, 1000};
	const struct world equal = {.kind = RATIO, .rates = {0.1, 0.1}},
			   unequal = {.kind = RATIO, .rates = {0.06, 0.1}};
	const struct world fair = {.kind = ACCURACY, .rates = {0.91}}, good = {.kind = ACCURACY, .rates = {0.93}},
			   bad = {.kind = ACCURACY, .rates = {0.85}}, worse = {.kind = ACCURACY, .rates = {0.88}};
	const struct world steady = drift(0), drifted = drift(0.75);
	char text[64];

	random_source.state = 1;
	printf("False alarms: %d days, a check each %d s, over the last %d minutes\n", RUNS, EVERY,
	       WINDOW * EVERY / 60);
	puts("                                   samples      point   interval        gate  breaches per 1,000 h");
	for (size_t i = 0; i < ARRAY_COUNT(of_ratio); i++)
		print_alarms("ratio, outside [0.8, 1.25]: 1", &equal, of_ratio[i]);
	for (size_t i = 0; i < ARRAY_COUNT(of_accuracy); i++)
		print_alarms("accuracy, below 0.90: 0.91", &fair, of_accuracy[i]);
	for (size_t i = 0; i < ARRAY_COUNT(of_accuracy); i++)
		print_alarms("accuracy, below 0.90: 0.93", &good, of_accuracy[i]);
	for (size_t i = 0; i < ARRAY_COUNT(of_drift); i++)
		print_alarms("index of stability, above 0.1: 0", &steady, of_drift[i]);
	puts("\nSamples (of each group) until it is found in 95 % of the cases\n"
	     "                                   one window    gate, ever more");
	print_found("ratio 0.6", &unequal);
	print_found("accuracy 0.85", &bad);
	print_found("accuracy 0.88", &worse);
	snprintf(text, sizeof(text), "index of stability %.2f", index_of(&drifted));
	print_found(text, &drifted);
	print_bounds();
	return EXIT_SUCCESS;
}
