/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the records of a range come to: who was answered by what under which policy, who was refused and cut off and why, what was changed by
 * whom, and what is not on record. Gathered in two passes, in memory that does not grow with the log; what there is no room for is counted.
 */
#ifndef USHER_AUDIT_REPORT_H
#define USHER_AUDIT_REPORT_H

#include "audit/filter.h"
#include "audit/page.h"
#include "audit/report_list.h"
#include "audit/report_policies.h"
#include "audit/tally.h"
#include "audit/verify.h"

#define REPORT_FINDINGS 100

/* Zeroed: empty, and about all records. */
struct report {
	const struct filter *narrow; /* which decisions and ends are told; NULL: all */
	struct arena arena;
	uint64_t records, decisions, told;
	uint64_t unclear; /* decisions that may be of the client that is asked for, or not */
	char first[CLOCK_TEXT], last[CLOCK_TEXT];
	struct tally answered, denied, revoked, ended, operations;
	struct report_policies policies;
	struct report_list gates, rollouts, quarantines, gaps;
	uint64_t lost;
};

void report_free(struct report *report);
/* Each record of the range. line: JSON, without what ends it. */
void report_take(struct report *report, const char *line, size_t length);
/* Then, in a second pass, each operation up to the end of the range, from the beginning of the log on: what brought the policies. */
void report_take_change(struct report *report, const char *since, const char *line, size_t length);

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
