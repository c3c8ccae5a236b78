/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Next hops of backends: the kernel's own routes and neighbours, watched through netlink.
 *
 * A backend is reached if the route to it leaves through one of our interfaces and the address that the route names (its gateway,
 * or the backend itself) resolves. Unknown neighbours are asked for, known ones are kept fresh, so that the kernel finds
 * out when one has gone.
 */
#ifndef USHER_KERNEL_NEIGHBOURS_H
#define USHER_KERNEL_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "govern/facts.h"
#include "kernel/interfaces.h"

struct neighbours;

/* interfaces: the only ones that count. Returns 0 or -errno. */
int neighbours_open(const struct interfaces *interfaces, struct neighbours **ret_neighbours);
void neighbours_close(struct neighbours *neighbours);
/* Readable when something may have changed: then call neighbours_read. */
int neighbours_fd(const struct neighbours *neighbours);

/* From now on these addresses, and no others, are watched. What was known of one stays. Returns 0 or -errno. */
int neighbours_watch(struct neighbours *neighbours, const struct usher_address *addresses, size_t count);
/* Takes in what the kernel has to say. */
void neighbours_read(struct neighbours *neighbours);
/* Asks again where it is time to. now: CLOCK_MONOTONIC ns. To be called every second, and after a watch. */
void neighbours_tick(struct neighbours *neighbours, int64_t now);
/* Something may have happened to the path to this address (paths.h). */
void neighbours_path(struct neighbours *neighbours, const struct usher_address *address);
/* Looks after such paths: at once, but once a second at most. */
void neighbours_paths(struct neighbours *neighbours, int64_t now);
/* The address that an interface of ours sends from, and its MTU (0: not known), as they are now. False: not known. */
bool neighbours_own_link(const struct neighbours *neighbours, uint32_t interface, uint8_t ret_mac[6],
			 uint16_t *ret_mtu);
/* Has a next hop changed since this was asked last? */
bool neighbours_changed(struct neighbours *neighbours);
/* Of an address that is watched; not resolved otherwise. */
void neighbours_next_hop(const struct neighbours *neighbours, const struct usher_address *address,
			 struct next_hop *ret_next_hop);
/* Has the kernel been asked for long enough to have an answer, if there is one? */
bool neighbours_settled(const struct neighbours *neighbours, const struct usher_address *address);

#endif
