/* SPDX-License-Identifier: GPL-2.0-only */
/* The flow table, read while packets change it. */
#ifndef USHER_KERNEL_FLOWS_H
#define USHER_KERNEL_FLOWS_H

#include "kernel/program.h"

struct flow_view {
	enum usher_flow_status status;
	uint32_t line, epoch;
	uint8_t protocol;
	struct usher_address client, service_address;
	uint16_t client_port, service_port;
	struct usher_flow_forward value;
	uint32_t idle_seconds;
};

/* Calls `found` for each flow (client to service) until it returns other than 0, which is returned then; 0 at the end;
 * -errno. A flow is shown whole or not at all: its tag is the same before and after. */
int flows_each(const struct program *program, int (*found)(const struct flow_view *flow, void *context), void *context);

/* What packets have noted of each tenant. Numbers that packets change meanwhile are each of some moment. 0 or -errno. */
int flows_tenants(const struct program *program, struct usher_tenant_state ret_states[USHER_TENANT_IDS]);

/* The highest incarnation of each backend (USHER_BACKENDS_MAX of them) that a flow still names; raises what is lower. */
int flows_incarnations(const struct program *program, uint16_t *incarnations);

#endif
