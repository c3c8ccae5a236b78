/* SPDX-License-Identifier: GPL-2.0-only */
/* What `usher show` shows, one function a word; body is the answer's, {WORD: ...}. */
#ifndef USHER_CLI_SHOW_H
#define USHER_CLI_SHOW_H

#include <json-c/json.h>

void show_services(struct json_object *body);
void show_tenants(struct json_object *body);
void show_models(struct json_object *body);
void show_backends(struct json_object *body);
void show_routes(struct json_object *body);
void show_quarantines(struct json_object *body);
void show_facts(struct json_object *body);
void show_gates(struct json_object *body);
void show_surges(struct json_object *body);
void show_ejections(struct json_object *body);
void show_pools(struct json_object *body);
void show_shipping(struct json_object *body);
void show_evaluators(struct json_object *body);
void show_rollouts(struct json_object *body);
void show_flows(struct json_object *body);
void show_stats(struct json_object *body);
void show_generation(struct json_object *body);

/* "root since 2026-11-22T10:00:00Z: why", of a quarantine; to be freed. */
char *quarantine_text(struct json_object *quarantine);
/* Lines of the overview, if there are quarantines. */
void quarantine_facts(struct json_object *body);

/* The same, if there are gates that are not ok. */
void gate_facts(struct json_object *body);

/* One of each roll-out. */
void rollout_facts(struct json_object *body);
void pool_facts(struct json_object *body);
/* "sent", or what keeps records from a destination. */
const char *shipping_state(struct json_object *destination);
/* The same, of destinations that get no records. */
void shipping_facts(struct json_object *body);

/* Packets of a {VERDICT: {REASON: counter}} under one verdict. */
long long verdict_packets(struct json_object *verdicts, const char *verdict);

#endif
