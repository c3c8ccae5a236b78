/* SPDX-License-Identifier: GPL-2.0-only */
/* What `show` asks, and the parts of its answer. */
#ifndef USHER_DAEMON_SHOW_H
#define USHER_DAEMON_SHOW_H

#include "kernel/counters.h"
#include "daemon/request.h"

struct question {
	struct core *core;
	struct json *to;
	const char *service; /* only this one; NULL: all */
	int64_t limit;
	struct counters *counters;
	const struct identities *identities;
};

/* Of the policy, with what is counted of it. */
void show_services(struct question *question);
void show_tenants(struct question *question);
void show_models(struct question *question);
void show_backends(struct question *question);
void show_routes(struct question *question);
/* "balance": what services with least-load go by for the backend of this number, or null. */
void show_balance(struct question *question, uint16_t number);
/* Of the world. */
void show_facts(struct question *question);
void show_gates(struct question *question);
void show_surges(struct question *question);
void show_ejections(struct question *question);
void show_pools(struct question *question);
void show_shipping(struct question *question);
void show_evaluators(struct question *question);
void show_rollouts(struct question *question);
/* "cause" and "cause_text": null, or why something could not be read. */
void show_cause(struct json *to, struct cause cause, const char *path);
/* "up", "down", "unknown", or "unchecked" where nobody asks. */
const char *show_health(const struct backend *backend, enum health_state state);

/* What operators have ordered. */
void quarantine_list(struct question *question);

/* Of the data plane. */
void show_flows(struct question *question);
void show_stats(struct question *question);
void show_generation(struct question *question);

void show_counter(struct json *to, const char *key, const struct usher_counter *counter);
/* {VERDICT: {REASON: C}}, only what is not zero. at: by reason. */
void show_verdicts(struct json *to, const struct usher_counter *at);

#endif
