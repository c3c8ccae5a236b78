// SPDX-License-Identifier: GPL-2.0-only
#include "govern/least_load.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define ONE (1u << USHER_LOAD_SHIFT)

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

/* What a model's backends come to together. */
struct median {
	bool sought, known;
	uint64_t share;
};

/* As the kernel would have it now. */
static uint64_t estimate(const struct load_view *view)
{
	const struct usher_load load = {.told = USHER_LOAD_TELL(clamp(view->share), view->then),
					.opened = view->opened,
					.cost = least_load_cost(view->capacity)};

	return usher_load_now(&load);
}

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
				estimates[known++] = estimate(&views[i]);
	if (!known)
		return (struct median){.sought = true};
	qsort(estimates, known, sizeof(*estimates), compare);
	return (struct median){true, true, estimates[(known - 1) / 2] / 2 + estimates[known / 2] / 2};
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
				.basis = LOAD_BASIS_OWN, .share = clamp(view->share), .opened = view->then};
		} else {
			if (!median->sought)
				*median = median_of(views, count, view->model, estimates);
			ret_tellings[i] = tell_missing(view, median);
		}
		ret_tellings[i].cost = least_load_cost(view->capacity);
	}
	return 0;
}
