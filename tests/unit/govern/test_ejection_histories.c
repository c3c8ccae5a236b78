// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ejections under random histories: backends that fail, answer late, cannot start, begin to count anew, with pauses and clocks that go
 * back, and restarts that forget what was seen. Who is out, for how long, and who may go next is worked out anew from the whole history,
 * without slices and sums that are kept; and the same history, gone through again, ends in the same bytes.
 *
 * GOVERN_STEPS: how many steps (a million).
 */
#include "govern/ejection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000
#define LOOKS 200 /* of one history */
#define BACKENDS 5
#define VERSIONS 2
#define SURELY 3.290526731491926

static uint64_t seed;
static unsigned long long ejected, returned, full, by_signal[OUTLIER_SIGNALS_COUNT];

static uint32_t roll(uint32_t sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % sides;
}

/* What a backend has come to at a look. */
struct seen {
	struct ejection_counts totals;
	int64_t at;
	bool begins; /* evidence begins here */
};

struct backend {
	struct seen seen[LOOKS];
	size_t looks;
	int64_t outs[LOOKS], backs[LOOKS]; /* when it went, when it was to be back */
	size_t out_count;
	bool out, able;
	uint32_t mood;
};

static struct outlier_settings some_settings(void)
{
	uint32_t period = 1 + roll(20);

	return (struct outlier_settings){.signals = 1 + roll((1u << OUTLIER_SIGNALS_COUNT) - 1),
					 .window = 10 + roll(30),
					 .min_samples = 10 + roll(60),
					 .above = 0.05 * (1 + roll(8)),
					 .slower = 4u << roll(3),
					 .period = period,
					 .longest = period + roll(100),
					 .most = 1 + roll(100)};
}

/* ---- the world ----------------------------------------------------------------------------------------------- */

static void live(struct backend *backend, struct ejection_counts *totals)
{
	uint32_t requests = roll(60), bucket = 6 + roll(3);

	if (!roll(25))
		backend->mood = roll(8);
	if (!roll(200)) {
		*totals = (struct ejection_counts){.resets = roll(50)};
		return;
	}
	totals->connected += backend->mood == 1 ? requests / 3 : requests;
	totals->unconnected += backend->mood == 1 ? requests : roll(50) == 0;
	totals->resets += backend->mood == 2 ? requests : roll(50) == 0;
	totals->given_up += backend->mood == 3 ? requests : roll(50) == 0;
	if (backend->mood == 4)
		bucket += 2 + roll(8);
	if (backend->mood != 5)
		totals->answers[bucket] += requests;
	totals->answers[roll(USHER_LATENCY_BUCKETS)] += 1;
	if (!roll(20))
		backend->able = roll(4) != 0;
}

/* ---- the oracle ---------------------------------------------------------------------------------------------- */

static int64_t slice_of(const struct outlier_settings *settings, int64_t at)
{
	return at / (settings->window / OUTLIER_SLICES);
}

/* One number of the window: what it has grown by between looks that belong together, the later of which is in it. */
static double grown(const struct outlier_settings *settings, const struct backend *backend, size_t offset)
{
	const struct seen *last = &backend->seen[backend->looks - 1];
	double sum = 0;

	for (size_t i = backend->looks - 1; !backend->seen[i].begins; i--) {
		if (slice_of(settings, last->at) - slice_of(settings, backend->seen[i].at) >= OUTLIER_SLICES)
			break;
		sum += (double)(*(const uint64_t *)((const char *)&backend->seen[i].totals + offset) -
				*(const uint64_t *)((const char *)&backend->seen[i - 1].totals + offset));
	}
	return sum;
}

static bool counts_as_peer(const struct backend *backend)
{
	return backend->able && !backend->out && backend->looks;
}

#define GROWN(field) grown(settings, backend, offsetof(struct ejection_counts, field))
#define ANSWER(bucket) (offsetof(struct ejection_counts, answers) + (bucket) * sizeof(uint64_t))

static double answers_in(const struct outlier_settings *settings, const struct backend *backend, size_t from)
{
	double sum = 0;

	for (size_t i = from; i < USHER_LATENCY_BUCKETS; i++)
		sum += grown(settings, backend, ANSWER(i));
	return sum;
}

static struct proportion failures(const struct outlier_settings *settings, const struct backend *backend,
				  enum outlier_signal signal)
{
	double failed = signal == OUTLIER_CONNECT  ? GROWN(unconnected)
			: signal == OUTLIER_RESETS ? GROWN(resets)
						   : GROWN(given_up);

	return (struct proportion){
		failed, failed + (signal == OUTLIER_CONNECT ? GROWN(connected) : answers_in(settings, backend, 0))};
}

/* By how much it is beyond what it may be; below 0: it is not, or nothing can be said. */
static double failing(const struct outlier_settings *settings, const struct backend *backends, size_t b,
		      enum outlier_signal signal)
{
	struct proportion own = failures(settings, &backends[b], signal), peers = {0};
	struct interval difference;

	for (size_t i = 0; i < BACKENDS; i++)
		if (i != b && counts_as_peer(&backends[i])) {
			struct proportion one = failures(settings, &backends[i], signal);

			peers.successes += one.successes;
			peers.trials += one.trials;
		}
	if (own.trials < settings->min_samples || peers.trials < settings->min_samples ||
	    statistics_difference(own, peers, SURELY, &difference))
		return -1;
	return difference.low - settings->above;
}

static double lateness(const struct outlier_settings *settings, const struct backend *backends, size_t b)
{
	double peers[USHER_LATENCY_BUCKETS] = {0}, all = 0, before = 0, own = answers_in(settings, &backends[b], 0);
	size_t median = 0, times = 0;
	struct interval part;

	for (size_t i = 0; i < BACKENDS; i++)
		for (size_t k = 0; i != b && i % VERSIONS == b % VERSIONS && counts_as_peer(&backends[i]) &&
				   k < USHER_LATENCY_BUCKETS;
		     k++) {
			peers[k] += grown(settings, &backends[i], ANSWER(k));
			all += grown(settings, &backends[i], ANSWER(k));
		}
	if (own < settings->min_samples || all < settings->min_samples)
		return -1;
	while ((before += peers[median]) * 2 < all)
		median++;
	while (1u << times < settings->slower)
		times++;
	if (median + times + 1 >= USHER_LATENCY_BUCKETS ||
	    statistics_proportion((struct proportion){answers_in(settings, &backends[b], median + times + 1), own},
				  SURELY, &part))
		return -1;
	return part.low - 0.5;
}

static double worst_of(const struct outlier_settings *settings, const struct backend *backends, size_t b)
{
	double worst = -1;

	for (enum outlier_signal signal = 0; signal < OUTLIER_SIGNALS_COUNT; signal++) {
		double excess = !(settings->signals >> signal & 1) ? -1
				: signal == OUTLIER_FIRST_BYTE	   ? lateness(settings, backends, b)
								   : failing(settings, backends, b, signal);

		if (excess > worst)
			worst = excess;
	}
	return worst;
}

/* For how long it goes out at its last time: twice as long for each time before since it had been in for `longest`. */
static int64_t wanted_seconds(const struct outlier_settings *settings, const struct backend *backend)
{
	int64_t seconds = settings->period;

	for (size_t i = backend->out_count - 1; i > 0 && backend->outs[i] - backend->backs[i - 1] < settings->longest;
	     i--)
		seconds = seconds * 2 < settings->longest ? seconds * 2 : settings->longest;
	return seconds;
}

static void check_step(const struct outlier_settings *settings, struct backend *backends,
		       const struct ejection *ejections, const struct ejection_finding *finding, int64_t now)
{
	size_t could = 0, out = 0;
	double worst = 0;

	for (size_t b = 0; b < BACKENDS; b++) {
		double excess = counts_as_peer(&backends[b]) ? worst_of(settings, backends, b) : -1;

		could += backends[b].able;
		out += backends[b].able && backends[b].out;
		if (excess > worst)
			worst = excess;
	}
	if ((out + 1) * 100 > could * settings->most) {
		full += worst > 0;
		worst = 0;
	}
	assert_int_equal(finding->member != SIZE_MAX, worst > 0);
	if (finding->member == SIZE_MAX)
		return;
	assert_true(finding->low - finding->limit == worst);
	assert_true(backends[finding->member].able && !backends[finding->member].out);
	struct backend *gone = &backends[finding->member];

	gone->out = true;
	gone->outs[gone->out_count++] = now;
	assert_int_equal(finding->seconds, wanted_seconds(settings, gone));
	gone->backs[gone->out_count - 1] = now + finding->seconds;
	assert_int_equal(ejections[finding->member].until, now + finding->seconds);
	ejected++;
	by_signal[finding->signal]++;
}

/* ---- histories ----------------------------------------------------------------------------------------------- */

static void forget(struct ejection *ejection)
{
	*ejection = (struct ejection){.since = ejection->since,
				      .until = ejection->until,
				      .doublings = ejection->doublings,
				      .out = ejection->out};
	assert_true(ejection_is_sound(ejection));
}

static bool belongs(const struct outlier_settings *settings, const struct seen *before, const struct seen *now)
{
	int64_t length = settings->window / OUTLIER_SLICES;
	int64_t gone = slice_of(settings, now->at) - slice_of(settings, before->at);

	for (size_t i = 0; i < sizeof(now->totals) / sizeof(uint64_t); i++)
		if (((const uint64_t *)&now->totals)[i] < ((const uint64_t *)&before->totals)[i])
			return false;
	return gone >= 0 && gone <= OUTLIER_SLICES + 5 / length;
}

/* Returns a digest of what it came to. */
static uint64_t go(uint64_t from, size_t looks)
{
	static struct backend backends[BACKENDS];
	struct ejection ejections[BACKENDS] = {0};
	struct ejection_counts totals[BACKENDS] = {0};
	struct ejection_member members[BACKENDS];
	struct ejection_finding finding;
	struct outlier_settings settings;
	int64_t now = NOW;
	uint64_t digest = 0;

	seed = from;
	settings = some_settings();
	assert_null(outlier_fault(&settings));
	memset(backends, 0, sizeof(backends));
	for (size_t b = 0; b < BACKENDS; b++)
		backends[b].able = true;
	for (size_t look = 0; look < looks; look++) {
		bool restart = !roll(150);

		now += roll(40) ? 1 : 1 + roll(60);
		for (size_t b = 0; b < BACKENDS; b++) {
			struct backend *backend = &backends[b];
			struct seen *seen = &backend->seen[backend->looks];

			live(backend, &totals[b]);
			if (restart)
				forget(&ejections[b]);
			if (ejection_return(&settings, &ejections[b], now)) {
				assert_true(backend->out && now >= backend->backs[backend->out_count - 1]);
				backend->out = false;
				backend->looks = 0;
				seen = backend->seen;
				returned++;
			}
			assert_int_equal(backend->out, ejections[b].out);
			assert_true(!backend->out || now < backend->backs[backend->out_count - 1]);
			if (!backend->out) {
				ejection_take(&settings, &ejections[b], &totals[b], now);
				*seen = (struct seen){.totals = totals[b], .at = now};
				seen->begins = !backend->looks || restart || !belongs(&settings, seen - 1, seen);
				backend->looks++;
			}
			members[b] = (struct ejection_member){&ejections[b], b % VERSIONS, backend->able};
		}
		ejections_step(&settings, members, BACKENDS, VERSIONS, now, &finding);
		check_step(&settings, backends, ejections, &finding, now);
		digest = digest * 31 + finding.member + (uint64_t)finding.seconds;
	}
	return digest;
}

static void histories_are_the_oracles(void **state)
{
	const char *steps = getenv("GOVERN_STEPS");
	unsigned long long wanted = steps ? strtoull(steps, NULL, 10) : 1000000, done = 0;

	(void)state;
	for (uint64_t history = 1; done < wanted; history++, done += LOOKS) {
		uint64_t digest = go(history, LOOKS);

		if (history % 16 == 0)
			assert_int_equal(go(history, LOOKS), digest);
	}
	print_message("# %llu steps: %llu went out, %llu came back, %llu times there was no room\n", done, ejected,
		      returned, full);
	assert_true(ejected > done / 10000 && returned > done / 10000 && full > 0);
	for (size_t signal = 0; signal < OUTLIER_SIGNALS_COUNT; signal++)
		assert_true(by_signal[signal] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(histories_are_the_oracles)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
