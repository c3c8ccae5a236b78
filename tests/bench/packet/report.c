// SPDX-License-Identifier: GPL-2.0-only
#include "report.h"

#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#define DEARER 1.3 /* nat, gue and IPv6 may cost so many times as much */

static void cpu_name(char name[128])
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "r");

	strcpy(name, "?");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "model name : %127[^\n]", name) == 1)
			break;
	if (file)
		fclose(file);
}

void report_machine(FILE *to)
{
	char cpu[128], date[32];
	struct utsname name;
	time_t now = time(NULL);
	struct tm calendar;

	uname(&name);
	cpu_name(cpu);
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &calendar));
	fprintf(to, "Linux %s, %s, %s", name.release, cpu, date);
}

static void way_name(const struct way *way, char name[32])
{
	snprintf(name, 32, "%s %s IPv%d", way->mode, way->is_udp ? "UDP" : "TCP", way->is_ipv6 ? 6 : 4);
}

void report_floors(FILE *to, const char *mode, const struct sample floors[FLOOR_COUNT])
{
	fprintf(to, "\n%-50s %8s   %-17s\n", "floor (IPv4)", "ns", "quartiles");
	for (int i = 0; i < FLOOR_COUNT; i++) {
		struct quartiles of = sample_quartiles(&floors[i]);

		fprintf(to, "%-50s %8.1f   %7.1f %7.1f\n", floor_texts[i], of.median, of.low, of.high);
	}
	fprintf(to, "(in the run of %s)\n", mode);
}

/* What the row is a multiple of: a floor, or for a new epoch a new flow of the same way. */
/* Its ratio is to a new flow of the same way. */
static bool is_of_new_flow(int row)
{
	return row == ROW_EPOCH || row == ROW_EPOCH_SOURCES;
}

static double floor_of(int row, const struct way_samples *samples, const struct sample floors[FLOOR_COUNT])
{
	return sample_quartiles(is_of_new_flow(row) ? &samples->cost[ROW_NEW] : &floors[row_shapes[row].floor]).median;
}

static const char *verdict(double ratio, double bar)
{
	if (isnan(ratio))
		return "floor not measured";
	return ratio <= bar ? "met" : "not met";
}

unsigned int report_way(FILE *to, const struct way_samples *samples, const struct sample floors[FLOOR_COUNT])
{
	const struct way *way = &samples->way;
	unsigned int missed = 0;
	char name[32];

	way_name(way, name);
	fprintf(to, "\n%-50s %8s   %-17s %7s %6s %5s\n", name, "ns", "quartiles", "ratio", "bar", "runs");
	for (int i = 0; i < ROW_COUNT; i++) {
		struct quartiles of = sample_quartiles(&samples->cost[i]);
		double ratio = of.median / floor_of(i, samples, floors), bar = row_shapes[i].bar;

		if (!is_of_new_flow(i) && (way->is_ipv6 || !strcmp(way->mode, "nat") || !strcmp(way->mode, "gue")))
			bar *= DEARER;
		if (i == ROW_RESET && way->is_udp)
			continue;
		if (!samples->cost[i].count) {
			fprintf(to, "%-50s not measured: each run was disturbed\n", row_shapes[i].text);
			missed += bar > 0;
			continue;
		}
		fprintf(to, "%-50s %8.1f   %7.1f %7.1f  %7.2f ", row_shapes[i].text, of.median, of.low, of.high, ratio);
		if (bar > 0)
			fprintf(to, "%6.2f %5zu  %s\n", bar, samples->cost[i].count, verdict(ratio, bar));
		else
			fprintf(to, "%6s %5zu\n", "", samples->cost[i].count);
		missed += bar > 0 && !(ratio <= bar);
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
	report_machine(plot);
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
