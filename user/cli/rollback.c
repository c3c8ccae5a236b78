// SPDX-License-Identifier: GPL-2.0-only
/* usher rollback: the policy before, or one that history names. */
#include "cli/applied.h"
#include "cli/verbs.h"

int cli_rollback(int argc, char **argv)
{
	struct json_object *request;
	struct answer answer;
	int status;

	if (cli_option(argc, argv, NULL) != -1)
		return CLI_USAGE;
	if (optind + 1 < argc)
		return cli_operands(argc, 1, "one REVISION");
	request = client_request("rollback");
	if (optind < argc)
		json_object_object_add(request, "revision", json_object_new_string(argv[optind]));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	status = applied_report(&answer, optind < argc ? argv[optind] : "policy", false);
	answer_release(&answer);
	return status;
}
