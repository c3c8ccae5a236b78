/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resets that a revocation still owes. The packet that found a flow revoked has reset one of its ends; the other gets its reset
 * with its next packet. One that stays silent gets it from here, INJECT_AFTER after the record.
 */
#ifndef USHER_KERNEL_INJECT_H
#define USHER_KERNEL_INJECT_H

#include "usher/abi.h"

#include "kernel/program.h"

#define INJECT_AFTER 100000000LL /* ns */

struct injector;

/* Returns 0 or -errno. */
int injector_open(const struct program *program, struct injector **ret_injector);
void injector_close(struct injector *injector);

/* Takes note of a revoked TCP flow. now: CLOCK_MONOTONIC ns. nat: the flow's NAT address, or NULL where there is none.
 * backend: as it was when it was still allowed. */
void injector_note(struct injector *injector, const struct usher_event *event, const struct usher_address *nat,
		   const struct usher_backend *backend, int64_t now);
/* Sends what is due. Returns when to come again (CLOCK_MONOTONIC ns), INT64_MAX if nothing waits. */
int64_t injector_run(struct injector *injector, int64_t now);

#endif
