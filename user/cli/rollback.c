// SPDX-License-Identifier: GPL-2.0-only
/* usher rollback: the policy before, or one that history names. */
#include <stdio.h>

#include "cli/applied.h"
#include "cli/signatures.h"
#include "cli/verbs.h"

static int print_statement(const struct answer *answer)
{
	if (answer->status != PROTOCOL_OK)
		return client_fail(answer);
	fwrite(answer->body.bytes, 1, answer->body.length, stdout);
	return CLI_OK;
}

int cli_rollback(int argc, char **argv)
{
	static const struct option options[] = {{"statement", no_argument, NULL, 't'}, REASONS_OPTIONS, {0}};
	struct reasons reasons = {0};
	struct json_object *request;
	struct answer answer;
	bool statement = false;
	int letter, status;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter == '?')
			return CLI_USAGE;
		statement |= letter == 't';
		status = letter == 't' ? CLI_OK : reasons_take(letter, optarg, &reasons);
		if (status)
			return status;
	}
	if (optind + 1 < argc)
		return cli_operands(argc, 1, "one REVISION");
	request = client_request("rollback");
	if (optind < argc)
		json_object_object_add(request, "revision", json_object_new_string(argv[optind]));
	reasons_add(&reasons, request);
	if (statement)
		json_object_object_add(request, "statement", json_object_new_boolean(true));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	status = statement ? print_statement(&answer)
			   : applied_report(&answer, optind < argc ? argv[optind] : "policy", false);
	answer_release(&answer);
	return status;
}
