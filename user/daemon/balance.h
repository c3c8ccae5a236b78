/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What services with "balance": "least-load" go by, told to the kernel several times a second.
 *
 * 1. A scraped load goes on from when it was observed, not from when it came: how many connections had been opened then is looked up in
 *    a short history. What is opened between two tellings the kernel adds by itself.
 * 2. A model of whose scraped backends none has been asked yet is left as it is: a daemon that takes over knows less than the one before.
 */
#ifndef USHER_DAEMON_BALANCE_H
#define USHER_DAEMON_BALANCE_H

#include "govern/least_load.h"
#include "kernel/loads.h"

struct core;
struct balance;

int balance_open(const struct program *program, struct problem *problem, struct balance **ret_balance);
void balance_close(struct balance *balance);
/* now: CLOCK_MONOTONIC ns. To be called about every BALANCE_EVERY. */
void balance_tick(struct core *core, int64_t now);
#define BALANCE_EVERY (200 * CLOCK_MILLISECOND)
/* A backend's number is about to mean another one. */
void balance_forget(struct balance *balance, uint16_t backend);

/* What packets go by, as shares of the backend's capacity. */
struct balance_view {
	enum load_basis basis;
	double told;	 /* as it goes on from what was observed, or as the peers' median */
	uint32_t opened; /* connections since */
	double now;	 /* both together */
};
void balance_view(const struct balance *balance, uint16_t backend, struct balance_view *ret_view);

#endif
