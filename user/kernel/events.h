/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rings of records, two for each CPU (usher_event_ring), as one of each kind: records come in the order of their times, as far as
 * they were there when somebody looked. A record's room is freed when we are told to, so that one that could not be written to disk is still there.
 */
#ifndef USHER_KERNEL_EVENTS_H
#define USHER_KERNEL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/program.h"

struct events;

/* Returns 0 or -errno. */
int events_open(const struct program *program, struct events **ret_events);
void events_close(struct events *events);

/* The next record of a kind that has not been read yet, valid until it is released; NULL: none yet. */
const struct usher_event *events_next(struct events *events, enum usher_ring which);
/* The same with places of its own in the rings: for those who have to act on a record before it can be written. */
const struct usher_event *events_foresee(struct events *events, enum usher_ring which);
/* Frees the room of all that has been read, which must have been foreseen, where anyone does. */
void events_release(struct events *events);
/* Reads again what has been read and not been released. */
void events_rewind(struct events *events);
/* Up to which places the rings of a kind are filled, by CPU: counters_cpus() of them. */
void events_filled(const struct events *events, enum usher_ring which, uint64_t *ret_places);
/* Has the room of all before these places been freed? */
bool events_are_released(const struct events *events, enum usher_ring which, const uint64_t *places);
/* The room that has not been freed, read or not, and how many records are in it, which are gone through for that. */
size_t events_waiting_bytes(const struct events *events);
size_t events_waiting(const struct events *events);

#endif
