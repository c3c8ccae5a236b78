/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is on its way to a destination: parcels of one or more lines, in the order of the log, each with the place behind it. Pure.
 *
 * 1. There are at most WINDOW_PARCELS: who reads faster than the destination takes finds no room, and waits. Memory does not grow.
 * 2. Parcels may be taken by the destination in any order. The place moves on over those at the front that were taken, so that
 *    nothing before it is missing.
 */
#ifndef USHER_SHIP_WINDOW_H
#define USHER_SHIP_WINDOW_H

#include <stdbool.h>

#include "ship/cursor.h"

#define WINDOW_PARCELS 8192

struct window_parcel {
	struct cursor after;
	int64_t begun;	/* time of its first record that has one; ns since 1970 */
	uint32_t lines; /* and bytes of them */
	uint32_t bytes;
	bool taken;
};

/* Zeroed is empty. Parcels are numbered from 0 on. */
struct window {
	struct window_parcel parcels[WINDOW_PARCELS];
	uint64_t first, next; /* numbers of the oldest, and of the one to come */
	bool closed;	      /* the newest takes no more lines */
};

bool window_is_empty(const struct window *window);
/* Is there room for a line, with so many lines a parcel? */
bool window_has_room(const struct window *window, uint32_t lines_most);
/* The parcel that the next line will be of: the newest, or a new one. */
uint64_t window_number(const struct window *window, uint32_t lines_most);
/* A line, if there is room: returns the number of its parcel. */
uint64_t window_add(struct window *window, uint32_t lines_most, const struct cursor *after, int64_t time, size_t bytes);
/* The next line begins a parcel of its own. */
void window_close(struct window *window);
/* The destination has taken this parcel, or all up to this one. A number that is not on its way is ignored. */
void window_taken(struct window *window, uint64_t number);
void window_taken_through(struct window *window, uint64_t number);
/* The sum of the parcels at the front that were taken, which leave; `after` of the last of them. False: there is none. */
bool window_advance(struct window *window, struct window_parcel *ret_sum);
/* All leave, taken or not. */
void window_clear(struct window *window);

#endif
