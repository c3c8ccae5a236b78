// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to find a source's class, by number of prefixes: usher's search tree, the kernel's LPM trie, and a table of all /24
 * networks. One run, the ways in turn; the cost of the loop and of the source itself is measured with them and taken off. Medians,
 * with quartiles in brackets, in nanoseconds of one core.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "usher/abi.h"

#include "kernel/mapping.h"
#include "tests/bench/classify.skel.h"

#include "../unit/compile/compiled.h"
#include "classify.h"

#define ROUNDS 15

static const char *const names[CLASSIFY_WAYS] = {"loop", "usher", "LPM trie", "/24 table"};

static struct {
	struct classify_bpf *skeleton;
	struct mapping generations, source4, source4_classes, networks, network_blocks, direct, sources, runs;
} bench;

static void must(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(EXIT_FAILURE);
}

static bool is_used(const char *name)
{
	static const char *const used[] = {"generations", "source4", "source4_classes", "networks", "network_blocks",
					   "trie",	  "direct",  "sources",		"runs"};

	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
		if (!strcmp(name, used[i]))
			return true;
	return strchr(name, '.') != NULL;
}

static void load(void)
{
	const struct {
		const char *name;
		size_t size;
		struct mapping *mapping;
	} maps[] = {{"generations", sizeof(struct usher_generation), &bench.generations},
		    {"source4", sizeof(struct usher_source4_line), &bench.source4},
		    {"source4_classes", sizeof(struct usher_line16), &bench.source4_classes},
		    {"networks", sizeof(struct usher_line32), &bench.networks},
		    {"network_blocks", sizeof(struct usher_line16), &bench.network_blocks},
		    {"direct", sizeof(struct usher_line16), &bench.direct},
		    {"sources", sizeof(__u64), &bench.sources},
		    {"runs", sizeof(struct classify_run), &bench.runs}};
	struct bpf_map *map;

	bench.skeleton = classify_bpf__open();
	must(bench.skeleton ? 0 : errno, "open");
	bpf_object__for_each_map(map, bench.skeleton->obj) if (!is_used(bpf_map__name(map)))
		bpf_map__set_autocreate(map, false);
	must(classify_bpf__load(bench.skeleton), "load");
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		must(mapping_open(bpf_object__find_map_fd_by_name(bench.skeleton->obj, maps[i].name), maps[i].size,
				  true, maps[i].mapping),
		     maps[i].name);
}

/* The n-th prefix: /24 networks that are spread over the address space. */
static uint32_t prefix(uint32_t n)
{
	return (1u + n * 40503u % 60000u / 256u) << 24 | (n * 40503u % 256u) << 16 | (n >> 8 & 255u) << 8;
}

static void put_prefixes(uint32_t count)
{
	static const char *const regions[] = {"DE", "FR", "US", "JP"};
	struct usher_line16 *direct = bench.direct.bytes;
	struct writing text = {0};
	struct compiled compiled;
	int trie = bpf_map__fd(bench.skeleton->maps.trie);

	writef(&text,
	       "{\"apiVersion\": \"usher/v1\", \"models\": {}, \"backends\": {}, \"services\": {}, \"rules\": [],"
	       "\"tenants\": {\"t\": {\"sources\": [");
	for (uint32_t n = 0; n < count; n++) {
		struct {
			__u32 bits, address_be;
		} key = {24, __builtin_bswap32(prefix(n))};
		__u32 value = n % 4 + 1;

		writef(&text, "%s{\"prefix\": \"%u.%u.%u.0/24\", \"region\": \"%s\"}", n ? "," : "", prefix(n) >> 24,
		       prefix(n) >> 16 & 255, prefix(n) >> 8 & 255, regions[n % 4]);
		must(bpf_map_update_elem(trie, &key, &value, BPF_NOEXIST) ? errno : 0, "trie");
		direct[(prefix(n) >> 8) / 32].value[(prefix(n) >> 8) % 32] = (uint16_t)value;
	}
	writef(&text, "]}}}");
	if (compile_after(NULL, text.text, NULL, &compiled)) {
		diagnostics_print(&compiled.diagnostics, stderr);
		exit(EXIT_FAILURE);
	}
	memcpy(bench.generations.bytes, &compiled.tables->header, sizeof(compiled.tables->header));
	memcpy(bench.source4.bytes, compiled.tables->source4,
	       compiled.tables->source4_lines * sizeof(*compiled.tables->source4));
	memcpy(bench.source4_classes.bytes, compiled.tables->source4_classes,
	       compiled.tables->source4_class_lines * sizeof(*compiled.tables->source4_classes));
	memcpy(bench.networks.bytes, compiled.tables->networks,
	       USHER_NETWORKS_LINES * sizeof(*compiled.tables->networks));
	memcpy(bench.network_blocks.bytes, compiled.tables->network_blocks,
	       compiled.tables->network_block_lines * sizeof(*compiled.tables->network_blocks));
	compiled_free(&compiled);
	free(text.text);
}

static void take_prefixes(uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		struct {
			__u32 bits, address_be;
		} key = {24, __builtin_bswap32(prefix(n))};

		bpf_map_delete_elem(bpf_map__fd(bench.skeleton->maps.trie), &key);
	}
	memset(bench.direct.bytes, 0, bench.direct.size * bench.direct.entries);
}

/* One address in each prefix, one after the other. */
static void put_sources(uint32_t prefixes)
{
	__u64 *sources = bench.sources.bytes;

	for (uint32_t i = 0; i < CLASSIFY_SOURCES; i++)
		sources[i] = prefix(i % prefixes) | i >> 8;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double cost_of(uint32_t way, uint32_t sources)
{
	struct classify_run *run = bench.runs.bytes;
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	run->way = way;
	run->sources = sources;
	must(bpf_prog_test_run_opts(bpf_program__fd(bench.skeleton->progs.classify_bench), &options) ? errno : 0,
	     "run");
	return (double)run->nanoseconds / CLASSIFY_LOOKS;
}

static void measure(uint32_t prefixes, uint32_t sources)
{
	double cost[CLASSIFY_WAYS][ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t way = 0; way < CLASSIFY_WAYS; way++)
			cost[way][round] = cost_of(way, sources);
		for (uint32_t way = 1; way < CLASSIFY_WAYS; way++)
			cost[way][round] -= cost[0][round];
	}
	printf("%8u %8u", prefixes, sources);
	for (uint32_t way = 1; way < CLASSIFY_WAYS; way++) {
		qsort(cost[way], ROUNDS, sizeof(cost[way][0]), compare);
		printf("   %6.1f [%5.1f %5.1f]", cost[way][ROUNDS / 2], cost[way][ROUNDS / 4],
		       cost[way][3 * ROUNDS / 4]);
	}
	printf("   %5.2f\n", cost[CLASSIFY_TREE][ROUNDS / 2] / cost[CLASSIFY_TRIE][ROUNDS / 2]);
}

int main(void)
{
	static const uint32_t counts[] = {16, 1024, 8192, 65536};
	cpu_set_t cpus;

	libbpf_set_print(NULL);
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	load();
	printf("%8s %8s", "prefixes", "sources");
	for (uint32_t way = 1; way < CLASSIFY_WAYS; way++)
		printf("   %20s", names[way]);
	printf("   tree/trie\n");
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		put_prefixes(counts[i]);
		put_sources(counts[i]);
		measure(counts[i], 1);
		measure(counts[i], counts[i]);
		take_prefixes(counts[i]);
	}
	classify_bpf__destroy(bench.skeleton);
	return EXIT_SUCCESS;
}
