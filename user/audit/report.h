/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the records of a range come to: who was answered by what under which policy, who was refused and cut off and why, what was changed by
 * whom, and what is not on record. Gathered in one pass, in memory that does not grow with the log; what there is no room for is counted.
 */
#ifndef USHER_AUDIT_REPORT_H
#define USHER_AUDIT_REPORT_H

#include "audit/page.h"
#include "audit/tally.h"
#include "audit/verify.h"

#define REPORT_CELLS 6
#define REPORT_ENTRIES 2000 /* of a list */
#define REPORT_FINDINGS 100

/* Things one by one, in the order of the log. */
struct report_list {
	struct {
		char time[CLOCK_TEXT];
		const char *cells[REPORT_CELLS];
	} * entries;
	size_t count, room;
	uint64_t left_out;
};

struct report {
	struct arena arena;
	uint64_t records, decisions;
	char first[CLOCK_TEXT], last[CLOCK_TEXT];
	struct tally answered, denied, revoked, ended, operations;
	struct report_list policies, gates, rollouts, quarantines, gaps;
	uint64_t lost;
};

void report_free(struct report *report);
/* line: a record that is JSON, without what ends it. */
void report_take(struct report *report, const char *line, size_t length);

/* What is said beside the records. */
struct report_frame {
	const char *log, *since, *until; /* "": any */
	int64_t made;
	const char *usher;
	const struct verify_summary *summary; /* of the whole log */
	const char *const *findings;	      /* the first REPORT_FINDINGS */
	size_t finding_count;
	size_t key_count, witness_count;
	bool own_keys;
};
void report_print(struct report *report, const struct report_frame *frame, struct page *page);

#endif
