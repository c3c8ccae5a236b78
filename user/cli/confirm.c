// SPDX-License-Identifier: GPL-2.0-only
/* usher confirm: keep what was applied with --confirm-within. */
#include <stdio.h>

#include "cli/client.h"
#include "cli/field.h"
#include "cli/verbs.h"

int cli_confirm(int argc, char **argv)
{
	struct answer answer;
	int status;

	if (cli_option(argc, argv, NULL) != -1)
		return CLI_USAGE;
	status = cli_operands(argc, 0, NULL);
	if (status)
		return status;
	status = client_ask(client_request("confirm"), NULL, 0, &answer);
	if (status)
		return status;
	if (answer.status != PROTOCOL_OK)
		status = client_fail(&answer);
	else if (cli_json)
		tree_print(answer.frame);
	else
		printf("confirmed: generation %lld stays\n", (long long)field_integer(answer.frame, "generation"));
	answer_release(&answer);
	return status;
}
