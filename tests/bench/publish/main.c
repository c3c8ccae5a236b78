// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long it takes until a policy is in force, and a change of one backend in it: by what the daemon itself calls, with the loaded
 * program; without the control socket, and without writing the state folder. Median of some rounds; and what the tables weigh.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "compile/compile.h"
#include "kernel/publish.h"
#include "policy/policy.h"
#include "usher.skel.h"

#include "../../unit/kernel/loaded.h"
#include "../machine.h"
#include "largest.h"

#define ROUNDS 5
#define CHANGES 9
#define NOW 1780000000
#define MILLION (1u << 20)

enum step { PARSE, DECIDE, COMPILE, DIGEST, PUBLISH, STEPS };
static const char *const step_names[STEPS] = {"parse", "decide", "compile", "digest", "publish"};

struct times {
	double ms[STEPS];
	double cpu; /* of this thread, in all: what other work on the machine does not change much */
};

static struct {
	struct program program;
	struct publisher *publisher;
	struct policy *policy;
	struct tables *before; /* in force */
	struct compile_memory memory;
	struct facts facts;
	bool missed;
} bench;

static double milliseconds(void)
{
	return (double)clock_monotonic() / 1e6;
}

static double processor(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int load(void)
{
	const struct usher_boot boot = {.abi_version = USHER_ABI_VERSION,
					.flow_lines = USHER_FLOW_LINES_DEFAULT,
					.jiffy_ns = clock_jiffy(),
					.hash_key = {11, 22, 33, 44, 55},
					.half_open_max = 1000,
					.replies_max = 1000,
					.interfaces = {1}};
	struct problem problem = {0};
	int error = loaded(usher_bpf__open(), &boot, &bench.program);

	return error ? error : publisher_open(&bench.program, &problem, &bench.publisher);
}

/* ---- what is measured ---------------------------------------------------------------------------------------- */

static void stop(struct times *times, enum step step, double *since)
{
	double now = milliseconds();

	times->ms[step] = now - *since;
	*since = now;
}

/* decide, compile, digest, publish: what both a policy and a fact lead to. */
static int put_in_force(struct times *times)
{
	struct diagnostics diagnostics = {.file = "largest.json"};
	struct compile_input input = {
		.hash_key = bench.program.boot.hash_key, .generation = 1, .memory = &bench.memory};
	struct effective *effective = NULL;
	struct tables *tables = NULL;
	double since = milliseconds(), begun = processor();
	char digest[SHA256_HEX];
	int error = decide(bench.policy, &bench.facts, NOW, &effective);

	stop(times, DECIDE, &since);
	input.effective = effective;
	if (bench.before) {
		input.identities = bench.before->identities;
		input.generation = bench.before->header.number + 1;
		input.epoch = bench.before->header.epoch;
		input.judgement = bench.before->judgement;
	}
	if (!error)
		error = compile(&input, &diagnostics, &tables);
	stop(times, COMPILE, &since);
	if (error) {
		diagnostics_print(&diagnostics, stderr);
		return error;
	}
	tables_digest(tables, digest);
	stop(times, DIGEST, &since);
	error = publish(bench.publisher, tables);
	stop(times, PUBLISH, &since);
	times->cpu += processor() - begun;
	diagnostics_free(&diagnostics);
	effective_free(effective);
	tables_free(bench.before);
	bench.before = tables;
	return error;
}

static int read_policy(const char *text, size_t length, struct times *times)
{
	struct diagnostics diagnostics = {.file = "largest.json"};
	double since = milliseconds(), begun = processor();
	int error;

	policy_free(bench.policy);
	error = policy_parse("largest.json", text, length, NOW, &diagnostics, &bench.policy);
	stop(times, PARSE, &since);
	times->cpu += processor() - begun;
	if (error)
		diagnostics_print(&diagnostics, stderr);
	diagnostics_free(&diagnostics);
	return error;
}

static void everybody_up(void)
{
	free(bench.facts.backends);
	bench.facts.backend_count = bench.policy->backend_count;
	bench.facts.backends = calloc(bench.policy->backend_count, sizeof(*bench.facts.backends));
	for (size_t b = 0; b < bench.policy->backend_count; b++)
		bench.facts.backends[b] = (struct backend_facts){
			.health = HEALTH_UP,
			.next_hop = {.resolved = true, .mac = {2}, .own_mac = {2, 1}, .interface = 1}};
}

static int by_sum(const void *left, const void *right)
{
	double a = 0, b = 0;

	for (int s = 0; s < STEPS; s++) {
		a += ((const struct times *)left)->ms[s];
		b += ((const struct times *)right)->ms[s];
	}
	return (a > b) - (a < b);
}

static void tell(const char *what, struct times *rounds, size_t count, double bar)
{
	double sum = 0;

	qsort(rounds, count, sizeof(*rounds), by_sum);
	for (int s = 0; s < STEPS; s++)
		sum += rounds[count / 2].ms[s];
	printf("%-58s %7.1f ms  bar %5.0f  %s  processor %.1f:", what, sum, bar, sum <= bar ? "met   " : "MISSED",
	       rounds[count / 2].cpu);
	for (int s = 0; s < STEPS; s++)
		if (rounds[count / 2].ms[s] > 0)
			printf(" %s %.1f", step_names[s], rounds[count / 2].ms[s]);
	putchar('\n');
	bench.missed |= sum > bar;
}

static int measure(const char *name, unsigned int per_model, unsigned int geo_prefixes, double bar)
{
	struct times rounds[ROUNDS] = {0}, changes[CHANGES] = {0};
	size_t length;
	char *text = largest_policy(per_model, geo_prefixes, &length), what[100];
	int error = 0;

	for (int i = 0; !error && i < ROUNDS; i++) {
		tables_free(bench.before);
		bench.before = NULL;
		compile_memory_free(&bench.memory);
		error = read_policy(text, length, &rounds[i]);
		if (!error) {
			everybody_up();
			error = put_in_force(&rounds[i]);
		}
	}
	if (!error)
		tell(name, rounds, ROUNDS, bar);
	for (int i = 0; !error && i < CHANGES; i++) {
		/* Health, a drain and a next hop in turn: each of another backend. */
		struct backend_facts *one = &bench.facts.backends[(size_t)(i * 997 + 5) % bench.facts.backend_count];

		one->health = i % 3 == 0 ? HEALTH_DOWN : one->health;
		one->draining = i % 3 == 1;
		one->next_hop.mac[5] = (uint8_t)(i % 3 == 2);
		error = put_in_force(&changes[i]);
	}
	snprintf(what, sizeof(what), "  a change of one backend in it");
	if (!error)
		tell(what, changes, CHANGES, 50);
	if (error)
		printf("%s: %s\n", name, strerror(-error));
	free(text);
	return error;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

static double map_bytes(const struct bpf_map *map)
{
	char path[64], line[256];
	unsigned long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	if (file)
		fclose(file);
	return (double)bytes;
}

/* By the kernel's own account, for each flow that the table is rated for: one takes one line, through NAT two. */
static void tell_memory(void)
{
	struct bpf_map *map;
	double all = 0, flows = 0, sources = 0;

	bpf_object__for_each_map(map, bench.program.skeleton->obj)
	{
		double bytes = map_bytes(map);

		all += bytes;
		if (!strcmp(bpf_map__name(map), "flows") || !strcmp(bpf_map__name(map), "flow_moments") ||
		    !strcmp(bpf_map__name(map), "flow_figures"))
			flows += bytes;
		if (!strncmp(bpf_map__name(map), "source", 6) || !strncmp(bpf_map__name(map), "network", 7))
			sources += bytes;
	}
	/* Whole bytes: a map's head and the rest of its last page are no flow's. */
	double flow = floor(flows / USHER_FLOW_LINES_RATED(USHER_FLOW_LINES_DEFAULT));

	printf("memory: a flow at the rated load %.0f bytes (bar 128), through NAT %.0f (bar 256)\n", flow, 2 * flow);
	bench.missed |= flow > 128 || 2 * flow > 256;
	printf("        all maps %.0f MiB with %u flow lines: %.0f of flows, %.0f of source prefixes, %.0f of "
	       "everything else\n",
	       all / 1048576, USHER_FLOW_LINES_DEFAULT, flows / 1048576, sources / 1048576,
	       (all - flows - sources) / 1048576);
}

/* publish.bench [--quick]: two shapes of four. */
int main(int count, char **arguments)
{
	bool is_quick = count > 1 && !strcmp(arguments[1], "--quick");
	int error = load();

	if (error) {
		fprintf(stderr, "the program is not loaded: %s\n", strerror(-error));
		return EXIT_FAILURE;
	}
	machine_print(stdout);
	putchar('\n');
	error = measure("every limit at once, 16 backends a model", 16, 0, 1000);
	if (!error && !is_quick)
		error = measure("every limit at once, 64 backends a model", 64, 0, 1000);
	if (!error)
		error = measure("every limit at once, one model of 4,096 backends", 4096, 0, 1000);
	if (!error && !is_quick)
		error = measure("the same with 1,048,576 prefixes of a geography file", 16, MILLION, 5000);
	tell_memory();
	printf("%s\n", bench.missed ? "a bar is missed" : "every bar is met");
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
