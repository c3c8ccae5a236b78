/* SPDX-License-Identifier: GPL-2.0-only */
/* The gateway's presence at the addresses of its policy: those to be announced are put on the interface, others checked. */
#ifndef USHER_DAEMON_PRESENCE_H
#define USHER_DAEMON_PRESENCE_H

struct core;

/* For the policy in force. What cannot be done is a problem of the core's, and no reason to undo the policy. */
void presence_apply(struct core *core);
/* Takes off all that was put on. */
void presence_withdraw(struct core *core);

#endif
