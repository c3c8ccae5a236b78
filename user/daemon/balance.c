// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/balance.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/core.h"

#define HISTORY 64		 /* moments: 12.8 s, more than a page may take */
#define MARKS (5 * CLOCK_SECOND) /* between marks: how long connections count where no load is known */

struct moment {
	int64_t at; /* 0: none */
	uint32_t opened[USHER_BACKENDS_MAX];
};

/* What is kept of a backend, by number. */
struct kept {
	struct load_track track;
	uint32_t mark;
	enum load_basis basis;
};

struct balance {
	struct loads *loads;
	int64_t marked;
	size_t last; /* moment */
	struct moment history[HISTORY];
	struct kept kept[USHER_BACKENDS_MAX];
};

int balance_open(const struct program *program, struct problem *problem, struct balance **ret_balance)
{
	struct balance *balance = calloc(1, sizeof(*balance));
	int error;

	if (!balance)
		return -ENOMEM;
	error = loads_open(program, problem, &balance->loads);
	if (error) {
		free(balance);
		return error;
	}
	*ret_balance = balance;
	return 0;
}

void balance_close(struct balance *balance)
{
	if (!balance)
		return;
	loads_close(balance->loads);
	free(balance);
}

void balance_forget(struct balance *balance, uint16_t backend)
{
	balance->kept[backend] = (struct kept){.mark = loads_read(balance->loads, backend).opened};
	loads_tell(balance->loads, backend, 0, 0, 0);
}

static bool is_balanced(const struct policy *policy, size_t model)
{
	for (size_t s = 0; s < policy->service_count; s++)
		if (policy->services[s].least_load && policy->services[s].model == model)
			return true;
	return false;
}

/* Invariant 2. */
static bool is_waiting(const struct core *core, size_t model)
{
	bool scraped = false;

	for (size_t b = 0; b < core->policy->backend_count; b++) {
		const struct backend *backend = &core->policy->backends[b];

		if (core->policy->versions[backend->version].model != model || backend->load.server == LOAD_NOT_SCRAPED)
			continue;
		if (core->facts.backends[b].load.asked)
			return false;
		scraped = true;
	}
	return scraped;
}

static void note_moment(struct balance *balance, int64_t now)
{
	struct moment *moment;

	balance->last = (balance->last + 1) % HISTORY;
	moment = &balance->history[balance->last];
	moment->at = now;
	for (uint16_t b = 0; b < USHER_BACKENDS_MAX; b++)
		moment->opened[b] = loads_read(balance->loads, b).opened;
	if (now - balance->marked < MARKS)
		return;
	balance->marked = now;
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		balance->kept[b].mark = moment->opened[b];
}

/* How many connections had been opened at that time: between two moments as a straight line has it, before all of them as the first. */
static uint32_t opened_at(const struct balance *balance, uint16_t backend, int64_t at)
{
	const struct moment *later = &balance->history[balance->last];

	for (size_t back = 1; back < HISTORY && later->at > at; back++) {
		const struct moment *earlier = &balance->history[(balance->last + HISTORY - back) % HISTORY];

		if (!earlier->at)
			break;
		if (earlier->at <= at) {
			uint32_t between = later->opened[backend] - earlier->opened[backend];
			double part = (double)(at - earlier->at) / (double)(later->at - earlier->at);

			return earlier->opened[backend] + (uint32_t)(between * part);
		}
		later = earlier;
	}
	return later->opened[backend];
}

static struct load_view view_of(struct core *core, size_t index, uint16_t number, int64_t now)
{
	struct balance *balance = core->balance;
	const struct backend *backend = &core->policy->backends[index];
	const struct load_facts *facts = &core->facts.backends[index].load;
	struct kept *kept = &balance->kept[number];
	double share = least_load_share(facts, backend->capacity);
	bool known = backend->load.server != LOAD_NOT_SCRAPED && core_load_is_fresh(&backend->load, facts, now) &&
		     !isnan(share);
	uint32_t opened = balance->history[balance->last].opened[number];

	if (known && facts->observed_at != kept->track.observed_at)
		least_load_observe(&kept->track, share, opened_at(balance, number, facts->observed_at),
				   facts->observed_at, backend->capacity);
	if (known)
		share = least_load_go_on(&kept->track, opened, now, backend->capacity);
	return (struct load_view){.model = core->policy->versions[backend->version].model,
				  .capacity = backend->capacity,
				  .starts = effective_starts(core->effective, index),
				  .share = known ? share : NAN,
				  .opened = opened,
				  .mark = kept->mark};
}

static void tell(struct balance *balance, const uint16_t *numbers, const struct load_view *views, size_t count)
{
	struct load_telling *tellings = calloc(count + 1, sizeof(*tellings));

	if (!tellings || least_load_judge(views, count, tellings))
		abort();
	for (size_t i = 0; i < count; i++) {
		balance->kept[numbers[i]].basis = tellings[i].basis;
		loads_tell(balance->loads, numbers[i], tellings[i].share, tellings[i].opened, tellings[i].cost);
	}
	free(tellings);
}

/* What is to be done about a model's backends. */
enum treatment { LEAVE, TELL, FORGET };

static enum treatment treatment_of(const struct core *core, size_t model)
{
	if (!is_balanced(core->policy, model))
		return FORGET;
	return is_waiting(core, model) ? LEAVE : TELL;
}

/* The backends that are to be told of, by number; returns how many. */
static size_t collect(struct core *core, const enum treatment *treatments, int64_t now, uint16_t *numbers,
		      struct load_view *views)
{
	size_t count = 0;

	for (uint16_t b = 0; b < USHER_BACKENDS_MAX; b++) {
		const char *name = core->catalog->backends[b].name;
		enum treatment treatment;
		size_t index;

		if (!name || core_backend(core, name, &index))
			continue;
		treatment = treatments[core->policy->versions[core->policy->backends[index].version].model];
		if (treatment == FORGET && loads_read(core->balance->loads, b).cost)
			balance_forget(core->balance, b);
		if (treatment != TELL)
			continue;
		numbers[count] = b;
		views[count++] = view_of(core, index, b, now);
	}
	return count;
}

void balance_tick(struct core *core, int64_t now)
{
	_cleanup_free_ enum treatment *treatments = NULL;
	_cleanup_free_ struct load_view *views = NULL;
	_cleanup_free_ uint16_t *numbers = NULL;

	if (!core->policy || !core->catalog || !core->effective)
		return;
	treatments = calloc(core->policy->model_count + 1, sizeof(*treatments));
	views = calloc(USHER_BACKENDS_MAX, sizeof(*views));
	numbers = calloc(USHER_BACKENDS_MAX, sizeof(*numbers));
	if (!treatments || !views || !numbers)
		abort();
	for (size_t m = 0; m < core->policy->model_count; m++)
		treatments[m] = treatment_of(core, m);
	note_moment(core->balance, now);
	tell(core->balance, numbers, views, collect(core, treatments, now, numbers, views));
}

void balance_view(const struct balance *balance, uint16_t backend, struct balance_view *ret_view)
{
	struct usher_load load = loads_read(balance->loads, backend);
	const double one = 1u << USHER_LOAD_SHIFT;

	*ret_view = (struct balance_view){.basis = load.cost ? balance->kept[backend].basis : LOAD_BASIS_UNTOLD,
					  .told = (double)(load.told >> 32) / one,
					  .opened = load.opened - (uint32_t)load.told,
					  .now = (double)usher_load_now(&load) / one};
}
