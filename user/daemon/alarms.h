/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon says of its record by itself: each trouble once, and again when it has been over. `usher doctor audit` says what there is now. */
#ifndef USHER_DAEMON_ALARMS_H
#define USHER_DAEMON_ALARMS_H

#include "daemon/core.h"

/* Zeroed: nothing has been said. */
struct alarms {
	bool log, keeper, witness, behind, room; /* said, and not over */
	uint64_t segments_lost, lost;		 /* of which it has been said */
	int64_t lost_at;			 /* CLOCK_MONOTONIC: when */
};

/* error: of the log, 0 or -errno; of closed segments and the witness. */
void alarms_log(struct alarms *alarms, struct core *core, int error);
void alarms_keeper(struct alarms *alarms, struct core *core, int error);
/* Every second: all the rest. */
void alarms_look(struct alarms *alarms, struct core *core, int64_t now);

#endif
