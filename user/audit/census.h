/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which numbers were given out of which all have come that ever will.
 *
 * A number is taken before room is asked for, and a program does not run for as long as a second. So what was taken at one look is in the rings
 * at the next, a second later, or never; and what was in them then and has been read has come.
 */
#ifndef USHER_AUDIT_CENSUS_H
#define USHER_AUDIT_CENSUS_H

#include <stdbool.h>

#include "kernel/events.h"
#include "kernel/program.h"

struct census;

/* Returns 0 or -ENOMEM. */
int census_new(struct census **ret_census);
void census_free(struct census *census);
/* Looks, once a second. ret_is_over: what census_taken says is over, until the next call. Returns 0 or -errno. */
int census_look(struct census *census, const struct program *program, const struct events *events, bool *ret_is_over);
/* How many numbers had been given out at the first look. */
uint64_t census_taken(const struct census *census, uint32_t cpu, enum usher_ring ring);

#endif
