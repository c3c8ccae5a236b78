// SPDX-License-Identifier: GPL-2.0-only
#include "govern/surge.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"

const char *const surge_verdict_names[SURGE_VERDICTS] = {
	[SURGE_UNKNOWN] = "unknown",
	[SURGE_LOW] = "low",
	[SURGE_BETWEEN] = "between",
	[SURGE_HIGH] = "high",
};

const char *surge_fault(const struct surge_settings *settings)
{
	if (!isfinite(settings->open_at) || !isfinite(settings->close_at))
		return "a limit is no number";
	if (settings->close_at <= 0)
		return "nothing is low enough to close";
	if (settings->close_at >= settings->open_at)
		return "closes where it opens";
	if (settings->tiers < 1 || settings->tiers > SURGE_TIERS_MAX)
		return "no such number of tiers";
	if (settings->sheds && (settings->steps < 1 || settings->steps > SURGE_STEPS_MAX))
		return "no such number of steps";
	return NULL;
}

/* ---- what is measured ---------------------------------------------------------------------------------------- */

static void free_doubles(double **doubles)
{
	free(*doubles);
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static bool is_known(const struct surge_backend *backend)
{
	return isfinite(backend->load) && backend->load >= 0;
}

static double median(double *values, size_t count)
{
	if (!count)
		return NAN;
	qsort(values, count, sizeof(*values), compare_doubles);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int surge_measure(const struct surge_backend *backends, size_t count, double most, struct surge_measure *ret_measure)
{
	_cleanup_(free_doubles) double *ratios = calloc(count ? count : 1, sizeof(*ratios));
	struct surge_measure measure = {.backends = count};
	double middle;

	if (!ratios)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (is_known(&backends[i]))
			ratios[measure.known++] = backends[i].load / backends[i].capacity;
	middle = median(ratios, measure.known);
	for (size_t i = 0; i < count; i++) {
		const struct surge_backend *backend = &backends[i];
		double ratio = is_known(backend) ? backend->load / backend->capacity : middle;

		measure.capacity[backend->tier] += backend->capacity;
		measure.load[backend->tier] += (ratio > most ? most : ratio) * backend->capacity;
	}
	for (size_t t = 0; !measure.known && t < SURGE_TIERS_MAX; t++)
		measure.load[t] = NAN;
	*ret_measure = measure;
	return 0;
}

static double sum(const double *of, uint32_t tiers)
{
	double total = 0;

	for (uint32_t t = 0; t < tiers; t++)
		total += of[t];
	return total;
}

/* Nothing over nothing is not known: no tier closes towards one that has nobody. */
static double over(double load, double capacity)
{
	return capacity > 0 ? load / capacity : NAN;
}

/* ---- the ladder ---------------------------------------------------------------------------------------------- */

static uint32_t open_at_rung(const struct surge_settings *settings, uint32_t rung)
{
	return rung < settings->tiers ? rung + 1 : settings->tiers;
}

static uint32_t shed_at_rung(const struct surge_settings *settings, uint32_t rung)
{
	return rung < settings->tiers ? 0 : rung - settings->tiers + 1;
}

/* Where nobody is in the open tiers, the next one that has anybody is open, and it is its load that counts. */
static uint32_t open_in_truth(const struct surge_settings *settings, const struct surge_measure *measure, uint32_t open)
{
	while (open < settings->tiers && !(sum(measure->capacity, open) > 0))
		open++;
	return open;
}

static void look(const struct surge_settings *settings, const struct surge *surge, const struct surge_measure *measure,
		 struct surge_outcome *outcome)
{
	uint32_t open = open_in_truth(settings, measure, outcome->was_open);
	double load = sum(measure->load, open);

	outcome->ratio = over(load, sum(measure->capacity, open));
	outcome->without = NAN;
	if (surge->rung)
		outcome->without = over(load, sum(measure->capacity, open_at_rung(settings, surge->rung - 1)));
	if (isnan(outcome->ratio))
		outcome->verdict = SURGE_UNKNOWN;
	else if (outcome->ratio >= settings->open_at)
		outcome->verdict = SURGE_HIGH;
	else if (outcome->without <= settings->close_at)
		outcome->verdict = SURGE_LOW;
	else
		outcome->verdict = SURGE_BETWEEN;
}

static int64_t add(int64_t to, int64_t seconds)
{
	return to > INT64_MAX - seconds ? INT64_MAX : to + seconds;
}

/* Seconds that count since the last step. */
static int64_t passed(const struct surge *surge, int64_t now)
{
	int64_t seconds;

	if (!surge->stepped || now < surge->stepped_at || __builtin_sub_overflow(now, surge->stepped_at, &seconds))
		return 0;
	return seconds <= SURGE_PAUSE ? seconds : 0;
}

/* Time counts for what was found at both of its ends. */
static void count_time(const struct surge_settings *settings, struct surge *surge, enum surge_verdict verdict,
		       int64_t seconds)
{
	bool settled = surge->rung_for >= settings->dwell;

	surge->rung_for = add(surge->rung_for, seconds);
	surge->fall_for = add(surge->fall_for, seconds);
	if (verdict != SURGE_HIGH && verdict != SURGE_UNKNOWN)
		surge->high_for = 0;
	if (verdict != SURGE_LOW)
		surge->low_for = 0;
	if (!settled || verdict != surge->verdict)
		return;
	if (verdict == SURGE_HIGH)
		surge->high_for = add(surge->high_for, seconds);
	if (verdict == SURGE_LOW)
		surge->low_for = add(surge->low_for, seconds);
}

static int64_t close_after(const struct surge_settings *settings, const struct surge *surge)
{
	return (int64_t)settings->close_for << surge->strikes;
}

static void climb(const struct surge_settings *settings, struct surge *surge)
{
	int64_t too_early = SURGE_EARLY * close_after(settings, surge) + settings->dwell + settings->open_for;

	if (surge->fell && surge->fall_for <= too_early) {
		if (surge->strikes < SURGE_STRIKES_MAX)
			surge->strikes++;
	} else if (surge->fell) {
		surge->strikes = 0;
	}
	surge->rung++;
	surge->fell = 0;
}

static void descend(struct surge *surge)
{
	if (surge->fell && surge->strikes)
		surge->strikes--;
	surge->rung--;
	surge->fell = 1;
	surge->fall_for = 0;
}

static bool move(const struct surge_settings *settings, struct surge *surge, enum surge_verdict verdict)
{
	uint32_t last = settings->tiers - 1 + settings->sheds;

	if (verdict == SURGE_HIGH && surge->rung < last && surge->high_for >= settings->open_for &&
	    surge->rung_for >= settings->dwell)
		climb(settings, surge);
	else if (verdict == SURGE_LOW && surge->rung && surge->low_for >= close_after(settings, surge) &&
		 surge->rung_for >= settings->dwell)
		descend(surge);
	else
		return false;
	surge->rung_for = surge->high_for = surge->low_for = 0;
	return true;
}

void surge_step(const struct surge_settings *settings, struct surge *surge, const struct surge_measure *measure,
		int64_t now, struct surge_outcome *ret_outcome)
{
	uint32_t last = settings->tiers - 1 + settings->sheds;
	struct surge_outcome outcome = {0};

	if (!surge->stepped)
		*surge = (struct surge){.stepped_at = now, .rung_for = settings->dwell};
	if (surge->rung > last)
		surge->rung = last;
	outcome.was_open = open_at_rung(settings, surge->rung);
	outcome.was_shed = shed_at_rung(settings, surge->rung);
	look(settings, surge, measure, &outcome);
	count_time(settings, surge, outcome.verdict, passed(surge, now));
	outcome.changed = move(settings, surge, outcome.verdict);
	surge->stepped = 1;
	surge->stepped_at = now;
	surge->verdict = (uint8_t)outcome.verdict;
	outcome.open = open_at_rung(settings, surge->rung);
	outcome.shed = shed_at_rung(settings, surge->rung);
	outcome.close_after = close_after(settings, surge);
	*ret_outcome = outcome;
}

uint32_t surge_rung(const struct surge_settings *before, const struct surge_settings *now, uint32_t rung)
{
	uint32_t further = now->tiers - 1, shed = shed_at_rung(before, rung);

	/* Rounded down: a part of a priority that the others do not know is not shed. */
	uint32_t like = shed && now->sheds ? (uint32_t)((uint64_t)shed * now->steps / before->steps) : 0;
	uint32_t most = further + (like < now->sheds ? like : now->sheds);

	rung = rung - shed + like;
	return rung < most ? rung : most;
}

uint32_t surge_whole(const struct surge_settings *settings, uint32_t shed)
{
	return shed ? shed / settings->steps : 0;
}

uint32_t surge_part(const struct surge_settings *settings, uint32_t shed)
{
	return shed ? shed % settings->steps * 100 / settings->steps : 0;
}

bool surge_is_sound(const struct surge *surge)
{
	if (!surge->stepped)
		return true;
	return surge->stepped == 1 && surge->fell <= 1 && surge->verdict < SURGE_VERDICTS &&
	       surge->strikes <= SURGE_STRIKES_MAX && surge->rung_for >= 0 && surge->high_for >= 0 &&
	       surge->low_for >= 0 && surge->fall_for >= 0;
}

/* ---- priorities ---------------------------------------------------------------------------------------------- */

/* The lowest that is `from` or more; false: there is none. */
static bool lowest_from(const uint32_t *priorities, size_t count, uint64_t from, uint32_t *ret_lowest)
{
	bool found = false;

	for (size_t i = 0; i < count; i++)
		if (priorities[i] >= from && (!found || priorities[i] < *ret_lowest)) {
			*ret_lowest = priorities[i];
			found = true;
		}
	return found;
}

uint32_t surge_sheds(const uint32_t *priorities, size_t count)
{
	uint32_t different = 0, lowest = 0;

	for (uint64_t from = 0; lowest_from(priorities, count, from, &lowest); from = (uint64_t)lowest + 1)
		different++;
	return different ? different - 1 : 0;
}

uint32_t surge_floor(const uint32_t *priorities, size_t count, uint32_t shed)
{
	uint32_t lowest = 0;

	if (!lowest_from(priorities, count, 0, &lowest))
		return 0;
	while (shed-- && lowest_from(priorities, count, (uint64_t)lowest + 1, &lowest))
		;
	return lowest;
}
