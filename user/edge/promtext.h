/* SPDX-License-Identifier: GPL-2.0-only */
/* The page of counters in Prometheus' text format, version 0.0.4. Pure. */
#ifndef USHER_EDGE_PROMTEXT_H
#define USHER_EDGE_PROMTEXT_H

#include "base/json.h"
#include "edge/edge.h"

/* Adds the whole exposition to `to` (as raw text). */
void promtext_print(struct json *to, const struct edge_page *page);

/* For its parts: the head of a family, and one of its lines. */
void promtext_family(struct json *to, const char *name, const char *type, const char *help);
void promtext_line(struct json *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
