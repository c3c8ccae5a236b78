/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parent of the worker. Forked from the core before any input is read, it reads none itself: should the worker die, the next
 * one comes from a memory in which nobody's policy, key or text has ever been.
 */
#ifndef USHER_EDGE_NURSERY_H
#define USHER_EDGE_NURSERY_H

#include "edge/edge.h"

/* Gives up every right, then sees to it that there is a worker until the core lets go of `socket`. page: memory file with
 * the edge_page. Returns the exit status. */
int nursery_run(const struct edge_options *options, int socket, int page);

#endif
