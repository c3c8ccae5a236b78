/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sharing an interface with other XDP programs through libxdp's dispatcher: a small program that calls up to ten others in the
 * order of their priorities, the next one only if the one before has said XDP_PASS.
 *
 * A member of the dispatcher is a copy of usher's program with the same maps. Members are known by one of these, the map
 * `control`, so that those of a daemon which died half-way are found again.
 */
#ifndef USHER_KERNEL_DISPATCHER_H
#define USHER_KERNEL_DISPATCHER_H

#include "kernel/program.h"

enum dispatcher_state {
	DISPATCHER_NOTHING, /* no program on the interface */
	DISPATCHER_THERE,
	DISPATCHER_FOREIGN, /* a program that is none of libxdp's */
	DISPATCHER_UNKNOWN, /* a program that may not be looked at */
};

/* What is on the interface, and in which mode (if it is a dispatcher). Needs CAP_SYS_ADMIN to tell one program from another. */
enum dispatcher_state dispatcher_look(uint32_t interface, enum attach_mode *ret_mode);

/*
 * Joins the dispatcher of the interface, or founds it, in this mode: native or generic. Members that were there before
 * leave when the new one is in, so that no packet passes without one. The member is pinned as `member`.
 * Returns 0; -EPERM or -EOPNOTSUPP if the kernel lets nobody have a dispatcher, and then nothing is attached; or -errno; always
 * with a sentence.
 */
int dispatcher_join(const struct program *program, struct attachment *at, enum attach_mode mode,
		    struct problem *problem);

/* The interfaces on whose dispatchers a program with this map is. Returns how many. */
size_t dispatcher_find(int map, uint32_t interfaces[USHER_INTERFACES_MAX]);
/* Takes all programs with this map off the interface's dispatcher, but for the one with this id (0: none). 0 or -errno. */
int dispatcher_leave(uint32_t interface, int map, uint32_t keep);

#endif
