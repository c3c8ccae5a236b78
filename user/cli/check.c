/* SPDX-License-Identifier: GPL-2.0-only */
/* usher check: all that is wrong with a policy, and all that is suspicious. Needs no daemon. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "compile/compile.h"
#include "cli/document.h"
#include "cli/verbs.h"
#include "policy/members.h"
#include "policy/policy.h"

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

int cli_check(int argc, char **argv)
{
	struct policy *policy = NULL;
	struct document document;
	time_t now = time(NULL);
	int status;

	if (cli_option(argc, argv, NULL) != -1)
		return CLI_USAGE;
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
	diagnostics_sort(&diagnostics);
	if (status != CLI_SYSTEM)
		document_report(status, &diagnostics);
	if (status == CLI_OK && !cli_json)
		printf("%s: good, digest %s\n", document.name, policy->digest);
	if (status == CLI_OK && !cli_json && policy->pool_count)
		printf("who is in its %zu pool%s is not known here: a member of each is assumed for each of its "
		       "regions and address families\n",
		       policy->pool_count, policy->pool_count == 1 ? "" : "s");
	diagnostics_free(&diagnostics);
	policy_free(policy);
	document_free(&document);
	return status;
}
