/* SPDX-License-Identifier: GPL-2.0-only */
/* The gateway's presence at the addresses of its policy: those to be announced are put on the interface, others checked. */
#ifndef USHER_DAEMON_PRESENCE_H
#define USHER_DAEMON_PRESENCE_H

#include "base/diagnostics.h"
#include "policy/policy.h"

struct core;

/*
 * Before the policy is in force: are its NAT addresses usher's alone? What comes to them and belongs to no flow is dropped, so one that
 * is the host's own would cut off its SSH, its name service, and usher's own probes. Returns 0, or -EINVAL with diagnostics.
 */
int presence_check(const struct core *core, const struct policy *policy, struct diagnostics *diagnostics);

/* For the policy in force. What cannot be done is a problem of the core's, and no reason to undo the policy. */
void presence_apply(struct core *core);
/* Takes off all that was put on. */
void presence_withdraw(struct core *core);

#endif
