// SPDX-License-Identifier: GPL-2.0-only
#include "ends.h"

#include <errno.h>

#include "compile/compile.h"

#include "rows.h"
#include "sample.h"

#define ROUNDS 15
#define ATTEMPTS (2 * ROUNDS)
#define TCP_SYN 0x02
#define TCP_ACK 0x10

struct bed {
	struct gateway with, without;
	struct meter meter;
	struct way way;
};

static struct flood syns(const struct bed *bed)
{
	return (struct flood){
		.way = bed->way, .flows = TRAFFIC_FLOWS_MAX, .prefixes = ROWS_PREFIXES, .tcp_flags = TCP_SYN};
}

static void open_flows(struct bed *bed, struct gateway *gateway, uint32_t flows)
{
	const struct flood flood = syns(bed);

	gateway_forget(gateway);
	meter_send(&bed->meter, program_xdp(&gateway->program), &flood, flows);
	must(gateway_establish(gateway) < flows - flows / 1000 ? EINVAL : 0, "not every flow was opened");
}

static void open_gateway(const struct bed *bed, uint32_t lines, bool with, struct gateway *ret_gateway)
{
	const struct gateway_policy policy = {
		.way = bed->way, .prefixes = ROWS_PREFIXES, .backends = 100, .tenants = 16};
	struct gateway_limits limits = gateway_unlimited;
	struct tables *tables;

	limits.flow_ends = with;
	gateway_open(lines, &limits, ret_gateway);
	tables = gateway_compile(ret_gateway, &policy);
	must(publish(ret_gateway->publisher, tables), "publish");
	tables_free(tables);
}

static void measure(struct bed *bed, const char *what, uint32_t flows, FILE *to)
{
	struct sample with = {0}, without = {0}, ratio = {0};

	for (uint64_t i = 0; i < ATTEMPTS && ratio.count < ROUNDS; i++) {
		struct flood flood = syns(bed);
		struct cost cost;

		if (flows) {
			flood.flows = flows;
			flood.is_random = true;
			flood.tcp_flags = TCP_ACK;
			flood.first = i << 24;
		} else {
			gateway_forget(&bed->with);
			gateway_forget(&bed->without);
		}
		cost = meter_cost(&bed->meter, program_xdp(&bed->with.program), program_xdp(&bed->without.program),
				  &flood, METER_REPEAT, flows ? USHER_REASON_ESTABLISHED : USHER_REASON_ADMITTED);
		sample_add(&with, cost.target);
		sample_add(&without, cost.floor);
		sample_add(&ratio, cost.target / cost.floor);
	}
	fprintf(to, "%-32s %8.1f %8.1f %7.2f   %.2f to %.2f\n", what, sample_quartiles(&without).median,
		sample_quartiles(&with).median, sample_quartiles(&ratio).median, sample_quartiles(&ratio).low,
		sample_quartiles(&ratio).high);
	fflush(to);
}

void ends_measure(const char *mode, uint32_t lines, FILE *to)
{
	static const struct {
		const char *what;
		uint32_t flows;
	} rows[] = {{"established, 1 flow", 1},
		    {"established, 100,000 flows", 100000},
		    {"established, 1,000,000 flows", 1000000}};
	struct bed bed = {.way = {mode, false, false}};

	open_gateway(&bed, lines, true, &bed.with);
	open_gateway(&bed, lines, false, &bed.without);
	meter_open(&bed.with, &bed.meter);
	fprintf(to, "\n%-32s %8s %8s %7s   %s\n", "ends of flows: TCP over IPv4", "without", "with", "ratio",
		"quartiles");
	fprintf(to, "%s, ns a packet\n", mode);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		open_flows(&bed, &bed.with, rows[i].flows);
		open_flows(&bed, &bed.without, rows[i].flows);
		measure(&bed, rows[i].what, rows[i].flows, to);
	}
	measure(&bed, "new flow, table filling", 0, to);
	meter_close(&bed.meter);
	gateway_close(&bed.with);
	gateway_close(&bed.without);
}
