/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two rings of decision records. libbpf's reader frees a record's room as soon as its callback returns; this one does
 * when told, so that a record that could not be written to disk is still there.
 */
#ifndef USHER_KERNEL_EVENTS_H
#define USHER_KERNEL_EVENTS_H

#include <stddef.h>

#include "kernel/program.h"

struct events;

/* Returns 0 or -errno. */
int events_open(const struct program *program, struct events **ret_events);
void events_close(struct events *events);

/*
 * The next record of a ring that has not been read yet, valid until it is released; NULL: none yet.
 * Source: kernel/bpf/ringbuf.c and libbpf's ringbuf.c.
 */
const struct usher_event *events_next(struct events *events, enum usher_ring ring);
/* The same with a place of its own in the ring: for those who have to act on a record before it can be written. */
const struct usher_event *events_foresee(struct events *events, enum usher_ring ring);
/* Frees the room of all that has been read, which must have been foreseen, where anyone does. */
void events_release(struct events *events);
/* Reads again what has been read and not been released. */
void events_rewind(struct events *events);
/* Bytes ever put into a ring, and of these the ones whose room has been freed. */
uint64_t events_produced(const struct events *events, enum usher_ring ring);
uint64_t events_released(const struct events *events, enum usher_ring ring);
/* Bytes that wait in a ring, read or not. */
size_t events_waiting(const struct events *events, enum usher_ring ring);

#endif
