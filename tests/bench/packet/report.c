// SPDX-License-Identifier: GPL-2.0-only
#include "report.h"

#include <string.h>

#include "../machine.h"

#define DEARER 1.3 /* nat, gue and IPv6 may cost so many times as much */

static void way_name(const struct way *way, char name[32])
{
	snprintf(name, 32, "%s %s IPv%d", way->mode, way->is_udp ? "UDP" : "TCP", way->is_ipv6 ? 6 : 4);
}

static double bar_of(const struct way *way, int row)
{
	bool is_dearer = way->is_ipv6 || !strcmp(way->mode, "nat") || !strcmp(way->mode, "gue");

	/* A new epoch's is a share of what a new flow of the same way costs. */
	return row_shapes[row].bar * (is_dearer && row_shapes[row].floor != FLOOR_NEW_FLOW ? DEARER : 1);
}

static void report_ratio(FILE *to, const struct way_samples *samples, int row)
{
	struct quartiles ratio = sample_quartiles(&samples->ratio[row]);
	double bar = bar_of(&samples->way, row);

	fprintf(to, "  %7.1f %-22s  %5.2f (%4.2f-%4.2f)", sample_quartiles(&samples->floor[row]).median,
		floor_texts[row_shapes[row].floor], ratio.median, ratio.low, ratio.high);
	if (bar > 0)
		fprintf(to, "  %5.2f %5zu  %s", bar, samples->ratio[row].count,
			ratio.median <= bar ? "met" : "not met");
	else
		fprintf(to, "  %5s %5zu", "", samples->ratio[row].count);
}

/* Returns whether its bar was missed, or not measured. */
static bool report_row(FILE *to, const struct way_samples *samples, int row)
{
	struct quartiles ns = sample_quartiles(&samples->cost[row]);

	if (!samples->cost[row].count) {
		fprintf(to, "%-45s not measured\n", row_shapes[row].text);
		return row_shapes[row].bar > 0;
	}
	fprintf(to, "%-45s %7.1f (%6.1f-%6.1f)", row_shapes[row].text, ns.median, ns.low, ns.high);
	if (row_shapes[row].floor != FLOOR_NONE)
		report_ratio(to, samples, row);
	fprintf(to, "\n");
	return row_shapes[row].bar > 0 &&
	       !(sample_quartiles(&samples->ratio[row]).median <= bar_of(&samples->way, row));
}

unsigned int report_way(FILE *to, const struct way_samples *samples)
{
	unsigned int missed = 0;
	char name[32];

	way_name(&samples->way, name);
	fprintf(to, "\n%-45s %7s %-15s  %7s %-22s  %5s %-11s  %5s %5s\n", name, "ns", "(quartiles)", "ns", "floor",
		"ratio", "(quartiles)", "bar", "runs");
	for (int i = 0; i < ROW_COUNT; i++) {
		bool is_first = !samples->way.is_udp && !samples->way.is_ipv6;

		if (i == ROW_RESET ? !samples->way.is_udp : is_first || (i < ROW_LINE_1M && i != ROW_EPOCH_SOURCES))
			missed += report_row(to, samples, i);
	}
	return missed;
}

void report_plot(const char *folder, const struct way_samples *samples, size_t count)
{
	FILE *plot = popen("gnuplot 2>&1", "w");
	char name[32];

	if (!plot)
		return;
	fprintf(plot, "set terminal svg size 1100,560 background '#ffffff'\nset output '%s/packet.svg'\nset title '",
		folder);
	machine_print(plot);
	fprintf(plot, "' noenhanced\nset style data histograms\nset style histogram clustered gap 2\n"
		      "set style fill solid 0.8\nset ylabel 'ns a packet'\nset grid ytics\nset key outside right\n"
		      "set xtics rotate by -25 noenhanced\n$costs << END\n");
	for (int i = 0; i < ROW_COUNT; i++) {
		fprintf(plot, "\"%s\"", row_shapes[i].text);
		for (size_t w = 0; w < count; w++)
			fprintf(plot, " %.1f", sample_quartiles(&samples[w].cost[i]).median);
		fprintf(plot, "\n");
	}
	fprintf(plot, "END\nset datafile missing 'nan'\nplot ");
	for (size_t w = 0; w < count; w++) {
		way_name(&samples[w].way, name);
		fprintf(plot, "%s$costs using %zu%s title '%s'", w ? ", " : "", w + 2, w ? "" : ":xtic(1)", name);
	}
	fprintf(plot, "\n");
	pclose(plot);
}
