/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kind of destination: how lines are handed over, and how it is known that they were taken.
 *
 * An outlet marks parcels of the window as taken; what it says is taken need not be sent again. None of its functions waits longer than
 * OUTLET_PATIENCE, and all the memory that it takes is bounded. What fails fails with a sentence that names the destination's part in it;
 * the sender then closes it, and opens another one in a while.
 */
#ifndef USHER_SHIP_OUTLET_H
#define USHER_SHIP_OUTLET_H

#include "base/clock.h"
#include "base/problem.h"
#include "ship/consignment.h"
#include "ship/credentials.h"
#include "ship/destination.h"
#include "ship/window.h"

#define OUTLET_PATIENCE (10 * CLOCK_SECOND) /* for a connection and its handshake */
#define OUTLET_STALL (30 * CLOCK_SECOND)    /* without a byte taken a connection is given up */
#define OUTLET_HOLD (5 * CLOCK_SECOND)	    /* that a connection must outlive what went through it (syslog.h) */

struct outlet_setup {
	const struct destination *destination;
	const struct credentials *credentials;
	struct consignment_sender sender;
	struct window *window;
};

struct outlet;

struct outlet_kind {
	uint32_t parcel; /* lines of one */
	/* Returns 0, or -errno with a sentence. */
	int (*open)(const struct outlet_setup *setup, struct problem *problem, struct outlet **ret_outlet);
	void (*close)(struct outlet *outlet);
	/* A line, which is to be parcel `number`, or part of it. Returns 0; -EAGAIN: not now; or -errno with a sentence. */
	int (*put)(struct outlet *outlet, const struct consignment *consignment, uint64_t number,
		   struct problem *problem);
	/* Sends what it has, waits up to so long for something to happen, and marks what was taken. note: "", or what does not end the
	 * connection and is worth being said. Returns 0, or -errno with a sentence. */
	int (*work)(struct outlet *outlet, int wait_ms, struct problem *note, struct problem *problem);
	/* Has it got through to somebody? */
	bool (*connected)(const struct outlet *outlet);
};

extern const struct outlet_kind outlet_syslog, outlet_journald, outlet_kafka;

#endif
