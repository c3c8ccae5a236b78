// SPDX-License-Identifier: GPL-2.0-only
/* usher quarantine, usher release: a version, or a backend, answers nobody at once, or is judged like all others again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/show.h"
#include "cli/verbs.h"

/* What is asked for: one of the three, and why; a gate lets go of one of these, and not a quarantine. */
struct order {
	const char *version, *backend, *service, *why;
	const char *gate;
};

static int read_order(int argc, char **argv, struct order *order)
{
	static const struct option options[] = {
		{"backend", required_argument, NULL, 'b'},
		{"why", required_argument, NULL, 'w'},
		{"gate", required_argument, NULL, 'g'},
		{"service", required_argument, NULL, 's'},
		{0},
	};
	int letter, status;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		switch (letter) {
		case 'b':
			order->backend = optarg;
			break;
		case 'w':
			order->why = optarg;
			break;
		case 'g':
			order->gate = optarg;
			break;
		case 's':
			order->service = optarg;
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (order->gate && strcmp(argv[0], "release") != 0)
		return cli_misuse("--gate is for release");
	if (order->service && !order->gate)
		return cli_misuse("--service is for release --gate");
	if ((order->backend || order->service) && (optind < argc || (order->backend && order->service)))
		return cli_misuse("takes one of MODEL@VERSION, --backend NAME%s",
				  order->gate ? " and --service NAME" : "");
	status = order->backend || order->service ? CLI_OK : cli_operands(argc, 1, "MODEL@VERSION, or --backend NAME");
	if (status)
		return status;
	order->version = argv[optind]; /* NULL beside --backend and --service */
	if (!order->why)
		return cli_misuse("needs --why TEXT: the record says why");
	if (!utf8_is_line(order->why, PROTOCOL_WHY_MAX))
		return cli_misuse("--why takes one line of 1 to %d bytes of UTF-8, without control characters",
				  PROTOCOL_WHY_MAX);
	return CLI_OK;
}

static int ask(const char *verb, const struct order *order, struct answer *ret_answer)
{
	struct json_object *request = client_request(verb);

	if (order->gate)
		json_object_object_add(request, "gate", json_object_new_string(order->gate));
	if (order->backend)
		json_object_object_add(request, "backend", json_object_new_string(order->backend));
	else if (order->service)
		json_object_object_add(request, "service", json_object_new_string(order->service));
	else
		json_object_object_add(request, "version", json_object_new_string(order->version));
	json_object_object_add(request, "why", json_object_new_string(order->why));
	return client_ask(request, NULL, 0, ret_answer);
}

static void print_force(struct json_object *frame)
{
	long long backends = (long long)field_integer(frame, "backends");

	printf(", %lld backend%s", backends, backends == 1 ? "" : "s");
	if (field_true(frame, "pending"))
		puts(" as soon as the daemon, which has just started, knows which can be used; in 5 s at most");
	else
		printf(": generation %lld, epoch %lld\n", (long long)field_integer(frame, "generation"),
		       (long long)field_integer(frame, "epoch"));
}

/* By whom, since when and why: of the quarantine that there is, or that is over. */
static void print_text(const char *before, struct json_object *frame, const char *after)
{
	char *text = quarantine_text(frame);

	fputs(before, stdout);
	ink_text(stdout, text);
	fputs(after, stdout);
	free(text);
}

static void print_quarantine(struct json_object *frame)
{
	if (field_true(frame, "changed")) {
		fputs(" is in quarantine", stdout);
		print_force(frame);
	} else {
		print_text(" was in quarantine already, by ", frame, "; nothing changes\n");
	}
}

static void print_release(struct json_object *frame)
{
	if (!field_true(frame, "changed")) {
		puts(" was in no quarantine; nothing changes");
		return;
	}
	fputs(" is released", stdout);
	print_force(frame);
	print_text("it was in quarantine by ", frame, "\n");
}

static void print_gate_release(struct json_object *frame)
{
	if (!field_true(frame, "changed")) {
		puts(": the gate denies it nothing; nothing changes");
		return;
	}
	printf(" is let go by the gate, which was %s: generation %lld, epoch %lld; what it measures from now on "
	       "counts\n",
	       field_text(frame, "was"), (long long)field_integer(frame, "generation"),
	       (long long)field_integer(frame, "epoch"));
}

static int carry_out(int argc, char **argv, void (*print)(struct json_object *frame))
{
	struct order order = {0};
	struct answer answer;
	int status = read_order(argc, argv, &order);

	if (!status)
		status = ask(argv[0], &order, &answer);
	if (status)
		return status;
	if (answer.status != PROTOCOL_OK) {
		status = client_fail(&answer);
	} else if (cli_json) {
		tree_print(answer.frame);
	} else {
		ink_text(stdout, order.backend ? order.backend : order.service ? order.service : order.version);
		(order.gate ? print_gate_release : print)(answer.frame);
	}
	answer_release(&answer);
	return status;
}

int cli_quarantine(int argc, char **argv)
{
	return carry_out(argc, argv, print_quarantine);
}

int cli_release(int argc, char **argv)
{
	return carry_out(argc, argv, print_release);
}
