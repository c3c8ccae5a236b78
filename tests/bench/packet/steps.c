// SPDX-License-Identifier: GPL-2.0-only
#include "steps.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "compile/compile.h"
#include "tests/bench/packet/steps.skel.h"
#include "usher.skel.h"

#include "rows.h"
#include "sample.h"

#define ROUNDS 5
#define ROUNDS_MAX 12	 /* where runs are disturbed */
#define AHEAD (1u << 21) /* the floor has not fetched the target's lines */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* What a packet meets, and the steps that it takes then: a bit for each. */
enum scene { FILLING, RATED, MANY_PREFIXES, ESTABLISHED_ONE, ESTABLISHED_100K, ESTABLISHED_1M, SCENES };
#define STEP(name) (1u << STEP_##name)
#define NEW_FLOW                                                                                                       \
	(STEP(PARSED) | STEP(LOOKED_FOR) | STEP(CLASSIFIED) | STEP(ROUTED) | STEP(LIMITED) | STEP(RECORDED) |          \
	 STEP(INSERTED) | STEP(ALL))
#define OPEN_FLOW (STEP(PARSED) | STEP(LOOKED_FOR) | STEP(ALL))

static const struct {
	const char *title;
	uint32_t steps;
	uint32_t prefixes;
	uint32_t flows; /* that are open; 0: packets begin new ones */
} scenes[SCENES] = {
	[FILLING] = {"new flow, filling", NEW_FLOW, ROWS_PREFIXES, 0},
	[RATED] = {"new flow, rated load", NEW_FLOW, ROWS_PREFIXES, 0},
	[MANY_PREFIXES] = {"new, 100,000 prefixes", NEW_FLOW, ROWS_PREFIXES_LARGEST, 0},
	[ESTABLISHED_ONE] = {"established, 1 flow", OPEN_FLOW, ROWS_PREFIXES, 1},
	[ESTABLISHED_100K] = {"established, 100,000", OPEN_FLOW, ROWS_PREFIXES, 100000},
	[ESTABLISHED_1M] = {"established, a million", OPEN_FLOW, ROWS_PREFIXES, 1000000},
};

static const char *const texts[STEP_COUNT] = {
	[STEP_PARSED] = "parsed, its address found",
	[STEP_LOOKED_FOR] = "its line: not there, or found",
	[STEP_CLASSIFIED] = "class of its source",
	[STEP_ROUTED] = "route, ring slot, backend",
	[STEP_LIMITED] = "limit",
	[STEP_RECORDED] = "record",
	[STEP_INSERTED] = "a line claimed and filled",
	[STEP_ALL] = "touched, sent",
};

struct bench {
	struct way way;
	uint32_t lines; /* of the table that a flow takes */
	struct gateway gateway;
	struct meter meter;
	struct steps_bpf *programs[STEP_ALL];
};

/* The steps up to one, with the gateway's maps and settings. */
static struct steps_bpf *load(const struct gateway *gateway, enum step last)
{
	struct steps_bpf *skeleton = steps_bpf__open();
	const struct bpf_object *own = gateway->program.skeleton->obj;
	struct bpf_program *program;
	struct bpf_map *map;

	must(skeleton ? 0 : errno, "open steps");
	skeleton->rodata->steps_last = last;
	memcpy((void *)(uintptr_t)&skeleton->rodata->usher_boot, &gateway->program.boot, sizeof(gateway->program.boot));
	bpf_object__for_each_map(map, skeleton->obj)
	{
		int fd = bpf_map__is_internal(map) ? -1 : bpf_object__find_map_fd_by_name(own, bpf_map__name(map));

		if (fd >= 0)
			must(bpf_map__reuse_fd(map, fd), bpf_map__name(map));
	}
	bpf_object__for_each_program(program, skeleton->obj)
		bpf_program__set_autoload(program, program == skeleton->progs.steps);
	bpf_program__set_flags(skeleton->progs.steps, bpf_program__flags(gateway->program.skeleton->progs.usher));
	must(steps_bpf__load(skeleton), "load steps");
	return skeleton;
}

static int target_of(const struct bench *bench, enum step step)
{
	return step == STEP_ALL ? program_xdp(&bench->gateway.program)
				: bpf_program__fd(bench->programs[step]->progs.steps);
}

/* What the program that stops after this step is held against: the last before it that leaves the flow table as it was. */
static enum step step_before(enum scene scene, enum step step)
{
	while (step-- > STEP_PARSED)
		if (scenes[scene].steps & 1u << step && step != STEP_INSERTED)
			break;
	return step;
}

/* The flow table as the scene needs it. */
static struct flood prepare(struct bench *bench, enum scene scene, uint64_t seed)
{
	struct flood flood = {.way = bench->way,
			      .flows = TRAFFIC_FLOWS_MAX,
			      .prefixes = scenes[scene].prefixes,
			      .tcp_flags = TCP_SYN,
			      .floor_ahead = AHEAD};
	uint32_t flows = scene == RATED
				 ? (uint32_t)USHER_FLOW_LINES_RATED(bench->gateway.flows.entries) / bench->lines -
					   METER_REPEAT / 2
				 : scenes[scene].flows;

	gateway_forget(&bench->gateway);
	if (flows)
		meter_send(&bench->meter, target_of(bench, STEP_ALL), &flood, flows);
	flood.first = flows;
	if (!scenes[scene].flows)
		return flood;
	gateway_establish(&bench->gateway);
	flood.flows = flows;
	flood.is_random = true;
	flood.tcp_flags = TCP_ACK;
	flood.first = seed;
	return flood;
}

/* ns that the steps up to this one take longer than those before it. */
static double measure(struct bench *bench, enum scene scene, enum step step, uint64_t seed)
{
	const struct flood flood = prepare(bench, scene, seed);
	int floor = step == STEP_PARSED ? METER_NONE : target_of(bench, step_before(scene, step));
	struct cost cost;

	if (step < STEP_ALL)
		bench->programs[step]->bss->steps_failed = 0;
	cost = meter_cost(&bench->meter, target_of(bench, step), floor, &flood, METER_REPEAT, 0);
	if (step < STEP_ALL)
		must(bench->programs[step]->bss->steps_failed > METER_REPEAT / 1000 ? EINVAL : 0, "steps");
	return cost.target - (floor == METER_NONE ? 0 : cost.floor);
}

/* One round of a scene: ns of each step. */
static void measure_steps(struct bench *bench, enum scene scene, uint64_t seed, double ret_ns[STEP_COUNT])
{
	for (enum step s = 0; s < STEP_COUNT; s++)
		ret_ns[s] = scenes[scene].steps & 1u << s ? measure(bench, scene, s, seed) : NAN;
	if (scenes[scene].steps & STEP(INSERTED))
		ret_ns[STEP_ALL] -= ret_ns[STEP_INSERTED];
}

static void publish_prefixes(struct bench *bench, uint32_t prefixes)
{
	const struct gateway_policy policy = {.way = bench->way, .prefixes = prefixes, .backends = 100, .tenants = 16};
	struct tables *tables = gateway_compile(&bench->gateway, &policy);

	must(publish(bench->gateway.publisher, tables), "publish");
	tables_free(tables);
}

/* Is there a step of which too few runs have been counted? */
static bool lacks_of(enum scene scene, const struct sample of[STEP_COUNT])
{
	for (enum step s = 0; s < STEP_COUNT; s++)
		if (scenes[scene].steps & 1u << s && of[s].count < ROUNDS)
			return true;
	return false;
}

static bool lacks(struct sample samples[SCENES][STEP_COUNT])
{
	for (enum scene scene = 0; scene < SCENES; scene++)
		if (lacks_of(scene, samples[scene]))
			return true;
	return false;
}

static void measure_round(struct bench *bench, uint64_t seed, struct sample samples[SCENES][STEP_COUNT])
{
	double ns[STEP_COUNT];

	for (enum scene scene = 0; scene < SCENES; scene++) {
		if (!lacks_of(scene, samples[scene]))
			continue;
		publish_prefixes(bench, scenes[scene].prefixes);
		measure_steps(bench, scene, seed, ns);
		for (enum step s = 0; s < STEP_COUNT; s++)
			sample_add(&samples[scene][s], ns[s]);
	}
}

static void print_table(FILE *to, const char *mode, struct sample samples[SCENES][STEP_COUNT])
{
	char title[64];

	snprintf(title, sizeof(title), "steps (%s TCP IPv4), ns", mode);
	fprintf(to, "\n%-30s", title);
	for (enum scene scene = 0; scene < SCENES; scene++)
		fprintf(to, " %22s", scenes[scene].title);
	for (enum step s = 0; s < STEP_COUNT; s++) {
		fprintf(to, "\n%-30s", texts[s]);
		for (enum scene scene = 0; scene < SCENES; scene++) {
			struct quartiles of = sample_quartiles(&samples[scene][s]);

			if (isnan(of.median))
				fprintf(to, " %22s", "");
			else
				fprintf(to, " %6.0f (%5.0f - %5.0f)", of.median, of.low, of.high);
		}
	}
	fprintf(to, "\n");
}

void steps_measure(const char *mode, uint32_t flow_lines, uint32_t table_lines, FILE *to)
{
	struct bench bench = {.way = {mode, false, false}, .lines = flow_lines};
	struct sample samples[SCENES][STEP_COUNT] = {0};

	gateway_open(table_lines, &gateway_unlimited, &bench.gateway);
	meter_open(&bench.gateway, &bench.meter);
	for (enum step s = 0; s < STEP_ALL; s++)
		bench.programs[s] = load(&bench.gateway, s);
	for (uint64_t round = 0; round < ROUNDS_MAX && lacks(samples); round++)
		measure_round(&bench, round << 24, samples);
	print_table(to, mode, samples);
	for (enum step s = 0; s < STEP_ALL; s++)
		steps_bpf__destroy(bench.programs[s]);
	meter_close(&bench.meter);
	gateway_close(&bench.gateway);
}
