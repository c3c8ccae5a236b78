/* SPDX-License-Identifier: GPL-2.0-only */
/* The page of counters in Prometheus' text format, version 0.0.4. Pure. */
#ifndef USHER_EDGE_PROMTEXT_H
#define USHER_EDGE_PROMTEXT_H

#include "base/json.h"
#include "edge/edge.h"

/* Adds the whole exposition to `to` (as raw text). */
void promtext_print(struct json *to, const struct edge_page *page);

#endif
