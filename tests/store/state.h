/* SPDX-License-Identifier: GPL-2.0-only */
/* The small files beside the log: the keys of pseudonyms, how far a destination has taken the log, and a witness. */
#ifndef USHER_STORE_STATE_H
#define USHER_STORE_STATE_H

#include <stdbool.h>

#include "writer.h"

/* Keys that are made and destroyed, week by week, a cursor that goes on and a witness that is given a line in each. Begun twice. Returns an exit status. */
int write_state(struct told *told);

/* All of them open again and go on; what was acknowledged is there, and no key that was said to be destroyed. What is not is said (say). */
bool look_at_state(const struct told *told);

#endif
