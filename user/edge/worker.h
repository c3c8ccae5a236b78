/* SPDX-License-Identifier: GPL-2.0-only */
/* The edge's own process. */
#ifndef USHER_EDGE_WORKER_H
#define USHER_EDGE_WORKER_H

#include "edge/edge.h"

/* Gives up every right, then probes and serves until the core lets go of `socket`. page: memory file with the edge_page.
 * Returns the exit status. */
int worker_run(const struct edge_options *options, int socket, int page);

#endif
