/* SPDX-License-Identifier: GPL-2.0-only */
/* usher check: all that is wrong with a policy, and all that is suspicious. Needs no daemon. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "compile/compile.h"
#include "cli/document.h"
#include "cli/signatures.h"
#include "cli/verbs.h"
#include "policy/members.h"
#include "policy/policy.h"
#include "policy/statement.h"

/* Of a policy that parses: what its tables make of it. Returns the exit status. */
static int check_tables(const struct policy *policy, time_t now, struct diagnostics *diagnostics)
{
	static const __u64 hash_key[USHER_HASH_KEYS];
	struct compile_input input = {.generation = 1, .hash_key = hash_key};
	struct effective *effective = NULL;
	struct tables *tables = NULL;
	int error = decide(policy, NULL, now, &effective);

	if (!error) {
		input.effective = effective;
		error = compile(&input, diagnostics, &tables);
	}
	tables_free(tables);
	effective_free(effective);
	if (error && error != -E2BIG)
		return cli_fail(CLI_SYSTEM, "no memory to compile the policy");
	return error ? CLI_REFUSED : CLI_OK;
}

/* What is asked for besides. */
struct wishes {
	bool statement;
	const char *approvers; /* or NULL */
	struct approval approval;
};

static int read_wishes(int argc, char **argv, struct wishes *wishes)
{
	static const struct option options[] = {
		{"statement", no_argument, NULL, 't'},
		{"approvers", required_argument, NULL, 'a'},
		{"signature", required_argument, NULL, 'g'},
		{0},
	};
	int letter, status = CLI_OK;

	while (!status && (letter = cli_option(argc, argv, options)) != -1) {
		if (letter == 't')
			wishes->statement = true;
		else if (letter == 'a')
			wishes->approvers = optarg;
		else
			status = letter == 'g' ? signature_take(optarg, &wishes->approval) : CLI_USAGE;
	}
	if (!status && !wishes->approvers != !wishes->approval.count)
		return cli_misuse(
			"--signature FILE needs --approvers DIR, and the other way round: whose keys is it to be of?");
	return status;
}

/* What an approver of the policy signs, and nothing else. */
static int print_statement(const struct document *document)
{
	struct json text = {0};

	if (statement_print(document->bytes, document->length, 0, &text))
		return cli_fail(CLI_REFUSED, "%s: a geography file cannot be read, or has a name of more than one line",
				document->name);
	fwrite(text.bytes, 1, text.length, stdout);
	json_free(&text);
	return CLI_OK;
}

static int check_signatures(const struct document *document, struct wishes *wishes)
{
	struct approvers *approvers = NULL;
	struct problem problem = {0};
	int error = approvers_open(wishes->approvers, 1, &problem, &approvers);

	if (error)
		return cli_fail(CLI_USAGE, "%s", problem.text);
	error = approvers_judge(approvers, document->bytes, document->length, &wishes->approval, &problem);
	approvers_close(approvers);
	if (error)
		return cli_fail(CLI_REFUSED, "%s: %s", document->name, problem.text);
	return CLI_OK;
}

int cli_check(int argc, char **argv)
{
	struct wishes wishes = {0};
	char names[APPROVAL_NAMES];
	struct policy *policy = NULL;
	struct document document;
	time_t now = time(NULL);
	int status = read_wishes(argc, argv, &wishes);

	if (status)
		return status;
	status = cli_operands(argc, 1, "FILE");
	if (status)
		return status;
	status = document_read(argv[optind], &document);
	if (status)
		return status;

	struct diagnostics diagnostics = {.file = document.name};

	if (policy_parse(document.name, document.bytes, document.length, now, &diagnostics, &policy))
		status = CLI_REFUSED;
	else
		policy_assume_members(policy);
	if (!status)
		status = check_tables(policy, now, &diagnostics);
	if (!status && wishes.approvers)
		status = check_signatures(&document, &wishes);
	diagnostics_sort(&diagnostics);
	if (wishes.statement && status != CLI_SYSTEM)
		document_print(&diagnostics);
	else if (status != CLI_SYSTEM)
		document_report(status, &diagnostics);
	if (status == CLI_OK && wishes.statement)
		status = print_statement(&document);
	else if (status == CLI_OK && !cli_json)
		printf("%s: good, digest %s\n", document.name, policy->digest);
	if (status == CLI_OK && !cli_json && !wishes.statement && policy->pool_count)
		printf("who is in its %zu pool%s is not known here: a member of each is assumed for each of its "
		       "regions and address families\n",
		       policy->pool_count, policy->pool_count == 1 ? "" : "s");
	if (status == CLI_OK && wishes.approvers && !cli_json && !wishes.statement)
		printf("approved by %s\n", approval_names(&wishes.approval, names));
	diagnostics_free(&diagnostics);
	policy_free(policy);
	document_free(&document);
	return status;
}
