/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rest of the daemon tells of quarantines. */
#ifndef USHER_DAEMON_QUARANTINE_H
#define USHER_DAEMON_QUARANTINE_H

#include "base/json.h"
#include "daemon/state.h"
#include "policy/policy.h"

/* Q of protocol.h; NULL: null. */
void quarantine_add(struct json *to, const char *key, const struct state_quarantine *quarantine);
/* Is it this backend that it takes out, or one that serves this version? */
bool quarantine_covers(const struct state_quarantine *quarantine, const struct policy *policy, size_t backend);
/* "root", or "uid 1000" of somebody without a name. */
#define QUARANTINE_WHO 80
const char *quarantine_who(const struct state_quarantine *quarantine, char text[QUARANTINE_WHO]);

#endif
