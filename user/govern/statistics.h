/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What measured counts say, and how surely: each figure comes with an interval that holds the true one with a stated
 * confidence. Pure; nothing is allocated.
 *
 * 1. What cannot be known is no number: no trials, NaN, infinity, less than nothing or more successes than trials give
 *    an error, and the output is untouched.
 * 2. An interval holds its point: low <= point <= high. Only of a ratio may point and high be INFINITY.
 * 3. `z` is the standard normal quantile of the confidence wanted. Intervals are two-sided: with STATISTICS_95 the true
 *    figure is below `low` in one case of 40, and above `high` in another. Who looks at one end alone and wants to be
 *    wrong in one case of 20 takes STATISTICS_95_ONE_SIDED.
 * 4. Samples are taken to be independent. A thousand requests of one client are not a thousand samples.
 *
 * Counts are doubles, as Prometheus has them; they need not be whole. All functions return 0; -ENODATA: nothing has
 * been counted that could tell; -EDOM: these are no counts, or z is negative or no number.
 */
#ifndef USHER_GOVERN_STATISTICS_H
#define USHER_GOVERN_STATISTICS_H

#include <stddef.h>

#define STATISTICS_95 1.959963984540054		  /* two-sided */
#define STATISTICS_95_ONE_SIDED 1.644853626951473 /* of one end; both together are a two-sided interval of 90 % */

struct interval {
	double low, point, high;
	double samples; /* that it rests on; of two groups those of the smaller one */
};

struct proportion {
	double successes, trials;
};

/*
 * The proportion itself: Wilson's score interval (Wilson, JASA 22, 1927; method 3 of Newcombe, Statist. Med. 17,
 * 857-872, 1998). Without continuity correction: so it covers 95 % on the average over all true proportions, where with
 * it no proportion is covered less often, by an interval that is wider; and the two below are published on this one.
 */
int statistics_proportion(struct proportion of, double z, struct interval *ret_interval);

/*
 * a less b, -1..1: demographic parity difference of two groups' rates, equal opportunity difference of their true
 * positive rates. Newcombe's hybrid score interval (method 10 of Newcombe, Statist. Med. 17, 873-890, 1998).
 */
int statistics_difference(struct proportion a, struct proportion b, double z, struct interval *ret_interval);

/*
 * a over b, 0..INFINITY: disparate impact. MOVER-R on Wilson intervals (Donner and Zou, Stat. Methods Med. Res. 21,
 * 347-359, 2012; one of those that Fagerland, Lydersen and Laake recommend, Stat. Methods Med. Res. 24, 224-254, 2015).
 * No success in a: point and low are 0, high is finite. None in b: point and high are INFINITY, low is finite. None in
 * either: -ENODATA, however many trials.
 */
int statistics_ratio(struct proportion a, struct proportion b, double z, struct interval *ret_interval);

/*
 * Population stability index of two histograms with the same buckets, at least 2: the sum of (a - e) ln(a / e) over
 * their shares. `expected` and `actual` are plain counts of each bucket, not cumulative ones. Both are taken for
 * samples: of a reference that is known exactly, give large counts.
 *
 * A bucket that is empty in both is left out. Each histogram is given half a sample for each bucket in use, spread as
 * both together are: so none is infinite, none is more than it would be without, and with many samples it makes no
 * difference.
 *
 * The point is what everybody computes, and is too large on the average: without any drift it is distributed about as
 * chi-square with B - 1 degrees of freedom times 1/n + 1/m (Yurdakul, Statistical Properties of Population Stability
 * Index, 2018), with drift about as a noncentral one. The interval is that one's (found by inversion, as Venables, J.
 * R. Statist. Soc. B 37, 1975, with the normal approximation of Sankaran, Biometrika 50, 1963), so low is 0 as long as
 * chance alone explains the point. It wants about five samples expected in each bucket of each histogram: with two or
 * three, low is above 0 by chance in 9 % instead of 2.5.
 *
 * Fewer than 2 buckets in use: -ENODATA.
 */
int statistics_stability(const double *expected, const double *actual, size_t buckets, double z,
			 struct interval *ret_interval);

/* Cumulative counts of buckets (Prometheus' `le`), in rising order, become plain ones in place. -EDOM, and counts as
 * they were, if one is less than the one before it. */
int statistics_plain(double *counts, size_t buckets);

/*
 * By how much a counter has grown over these samples, oldest first; at least 2. A value below the one before it is a
 * counter that began anew at 0, as Prometheus' increase() has it; what was counted between the last look and its end is
 * lost. Nothing is extrapolated to the ends of the window.
 */
int statistics_increase(const double *values, size_t count, double *ret_increase);

#endif
