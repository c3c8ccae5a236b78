// SPDX-License-Identifier: GPL-2.0-only
/* The program, but for its records: what they cost is what the real one costs more. */
#define USHER_BPF_AUDIT_H

#include "reserve.h"
#define reserve_record(required) ((void)(required), (struct usher_event *)NULL)

#include "flood.h"
#include "flow.h"
#include "generation.h"

static __always_inline int audit_budget(const struct packet *packet, __u32 tenant, __u32 kind)
{
	(void)packet;
	(void)tenant;
	(void)kind;
	return true;
}

static __always_inline void audit_submit(struct usher_event *event, const struct packet *packet,
					 const struct decision *decision, int reason)
{
	(void)event;
	(void)packet;
	(void)decision;
	(void)reason;
}

static __always_inline int audit_record(const struct packet *packet, const struct decision *decision, int reason)
{
	(void)packet;
	(void)decision;
	(void)reason;
	return 0;
}

#include "usher.bpf.c"
