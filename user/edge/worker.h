/* SPDX-License-Identifier: GPL-2.0-only */
/* The process that speaks TCP. */
#ifndef USHER_EDGE_WORKER_H
#define USHER_EDGE_WORKER_H

#include "edge/edge.h"

/* Restricts itself to what it needs, then probes and serves until the core lets go of `socket`. page: memory file with the
 * edge_page. listener: where /metrics is asked for, or -1. ca_file: whom probes by https trust. Returns the exit status. */
int worker_run(int socket, int page, int listener, const char *ca_file);

#endif
