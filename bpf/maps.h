/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map, nothing else. abi.h says what is in them.
 *
 * Tables are what a publish writes: USHER_SLOTS generations side by side, mmapable, read-only for packets.
 */
#ifndef USHER_BPF_MAPS_H
#define USHER_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"

/* The boot map's entry, known to the verifier. */
const volatile struct usher_boot usher_boot;

#define USHER_ARRAY(name, value_type, entries)                                                                         \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
		__uint(map_flags, BPF_F_MMAPABLE);                                                                     \
		__uint(max_entries, entries);                                                                          \
		__type(key, __u32);                                                                                    \
		__type(value, value_type);                                                                             \
	} name SEC(".maps")

#define USHER_PERCPU(name, value_type, entries)                                                                        \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                                               \
		__uint(max_entries, entries);                                                                          \
		__type(key, __u32);                                                                                    \
		__type(value, value_type);                                                                             \
	} name SEC(".maps")

#define USHER_TABLE(name, value_type, entries) USHER_ARRAY(name, value_type, USHER_SLOTS *(entries))

/* ---- settings and tables ---- */

USHER_ARRAY(boot, struct usher_boot, 1);
USHER_ARRAY(control, struct usher_control, 1);
USHER_ARRAY(interfaces, struct usher_interface, USHER_INTERFACES_MAX);

/* By index of the interface: itself, if it is one of usher's. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, USHER_INTERFACES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} egress SEC(".maps");

USHER_TABLE(generations, struct usher_generation, 1);
USHER_TABLE(endpoints, struct usher_endpoint, USHER_ENDPOINT_SLOTS);
USHER_TABLE(source4, struct usher_source4_line, USHER_SOURCE4_LINES);
USHER_TABLE(source6, struct usher_source6_line, USHER_SOURCE6_LINES);
USHER_TABLE(source4_classes, struct usher_line16, USHER_SOURCE4_CLASS_LINES);
USHER_TABLE(source6_classes, struct usher_line16, USHER_SOURCE6_CLASS_LINES);
USHER_TABLE(networks, struct usher_line32, USHER_NETWORKS_LINES);
USHER_TABLE(network_blocks, struct usher_line16, USHER_NETWORK_BLOCKS_MAX *USHER_NETWORK_BLOCK_LINES);
USHER_TABLE(classes, struct usher_class, USHER_CLASSES_MAX);
USHER_TABLE(services, struct usher_service, USHER_SERVICES_MAX);
USHER_TABLE(route_index, struct usher_line16, USHER_ROUTE_INDEX_LINES);
USHER_TABLE(routes, struct usher_route, USHER_ROUTES_MAX);
USHER_TABLE(arms, struct usher_arm, USHER_ROUTE_ARMS_MAX);
USHER_TABLE(rings, struct usher_line16, USHER_RING_LINES);
USHER_TABLE(sets, struct usher_set, USHER_SETS_MAX);
USHER_TABLE(backends, struct usher_backend, USHER_BACKENDS_MAX);
USHER_TABLE(tenant_limits, struct usher_tenant_limit, USHER_TENANT_IDS);
USHER_TABLE(nat_addresses, struct usher_nat_address, USHER_NAT_ADDRESSES_MAX);

/* ---- counters, records and explanations ---- */

USHER_PERCPU(received, struct usher_counter, USHER_SERVICES_MAX + 1);
USHER_PERCPU(verdicts, struct usher_counter, USHER_VERDICT_SLOTS);
USHER_PERCPU(backend_counters, struct usher_backend_counter, USHER_BACKENDS_MAX);
USHER_ARRAY(loads, struct usher_load, USHER_BACKENDS_MAX);
USHER_ARRAY(backend_figures, struct usher_backend_figures, USHER_BACKENDS_MAX);

/* What was too often to be recorded one by one, until the tick is over: see flood.h. */
#define USHER_FLOODS_MAX 16384
struct flood_key {
	__u64 generation;
	__u16 tick;
	__u16 class_id;
	__u16 tenant;
	__u16 rule;
	__u16 service;
	__u16 target;
	__u8 reason;
	__u8 ring;
	__u8 protocol;
	__u8 padding;
};
USHER_ASSERT_SIZE(struct flood_key, 24);
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, USHER_FLOODS_MAX);
	__type(key, struct flood_key);
	__type(value, __u64);
} floods SEC(".maps");
/* By reason: what `floods` had no room for, since the maps were made; and how much of it is on record. */
USHER_PERCPU(flood_rest, __u64, USHER_REASON_MAX);
USHER_ARRAY(flood_rest_told, __u64, USHER_REASON_MAX);

/* Answers sent to a class in a tick, on one CPU. */
struct usher_replies {
	__u32 tick;
	__u32 sent;
};
USHER_PERCPU(replies, struct usher_replies, USHER_CLASSES_MAX);

/* Entries: of each CPU USHER_RINGS, and of each ring boot.event_slots; set before the object is loaded. */
USHER_ARRAY(event_rings, struct usher_event_ring, USHER_RINGS);
USHER_ARRAY(events, struct usher_event, 1);

/* Where the end of a flow is described before it goes to its ring. */
USHER_PERCPU(flow_ends, struct usher_flow_end, 1);

USHER_ARRAY(explanation, struct usher_explanation, 1);

USHER_PERCPU(desks, struct desk, 2);

/* ---- flows ---- */

/* Entries of both: boot.flow_lines, set before the object is loaded. */
USHER_ARRAY(flows, struct usher_flow, USHER_FLOW_LINES_DEFAULT);
USHER_ARRAY(flow_moments, struct usher_flow_moment, USHER_FLOW_LINES_DEFAULT);
/* The same number if boot.flow_ends, otherwise 1. */
USHER_ARRAY(flow_figures, struct usher_flow_figures, USHER_FLOW_LINES_DEFAULT);
USHER_ARRAY(tenants, struct usher_tenant_state, USHER_TENANT_IDS);
USHER_PERCPU(flow_counters, struct usher_flow_counter, 1);
/* By backend; shared by all CPUs: see nat.h. */
USHER_ARRAY(nat_tickets, __u64, USHER_BACKENDS_MAX);

/* What expires flows without the daemon: see expire.h. */
struct sweeper {
	struct bpf_timer timer;
	struct usher_sweep state;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sweeper);
} sweepers SEC(".maps");

#endif
