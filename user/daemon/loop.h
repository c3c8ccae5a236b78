/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon waits for, and what it does then. One thread; nothing in it blocks. */
#ifndef USHER_DAEMON_LOOP_H
#define USHER_DAEMON_LOOP_H

#include "daemon/alarms.h"
#include "daemon/core.h"
#include "daemon/server.h"

struct loop {
	struct core *core;
	struct server *server;
	int epoll, timer, signals;
	uint64_t ticks;
	int64_t refreshed;
	struct alarms alarms;
	bool ending;
};

/* Blocks SIGTERM and SIGINT, and listens at the control socket. Returns 0, or -errno with a sentence. */
int loop_open(struct core *core, struct problem *problem, struct loop *ret_loop);
/* Until a signal, or the loss of the edge. Every record is drained when it returns. */
void loop_run(struct loop *loop);
void loop_close(struct loop *loop);

#endif
