// SPDX-License-Identifier: GPL-2.0-only
/* usher drain, usher undrain: a backend gets no new flows, or gets them again. Open flows go on in both cases. */
#include "cli/client.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"

static int ask(int argc, char **argv, const char *verb, const char *done, const char *was)
{
	struct json_object *request;
	struct answer answer;
	int status;

	if (cli_option(argc, argv, NULL) != -1)
		return CLI_USAGE;
	status = cli_operands(argc, 1, "BACKEND");
	if (status)
		return status;
	request = client_request(verb);
	json_object_object_add(request, "backend", json_object_new_string(argv[optind]));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	if (answer.status != PROTOCOL_OK) {
		status = client_fail(&answer);
	} else if (cli_json) {
		tree_print(answer.frame);
	} else {
		ink_text(stdout, argv[optind]);
		printf(" %s: generation %lld\n", field_true(answer.frame, "changed") ? done : was,
		       (long long)field_integer(answer.frame, "generation"));
	}
	answer_release(&answer);
	return status;
}

int cli_drain(int argc, char **argv)
{
	return ask(argc, argv, "drain", "drains", "was draining already");
}

int cli_undrain(int argc, char **argv)
{
	return ask(argc, argv, "undrain", "takes new flows again", "was not draining");
}
