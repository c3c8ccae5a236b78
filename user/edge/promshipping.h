/* SPDX-License-Identifier: GPL-2.0-only */
/* How records get on with those that they are sent to. */
#ifndef USHER_EDGE_PROMSHIPPING_H
#define USHER_EDGE_PROMSHIPPING_H

#include "base/json.h"
#include "edge/edge.h"

void promshipping_print(struct json *to, const struct edge_page *page);

#endif
