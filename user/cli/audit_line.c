// SPDX-License-Identifier: GPL-2.0-only
/* One record of the audit log as one line for people. */
#include "cli/audit_line.h"

#include <stdio.h>
#include <string.h>

#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"

static void print_decision(struct json_object *record)
{
	struct json_object *client = field(record, "src_endpoint");
	const char *verdict = field_text(record, "verdict");
	bool good = !strcmp(verdict, "forward");

	printf(" %s%-8s %-16s%s ", ink(good ? INK_GOOD : INK_BAD), verdict, field_text(record, "reason"),
	       ink(INK_PLAIN));
	printf("%s (%s) ", field_text(record, "tenant"), field_text(record, "client_region"));
	if (field(record, "count"))
		printf("%lld times", (long long)field_integer(record, "count"));
	else if (field(client, "pseudonym"))
		printf("%.8s~:%lld", field_text(client, "pseudonym"), (long long)field_integer(client, "port"));
	else
		printf("%s:%lld", field_text(client, "ip"), (long long)field_integer(client, "port"));
	printf(" -> %s", field_text(record, "service"));
	if (field(record, "target"))
		printf(", rerouted to %s", field_text(record, "target"));
	if (field(record, "backend"))
		printf(" -> %s (%s@%s in %s)", field_text(record, "backend"), field_text(record, "model"),
		       field_text(record, "version"), field_text(record, "backend_region"));
	if (field(record, "rule"))
		printf(", rule %s", field_text(record, "rule"));
	printf(", generation %lld", (long long)field_integer(record, "generation"));
}

/* How a flow ended, and what went each way. */
static void print_flow(struct json_object *record)
{
	struct json_object *traffic = field(record, "traffic"), *client = field(record, "src_endpoint");

	printf(" flow     %s ", field_text(record, "ended"));
	if (field(client, "pseudonym"))
		printf("%.8s~:%lld", field_text(client, "pseudonym"), (long long)field_integer(client, "port"));
	else
		printf("%s:%lld", field_text(client, "ip"), (long long)field_integer(client, "port"));
	printf(" (%s) -> %s", field_text(record, "tenant"), field_text(record, "service"));
	if (field(record, "backend"))
		printf(" -> %s", field_text(record, "backend"));
	printf(", after %.3f s; to it %lld packets, %lld bytes", (double)field_integer(record, "duration") / 1000,
	       (long long)field_integer(traffic, "packets_out"), (long long)field_integer(traffic, "bytes_out"));
	if (field(traffic, "packets_in"))
		printf("; back %lld packets, %lld bytes", (long long)field_integer(traffic, "packets_in"),
		       (long long)field_integer(traffic, "bytes_in"));
	else
		printf("; only the client's side");
}

/* What a gate has come to, and on which figure. */
static void print_gate(struct json_object *record)
{
	printf(": %s, then %s", field_text(record, "was"), field_text(record, "state"));
	if (field(record, "value"))
		printf(", at %.4g (%.4g to %.4g, %.0f samples)", field_number(record, "value"),
		       field_number(record, "low"), field_number(record, "high"), field_number(record, "samples"));
	if (strcmp(field_text(record, "state"), "ok") != 0)
		printf("; %s", field_text(record, "action"));
}

/* Which change of a roll-out, and what the new version gets by it. */
static void print_rollout(struct json_object *record)
{
	printf(" %s %s: %s@%s from %lld to %lld %%", field_text(record, "rollout"), field_text(record, "change"),
	       field_text(record, "model"), field_text(record, "to"), (long long)field_integer(record, "share_before"),
	       (long long)field_integer(record, "share"));
}

static void print_verification(struct json_object *record)
{
	printf(": %s", field_text(record, "state"));
	if (field(record, "found")) {
		fputs(", it says ", stdout);
		ink_text(stdout, field_text(record, "found"));
		fputs(" where ", stdout);
		ink_text(stdout, field_text(record, "expected"));
		fputs(" is expected", stdout);
	}
}

static void print_surge(struct json_object *record)
{
	printf(": load over capacity %.2f; %lld overflow tiers open, %lld priorities shed",
	       field_number(record, "ratio"), (long long)field_integer(record, "open"),
	       (long long)field_integer(record, "shed"));
	if (field_integer(record, "shed_part"))
		printf(", %lld %% of the next", (long long)field_integer(record, "shed_part"));
}

static void print_ejection(struct json_object *record)
{
	printf(": %s", field_text(record, "change"));
	if (!field(record, "signal"))
		return;
	printf(" for %lld s: ", (long long)field_integer(record, "seconds"));
	ink_text(stdout, field_text(record, "text"));
}

/* What was to come into force without being approved. */
static void print_refusal(struct json_object *record)
{
	printf(" %s of ", field_text(record, "verb"));
	ink_text(stdout, field_text(record, "file"));
}

/* In the order of the signatures. */
static void print_approvals(struct json_object *record)
{
	for (size_t i = 0; i < field_count(record, "approvals"); i++) {
		fputs(i ? ", " : ", approved by ", stdout);
		ink_text(stdout, field_text(field_at(record, "approvals", i), "approver"));
	}
}

static void print_operation(struct json_object *record)
{
	struct json_object *actor = field(record, "actor");

	printf(" %s", field_text(record, "activity"));
	if (field(record, "file") && field(record, "consequence"))
		printf(" of %s: %s", field_text(record, "file"), field_text(record, "consequence"));
	if (field(record, "gate"))
		printf(" %s", field_text(record, "gate"));
	if (field(record, "rollout"))
		print_rollout(record);
	else if (field(record, "service"))
		printf(" %s", field_text(record, "service"));
	else if (field(record, "backend"))
		printf(" %s", field_text(record, "backend"));
	else if (field(record, "version"))
		printf(" %s@%s", field_text(record, "model"), field_text(record, "version"));
	if (!strcmp(field_text(record, "activity"), "gate"))
		print_gate(record);
	else if (!strcmp(field_text(record, "activity"), "verification"))
		print_verification(record);
	else if (!strcmp(field_text(record, "activity"), "surge"))
		print_surge(record);
	else if (!strcmp(field_text(record, "activity"), "ejection"))
		print_ejection(record);
	else if (!strcmp(field_text(record, "activity"), "policy-refused"))
		print_refusal(record);
	if (field(record, "policy_revision"))
		printf(" revision %lld", (long long)field_integer(record, "policy_revision"));
	print_approvals(record);
	if (actor)
		printf(" by %s (uid %lld)", field_text(actor, "user"), (long long)field_integer(actor, "uid"));
	if (field(record, "generation"))
		printf(", generation %lld", (long long)field_integer(record, "generation"));
	if (field(record, "why") || field(record, "problem")) {
		fputs(": ", stdout);
		ink_text(stdout, field_text(record, field(record, "why") ? "why" : "problem"));
	}
}

void audit_print_record(struct json_object *record)
{
	const char *type = field_text(record, "type");

	fputs(field_text(record, "time"), stdout);
	if (!strcmp(type, "decision"))
		print_decision(record);
	else if (!strcmp(type, "flow"))
		print_flow(record);
	else if (!strcmp(type, "operation"))
		print_operation(record);
	else if (!strcmp(type, "gap"))
		printf(" %sgap%s of %lld records, CPU %lld, ring %s, from %lld", ink(INK_BAD), ink(INK_PLAIN),
		       (long long)field_integer(record, "count"), (long long)field_integer(record, "cpu"),
		       field_text(record, "ring"), (long long)field_integer(record, "first"));
	else
		printf(" %s", type);
	putchar('\n');
}

void audit_print_line(const char *line, size_t length)
{
	struct json_object *record;

	if (cli_json) {
		fwrite(line, 1, length, stdout);
		putchar('\n');
	} else if (!tree_parse(line, length, &record)) {
		audit_print_record(record);
		json_object_put(record);
	}
}
