// SPDX-License-Identifier: GPL-2.0-only
#include "coverage.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "usher/reasons.h"

/* Needs 64,000 ports in use, or a second that has records left and one that has none. */
static const struct {
	uint32_t reason;
	const char *name, *test;
} elsewhere[] = {
	{USHER_REASON_NAT_PORTS, "USHER_REASON_NAT_PORTS", "tests/unit/kernel/test_nat.c"},
	/* What a candidate is told, and no packet: the next tier opens where nobody of those before it is left. */
	{USHER_REASON_TIER_CLOSED, "USHER_REASON_TIER_CLOSED", "tests/unit/compile/test_overflow.c"},
	{USHER_REASON_AUDIT_BUDGET, "USHER_REASON_AUDIT_BUDGET", "tests/unit/kernel/test_flood.c"},
};

static const struct {
	uint32_t reason;
	const char *label;
} all[] = {
#define X(number, name, verdict, label, text) {number, label},
	USHER_REASONS(X)
#undef X
};

static bool seen[USHER_REASON_MAX];

void coverage_note(uint32_t reason)
{
	seen[reason] = true;
}

/* Where there are only the tests and no sources, the name of a test is believed. */
static bool says(const char *path, const char *name)
{
	char line[1024];
	bool found = false;
	FILE *file;

	if (access("tests/unit", F_OK))
		return true;
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, name) != NULL;
	if (file)
		fclose(file);
	return found;
}

void coverage_check(char fault[256])
{
	bool excused[USHER_REASON_MAX] = {0};

	*fault = '\0';
	for (size_t i = 0; i < ARRAY_COUNT(elsewhere); i++) {
		excused[elsewhere[i].reason] = true;
		if (!says(elsewhere[i].test, elsewhere[i].name))
			snprintf(fault, 256, "%s is not in %s", elsewhere[i].name, elsewhere[i].test);
	}
	for (size_t i = 0; i < ARRAY_COUNT(all); i++)
		if (seen[all[i].reason] == excused[all[i].reason])
			snprintf(fault, 256, seen[all[i].reason] ? "%s is no exception any more" : "nobody meets %s",
				 all[i].label);
}
