/* SPDX-License-Identifier: GPL-2.0-only */
/* What the core keeps of root's rights once it has started. */
#ifndef USHER_DAEMON_SANDBOX_H
#define USHER_DAEMON_SANDBOX_H

#include "base/problem.h"

/*
 * Keeps CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON and gives up all other capabilities, for good; no core dumps, no tracing by
 * others of the same user. Returns 0, or -errno with a sentence.
 */
int sandbox_enter(struct problem *problem);

#endif
