/* SPDX-License-Identifier: GPL-2.0-only */
/* Where and when something was measured. */
#ifndef USHER_BENCH_MACHINE_H
#define USHER_BENCH_MACHINE_H

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static inline void machine_cpu(char name[128])
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

/* Kernel, CPU and date, in one line. */
static inline void machine_print(FILE *to)
{
	char cpu[128], date[32];
	struct utsname name;
	time_t now = time(NULL);
	struct tm calendar;

	uname(&name);
	machine_cpu(cpu);
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&now, &calendar));
	fprintf(to, "Linux %s, %s, %s", name.release, cpu, date);
}

#endif
