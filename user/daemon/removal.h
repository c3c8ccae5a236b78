/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes off what keeps traffic going without a daemon: program, link or membership of a dispatcher, pins, and the addresses that
 * a daemon has put on the interface. History, policies and records stay: they are not in the way of anything.
 */
#ifndef USHER_DAEMON_REMOVAL_H
#define USHER_DAEMON_REMOVAL_H

#include <net/if.h>

#include "base/problem.h"
#include "kernel/interfaces.h"

struct removal {
	const char *pin_dir, *state_dir;
	struct interfaces interfaces; /* none: those that the program is attached to */
	const char *socket; /* of a daemon that is to be ended first; NULL: one that lives is a reason to refuse */
};

struct removed {
	struct interfaces interfaces; /* that it was attached to */
	size_t addresses;	      /* taken off */
};

/* Returns 0 (also if there was nothing), -EBUSY if a daemon holds the pins, or -errno; with a sentence. */
int removal_run(const struct removal *removal, struct problem *problem, struct removed *ret_removed);

#endif
