// SPDX-License-Identifier: GPL-2.0-only
/* usher audit rotate-key: the daemon signs with a new key from now on. The one word of `audit` that needs a daemon. */
#include <stdio.h>

#include "base/utf8.h"
#include "cli/audit.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/show.h"
#include "cli/verbs.h"

int audit_rotate_key(int argc, char **argv)
{
	static const struct option options[] = {{"why", required_argument, NULL, 'w'}, {0}};
	struct json_object *request;
	struct answer answer;
	const char *why = NULL;
	int letter, status;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter != 'w')
			return CLI_USAGE;
		why = optarg;
	}
	status = cli_operands(argc, 1, "rotate-key");
	if (status)
		return status;
	if (!why)
		return cli_misuse("needs --why TEXT: the record says why");
	if (!utf8_is_line(why, PROTOCOL_WHY_MAX))
		return cli_misuse("--why takes one line of 1 to %d bytes of UTF-8, without control characters",
				  PROTOCOL_WHY_MAX);
	request = client_request("rotate-key");
	json_object_object_add(request, "why", json_object_new_string(why));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	if (answer.status != PROTOCOL_OK)
		status = client_fail(&answer);
	else if (cli_json)
		tree_print(answer.frame);
	else
		printf("the record is signed with key %s from now on; %s has signed that\n",
		       field_text(answer.frame, "new_key"), field_text(answer.frame, "old_key"));
	answer_release(&answer);
	return status;
}
