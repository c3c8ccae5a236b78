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
#define LINES_100K (1u << 17) /* that have room for them */
#define FLOWS_1M 1000000u
#define ATTEMPTS 3 /* at a run that is disturbed */

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

struct bed {
	struct meter *meter;
	struct gateway *gateway;
	const struct way_tables *tables;
	uint64_t seed;
	int target;
	bool is_first;	  /* of its mode: TCP over IPv4 */
	double *lru_full; /* what its floor is at the rated load, measured with the first way */
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

/* A disturbed run is tried again, where trying changes nothing. */
static double look(const struct bed *bed, int target, const struct flood *flood, uint8_t reason)
{
	double ns = NAN;

	for (int i = 0; i < ATTEMPTS && isnan(ns); i++)
		ns = meter_cost(bed->meter, target, METER_NONE, flood, METER_REPEAT, reason).target;
	return ns;
}

/* The gateway, and right before it the LRU hash, which holds as many keys as the flow table has flows; each has the caches to itself. */
static struct cost look_both(const struct bed *bed, const struct flood *flood, uint8_t reason)
{
	double floor = look(bed, lru_find(bed), flood, 0);

	return (struct cost){look(bed, bed->target, flood, reason), floor};
}

/* New flows, where there are `before` already. */
static double open_new(const struct bed *bed, struct flood flood, uint32_t before)
{
	double ns = NAN;

	for (int i = 0; i < ATTEMPTS && isnan(ns); i++) {
		gateway_forget(bed->gateway);
		flood.first = 0;
		if (before)
			meter_send(bed->meter, bed->target, &flood, before);
		flood.first = before;
		ns = meter_cost(bed->meter, bed->target, METER_NONE, &flood, METER_REPEAT, USHER_REASON_ADMITTED)
			     .target;
	}
	return ns;
}

/* New keys in the LRU hash, while it fills or when it is full. */
static double insert_new(const struct bed *bed, struct flood flood, bool is_full)
{
	double ns = NAN;

	for (int i = 0; i < ATTEMPTS && isnan(ns); i++) {
		flood.first = TRAFFIC_FLOWS_MAX - TRAFFIC_LRU_ENTRIES;
		fill_lru(bed, &flood, is_full ? TRAFFIC_LRU_ENTRIES : 0);
		flood.first = 0;
		ns = meter_cost(bed->meter, lru_insert(bed), METER_NONE, &flood, METER_REPEAT, 0).target;
	}
	return ns;
}

static void open_flows(const struct bed *bed, uint32_t flows)
{
	struct flood flood = beginning(bed, 0);

	gateway_forget(bed->gateway);
	meter_send(bed->meter, bed->target, &flood, flows);
	if (gateway_establish(bed->gateway) != flows)
		must(EINVAL, "not every flow was opened");
}

/* Each flow's first packet after a new epoch. */
static struct cost judge_again(const struct bed *bed, bool sources_moved)
{
	struct flood flood = established(bed, FLOWS_1M);

	flood.is_random = false;
	flood.first = 0;
	gateway_raise_epoch(bed->gateway, sources_moved);
	return (struct cost){
		meter_cost(bed->meter, bed->target, METER_NONE, &flood, METER_REPEAT, USHER_REASON_REAFFIRMED).target,
		bed->of[ROW_NEW].target};
}

/* Lines are read, and nothing else is done: the least that a table of flows can take. */
static struct cost read_lines(const struct bed *bed, bool is_waited_for, struct flood flood, uint32_t lines,
			      double floor)
{
	const struct traffic_bpf *skeleton = bed->meter->skeleton;

	flood.lines = lines;
	return (struct cost){look(bed,
				  bpf_program__fd(is_waited_for ? skeleton->progs.line_waited : skeleton->progs.line),
				  &flood, 0),
			     floor};
}

static void many_flows(const struct bed *bed)
{
	struct flood first = beginning(bed, 0), flood = established(bed, FLOWS_1M);
	uint32_t lines = (uint32_t)bed->gateway->flows.entries;

	bed->of[ROW_NEW].floor = insert_new(bed, first, false);
	bed->of[ROW_NEW].target = open_new(bed, first, 0);
	gateway_establish(bed->gateway);
	bed->of[ROW_FLOWS_1M] = look_both(bed, &flood, USHER_REASON_ESTABLISHED);
	if (bed->is_first) {
		bed->of[ROW_LINE_1M] = read_lines(bed, false, flood, lines, bed->of[ROW_FLOWS_1M].floor);
		bed->of[ROW_LINE_1M_WAITED] = read_lines(bed, true, flood, lines, bed->of[ROW_FLOWS_1M].floor);
	}
	for (int i = 0; i < ATTEMPTS && isnan(bed->of[ROW_EPOCH].target); i++)
		bed->of[ROW_EPOCH] = judge_again(bed, false);
	for (int i = 0; i < ATTEMPTS && isnan(bed->of[ROW_EPOCH_SOURCES].target) && bed->is_first; i++)
		bed->of[ROW_EPOCH_SOURCES] = judge_again(bed, true);

	fill_lru(bed, &first, FLOWS_100K);
	open_flows(bed, FLOWS_100K);
	flood = established(bed, FLOWS_100K);
	bed->of[ROW_FLOWS_100K] = look_both(bed, &flood, USHER_REASON_ESTABLISHED);
	if (bed->is_first) {
		bed->of[ROW_LINE_100K_WAITED] = read_lines(bed, true, flood, lines, bed->of[ROW_FLOWS_100K].floor);
		bed->of[ROW_LINE_100K] = read_lines(bed, false, flood, LINES_100K, bed->of[ROW_FLOWS_100K].floor);
	}
}

/* As many new ones that on average the table is at its rated load. */
static void rated_load(const struct bed *bed)
{
	uint32_t lines = strcmp(bed->tables->way.mode, "nat") ? 1 : 2;
	uint32_t before = (uint32_t)USHER_FLOW_LINES_RATED(bed->gateway->flows.entries) / lines - METER_REPEAT / 2;

	if (bed->is_first)
		*bed->lru_full = insert_new(bed, beginning(bed, 0), true);
	bed->of[ROW_NEW_RATED] = (struct cost){open_new(bed, beginning(bed, 0), before), *bed->lru_full};
}

static void many_prefixes(const struct bed *bed)
{
	struct flood flood = beginning(bed, 0);

	flood.prefixes = ROWS_PREFIXES_LARGEST;
	must(publish(bed->gateway->publisher, bed->tables->largest), "publish");
	bed->of[ROW_NEW_PREFIXES] = (struct cost){open_new(bed, flood, 0), bed->of[ROW_NEW].floor};
	must(publish(bed->gateway->publisher, bed->tables->usual), "publish");
}

/* What comes of one flow, whose line is at hand, if each packet has to wait for some line as one of many flows has for its own. */
static struct cost one_after(const struct bed *bed, uint32_t lines, double floor)
{
	struct flood flood = established(bed, 1);

	flood.lines = (uint32_t)bed->gateway->flows.entries;
	flood.awaited = lines;
	return (struct cost){look(bed, bed->target, &flood, USHER_REASON_ESTABLISHED), floor};
}

static void one_flow(const struct bed *bed)
{
	bool is_ipv6 = bed->tables->way.is_ipv6;
	struct flood flood = established(bed, 1);

	fill_lru(bed, &flood, 1);
	open_flows(bed, 1);
	bed->of[ROW_ONE] = look_both(bed, &flood, USHER_REASON_ESTABLISHED);
	if (bed->is_first) {
		bed->of[ROW_ONE_AFTER_100K] = one_after(bed, FLOWS_100K, bed->of[ROW_FLOWS_100K].floor);
		bed->of[ROW_ONE_AFTER_1M] = one_after(bed, FLOWS_1M, bed->of[ROW_FLOWS_1M].floor);
	}
	flood.is_elsewhere = true;
	meter_send(bed->meter, lru_insert(bed), &flood, 1);
	bed->of[ROW_NONE] = look_both(bed, &flood, USHER_REASON_NOT_FOR_SERVICE);
	flood.is_elsewhere = false;
	flood.tcp_flags = TCP_SYN;
	flood.prefixes = 1;
	flood.source = is_ipv6 ? GATEWAY_STRANGER6 : GATEWAY_STRANGER4;
	bed->of[ROW_STRANGER].target = look(bed, bed->target, &flood, USHER_REASON_DENY_RULE);
	flood.source = is_ipv6 ? GATEWAY_BANNED6 : GATEWAY_BANNED4;
	/* An ICMP answer moves both ends of the frame, which `traffic` does not undo. */
	flood.is_answered = true;
	if (!flood.way.is_udp)
		bed->of[ROW_RESET].target = look(bed, bed->target, &flood, USHER_REASON_DENY_RULE);
}

/* What any program would take. */
static void least(const struct bed *bed)
{
	const struct traffic_bpf *skeleton = bed->meter->skeleton;
	struct flood flood = established(bed, 1);

	bed->of[ROW_REWRITE].target = look(bed, bpf_program__fd(skeleton->progs.rewrite), &flood, 0);
}

void rows_measure(struct meter *meter, struct gateway *gateway, const struct way_tables *tables, uint64_t seed,
		  double *lru_full, struct row_costs *ret_costs)
{
	const struct bed bed = {.meter = meter,
				.gateway = gateway,
				.tables = tables,
				.seed = seed,
				.target = program_xdp(&gateway->program),
				.is_first = !tables->way.is_udp && !tables->way.is_ipv6,
				.lru_full = lru_full,
				.of = ret_costs->of};

	for (int i = 0; i < ROW_COUNT; i++)
		bed.of[i] = (struct cost){NAN, NAN};
	must(publish(gateway->publisher, tables->usual), "publish");
	many_flows(&bed);
	rated_load(&bed);
	many_prefixes(&bed);
	one_flow(&bed);
	if (bed.is_first)
		least(&bed);
	gateway_forget(gateway);
}
