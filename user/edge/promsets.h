/* SPDX-License-Identifier: GPL-2.0-only */
/* What an autoscaler wants to know: capacity, use and wanted replicas of each (model, version, region), and how far services give way. */
#ifndef USHER_EDGE_PROMSETS_H
#define USHER_EDGE_PROMSETS_H

#include "base/json.h"
#include "edge/edge.h"

#define PROMSETS_TARGET 0.7 /* load over capacity that replicas are wanted for */

void promsets_print(struct json *to, const struct edge_page *page);

#endif
