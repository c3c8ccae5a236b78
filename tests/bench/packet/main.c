// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a packet costs, by what it is and how it is sent on, against floors measured in the same run; README.md says how.
 *
 *   packet.bench [--quick] [--ipv4] [--growth | --steps | --ends] [--mode MODE] [--results FOLDER]
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "../machine.h"
#include "ends.h"
#include "growth.h"
#include "report.h"
#include "steps.h"

#define LINES_MIN (1u << 21) /* rated for 1,000,000 flows of one line each */
#define ROUNDS 15
#define ROUNDS_QUICK 1
#define WAYS_MAX 16

/* A mode is measured by having a line here: its name, the lines of the table that a flow takes, and whether --quick asks for it. */
static const struct {
	const char *mode;
	uint32_t lines;
	bool in_quick;
} modes[] = {{"l2", 1, true}, {"ipip", 1, false}, {"nat", 2, true}, {"gue", 1, false}};
#define MODES (sizeof(modes) / sizeof(*modes))

struct options {
	bool quick, ipv4, growth, steps, ends; /* ipv4: not IPv6; growth, steps, ends: nothing else */
	const char *mode, *results;
};

static struct way_samples samples[WAYS_MAX];
static size_t sample_count;

static void add_round(struct way_samples *to, const struct row_costs *costs)
{
	for (int i = 0; i < ROW_COUNT; i++) {
		sample_add(&to->cost[i], costs->of[i].target);
		sample_add(&to->floor[i], costs->of[i].floor);
		sample_add(&to->ratio[i], costs->of[i].target / costs->of[i].floor);
	}
}

/* Does a row that has a bar lack undisturbed runs? */
static bool lacks(const struct way_samples *first, size_t ways, size_t rounds)
{
	for (size_t w = 0; w < ways; w++)
		for (int i = 0; i < ROW_COUNT; i++)
			if (row_shapes[i].bar > 0 && i != ROW_EPOCH_SOURCES && first[w].ratio[i].count < rounds)
				return true;
	return false;
}

static unsigned int measure_mode(const struct options *options, const char *mode, uint32_t lines, FILE *to)
{
	size_t all = options->ipv4 ? 2 : 4, ways = options->quick ? 1 : all;
	size_t rounds = options->quick ? ROUNDS_QUICK : ROUNDS;
	size_t limit = options->quick ? rounds : rounds + rounds / 3;
	struct way_samples *first = &samples[sample_count];
	struct way_tables tables[4];
	struct gateway gateway;
	struct meter meter = {0};
	unsigned int missed = 0;
	double lru_full = NAN;

	gateway_open(LINES_MIN * lines, &gateway_unlimited, &gateway);
	for (size_t w = 0; w < ways; w++) {
		first[w].way = (struct way){mode, w & 1, w >> 1};
		rows_compile(&gateway, &first[w].way, &tables[w]);
	}
	for (size_t round = 0; round < limit && (round < rounds || lacks(first, ways, rounds)); round++) {
		meter_open(&gateway, &meter);
		for (size_t w = 0; w < ways; w++) {
			struct row_costs costs;

			if (round >= rounds && !lacks(&first[w], 1, rounds))
				continue;
			rows_measure(&meter, &gateway, &tables[w], round << 24, &lru_full, &costs);
			add_round(&first[w], &costs);
		}
		meter_close(&meter);
	}
	for (size_t w = 0; w < ways; w++) {
		missed += report_way(to, &first[w]);
		rows_free(&tables[w]);
	}
	fprintf(to, "%u runs, of which %u were disturbed and left out; %llu records found no room\n", meter.runs,
		meter.disturbed, (unsigned long long)gateway_lost(&gateway));
	fflush(to);
	gateway_close(&gateway);
	sample_count += ways;
	return missed;
}

static void read_options(int count, char **arguments, struct options *ret_options)
{
	static const struct option long_options[] = {
		{"quick", no_argument, NULL, 'q'},	   {"ipv4", no_argument, NULL, '4'},
		{"growth", no_argument, NULL, 'g'},	   {"steps", no_argument, NULL, 's'},
		{"ends", no_argument, NULL, 'e'},	   {"mode", required_argument, NULL, 'm'},
		{"results", required_argument, NULL, 'r'}, {0}};
	int option;

	while ((option = getopt_long(count, arguments, "", long_options, NULL)) != -1) {
		switch (option) {
		case 'q':
			ret_options->quick = true;
			break;
		case '4':
			ret_options->ipv4 = true;
			break;
		case 'g':
			ret_options->growth = true;
			break;
		case 's':
			ret_options->steps = true;
			break;
		case 'e':
			ret_options->ends = true;
			break;
		case 'm':
			ret_options->mode = optarg;
			break;
		case 'r':
			ret_options->results = optarg;
			break;
		default:
			exit(2);
		}
	}
}

static bool is_wanted(const struct options *options, size_t mode)
{
	return options->mode ? !strcmp(options->mode, modes[mode].mode) : !options->quick || modes[mode].in_quick;
}

static FILE *open_table(const struct options *options)
{
	char path[4096];
	FILE *file;

	if (!options->results)
		return stdout;
	snprintf(path, sizeof(path), "%s/packet.txt", options->results);
	file = fopen(path, "w");
	must(file ? 0 : errno, path);
	return file;
}

int main(int count, char **arguments)
{
	struct options options = {0};
	unsigned int missed = 0;
	FILE *to;

	read_options(count, arguments, &options);
	libbpf_set_print(NULL);
	to = open_table(&options);
	machine_print(to);
	fprintf(to, "\n%u backends, sources in %u prefixes (largest set: %u), each tenant with a limit on new flows\n",
		100u, ROWS_PREFIXES, ROWS_PREFIXES_LARGEST);
	meter_begin();
	bool is_all = !options.growth && !options.steps && !options.ends;
	for (size_t i = 0; i < MODES && is_all; i++) {
		if (!is_wanted(&options, i))
			continue;
		missed += measure_mode(&options, modes[i].mode, modes[i].lines, to);
		if (options.results)
			report_plot(options.results, samples, sample_count);
	}
	if (is_all)
		fprintf(to, "\n%u bars not met, or not measured\n", missed);
	is_all = is_all && !options.quick && !options.mode;
	for (size_t i = 0; i < MODES && (options.steps || is_all); i++)
		if (is_wanted(&options, i))
			steps_measure(modes[i].mode, modes[i].lines, LINES_MIN * modes[i].lines, to);
	for (size_t i = 0; i < MODES && (options.ends || is_all); i++)
		if (is_wanted(&options, i))
			ends_measure(modes[i].mode, LINES_MIN * modes[i].lines, to);
	if (options.growth || is_all)
		growth_measure(to, options.results);
	if (options.results)
		fclose(to);
	return EXIT_SUCCESS;
}
