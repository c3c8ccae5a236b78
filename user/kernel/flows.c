/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "kernel/mapping.h"

/* The tick that it is now, from the sweep. */
static int read_tick(const struct program *program, uint16_t *ret_now)
{
	struct {
		uint64_t timer[2]; /* reads as 0 */
		struct usher_sweep state;
	} sweeper;
	uint32_t key = 0;

	if (bpf_map_lookup_elem(program_map(program, "sweepers"), &key, &sweeper))
		return -errno;
	*ret_now = (uint16_t)sweeper.state.tick;
	return 0;
}

static uint32_t idle_seconds(uint16_t now, uint16_t seen)
{
	uint64_t ticks = (uint16_t)(now - seen);

	/* Packets may be ahead of the sweep, by a period of it. */
	if (ticks & 0x8000)
		ticks = 0;
	return (uint32_t)((ticks << USHER_TICK_SHIFT) / CLOCK_SECOND);
}

/* Copies a line, and says whether it held still meanwhile and is a flow. */
static bool view(const struct usher_flow *line, uint32_t index, uint16_t now, struct flow_view *ret_flow)
{
	uint64_t tag = __atomic_load_n(&line->tag, __ATOMIC_ACQUIRE);
	struct usher_flow copy;

	if (USHER_TAG_STATUS(tag) < USHER_FLOW_HALF_OPEN || tag & USHER_TAG_RETURN)
		return false;
	memcpy(&copy, line, sizeof(copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&line->tag, __ATOMIC_RELAXED) != tag)
		return false;
	*ret_flow = (struct flow_view){
		.status = USHER_TAG_STATUS(tag),
		.line = index,
		.epoch = USHER_TAG_EPOCH(tag),
		.protocol = tag & USHER_TAG_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.client = copy.source,
		.service_address = copy.destination,
		.client_port = ntohs(copy.source_port_be),
		.service_port = ntohs(copy.destination_port_be),
		.value = copy.value.forward,
		.idle_seconds = idle_seconds(now, copy.value.forward.seen),
	};
	return true;
}

static int each_line(const struct mapping *lines, uint16_t now,
		     int (*found)(const struct flow_view *flow, void *context), void *context)
{
	const struct usher_flow *line = lines->bytes;
	struct flow_view flow;

	for (uint32_t i = 0; i < lines->entries; i++) {
		if (!view(&line[i], i, now, &flow))
			continue;
		int r = found(&flow, context);

		if (r)
			return r;
	}
	return 0;
}

int flows_each(const struct program *program, int (*found)(const struct flow_view *flow, void *context), void *context)
{
	_cleanup_(mapping_close) struct mapping lines = {0};
	uint16_t now = 0;
	int r = read_tick(program, &now);

	if (!r)
		r = mapping_open(program_map(program, "flows"), sizeof(struct usher_flow), false, &lines);
	return r ? r : each_line(&lines, now, found, context);
}

int flows_tenants(const struct program *program, struct usher_tenant_state ret_states[USHER_TENANT_IDS])
{
	_cleanup_(mapping_close) struct mapping tenants = {0};
	const struct usher_tenant_state *states;
	int r = mapping_open(program_map(program, "tenants"), sizeof(struct usher_tenant_state), false, &tenants);

	if (r)
		return r;
	states = tenants.bytes;
	for (size_t i = 0; i < USHER_TENANT_IDS && i < tenants.entries; i++)
		ret_states[i] = states[i];
	return 0;
}

static int raise(const struct flow_view *flow, void *context)
{
	uint16_t *incarnations = context;

	if (flow->value.backend < USHER_BACKENDS_MAX && incarnations[flow->value.backend] < flow->value.incarnation)
		incarnations[flow->value.backend] = flow->value.incarnation;
	return 0;
}

int flows_incarnations(const struct program *program, uint16_t *incarnations)
{
	return flows_each(program, raise, incarnations);
}
