/* SPDX-License-Identifier: GPL-2.0-only */
/* The state folder: policies by their digests, the list of them, and state.json with its copy. */
#ifndef USHER_STORE_POLICIES_H
#define USHER_STORE_POLICIES_H

#include <stdbool.h>

#include "writer.h"

/* Policies that come into force, one after the other, and some that are refused, as the daemon keeps them. Begun twice; it makes the folder. Returns an
 * exit status. */
int write_policies(struct told *told);

/* The folder opens; nothing in it is damaged; what was said to be kept is there, byte for byte, and on the list if that was said; state.json and its copy are
 * each one of the states that were written, and not older than the last that was said to be. It goes on. What is not is said (say). */
bool look_at_policies(const struct told *told);

#endif
