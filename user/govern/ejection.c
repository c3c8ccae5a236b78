// SPDX-License-Identifier: GPL-2.0-only
#include "govern/ejection.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SURELY 3.290526731491926 /* two-sided, 99.9 % */
#define PAUSE 5			 /* seconds between two totals that belong together, at most */

#define WORDS (sizeof(struct ejection_counts) / sizeof(uint64_t))
_Static_assert(sizeof(struct ejection_counts) == WORDS * sizeof(uint64_t), "counts are words");

const char *outlier_fault(const struct outlier_settings *settings)
{
	if (settings->signals >> OUTLIER_SIGNALS_COUNT)
		return "no such signal";
	if (settings->window < OUTLIER_SLICES)
		return "the window is too short";
	if (!settings->min_samples)
		return "min_samples is 0";
	if (!(settings->above > 0 && settings->above < 1))
		return "above is no part";
	if (settings->slower < 4 || settings->slower & (settings->slower - 1))
		return "slower is no power of two of at least 4";
	if (!settings->period || settings->longest < settings->period)
		return "longest is less than the period";
	if (!settings->most || settings->most > 100)
		return "most is no percentage";
	return NULL;
}

/* ---- evidence ------------------------------------------------------------------------------------------------ */

static uint64_t *words_of(struct ejection_counts *counts)
{
	return (uint64_t *)counts;
}

static const uint64_t *words_in(const struct ejection_counts *counts)
{
	return (const uint64_t *)counts;
}

static void add(struct ejection_counts *to, const struct ejection_counts *counts)
{
	for (size_t i = 0; i < WORDS; i++)
		words_of(to)[i] += words_in(counts)[i];
}

static void subtract(struct ejection_counts *from, const struct ejection_counts *counts)
{
	for (size_t i = 0; i < WORDS; i++)
		words_of(from)[i] -= words_in(counts)[i];
}

static bool has_shrunk(const struct ejection_counts *before, const struct ejection_counts *after)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words_in(after)[i] < words_in(before)[i])
			return true;
	return false;
}

static int64_t slice_length(const struct outlier_settings *settings)
{
	return settings->window / OUTLIER_SLICES;
}

void ejection_forget(struct ejection *ejection)
{
	ejection->begun = false;
	memset(ejection->slices, 0, sizeof(ejection->slices));
}

void ejection_take(const struct outlier_settings *settings, struct ejection *ejection,
		   const struct ejection_counts *totals, int64_t now)
{
	int64_t slice = now / slice_length(settings), gone = slice - ejection->slice;
	struct ejection_counts grown = *totals;

	if (ejection->begun && (has_shrunk(&ejection->totals, totals) || gone < 0 ||
				gone > OUTLIER_SLICES + PAUSE / slice_length(settings)))
		ejection_forget(ejection);
	if (ejection->begun) {
		for (int64_t s = ejection->slice + 1; s <= slice && s <= ejection->slice + OUTLIER_SLICES; s++)
			ejection->slices[s % OUTLIER_SLICES] = (struct ejection_counts){0};
		subtract(&grown, &ejection->totals);
		add(&ejection->slices[slice % OUTLIER_SLICES], &grown);
	}
	ejection->begun = true;
	ejection->slice = slice;
	ejection->totals = *totals;
}

static struct ejection_counts window_of(const struct ejection *ejection)
{
	struct ejection_counts sum = {0};

	for (size_t i = 0; i < OUTLIER_SLICES; i++)
		add(&sum, &ejection->slices[i]);
	return sum;
}

static uint64_t answered(const struct ejection_counts *counts)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < USHER_LATENCY_BUCKETS; i++)
		sum += counts->answers[i];
	return sum;
}

/* ---- judgement ----------------------------------------------------------------------------------------------- */

static struct proportion failures_of(const struct ejection_counts *counts, enum outlier_signal signal)
{
	double answers = (double)answered(counts);

	if (signal == OUTLIER_CONNECT)
		return (struct proportion){(double)counts->unconnected,
					   (double)(counts->unconnected + counts->connected)};
	if (signal == OUTLIER_RESETS)
		return (struct proportion){(double)counts->resets, (double)counts->resets + answers};
	return (struct proportion){(double)counts->given_up, (double)counts->given_up + answers};
}

static bool fails_more(const struct outlier_settings *settings, enum outlier_signal signal,
		       const struct ejection_counts *own, const struct ejection_counts *peers,
		       struct ejection_finding *ret_finding)
{
	struct proportion a = failures_of(own, signal), b = failures_of(peers, signal);
	struct interval difference;

	if (a.trials < settings->min_samples || b.trials < settings->min_samples ||
	    statistics_difference(a, b, SURELY, &difference) || !(difference.low > settings->above))
		return false;
	*ret_finding = (struct ejection_finding){
		.signal = signal, .own = a, .peers = b, .low = difference.low, .limit = settings->above};
	return true;
}

/* The bucket in which half of the answers have begun. */
static uint32_t median_bucket(const struct ejection_counts *counts)
{
	uint64_t half = (answered(counts) + 1) / 2, before = 0;
	uint32_t bucket = 0;

	while (bucket < USHER_LATENCY_BUCKETS - 1 && (before += counts->answers[bucket]) < half)
		bucket++;
	return bucket;
}

static bool is_slower(const struct outlier_settings *settings, const struct ejection_counts *own,
		      const struct ejection_counts *peers, struct ejection_finding *ret_finding)
{
	uint32_t slow = median_bucket(peers) + (uint32_t)__builtin_ctz(settings->slower);
	struct proportion late = {0, (double)answered(own)};
	struct interval part;

	for (uint32_t i = slow + 1; i < USHER_LATENCY_BUCKETS; i++)
		late.successes += (double)own->answers[i];
	if (late.trials < settings->min_samples || (double)answered(peers) < settings->min_samples ||
	    statistics_proportion(late, SURELY, &part) || !(part.low > 0.5))
		return false;
	*ret_finding = (struct ejection_finding){.signal = OUTLIER_FIRST_BYTE,
						 .own = late,
						 .peers = {0, (double)answered(peers)},
						 .low = part.low,
						 .limit = 0.5,
						 .slow_bucket = slow};
	return true;
}

/* What has been seen of the members that may start flows. */
struct crowd {
	const struct ejection_member *members;
	size_t count;
	struct ejection_counts *windows;  /* by member; of the others 0 */
	struct ejection_counts *versions; /* sums, by version */
	struct ejection_counts all;
};

static void free_crowd(struct crowd *crowd)
{
	free(crowd->windows);
	free(crowd->versions);
}

static struct crowd crowd_of(const struct ejection_member *members, size_t count, size_t versions)
{
	struct crowd crowd = {.members = members,
			      .count = count,
			      .windows = calloc(count + 1, sizeof(*crowd.windows)),
			      .versions = calloc(versions + 1, sizeof(*crowd.versions))};

	if (!crowd.windows || !crowd.versions)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (members[i].ejection->out || !members[i].able)
			continue;
		crowd.windows[i] = window_of(members[i].ejection);
		add(&crowd.versions[members[i].version], &crowd.windows[i]);
		add(&crowd.all, &crowd.windows[i]);
	}
	return crowd;
}

static double excess(const struct ejection_finding *finding)
{
	return finding->low - finding->limit;
}

/* The worst thing that can be said of it. */
static bool is_outlier(const struct outlier_settings *settings, const struct crowd *crowd, size_t member,
		       struct ejection_finding *ret_finding)
{
	const struct ejection_counts *own = &crowd->windows[member];
	bool found = false;

	for (enum outlier_signal signal = 0; signal < OUTLIER_SIGNALS_COUNT; signal++) {
		struct ejection_counts peers = crowd->all;
		struct ejection_finding finding;

		if (!(settings->signals >> signal & 1))
			continue;
		if (signal == OUTLIER_FIRST_BYTE)
			peers = crowd->versions[crowd->members[member].version];
		subtract(&peers, own);
		if (signal == OUTLIER_FIRST_BYTE ? !is_slower(settings, own, &peers, &finding)
						 : !fails_more(settings, signal, own, &peers, &finding))
			continue;
		if (!found || excess(&finding) > excess(ret_finding))
			*ret_finding = finding;
		found = true;
	}
	return found;
}

/* May another one go? */
static bool has_room(const struct outlier_settings *settings, const struct ejection_member *members, size_t count)
{
	uint64_t able = 0, out = 0;

	for (size_t i = 0; i < count; i++) {
		able += members[i].able;
		out += members[i].able && members[i].ejection->out;
	}
	return (out + 1) * 100 <= able * settings->most;
}

static int64_t put_out(const struct outlier_settings *settings, struct ejection *ejection, int64_t now)
{
	int64_t seconds;

	if (ejection->since && now - ejection->until >= settings->longest)
		ejection->doublings = 0;
	seconds = (int64_t)settings->period << ejection->doublings;
	if (seconds >= settings->longest)
		seconds = settings->longest;
	else if (ejection->doublings < EJECTION_DOUBLINGS_MAX)
		ejection->doublings++;
	ejection->out = true;
	ejection->since = now;
	ejection->until = now + seconds;
	return seconds;
}

void ejections_step(const struct outlier_settings *settings, const struct ejection_member *members, size_t count,
		    size_t versions, int64_t now, struct ejection_finding *ret_finding)
{
	struct ejection_finding worst = {.member = SIZE_MAX}, finding = worst;
	_cleanup_(free_crowd) struct crowd crowd = {0};

	if (has_room(settings, members, count))
		crowd = crowd_of(members, count, versions);
	for (size_t i = 0; i < crowd.count; i++) {
		if (members[i].ejection->out || !members[i].able || !is_outlier(settings, &crowd, i, &finding) ||
		    (worst.member != SIZE_MAX && excess(&finding) <= excess(&worst)))
			continue;
		worst = finding;
		worst.member = i;
	}
	if (worst.member != SIZE_MAX)
		worst.seconds = put_out(settings, members[worst.member].ejection, now);
	*ret_finding = worst;
}

bool ejection_return(const struct outlier_settings *settings, struct ejection *ejection, int64_t now)
{
	if (!ejection->out)
		return false;
	/* A clock that was set back, or a policy that has become milder. */
	if (ejection->since > now || ejection->until > ejection->since + settings->longest) {
		ejection->since = ejection->since > now ? now : ejection->since;
		ejection->until = ejection->since + settings->longest;
	}
	if (now < ejection->until)
		return false;
	ejection->out = false;
	ejection_forget(ejection);
	return true;
}

bool ejection_is_sound(const struct ejection *ejection)
{
	return ejection->doublings <= EJECTION_DOUBLINGS_MAX && ejection->since >= 0 &&
	       ejection->until >= ejection->since && ejection->since <= INT64_MAX / 2 &&
	       ejection->until <= INT64_MAX / 2 && (ejection->since || !ejection->out);
}
