// SPDX-License-Identifier: GPL-2.0-only
#include "govern/least_load.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define ONE (1u << USHER_LOAD_SHIFT)
#define KEPT 0.7	  /* of what earlier observations say of how long connections last */
#define LIFETIME_MIN 0.05 /* s */

const char *const load_basis_words[LOAD_BASES] = {
	[LOAD_BASIS_UNTOLD] = "untold",
	[LOAD_BASIS_OWN] = "own",
	[LOAD_BASIS_PEERS] = "peers",
	[LOAD_BASIS_OPENED] = "opened",
};

double least_load_share(const struct load_facts *facts, uint32_t capacity)
{
	double working = isnan(facts->running) ? facts->use : facts->running / capacity;
	double waiting = facts->waiting / capacity;

	if (isnan(working))
		return waiting;
	return isnan(waiting) ? working : working + waiting;
}

uint32_t least_load_cost(uint32_t capacity)
{
	uint32_t cost = (ONE + capacity / 2) / capacity;

	return cost ? cost : 1;
}

static uint32_t clamp(double share)
{
	double places = share * ONE;

	if (!(places > 0))
		return 0;
	return places < (double)UINT32_MAX ? (uint32_t)places : UINT32_MAX;
}

/* ---- one backend ---------------------------------------------------------------------------------------------- */

/* Seconds that a connection lasts; INFINITY: not known. */
static double lifetime(const struct load_track *track)
{
	double lasts = track->opened_sum > 0 ? track->load_sum / track->opened_sum : INFINITY;

	return lasts < LIFETIME_MIN ? LIFETIME_MIN : lasts;
}

void least_load_observe(struct load_track *track, double share, uint32_t then, int64_t observed_at, uint32_t capacity)
{
	double seconds = (double)(observed_at - track->observed_at) / CLOCK_SECOND;

	if (track->observed_at && seconds > 0) {
		track->load_sum = KEPT * track->load_sum + (track->observed + share) / 2 * seconds;
		track->opened_sum = KEPT * track->opened_sum + (double)(uint32_t)(then - track->then) / capacity;
	}
	track->observed_at = track->at = observed_at;
	track->observed = track->now = share;
	track->then = track->opened = then;
}

double least_load_go_on(struct load_track *track, uint32_t opened, int64_t now, uint32_t capacity)
{
	double seconds = now > track->at ? (double)(now - track->at) / CLOCK_SECOND : 0;
	double stays = exp(-seconds / lifetime(track));

	/* Those that have come since did so half of that time ago, on average. */
	track->now = track->now * stays + (double)(uint32_t)(opened - track->opened) / capacity * sqrt(stays);
	track->opened = opened;
	if (now > track->at)
		track->at = now;
	return track->now;
}

/* ---- all of them ---------------------------------------------------------------------------------------------- */

/* What a model's backends come to together. */
struct median {
	bool sought, known;
	uint64_t share;
};

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* Of the model's backends that are known and may start; or, if none of these may start, of all that are known. */
static struct median median_of(const struct load_view *views, size_t count, size_t model, uint64_t *estimates)
{
	size_t known = 0;

	for (int any = 0; !known && any < 2; any++)
		for (size_t i = 0; i < count; i++)
			if (views[i].model == model && !isnan(views[i].share) && (any || views[i].starts))
				estimates[known++] = clamp(views[i].share);
	if (!known)
		return (struct median){.sought = true};
	qsort(estimates, known, sizeof(*estimates), compare);
	return (struct median){true, true,
			       estimates[(known - 1) / 2] + (estimates[known / 2] - estimates[(known - 1) / 2]) / 2};
}

/* One whose own load is not known. */
static struct load_telling tell_missing(const struct load_view *view, const struct median *median)
{
	if (!median->known)
		return (struct load_telling){.basis = LOAD_BASIS_OPENED, .opened = view->mark};
	return (struct load_telling){.basis = LOAD_BASIS_PEERS,
				     .share = (uint32_t)(median->share < UINT32_MAX ? median->share : UINT32_MAX),
				     .opened = view->opened};
}

int least_load_judge(const struct load_view *views, size_t count, struct load_telling *ret_tellings)
{
	_cleanup_free_ uint64_t *estimates = calloc(count + 1, sizeof(*estimates));
	_cleanup_free_ struct median *medians = NULL;
	size_t models = 0;

	for (size_t i = 0; i < count; i++)
		if (models <= views[i].model)
			models = views[i].model + 1;
	medians = calloc(models + 1, sizeof(*medians));
	if (!estimates || !medians)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct load_view *view = &views[i];
		struct median *median = &medians[view->model];

		if (!isnan(view->share)) {
			ret_tellings[i] = (struct load_telling){
				.basis = LOAD_BASIS_OWN, .share = clamp(view->share), .opened = view->opened};
		} else {
			if (!median->sought)
				*median = median_of(views, count, view->model, estimates);
			ret_tellings[i] = tell_missing(view, median);
		}
		ret_tellings[i].cost = least_load_cost(view->capacity);
	}
	return 0;
}
