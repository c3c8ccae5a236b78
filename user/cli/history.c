// SPDX-License-Identifier: GPL-2.0-only
/* usher history: the policies that were in force, newest first; or one that is kept: what is known of it, or its document. */
#include <stdio.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/sha256.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "policy/bundle.h"

/* Each approver once. */
static char *approvers_of(struct json_object *entry)
{
	struct json_object *names = json_object_new_object(), *list = json_object_new_array();
	char *text;

	for (size_t i = 0; i < field_count(entry, "approvals"); i++) {
		struct json_object *approval = field_at(entry, "approvals", i);
		const char *name = field_text(approval, "approver");

		if (!field(approval, "approver"))
			continue;
		if (!json_object_object_get_ex(names, name, NULL))
			json_object_array_add(list, json_object_new_string(name));
		json_object_object_add(names, name, NULL);
	}
	json_object_put(names);
	names = json_object_new_object();
	json_object_object_add(names, "names", list);
	text = field_joined(names, "names", ", ");
	json_object_put(names);
	return text;
}

static void entry_row(struct table *table, struct json_object *entry)
{
	bool active = field_true(entry, "active"), confirmed = field_true(entry, "confirmed");
	_cleanup_free_ char *approvers = approvers_of(entry);

	table_cell(table, "%lld", (long long)field_integer(entry, "number"));
	table_cell(table, "%s", field_text(entry, "applied"));
	table_cell(table, "%s", field_text(entry, "verb"));
	if (field(entry, "user"))
		table_cell(table, "%s", field_text(entry, "user"));
	else
		table_cell(table, "uid %lld", (long long)field_integer(entry, "uid"));
	table_cell(table, "%lld", (long long)field_integer(entry, "revision"));
	table_cell(table, "%.*s", DIGEST_SHOWN, field_text(entry, "digest"));
	table_cell(table, "%s", field_text(entry, "name"));
	table_cell(table, "%lld", (long long)field_integer(entry, "generation"));
	table_cell(table, "%s%s", active ? "in force" : "", confirmed ? "" : active ? ", unconfirmed" : "unconfirmed");
	table_ink(table, !active ? INK_PLAIN : confirmed ? INK_GOOD : INK_DOUBTFUL);
	table_cell(table, "%s", approvers);
	table_cell(table, "%s", field_text(entry, "why"));
	table_cell(table, "%s", field_text(entry, "file"));
}

static int list(void)
{
	static const char *const headings[] = {">CHANGE", "APPLIED", "BY",	    "USER",  ">REVISION",
					       "DIGEST",  "NAME",    ">GENERATION", "STATE", "APPROVED BY",
					       "WHY",	  "FILE",    NULL};
	struct json_object *body;
	struct table *table;
	int status = client_read(client_request("history"), &body);

	if (status)
		return status;
	if (cli_json) {
		tree_print(body);
	} else {
		table = table_new(headings);
		for (size_t i = 0; i < field_count(body, "history"); i++)
			entry_row(table, field_at(body, "history", i));
		table_finish(table, stdout, "no policy was ever applied");
	}
	json_object_put(body);
	return CLI_OK;
}

/* ---- one ----------------------------------------------------------------------------------------------------- */

static void print_fact(const char *name, const char *text)
{
	printf("%-16s ", name);
	ink_text(stdout, text);
	putchar('\n');
}

static void print_facts(struct json_object *frame, const struct bundle *bundle)
{
	char digest[SHA256_HEX];

	print_fact("name", field_text(frame, "name"));
	printf("%-16s %lld\n", "revision", (long long)field_integer(frame, "revision"));
	print_fact("digest", field_text(frame, "digest"));
	print_fact("document SHA-256", field_text(frame, "document"));
	for (size_t i = 0; i < bundle->count; i++) {
		sha256_hex(bundle->items[i].bytes, bundle->items[i].length, digest);
		printf("%-16s %s ", "geography", digest);
		ink_text(stdout, bundle->items[i].name);
		putchar('\n');
	}
	print_fact("first in force", field_text(frame, "first"));
	print_fact("last in force", field(frame, "last") ? field_text(frame, "last") : "it is");
}

static int show(const struct answer *answer, bool document)
{
	struct arena arena = {0};
	struct bundle bundle;

	if (!answer->body.bytes || bundle_split(answer->body.bytes, answer->body.length, &arena, &bundle)) {
		arena_free(&arena);
		return cli_fail(CLI_UNREACHABLE, "the daemon has sent something that is no policy");
	}
	if (document)
		fwrite(bundle.text, 1, bundle.length, stdout);
	else if (cli_json)
		tree_print(answer->frame);
	else
		print_facts(answer->frame, &bundle);
	arena_free(&arena);
	return CLI_OK;
}

static int one(const char *revision, bool document)
{
	struct json_object *request = client_request("document");
	struct answer answer;
	int status;

	json_object_object_add(request, "revision", json_object_new_string(revision));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	status = answer.status == PROTOCOL_OK ? show(&answer, document) : client_fail(&answer);
	answer_release(&answer);
	return status;
}

int cli_history(int argc, char **argv)
{
	static const struct option options[] = {{"document", no_argument, NULL, 'd'}, {0}};
	bool document = false;
	int letter;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter != 'd')
			return CLI_USAGE;
		document = true;
	}
	if (optind + 1 < argc)
		return cli_operands(argc, 1, "one REVISION");
	if (optind < argc)
		return one(argv[optind], document);
	return document ? cli_misuse("--document: of which REVISION?") : list();
}
