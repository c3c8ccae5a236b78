/* SPDX-License-Identifier: GPL-2.0-only */
/* Changes of policy that nobody asks for on the socket. */
#ifndef USHER_DAEMON_CHANGE_H
#define USHER_DAEMON_CHANGE_H

#include "daemon/core.h"

/* The policy that the daemon is started with. As core_load; it is in the history then. */
int change_start(struct core *core, const char *file, const char *text, size_t length, struct diagnostics *diagnostics,
		 struct problem *problem);
/* The time to confirm has passed: the policy before comes back. */
void change_unconfirmed(struct core *core);

#endif
