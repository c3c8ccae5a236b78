// SPDX-License-Identifier: GPL-2.0-only
/* usher rollout: an operator pauses a roll-out, resumes, promotes or aborts it. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"

#define ORDERS "pause, resume, promote or abort, and the name of a roll-out"

struct order {
	const char *word, *name, *why;
};

static bool is_order(const char *word)
{
	static const char *const words[] = {"pause", "resume", "promote", "abort"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i], word))
			return true;
	return false;
}

static int read_order(int argc, char **argv, struct order *order)
{
	static const struct option options[] = {{"why", required_argument, NULL, 'w'}, {0}};
	int letter, status;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter != 'w')
			return CLI_USAGE;
		order->why = optarg;
	}
	status = cli_operands(argc, 2, ORDERS);
	if (status)
		return status;
	order->word = argv[optind];
	order->name = argv[optind + 1];
	if (!is_order(order->word))
		return cli_misuse("takes " ORDERS ", not %s", order->word);
	if (!order->why)
		return cli_misuse("needs --why TEXT: the record says why");
	if (!utf8_is_line(order->why, PROTOCOL_WHY_MAX))
		return cli_misuse("--why takes one line of 1 to %d bytes of UTF-8, without control characters",
				  PROTOCOL_WHY_MAX);
	return CLI_OK;
}

static void print(const struct order *order, struct json_object *frame)
{
	ink_text(stdout, order->name);
	fputs(" is ", stdout);
	ink_text(stdout, field_text(frame, "state"));
	fputs(field_true(frame, "changed") ? ": " : " already: ", stdout);
	ink_text(stdout, field_text(frame, "version"));
	printf(" is given %lld %% of new connections", (long long)field_integer(frame, "share"));
	if (field_true(frame, "pending"))
		puts(" as soon as the daemon, which has just started, knows which backends can be used; in 5 s at "
		     "most");
	else
		printf(", generation %lld\n", (long long)field_integer(frame, "generation"));
}

int cli_rollout(int argc, char **argv)
{
	struct order order = {0};
	struct json_object *request;
	struct answer answer;
	int status = read_order(argc, argv, &order);

	if (status)
		return status;
	request = client_request("rollout");
	json_object_object_add(request, "order", json_object_new_string(order.word));
	json_object_object_add(request, "rollout", json_object_new_string(order.name));
	json_object_object_add(request, "why", json_object_new_string(order.why));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	if (answer.status != PROTOCOL_OK)
		status = client_fail(&answer);
	else if (cli_json)
		tree_print(answer.frame);
	else
		print(&order, answer.frame);
	answer_release(&answer);
	return status;
}
