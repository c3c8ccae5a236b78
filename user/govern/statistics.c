// SPDX-License-Identifier: GPL-2.0-only
#include "govern/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

static bool is_count(double value)
{
	return isfinite(value) && value >= 0;
}

static bool is_quantile(double z)
{
	return isfinite(z) && z >= 0;
}

/* ---- proportions --------------------------------------------------------------------------------------------- */

int statistics_proportion(struct proportion of, double z, struct interval *ret_interval)
{
	double x = of.successes, n = of.trials, point, centre, half;

	if (!is_count(x) || !is_count(n) || x > n || !is_quantile(z))
		return -EDOM;
	if (n == 0)
		return -ENODATA;
	point = x / n;
	centre = (x + z * z / 2) / (n + z * z);
	half = z / (n + z * z) * sqrt(point * (n - x) + z * z / 4);
	/* The ends are exact where they must be, and rounding puts none beyond the point. */
	*ret_interval = (struct interval){
		.low = x == 0 ? 0 : fmin(fmax(centre - half, 0), point),
		.point = point,
		.high = x == n ? 1 : fmax(fmin(centre + half, 1), point),
		.samples = n,
	};
	return 0;
}

static int both(struct proportion a, struct proportion b, double z, struct interval *ret_a, struct interval *ret_b)
{
	struct interval of_a, of_b;
	int error_a = statistics_proportion(a, z, &of_a), error_b = statistics_proportion(b, z, &of_b);

	/* No counts at all are worse than none yet. */
	if (error_a == -EDOM || error_b == -EDOM)
		return -EDOM;
	if (error_a || error_b)
		return -ENODATA;
	*ret_a = of_a;
	*ret_b = of_b;
	return 0;
}

int statistics_difference(struct proportion a, struct proportion b, double z, struct interval *ret_interval)
{
	struct interval of_a, of_b;
	int error = both(a, b, z, &of_a, &of_b);
	double point;

	if (error)
		return error;
	point = of_a.point - of_b.point;
	*ret_interval = (struct interval){
		.low = fmax(point - hypot(of_a.point - of_a.low, of_b.high - of_b.point), -1),
		.point = point,
		.high = fmin(point + hypot(of_a.high - of_a.point, of_b.point - of_b.low), 1),
		.samples = fmin(of_a.samples, of_b.samples),
	};
	return 0;
}

/*
 * Both ends solve the same quadratic. The lower one is written with the root in the denominator, so that it has no case
 * of its own where the usual form is 0 / 0: when the upper limit of b is twice its point, or b is 0. The radicands are
 * never negative but by rounding: x (2p - x) is at most p squared.
 */
int statistics_ratio(struct proportion a, struct proportion b, double z, struct interval *ret_interval)
{
	struct interval of_a, of_b;
	int error = both(a, b, z, &of_a, &of_b);
	double product, low_a, high_a, low_b, high_b, point, low, high;

	if (error)
		return error;
	if (of_a.point == 0 && of_b.point == 0)
		return -ENODATA;
	product = of_a.point * of_b.point;
	low_a = of_a.low * (2 * of_a.point - of_a.low);
	high_a = of_a.high * (2 * of_a.point - of_a.high);
	low_b = of_b.low * (2 * of_b.point - of_b.low);
	high_b = of_b.high * (2 * of_b.point - of_b.high);
	point = of_b.point > 0 ? of_a.point / of_b.point : INFINITY;
	low = low_a > 0 ? low_a / (product + sqrt(fmax(product * product - low_a * high_b, 0))) : 0;
	high = low_b > 0 ? (product + sqrt(fmax(product * product - high_a * low_b, 0))) / low_b : INFINITY;
	*ret_interval = (struct interval){
		.low = fmin(low, point),
		.point = point,
		.high = fmax(high, point),
		.samples = fmin(of_a.samples, of_b.samples),
	};
	return 0;
}

/* ---- stability ----------------------------------------------------------------------------------------------- */

/* Where x lies in a noncentral chi-square distribution, as a standard normal quantile. Falls as `centre` rises. */
static double chi_square_score(double x, double degrees, double centre)
{
	double mean = degrees + centre, spread = degrees + 2 * centre;
	double h = 1 - 2 * mean * (degrees + 3 * centre) / (3 * spread * spread);
	double p = spread / (mean * mean), m = (h - 1) * (1 - 3 * h);

	return (pow(x / mean, h) - 1 - h * p * (h - 1 - (2 - h) * m * p / 2)) / (h * sqrt(2 * p) * (1 + m * p / 2));
}

/* The noncentrality of which x has this score; 0 if x is below that even without any. */
static double noncentrality(double x, double degrees, double score)
{
	double low = 0, high = x + degrees + 1;

	if (chi_square_score(x, degrees, 0) <= score)
		return 0;
	while (chi_square_score(x, degrees, high) > score)
		high *= 2;
	for (int i = 0; i < 100 && low < high; i++) {
		double middle = low + (high - low) / 2;

		if (middle <= low || middle >= high)
			break;
		if (chi_square_score(x, degrees, middle) > score)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int sums(const double *expected, const double *actual, size_t buckets, double *ret_n, double *ret_m,
		double *ret_used)
{
	double n = 0, m = 0, used = 0;

	for (size_t i = 0; i < buckets; i++) {
		if (!is_count(expected[i]) || !is_count(actual[i]))
			return -EDOM;
		n += expected[i];
		m += actual[i];
		used += expected[i] > 0 || actual[i] > 0;
	}
	if (!isfinite(n + m))
		return -EDOM;
	if (n == 0 || m == 0 || used < 2)
		return -ENODATA;
	*ret_n = n;
	*ret_m = m;
	*ret_used = used;
	return 0;
}

int statistics_stability(const double *expected, const double *actual, size_t buckets, double z,
			 struct interval *ret_interval)
{
	double n, m, used, extra, unit, point = 0;
	int error = sums(expected, actual, buckets, &n, &m, &used);

	if (error)
		return error;
	if (!is_quantile(z))
		return -EDOM;
	extra = used / 2;
	for (size_t i = 0; i < buckets; i++) {
		double part = extra * ((expected[i] + actual[i]) / (n + m));
		double e = (expected[i] + part) / (n + extra), a = (actual[i] + part) / (m + extra);

		/* A share too small for a double is none. */
		if (e > 0 && a > 0)
			point += (a - e) * log(a / e);
	}
	unit = 1 / n + 1 / m;
	*ret_interval = (struct interval){
		.low = fmin(unit * noncentrality(point / unit, used - 1, z), point),
		.point = point,
		/* A point that is small even for chance is no proof that there is less than the point. */
		.high = fmax(unit * noncentrality(point / unit, used - 1, -z), point),
		.samples = fmin(n, m),
	};
	return 0;
}

/* ---- counters ------------------------------------------------------------------------------------------------ */

int statistics_plain(double *counts, size_t buckets)
{
	for (size_t i = 0; i < buckets; i++)
		if (!is_count(counts[i]) || (i > 0 && counts[i] < counts[i - 1]))
			return -EDOM;
	for (size_t i = buckets; i-- > 1;)
		counts[i] -= counts[i - 1];
	return 0;
}

int statistics_increase(const double *values, size_t count, double *ret_increase)
{
	double increase = 0;

	for (size_t i = 0; i < count; i++)
		if (!is_count(values[i]))
			return -EDOM;
	if (count < 2)
		return -ENODATA;
	for (size_t i = 1; i < count; i++)
		increase += values[i] < values[i - 1] ? values[i] : values[i] - values[i - 1];
	if (!isfinite(increase))
		return -EDOM;
	*ret_increase = increase;
	return 0;
}
