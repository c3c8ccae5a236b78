/* SPDX-License-Identifier: GPL-2.0-only */
/* The options that say which records are meant: the same of every word of `usher audit` that has any. */
#ifndef USHER_CLI_AUDIT_FILTER_H
#define USHER_CLI_AUDIT_FILTER_H

#include "audit/query.h"
#include "cli/audit.h"

/* For a table of options: their letters are taken. Of decisions, and of all records. */
#define AUDIT_DECISION_OPTIONS                                                                                         \
	{"tenant", required_argument, NULL, 't'}, {"client", required_argument, NULL, 'c'},                            \
		{"service", required_argument, NULL, 'e'}, {"model", required_argument, NULL, 'm'},                    \
		{"version", required_argument, NULL, 'o'}, {"backend", required_argument, NULL, 'b'},                  \
		{"verdict", required_argument, NULL, 'v'}, {"reason", required_argument, NULL, 'r'},                   \
		{"rule", required_argument, NULL, 'u'}, {"client-keys", required_argument, NULL, 'K'},                 \
		{"flow", required_argument, NULL, 'F'}, {"since", required_argument, NULL, 'a'},                       \
	{                                                                                                              \
		"until", required_argument, NULL, 'z'                                                                  \
	}
#define AUDIT_FILTER_OPTIONS {"type", required_argument, NULL, 'y'}, AUDIT_DECISION_OPTIONS

/* Takes one of them over, whose text must outlive the filter: CLI_OK; or CLI_USAGE, having said what is wrong with it, if that is
 * something else than an option that getopt has refused. */
int audit_filter_take(int letter, const char *text, struct filter *filter);
/* Once all are there: the same, or CLI_SYSTEM if the keys of pseudonyms cannot be read. */
int audit_filter_check(struct filter *filter);

/* After an answer: CLI_SYSTEM, having said so, if it may not be all: records that cannot be read, or of which nobody can tell. */
int audit_filter_rest(const char *folder, const struct query_totals *totals);

/* What `help` says of them. */
#define AUDIT_DECISION_HELP                                                                                            \
	"  --tenant T, --service S, --model M, --version V, --backend B, --rule R\n"                                   \
	"  --client C      an address, also by its pseudonyms if their keys can be read, or a prefix "                 \
	"(203.0.113.0/26)\n"                                                                                           \
	"  --client-keys FILE  the daemon's keys of pseudonyms (" AUDIT_CLIENT_KEYS ")\n"                              \
	"  --verdict V     pass, forward, refuse, drop or revoke\n"                                                    \
	"  --reason R      as in `usher show stats`\n"                                                                 \
	"  --flow ID       one flow: its Community ID, as its client or its backend sees it\n"                         \
	"  --since TIME, --until TIME\n"                                                                               \
	"                  from the one on and before the other: 2026-03-01T12:00:00Z, or a day, which is in it "      \
	"whole; UTC\n"
#define AUDIT_FILTER_HELP AUDIT_DECISION_HELP "  --type T        decision, flow (its end), operation or gap\n"

#endif
