/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How far a service gives way to load: which overflow tiers are open, and how many priorities of tenants are shed, the last one of
 * them perhaps in part. Pure;
 * time is an argument, in seconds.
 *
 * 1. It is a ladder with one place on it: first each further tier, then each priority but the highest. One rung a step,
 *    down in the reverse order.
 * 2. Up, when load over capacity of the open tiers has been open_at or more for open_for. Down, when the load of the
 *    open tiers would be close_at or less of what stays open without this rung, for close_for. So a tier does not close
 *    because it has taken load off the others. While nobody is in the open tiers, the next one that has anybody counts
 *    among them, for it is what answers: its load leads to the tiers behind it, and to shedding.
 * 3. What a shed priority would bring is not known. A way up soon after a way down (SURGE_EARLY times what that had
 *    waited, for load takes its time to come back) says that it was too early: the next one waits twice as long, up to
 *    SURGE_STRIKES_MAX doublings. A way down that was followed by another takes one of them back.
 * 4. Unknown counts for neither: the time towards a way up stands still, that towards a way down begins anew.
 * 5. Each change is given `dwell` to show its effect before anything counts again.
 * 6. A clock that is set back takes no time, nor does a pause of more than SURGE_PAUSE between two steps: a restart is
 *    no evidence.
 */
#ifndef USHER_GOVERN_SURGE_H
#define USHER_GOVERN_SURGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SURGE_TIERS_MAX 8 /* tier 0 among them */
#define SURGE_STRIKES_MAX 6
#define SURGE_EARLY 4
#define SURGE_PAUSE 60
#define SURGE_STEPS_MAX 10

struct surge_settings {
	double open_at, close_at;	     /* load over capacity; 0 < close_at < open_at */
	uint32_t open_for, close_for, dwell; /* seconds */
	uint32_t tiers;			     /* 1..SURGE_TIERS_MAX */
	uint32_t sheds; /* rungs of shedding: `steps` for each priority that may be shed; 0: none */
	uint32_t steps; /* 1..SURGE_STEPS_MAX, where there is shedding */
};

/* What is wrong with these settings, in a few words; NULL: nothing. */
const char *surge_fault(const struct surge_settings *settings);

/* A backend that may start flows of the service, or could if its tier were open. */
struct surge_backend {
	uint32_t tier;
	double capacity; /* requests it takes at once, above 0 */
	double load;	 /* requests it has, waiting or running; NAN: not known */
};

struct surge_measure {
	double capacity[SURGE_TIERS_MAX]; /* of the tier by itself */
	double load[SURGE_TIERS_MAX];	  /* the same; NAN in all: nothing is known of anybody */
	size_t known, backends;
};

/*
 * Sums by tier. Of whom nothing is known counts as having the median of the others' load over capacity; an infinite or
 * negative load is none. `most`: a backend's load counts up to so many times its capacity, so that one that says something absurd does not
 * speak for all. Returns 0 or -ENOMEM; tiers are below SURGE_TIERS_MAX.
 */
int surge_measure(const struct surge_backend *backends, size_t count, double most, struct surge_measure *ret_measure);

#define SURGE_MOST 2 /* times open_at, of a backend by itself */

enum surge_verdict { SURGE_UNKNOWN, SURGE_LOW, SURGE_BETWEEN, SURGE_HIGH, SURGE_VERDICTS };
extern const char *const surge_verdict_names[SURGE_VERDICTS];

/* All that is remembered: no pointer, no padding. All zero has never been stepped. */
struct surge {
	int64_t stepped_at;
	int64_t rung_for, high_for, low_for, fall_for; /* seconds; fall_for: since the last way down */
	uint32_t rung, strikes;
	uint8_t stepped, verdict;
	uint8_t fell; /* the last change was a way down */
	uint8_t padding[5];
};
_Static_assert(sizeof(struct surge) == 56, "struct surge has padding");

struct surge_outcome {
	uint32_t open, shed; /* tiers that are open, at least 1; rungs of shedding */
	uint32_t was_open, was_shed;
	bool changed;	/* by this step */
	double ratio;	/* load over capacity of the tiers that were open; NAN: not known */
	double without; /* the same load over what stays open one rung lower; NAN: not known, or no rung is lower */
	enum surge_verdict verdict;
	int64_t close_after; /* how long the next way down waits: close_for and its doublings */
};

/* `settings` have no fault and may be others than at the last step: with fewer rungs than it has climbed, it is on the last one. */
void surge_step(const struct surge_settings *settings, struct surge *surge, const struct surge_measure *measure,
		int64_t now, struct surge_outcome *ret_outcome);

/* The rung of other settings that is the like of this one: nobody is shed who was not, and fewer tiers are no reason to. */
uint32_t surge_rung(const struct surge_settings *before, const struct surge_settings *now, uint32_t rung);

/* What so many rungs of shedding are: priorities that are shed, from the lowest, and per cent of the next one's new connections. */
uint32_t surge_whole(const struct surge_settings *settings, uint32_t shed);
uint32_t surge_part(const struct surge_settings *settings, uint32_t shed);

/* Are these bytes, read from somewhere, what a surge can remember? */
bool surge_is_sound(const struct surge *surge);

/* How many priorities of these tenants may be shed: all that differ but the highest. In any order. */
uint32_t surge_sheds(const uint32_t *priorities, size_t count);
/* The lowest priority that is served when `shed` are not; never above the highest of them. 0 without tenants. */
uint32_t surge_floor(const uint32_t *priorities, size_t count, uint32_t shed);

#endif
