/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket and its clients.
 *
 * 1. Who a client is, the kernel says (SO_PEERCRED), not the client.
 * 2. Clients are bounded in number, in what they send at once, and in how long they may say nothing.
 */
#ifndef USHER_DAEMON_SERVER_H
#define USHER_DAEMON_SERVER_H

#include "daemon/core.h"

struct server;

/* Listens at `path` (mode 0660, group `usher` if there is one). epoll: where it adds its sockets; data.ptr is then the server
 * or one of its clients. Returns 0, or -errno with a sentence. */
int server_open(const char *path, struct core *core, int epoll, struct problem *problem, struct server **ret_server);
void server_close(struct server *server);
/* Is this what was added? Then what is ready has been dealt with. */
bool server_ready(struct server *server, const void *pointer);
/* Ends connections on which nothing has been said for too long. now: CLOCK_MONOTONIC ns. */
void server_tick(struct server *server, int64_t now);

#endif
