/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The series that an evaluator is asked for, found among the samples of a page: each is the sum of those that match it. Pure.
 *
 * A sum that leaves somebody out is not one: if one sample that matches is no number, or infinite, the series is missing.
 */
#ifndef USHER_EDGE_SERIES_H
#define USHER_EDGE_SERIES_H

#include "edge/edge.h"
#include "edge/exposition.h"

struct series_set;

/* series: not copied, and have to stay. Returns 0 or -ENOMEM. */
int series_new(const struct edge_series *series, uint32_t count, struct series_set **ret_set);
void series_free(struct series_set *set);
/* A new page. */
void series_begin(struct series_set *set);
/* An exposition that is read for this page. */
struct exposition_consumer series_consumer(struct series_set *set);
/* One sample of another source: of the series at `index`, at this time (milliseconds since the epoch; 0: none). */
void series_add(struct series_set *set, uint32_t index, double value, int64_t at_ms);
/*
 * What has been found, once the page has been read as a whole; values: one for each series. now_ms: milliseconds since the epoch, of
 * the clock that wrote the timestamps. What has none has just been measured.
 */
void series_end(const struct series_set *set, int64_t now_ms, struct edge_value *ret_values);

#endif
