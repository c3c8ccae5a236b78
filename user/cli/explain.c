// SPDX-License-Identifier: GPL-2.0-only
/* usher explain: the verdict of the running program on a new connection, and each step that led to it. */
#include <string.h>

#include "base/array.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/verbs.h"

static const struct {
	const char *step, *title;
} titles[] = {
	{"who", "who"},
	{"may-ask", "may ask"},
	{"who-may-answer", "who may answer"},
	{"which-arm", "which arm"},
	{"which-backend", "which backend"},
	{"within-limits", "within limits"},
	{"verdict", "verdict"},
};

static const char *title(const char *step)
{
	for (size_t i = 0; i < ARRAY_COUNT(titles); i++)
		if (!strcmp(step, titles[i].step))
			return titles[i].title;
	return step;
}

static void print_steps(struct json_object *explanation)
{
	static const char *const headings[] = {"STEP", "RULE", "WHAT", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(explanation, "steps"); i++) {
		struct json_object *step = field_at(explanation, "steps", i);

		table_cell(table, "%s", title(field_text(step, "step")));
		table_cell(table, "%s", field_text(step, "rule"));
		table_cell(table, "%s", field_text(step, "text"));
	}
	table_finish(table, stdout, "no steps");
}

static void print_candidates(struct json_object *explanation)
{
	static const char *const headings[] = {"CANDIDATE",  "VERSION", "REGION", "MAY",
					       "BECAUSE OF", "RULE",	"FOR",	  NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(explanation, "candidates"); i++) {
		struct json_object *candidate = field_at(explanation, "candidates", i);
		const char *state = field_text(candidate, "state");
		bool starts = !strcmp(state, "start"), stays = !strcmp(state, "continue");

		table_cell(table, "%s", field_text(candidate, "backend"));
		table_cell(table, "%s", field_text(candidate, "version"));
		table_cell(table, "%s", field_text(candidate, "region"));
		if (starts && field(candidate, "weight_percent") && field_number(candidate, "weight_percent") < 100)
			table_cell(table, "answer, at %.0f %%", field_number(candidate, "weight_percent"));
		else
			table_cell(table, "%s", starts ? "answer" : stays ? "keep open flows" : "not answer");
		table_ink(table, starts ? INK_GOOD : stays ? INK_DOUBTFUL : INK_BAD);
		table_cell(table, "%s", field_text(candidate, "reason"));
		table_cell(table, "%s", field_text(candidate, "rule"));
		table_cell(table, "%s", field_text(candidate, "service"));
	}
	table_finish(table, stdout, "no candidates");
}

static void print_explanation(struct json_object *explanation, bool admitted)
{
	bool arm = field(explanation, "backend");

	fact("client", "%s port %lld, tenant %s, region %s", field_text(explanation, "client"),
	     (long long)field_integer(explanation, "client_port"), field_text(explanation, "tenant"),
	     field_text(explanation, "region"));
	fact("service", "%s at %s %s", field_text(explanation, "service"), field_text(explanation, "service_address"),
	     field_text(explanation, "protocol"));
	fact_ink(admitted ? INK_GOOD : INK_BAD, "verdict", "%s: %s, %s", field_text(explanation, "verdict"),
		 field_text(explanation, "reason"), field_text(explanation, "sentence"));
	if (field(explanation, "rule"))
		fact("rule", "%s", field_text(explanation, "rule"));
	if (arm)
		fact("backend", "%s at %s, version %s", field_text(explanation, "backend"),
		     field_text(explanation, "backend_address"), field_text(explanation, "version"));
	fact("generation", "%lld, route %lld, ring slot %lld", (long long)field_integer(explanation, "generation"),
	     (long long)field_integer(explanation, "route"), (long long)field_integer(explanation, "ring_slot"));
	putchar('\n');
	print_steps(explanation);
	putchar('\n');
	print_candidates(explanation);
}

int cli_explain(int argc, char **argv)
{
	struct json_object *request, *explanation;
	char *service, *protocol;
	struct answer answer;
	int status;

	if (cli_option(argc, argv, NULL) != -1)
		return CLI_USAGE;
	status = cli_operands(argc, 2, "CLIENT and SERVICE");
	if (status)
		return status;
	request = client_request("explain");
	service = argv[optind + 1];
	protocol = strrchr(service, '/');
	if (protocol) {
		*protocol++ = '\0';
		json_object_object_add(request, "protocol", json_object_new_string(protocol));
	}
	json_object_object_add(request, "client", json_object_new_string(argv[optind]));
	json_object_object_add(request, "service", json_object_new_string(service));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	status = answer.status;
	/* A refusal is an answer too: what has a body explains itself. */
	if (status != PROTOCOL_OK && !(status == PROTOCOL_NEGATIVE && answer.body.bytes)) {
		status = client_fail(&answer);
	} else if (client_body(&answer, &explanation)) {
		status = CLI_UNREACHABLE;
	} else {
		if (cli_json)
			tree_print(explanation);
		else
			print_explanation(explanation, status == PROTOCOL_OK);
		json_object_put(explanation);
	}
	answer_release(&answer);
	return status;
}
