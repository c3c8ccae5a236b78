// SPDX-License-Identifier: GPL-2.0-only
#include "growth.h"

#include <errno.h>

#include "compile/compile.h"

#include "../machine.h"
#include "rows.h"
#include "sample.h"

#define LINES (1u << 23)
#define ROUNDS 15
#define ATTEMPTS (2 * ROUNDS)
#define POINTS_MAX 8
#define TABLE_FLOWS 100000 /* in each of the tables */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

enum axis { FLOWS, PREFIXES, BACKENDS, TENANTS, TABLE };

/* What grows, of which a packet is of an established flow or else begins one. */
static const struct curve {
	enum axis axis;
	const char *what, *packet;
	uint32_t points[POINTS_MAX];
	size_t count;
} curves[] = {
	{FLOWS, "flows", "established", {1, 1000, 10000, 100000, 1000000, 2000000, 4000000}, 7},
	{PREFIXES, "prefixes", "new flow", {1, 10, 100, 1000, 10000, 65535, 100000}, 7},
	{BACKENDS, "backends", "new flow", {1, 10, 100, 1000, 4096}, 5},
	{TENANTS, "tenants", "new flow", {1, 4, 16, 64, 256, 1023}, 6},
	{TABLE, "lines", "established", {1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22}, 5},
};
#define CURVES (sizeof(curves) / sizeof(*curves))

struct growth {
	struct gateway gateway;
	struct meter meter;
	struct gateway_policy policy;
};

static double of_established(struct growth *growth, uint32_t flows, uint64_t seed)
{
	const struct flood flood = {.way = growth->policy.way,
				    .flows = flows,
				    .prefixes = growth->policy.prefixes,
				    .is_random = true,
				    .tcp_flags = TCP_ACK,
				    .first = seed};

	return meter_cost(&growth->meter, program_xdp(&growth->gateway.program), METER_NONE, &flood, METER_REPEAT,
			  USHER_REASON_ESTABLISHED)
		.target;
}

static void open_flows(struct growth *growth, uint32_t flows)
{
	const struct flood flood = {.way = growth->policy.way,
				    .flows = TRAFFIC_FLOWS_MAX,
				    .prefixes = growth->policy.prefixes,
				    .tcp_flags = TCP_SYN};

	gateway_forget(&growth->gateway);
	meter_send(&growth->meter, program_xdp(&growth->gateway.program), &flood, flows);
	/* A newcomer that finds no line in a table at half load is one of thousands. */
	must(gateway_establish(&growth->gateway) < flows - flows / 1000 ? EINVAL : 0, "not every flow was opened");
}

static double of_new(struct growth *growth)
{
	const struct flood flood = {.way = growth->policy.way,
				    .flows = TRAFFIC_FLOWS_MAX,
				    .prefixes = growth->policy.prefixes,
				    .tcp_flags = TCP_SYN};

	gateway_forget(&growth->gateway);
	return meter_cost(&growth->meter, program_xdp(&growth->gateway.program), METER_NONE, &flood, METER_REPEAT,
			  USHER_REASON_ADMITTED)
		.target;
}

static void publish_policy(struct growth *growth, enum axis axis, uint32_t value)
{
	struct gateway_policy policy = growth->policy;
	struct tables *tables;

	if (axis == PREFIXES)
		policy.prefixes = value;
	else if (axis == BACKENDS)
		policy.backends = value;
	else if (axis == TENANTS)
		policy.tenants = value;
	if (policy.tenants > policy.prefixes)
		policy.tenants = policy.prefixes;
	tables = gateway_compile(&growth->gateway, &policy);
	must(publish(growth->gateway.publisher, tables), "publish");
	tables_free(tables);
}

/* Another table, of so many lines. */
static void open_table(struct growth *growth, uint32_t lines)
{
	meter_close(&growth->meter);
	gateway_close(&growth->gateway);
	gateway_open(lines, &gateway_unlimited, &growth->gateway);
	meter_open(&growth->gateway, &growth->meter);
}

static struct quartiles measure_point(struct growth *growth, const struct curve *curve, uint32_t value)
{
	uint32_t prefixes = growth->policy.prefixes;
	uint32_t flows = curve->axis == FLOWS ? value : curve->axis == TABLE ? TABLE_FLOWS : 0;
	struct sample cost = {0};

	if (curve->axis == TABLE)
		open_table(growth, value);
	publish_policy(growth, curve->axis, value);
	if (curve->axis == PREFIXES)
		growth->policy.prefixes = value;
	if (flows)
		open_flows(growth, flows);
	for (uint64_t i = 0; i < ATTEMPTS && cost.count < ROUNDS; i++)
		sample_add(&cost, flows ? of_established(growth, flows, i << 24) : of_new(growth));
	growth->policy.prefixes = prefixes;
	return sample_quartiles(&cost);
}

/* ---- plot ---------------------------------------------------------------------------------------------------- */

static FILE *begin_plot(const char *folder)
{
	FILE *plot = folder ? popen("gnuplot 2>&1", "w") : NULL;

	if (!plot)
		return NULL;
	fprintf(plot, "set terminal svg size 1000,520 background '#ffffff'\nset output '%s/growth.svg'\nset title '",
		folder);
	machine_print(plot);
	fprintf(plot,
		"' noenhanced\nset logscale x\nset xlabel 'how many'\nset ylabel 'ns a packet'\nset yrange [0:*]\n"
		"set grid\nset key left top\n");
	return plot;
}

static void end_plot(FILE *plot)
{
	fprintf(plot, "plot ");
	for (size_t c = 0; c < CURVES; c++)
		fprintf(plot, "%s$curve%zu using 1:2 with linespoints title '%s, by %s'", c ? ", " : "", c,
			curves[c].packet, curves[c].what);
	fprintf(plot, "\n");
	pclose(plot);
}

void growth_measure(FILE *to, const char *folder)
{
	struct growth growth = {
		.policy = {.way = {"l2", false, false}, .prefixes = ROWS_PREFIXES, .backends = 100, .tenants = 16}};
	FILE *plot = begin_plot(folder);

	gateway_open(LINES, &gateway_unlimited, &growth.gateway);
	meter_open(&growth.gateway, &growth.meter);
	fprintf(to, "\n%-40s %10s %8s   %s\n", "growth (l2 TCP IPv4)", "how many", "ns", "quartiles");
	for (size_t c = 0; c < CURVES; c++) {
		const struct curve *curve = &curves[c];
		char name[64];

		snprintf(name, sizeof(name), "%s, by %s", curve->packet, curve->what);
		if (plot)
			fprintf(plot, "$curve%zu << END\n", c);
		for (size_t i = 0; i < curve->count; i++) {
			struct quartiles of = measure_point(&growth, curve, curve->points[i]);

			fprintf(to, "%-40s %10u %8.1f   %7.1f %7.1f\n", name, curve->points[i], of.median, of.low,
				of.high);
			if (plot)
				fprintf(plot, "%u %.1f\n", curve->points[i], of.median);
		}
		if (plot)
			fprintf(plot, "END\n");
	}
	if (plot)
		end_plot(plot);
	meter_close(&growth.meter);
	gateway_close(&growth.gateway);
}
