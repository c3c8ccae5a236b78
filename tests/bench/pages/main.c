// SPDX-License-Identifier: GPL-2.0-only
/*
 * Would a flow table in larger pages be faster? The kernel gives an array its pages one by one, but takes what fits into 32 KiB from its direct
 * mapping, which has large ones. A random line of 64 bytes that is waited for, of one array of 2^21 lines and of 8,192 arrays of 256, in turn on
 * one CPU. Medians, with quartiles in brackets, in nanoseconds.
 */
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/bench/pages/pages.skel.h"

#include "../packet/sample.h"
#include "pages.h"

#define ROUNDS 31
#define PACKETS 200 /* a round */

static void must(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "pages.bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(EXIT_FAILURE);
}

static void put_pieces(const struct pages_bpf *pages)
{
	for (uint32_t i = 0; i < PAGES_LINES / PAGES_PIECE; i++) {
		int piece =
			bpf_map_create(BPF_MAP_TYPE_ARRAY, "piece", sizeof(uint32_t), PAGES_LINE, PAGES_PIECE, NULL);

		must(piece < 0 ? piece : 0, "piece");
		must(bpf_map_update_elem(bpf_map__fd(pages->maps.pieces), &i, &piece, BPF_ANY), "pieces");
		close(piece); /* the array of arrays holds it */
	}
}

/* ns a line */
static double cost_of(const struct bpf_program *program)
{
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame), .repeat = PACKETS);

	must(bpf_prog_test_run_opts(bpf_program__fd(program), &options), "run");
	return (double)options.duration / PAGES_LOOKS;
}

static void print(const struct sample *sample)
{
	struct quartiles quartiles = sample_quartiles(sample);

	printf("   %6.1f [%5.1f %5.1f]", quartiles.median, quartiles.low, quartiles.high);
}

int main(void)
{
	static const uint32_t counts[] = {1000, 100000, 1000000, PAGES_LINES};
	struct pages_bpf *pages;
	cpu_set_t cpus;

	libbpf_set_print(NULL);
	CPU_ZERO(&cpus);
	CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	pages = pages_bpf__open_and_load();
	must(pages ? 0 : errno, "load");
	put_pieces(pages);
	printf("%8s   %22s   %22s\n", "lines", "one array", "arrays of 16 KiB");
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct sample whole = {0}, pieces = {0};

		pages->data->used = counts[i];
		for (int round = 0; round < ROUNDS; round++) {
			sample_add(&whole, cost_of(pages->progs.walk_whole));
			sample_add(&pieces, cost_of(pages->progs.walk_pieces));
		}
		printf("%8u", counts[i]);
		print(&whole);
		print(&pieces);
		printf("\n");
	}
	pages_bpf__destroy(pages);
	return EXIT_SUCCESS;
}
