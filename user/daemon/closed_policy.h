/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy that stands in while there is none: with the services that there were, in which nobody may be answered. */
#ifndef USHER_DAEMON_CLOSED_POLICY_H
#define USHER_DAEMON_CLOSED_POLICY_H

#include "base/json.h"
#include "daemon/state.h"

void closed_policy_print(struct json *to, const struct state *state);

#endif
