/* SPDX-License-Identifier: GPL-2.0-only */
/* The loaded program with real tables, as the daemon makes them, but attached to nothing. */
#ifndef USHER_BENCH_GATEWAY_H
#define USHER_BENCH_GATEWAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <threads.h>

#include "compile/tables.h"
#include "kernel/events.h"
#include "kernel/mapping.h"
#include "kernel/publish.h"

#define GATEWAY_SOURCE4 0x0b000000u	      /* prefix n: this + n * 2^9, /24 */
#define GATEWAY_SOURCE6 0x20010db800000000ull /* prefix n: the upper half is this + 2 n, /64 */
#define GATEWAY_STRANGER4 0xac100000u
#define GATEWAY_STRANGER6 0x20010dbff0000000ull
#define GATEWAY_BANNED4 0x0a800000u
#define GATEWAY_BANNED6 0x20010dbfe0000000ull

/* How packets are made and sent on. */
struct way {
	const char *mode; /* "forward" of the backends */
	bool is_udp, is_ipv6;
};

/* More prefixes than a policy may name stand in a geography file, and are one tenant's. */
struct gateway_policy {
	struct way way;
	uint32_t prefixes, backends, tenants;
	bool admits_banned, admits_strangers;
	uint32_t banned_a_second; /* limit of the tenant `banned` on new flows; 0: none */
};

/* What the daemon has options for. */
struct gateway_limits {
	uint32_t half_open, replies, records;
	bool unread; /* somebody else reads the rings, not the gateway */
	bool flow_ends;
};
extern const struct gateway_limits gateway_unlimited;

struct gateway {
	struct program program;
	struct publisher *publisher;
	struct mapping flows, tenants, generations;
	struct events *events;
	thrd_t reader;
	atomic_bool stop;
};

/* Ends the process, with a sentence, if `error` is not 0. */
void must(int error, const char *what);

void gateway_open(uint32_t lines, const struct gateway_limits *limits, struct gateway *ret_gateway);
void gateway_close(struct gateway *gateway);

/* The tables of a policy in which everybody of `prefixes` may ask the one service, with all backends reachable. */
struct tables *gateway_compile(const struct gateway *gateway, const struct gateway_policy *policy);

/* No flow is open any more. */
void gateway_forget(struct gateway *gateway);
/* All TCP handshakes are over. Returns how many flows there are. */
uint32_t gateway_establish(struct gateway *gateway);
/* Flows have to be judged again, and if a source has moved, their clients classified again. */
void gateway_raise_epoch(struct gateway *gateway, bool sources_moved);
/* Records that found no room so far. */
uint64_t gateway_lost(const struct gateway *gateway);

#endif
