// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load balancing in simulation: ten backends of equal capacity, of which one secretly works at half speed, each scraped every 5 s at a
 * time of its own, and connections that come at random. Peak to fair is the most connections that any backend had at a time, over what
 * each would have had then if all had had the same; its worst moment, and its mean over time. Herd is the largest part that one backend
 * got of the connections of half a second, over its tenth. Chance alone makes either more than 1. `balance.bench` takes no argument; its
 * seeds are fixed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usher/load.h"
#include "usher/ring_hash.h"

#include "base/array.h"
#include "base/clock.h"
#include "compile/ring.h"
#include "govern/least_load.h"

#include "../model/random.h"

#define BACKENDS 10
#define SLOW 3	      /* the one at half speed */
#define CAPACITY 1000 /* of each */
#define SCRAPE 5.0    /* s */
#define TELLING 0.2   /* s between two */
#define PAGE 0.05     /* s that a page is under way */
#define WARM 120.0    /* s before anything is measured */
#define LONG 600.0
#define RUNS 15
#define SLOTS 8192
#define OPEN_MAX 32768
#define WINDOW 0.5 /* s of a herd */

enum way { MAGLEV, ROUND_ROBIN, LEAST_CONNECTIONS, LOWEST_SCRAPED, TWO_SCRAPED, TWO_OPENED, LEAST_LOAD, WAYS };

static const char *const way_names[] = {"maglev",	   "round robin",      "least connections", "lowest scraped",
					"two, as scraped", "two, with opened", "least-load"};

struct server {
	uint32_t open;
	uint32_t scraped, seen_opened; /* what a page under way says */
	double page_at, next_scrape;   /* when it arrives; INFINITY: none is under way */
	double observed_at;
	struct load_track track;
	struct usher_load load;
};

struct connection {
	double ends;
	uint32_t server;
};

struct figures {
	double worst, mean, herd;
};

struct world {
	struct random random;
	struct server servers[BACKENDS];
	struct connection heap[OPEN_MAX]; /* the one that ends first on top */
	size_t open;
	uint32_t turn, window[BACKENDS], window_sum;
	double next_telling, now, window_ends, span, sum, herd_sum, worst;
	size_t windows;
	uint16_t slots[SLOTS];
};

static double uniform(struct random *random)
{
	return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

/* ---- connections ---------------------------------------------------------------------------------------------- */

static void push(struct world *world, struct connection connection)
{
	size_t at = world->open++;

	if (world->open > OPEN_MAX)
		abort();
	for (; at && world->heap[(at - 1) / 2].ends > connection.ends; at = (at - 1) / 2)
		world->heap[at] = world->heap[(at - 1) / 2];
	world->heap[at] = connection;
}

static struct connection pop(struct world *world)
{
	struct connection top = world->heap[0], last = world->heap[--world->open];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < world->open) {
		child += child + 1 < world->open && world->heap[child + 1].ends < world->heap[child].ends;
		if (world->heap[child].ends >= last.ends)
			break;
		world->heap[at] = world->heap[child];
		at = child;
	}
	world->heap[at] = last;
	return top;
}

/* ---- whom to give it ------------------------------------------------------------------------------------------- */

static uint32_t least(struct world *world, bool scraped)
{
	uint32_t best = random_below(&world->random, BACKENDS);

	for (uint32_t i = 0; i < BACKENDS; i++) {
		const struct server *one = &world->servers[i], *other = &world->servers[best];

		if (scraped ? one->load.told >> 32 < other->load.told >> 32 : one->open < other->open)
			best = i;
	}
	return best;
}

static uint32_t choose(struct world *world, enum way way)
{
	uint64_t hash = random_next(&world->random);
	uint32_t first = world->slots[usher_ring_slot(hash, 1, SLOTS)];
	uint32_t second = world->slots[usher_ring_rival(hash, 1, SLOTS)];
	const struct usher_load *a = &world->servers[first].load, *b = &world->servers[second].load;

	switch (way) {
	case ROUND_ROBIN:
		return world->turn++ % BACKENDS;
	case LEAST_CONNECTIONS:
		return least(world, false);
	case LOWEST_SCRAPED:
		return least(world, true);
	case TWO_SCRAPED:
		return b->told >> 32 < a->told >> 32 ? second : first;
	case TWO_OPENED:
	case LEAST_LOAD:
		return usher_load_now(b) < usher_load_now(a) ? second : first;
	default:
		return first;
	}
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static void measure(struct world *world, double until)
{
	uint32_t most = 0;
	double ratio;

	for (size_t i = 0; i < BACKENDS; i++)
		if (world->servers[i].open > most)
			most = world->servers[i].open;
	if (until > WARM && world->open) {
		ratio = (double)most * BACKENDS / (double)world->open;
		world->sum += ratio * (until - world->now);
		world->span += until - world->now;
		if (ratio > world->worst)
			world->worst = ratio;
	}
	world->now = until;
	if (until < world->window_ends)
		return;
	most = 0;
	for (size_t i = 0; i < BACKENDS; i++)
		if (world->window[i] > most)
			most = world->window[i];
	if (until > WARM && world->window_sum) {
		world->herd_sum += (double)most * BACKENDS / world->window_sum;
		world->windows++;
	}
	memset(world->window, 0, sizeof(world->window));
	world->window_sum = 0;
	world->window_ends = until + WINDOW;
}

static int64_t clock_of(double seconds)
{
	return (int64_t)((seconds + 1) * CLOCK_SECOND);
}

/* As the daemon does. */
static void scrape(struct server *server, double now)
{
	struct load_facts facts = {.running = server->scraped, .waiting = NAN, .use = NAN};

	if (server->page_at <= now) {
		least_load_observe(&server->track, least_load_share(&facts, CAPACITY), server->seen_opened,
				   clock_of(server->observed_at), CAPACITY);
		server->page_at = INFINITY;
	}
	if (server->next_scrape <= now) {
		server->scraped = server->open;
		server->seen_opened = server->load.opened;
		server->observed_at = now;
		server->page_at = now + PAGE;
		server->next_scrape += SCRAPE;
	}
}

/* As the daemon does; or what was scraped, as it is; or that and what has been opened since. */
static void tell(struct server *server, enum way way, double now)
{
	struct load_view view = {.capacity = CAPACITY, .starts = true, .opened = server->load.opened};
	struct load_telling telling;

	if (!server->track.observed_at)
		return;
	view.share = way == LEAST_LOAD ? least_load_go_on(&server->track, view.opened, clock_of(now), CAPACITY)
				       : server->track.observed;
	if (least_load_judge(&view, 1, &telling))
		abort();
	if (way != LEAST_LOAD)
		telling.opened = server->track.then;
	server->load.told = USHER_LOAD_TELL(telling.share, telling.opened);
	server->load.cost = telling.cost;
}

static double next_page(const struct world *world)
{
	double next = world->next_telling;

	for (size_t i = 0; i < BACKENDS; i++)
		next = fmin(next, fmin(world->servers[i].page_at, world->servers[i].next_scrape));
	return next;
}

static void arrive(struct world *world, enum way way, double lasts)
{
	uint32_t chosen = choose(world, way);

	world->servers[chosen].open++;
	world->servers[chosen].load.opened++;
	world->window[chosen]++;
	world->window_sum++;
	push(world,
	     (struct connection){world->now - log(uniform(&world->random)) * lasts * (chosen == SLOW ? 2 : 1), chosen});
}

static struct figures simulate(enum way way, double lasts, double rate, uint64_t seed)
{
	static struct world world;
	struct ring_member members[BACKENDS];
	double next_arrival = 0;

	memset(&world, 0, sizeof(world));
	world.random.state = seed;
	for (size_t i = 0; i < BACKENDS; i++) {
		members[i] = (struct ring_member){random_next(&world.random), 1, (uint16_t)i, 0};
		world.servers[i].next_scrape = SCRAPE * uniform(&world.random);
		world.servers[i].page_at = INFINITY;
		world.servers[i].load.cost = least_load_cost(CAPACITY);
	}
	if (ring_fill(members, BACKENDS, SLOTS, world.slots))
		abort();
	while (world.now < WARM + LONG) {
		double ends = world.open ? world.heap[0].ends : INFINITY, page = next_page(&world);

		measure(&world, fmin(fmin(ends, page), next_arrival));
		if (world.now == ends) {
			world.servers[pop(&world).server].open--;
		} else if (world.now == page) {
			for (size_t i = 0; i < BACKENDS; i++)
				scrape(&world.servers[i], world.now);
			for (size_t i = 0; i < BACKENDS && world.now == world.next_telling; i++)
				tell(&world.servers[i], way, world.now);
			if (world.now == world.next_telling)
				world.next_telling += TELLING;
		} else {
			arrive(&world, way, lasts);
			next_arrival = world.now - log(uniform(&world.random)) / rate;
		}
	}
	return (struct figures){world.worst, world.sum / world.span, world.herd_sum / (double)world.windows};
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void report(enum way way, double lasts, double rate)
{
	double worst[RUNS], mean[RUNS], herd[RUNS];

	for (size_t i = 0; i < RUNS; i++) {
		struct figures figures = simulate(way, lasts, rate, 1000 + i);

		worst[i] = figures.worst;
		mean[i] = figures.mean;
		herd[i] = figures.herd;
	}
	qsort(worst, RUNS, sizeof(*worst), compare);
	qsort(mean, RUNS, sizeof(*mean), compare);
	qsort(herd, RUNS, sizeof(*herd), compare);
	printf("  %-18s %7.2f  (%.2f to %.2f)  %7.2f  %7.2f\n", way_names[way], worst[RUNS / 2], worst[0],
	       worst[RUNS - 1], mean[RUNS / 2], herd[RUNS / 2]);
}

int main(void)
{
	static const struct {
		double lasts, rate;
	} loads[] = {{20, 200}, {2, 2000}, {20, 30}, {2, 300}};

	for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
		printf("connections of %g s (mean, exponential), %g a second: about %g open on each of %d backends\n"
		       "  %-18s %7s  %-14s  %7s  %7s\n",
		       loads[i].lasts, loads[i].rate, loads[i].lasts * loads[i].rate / BACKENDS, BACKENDS, "", "peak",
		       "over 15 seeds", "mean", "herd");
		for (int way = 0; way < WAYS; way++)
			report((enum way)way, loads[i].lasts, loads[i].rate);
	}
	return 0;
}
