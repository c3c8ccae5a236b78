/* SPDX-License-Identifier: GPL-2.0-only */
/* The addresses of the gateway's interfaces: those that usher puts there, and those that others must have put there. */
#ifndef USHER_KERNEL_ADDRESSES_H
#define USHER_KERNEL_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usher/abi.h"

#include "kernel/interfaces.h"

struct addresses;

/* Returns 0 or -errno. */
int addresses_open(const struct interfaces *interfaces, struct addresses **ret_addresses);
void addresses_close(struct addresses *addresses);

/* Does any interface of this host have the address? Returns 1, 0, or -errno. */
int addresses_owned(struct addresses *addresses, const struct usher_address *address);
/* Does one have it with a prefix, as usher never puts it there? Returns 1, 0, or -errno. */
int addresses_in_network(struct addresses *addresses, const struct usher_address *address);
/* Puts the address on each interface, so that neighbours find it on all of them, as a host address (/32, /128, without duplicate detection). Returns 0 (also if it was
 * there), or -errno. */
int addresses_add(struct addresses *addresses, const struct usher_address *address);
/* Takes it off again: 0 (also if it was not there), or -errno. */
int addresses_remove(struct addresses *addresses, const struct usher_address *address);

#endif
