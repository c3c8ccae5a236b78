/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A gateway as the design's packet table describes it: a policy and the flows that it has let in. It says what must become
 * of a frame; where the design leaves a choice (which NAT port), it takes what the program chose, and says whether that was one of
 * the choices.
 */
#ifndef USHER_MODEL_GATEWAY_H
#define USHER_MODEL_GATEWAY_H

#include "judge.h"
#include "kernel.h"
#include "ring.h"
#include "wire.h"

enum ref_status { REF_HALF_OPEN, REF_LIVE, REF_CUT };

struct ref_flow {
	bool ipv6, l2, answered;
	enum ref_status status;
	uint8_t protocol;
	struct usher_address client, service_address;
	uint16_t client_port, service_port;
	uint8_t client_mac[6];
	uint16_t service; /* number */
	uint16_t backend, incarnation;
	struct usher_address backend_address, nat_address;
	uint16_t backend_port, nat_port; /* nat_port 0: direct return */
	uint32_t backend_next, client_next;
	bool asked, lost, client_fin, backend_fin,
		reset;	     /* TCP past its handshake; `reset` also of one that was refused */
	bool adopted, later; /* it was not begun here; its last packet is certainly of an earlier second */
	uint32_t line;	     /* of the flow table */
	uint32_t epoch;
};

#define REF_FLOWS_MAX 8192

struct gateway {
	const struct ref_policy *policy;
	const struct catalog *catalog; /* for the numbers of its names */
	uint32_t epoch;
	uint64_t generation;
	struct ring_cache *rings;
	bool deadline_passed;
	uint16_t numbers[REF_BACKENDS_MAX]; /* by position in policy->backends, as are the loads */
	struct ref_load loads[REF_BACKENDS_MAX];
	size_t flow_count;
	struct ref_flow flows[REF_FLOWS_MAX];
};

struct expectation {
	uint8_t reason;
	uint8_t otherwise;   /* 0, or a reason that is as good and shows in nothing but the counters */
	uint32_t service;    /* number, or USHER_SERVICE_NONE */
	int action;	     /* enum xdp_action */
	struct frame output; /* if the action is XDP_TX */
	char fault[160];     /* "": what the program chose was one of the choices */
};

/* After a publish: flows whose judgement has changed must have become stale. False, with a sentence, if one has not. */
bool gateway_published(struct gateway *gateway, char fault[160]);
/* An adopted flow that is not proven and that the frame belongs to, or NULL. */
struct ref_flow *gateway_unproven(struct gateway *gateway, const struct frame *frame);
/* What must become of the frame, and what the gateway is like afterwards. */
void gateway_packet(struct gateway *gateway, const struct frame *frame, const struct kernel_run *run,
		    struct expectation *ret_expectation);

#endif
