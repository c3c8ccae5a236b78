/* SPDX-License-Identifier: GPL-2.0-only */
/* Series and evaluators as tests want them. */
#ifndef TESTS_UNIT_EDGE_EVALUATED_H
#define TESTS_UNIT_EDGE_EVALUATED_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "edge/edge.h"

/* labels: name, value, name, value, ..., NULL */
static inline struct edge_series series_of(const char *name, double le, const char *const *labels)
{
	struct edge_series series;

	memset(&series, 0, sizeof(series));
	snprintf(series.name, sizeof(series.name), "%s", name);
	series.le = le;
	for (; labels && *labels; labels += 2) {
		snprintf(series.labels[series.label_count].name, sizeof(series.labels->name), "%s", labels[0]);
		snprintf(series.labels[series.label_count].value, sizeof(series.labels->value), "%s", labels[1]);
		series.label_count++;
	}
	return series;
}

#define SERIES(name, ...) series_of(name, NAN, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
#define BUCKET(name, le, ...) series_of(name, le, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static inline struct edge_evaluator evaluator_at(uint16_t port, enum evaluator_protocol protocol, const char *path,
						 uint32_t count)
{
	struct edge_evaluator evaluator;

	memset(&evaluator, 0, sizeof(evaluator));
	evaluator.port = port;
	evaluator.protocol = (uint8_t)protocol;
	evaluator.every_ms = 100;
	evaluator.timeout_ms = 300;
	evaluator.stale_after_ms = 60000;
	evaluator.count = count;
	snprintf(evaluator.path, sizeof(evaluator.path), "%s", path);
	assert_int_equal(address_parse("127.0.0.1", &evaluator.address), 0);
	return evaluator;
}

#endif
