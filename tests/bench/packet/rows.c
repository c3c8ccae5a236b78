// SPDX-License-Identifier: GPL-2.0-only
#include "rows.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "compile/compile.h"
#include "tests/bench/packet/traffic.skel.h"

#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define BACKENDS 100
#define TENANTS 16
#define FLOWS_100K 100000u
#define FLOWS_1M 1000000u

const struct row_shape row_shapes[ROW_COUNT] = {
#define X(name, text, bar, floor) {text, bar, FLOOR_##floor},
	ROWS(X)
#undef X
};

const char *const floor_texts[FLOOR_COUNT] = {
#define X(name, text) text,
	FLOORS(X)
#undef X
};

void rows_compile(const struct gateway *gateway, const struct way *way, struct way_tables *ret_tables)
{
	struct gateway_policy policy = {
		.way = *way, .prefixes = ROWS_PREFIXES, .backends = BACKENDS, .tenants = TENANTS};

	ret_tables->way = *way;
	ret_tables->usual = gateway_compile(gateway, &policy);
	policy.prefixes = ROWS_PREFIXES_LARGEST;
	ret_tables->largest = gateway_compile(gateway, &policy);
}

void rows_free(struct way_tables *tables)
{
	tables_free(tables->usual);
	tables_free(tables->largest);
}

/* ---- rows -------------------------------------------------------------------------------------------------- */

struct bed {
	struct meter *meter;
	struct gateway *gateway;
	const struct way_tables *tables;
	uint64_t seed;
	int target;
	struct cost *of;
};

/* The first packets of flows, one after the other. */
static struct flood beginning(const struct bed *bed, uint64_t first)
{
	return (struct flood){.way = bed->tables->way,
			      .flows = TRAFFIC_FLOWS_MAX,
			      .prefixes = ROWS_PREFIXES,
			      .tcp_flags = TCP_SYN,
			      .first = first};
}

/* Packets of `flows` flows in random order. */
static struct flood established(const struct bed *bed, uint32_t flows)
{
	return (struct flood){.way = bed->tables->way,
			      .flows = flows,
			      .prefixes = ROWS_PREFIXES,
			      .is_random = true,
			      .tcp_flags = TCP_ACK,
			      .first = bed->seed};
}

/*
 * With a floor, one of the LRU hash's, which then holds as many keys as the flow table has flows. One right after the other, each with
 * the caches to itself.
 */
static struct cost cost(const struct bed *bed, int floor, const struct flood *flood, uint8_t reason)
{
	struct cost cost = {NAN, NAN};

	if (floor != METER_NONE)
		cost.floor = meter_cost(bed->meter, floor, METER_NONE, flood, METER_REPEAT, 0).target;
	cost.target = meter_cost(bed->meter, bed->target, METER_NONE, flood, METER_REPEAT, reason).target;
	return cost;
}

static int lru_find(const struct bed *bed)
{
	return bpf_program__fd(bed->meter->skeleton->progs.lru_find);
}

static int lru_insert(const struct bed *bed)
{
	return bpf_program__fd(bed->meter->skeleton->progs.lru_insert);
}

/* A new LRU hash with the keys of these flows: in one that was emptied what is free lies in no order, which is slower. */
static void fill_lru(const struct bed *bed, const struct flood *flood, uint32_t flows)
{
	meter_close(bed->meter);
	meter_open(bed->gateway, bed->meter);
	if (flows)
		meter_send(bed->meter, lru_insert(bed), flood, flows);
}

static void open_flows(const struct bed *bed, uint32_t flows)
{
	struct flood flood = beginning(bed, 0);

	gateway_forget(bed->gateway);
	meter_send(bed->meter, bed->target, &flood, flows);
	if (gateway_establish(bed->gateway) != flows)
		must(EINVAL, "not every flow was opened");
}

static void many_flows(const struct bed *bed)
{
	struct flood flood = beginning(bed, 0);

	gateway_forget(bed->gateway);
	fill_lru(bed, &flood, 0);
	bed->of[ROW_NEW] = cost(bed, lru_insert(bed), &flood, USHER_REASON_ADMITTED);
	gateway_establish(bed->gateway);
	flood = established(bed, FLOWS_1M);
	bed->of[ROW_FLOWS_1M] = cost(bed, lru_find(bed), &flood, USHER_REASON_ESTABLISHED);
	flood.is_random = false;
	flood.first = 0;
	gateway_raise_epoch(bed->gateway, false);
	bed->of[ROW_EPOCH] = cost(bed, METER_NONE, &flood, USHER_REASON_REAFFIRMED);
	gateway_raise_epoch(bed->gateway, true);
	bed->of[ROW_EPOCH_SOURCES] = cost(bed, METER_NONE, &flood, USHER_REASON_REAFFIRMED);
	bed->of[ROW_EPOCH].floor = bed->of[ROW_EPOCH_SOURCES].floor = bed->of[ROW_NEW].target;

	flood = beginning(bed, 0);
	fill_lru(bed, &flood, FLOWS_100K);
	open_flows(bed, FLOWS_100K);
	flood = established(bed, FLOWS_100K);
	bed->of[ROW_FLOWS_100K] = cost(bed, lru_find(bed), &flood, USHER_REASON_ESTABLISHED);
}

/* As many new ones that on average the table is at its rated load. The LRU hash is full of others. */
static void rated_load(const struct bed *bed)
{
	uint32_t lines = strcmp(bed->tables->way.mode, "nat") ? 1 : 2;
	uint32_t before = (uint32_t)USHER_FLOW_LINES_RATED(bed->gateway->flows.entries) / lines - METER_REPEAT / 2;
	struct flood flood = beginning(bed, TRAFFIC_FLOWS_MAX - TRAFFIC_LRU_ENTRIES);

	fill_lru(bed, &flood, TRAFFIC_LRU_ENTRIES);
	flood.first = 0;
	gateway_forget(bed->gateway);
	meter_send(bed->meter, bed->target, &flood, before);
	flood.first = before;
	bed->of[ROW_NEW_RATED] = cost(bed, lru_insert(bed), &flood, USHER_REASON_ADMITTED);
}

static void many_prefixes(const struct bed *bed)
{
	struct flood flood = beginning(bed, 0);

	must(publish(bed->gateway->publisher, bed->tables->largest), "publish");
	gateway_forget(bed->gateway);
	flood.prefixes = ROWS_PREFIXES_LARGEST;
	fill_lru(bed, &flood, 0);
	bed->of[ROW_NEW_PREFIXES] = cost(bed, lru_insert(bed), &flood, USHER_REASON_ADMITTED);
	must(publish(bed->gateway->publisher, bed->tables->usual), "publish");
}

static void one_flow(const struct bed *bed)
{
	bool is_ipv6 = bed->tables->way.is_ipv6;
	struct flood flood = established(bed, 1);

	fill_lru(bed, &flood, 1);
	open_flows(bed, 1);
	bed->of[ROW_ONE] = cost(bed, lru_find(bed), &flood, USHER_REASON_ESTABLISHED);
	flood.tcp_flags = TCP_SYN;
	flood.prefixes = 1;
	flood.source = is_ipv6 ? GATEWAY_BANNED6 : GATEWAY_BANNED4;
	/* An ICMP answer moves both ends of the frame, which `traffic` does not undo. */
	flood.is_answered = true;
	bed->of[ROW_RESET] =
		flood.way.is_udp ? (struct cost){NAN, NAN} : cost(bed, METER_NONE, &flood, USHER_REASON_DENY_RULE);
	flood.is_answered = false;
	flood.source = is_ipv6 ? GATEWAY_STRANGER6 : GATEWAY_STRANGER4;
	bed->of[ROW_STRANGER] = cost(bed, METER_NONE, &flood, USHER_REASON_DENY_RULE);
	flood.is_elsewhere = true;
	fill_lru(bed, &flood, 1);
	bed->of[ROW_NONE] = cost(bed, lru_find(bed), &flood, USHER_REASON_NOT_FOR_SERVICE);
}

/* What any program would take, once for a mode. */
static void least(const struct bed *bed)
{
	const struct traffic_bpf *skeleton = bed->meter->skeleton;
	struct flood flood = established(bed, FLOWS_1M);

	bed->of[ROW_LINE] = bed->of[ROW_REWRITE] = (struct cost){NAN, NAN};
	if (flood.way.is_udp || flood.way.is_ipv6)
		return;
	bed->of[ROW_LINE] =
		meter_cost(bed->meter, bpf_program__fd(skeleton->progs.line), METER_NONE, &flood, METER_REPEAT, 0);
	flood.flows = 1;
	bed->of[ROW_REWRITE] =
		meter_cost(bed->meter, bpf_program__fd(skeleton->progs.rewrite), METER_NONE, &flood, METER_REPEAT, 0);
}

void rows_measure(struct meter *meter, struct gateway *gateway, const struct way_tables *tables, uint64_t seed,
		  struct row_costs *ret_costs)
{
	const struct bed bed = {.meter = meter,
				.gateway = gateway,
				.tables = tables,
				.seed = seed,
				.target = program_xdp(&gateway->program),
				.of = ret_costs->of};

	must(publish(gateway->publisher, tables->usual), "publish");
	many_flows(&bed);
	rated_load(&bed);
	many_prefixes(&bed);
	one_flow(&bed);
	least(&bed);
	gateway_forget(gateway);
}
