// SPDX-License-Identifier: GPL-2.0-only
/* usher show: what is in force, live. */
#include "cli/show.h"

#include <string.h>

#include "usher/reasons.h"

#include "base/array.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/verbs.h"

static const struct {
	const char *word;
	void (*show)(struct json_object *body);
} words[] = {
	{"services", show_services},	 {"tenants", show_tenants},   {"models", show_models},
	{"backends", show_backends},	 {"routes", show_routes},     {"quarantines", show_quarantines},
	{"flows", show_flows},		 {"facts", show_facts},	      {"stats", show_stats},
	{"generation", show_generation}, {"gates", show_gates},	      {"evaluators", show_evaluators},
	{"surges", show_surges},	 {"rollouts", show_rollouts}, {"ejections", show_ejections},
	{"surges", show_surges},	 {"rollouts", show_rollouts}, {"pools", show_pools},
	{"shipping", show_shipping},
};

#define WORDS ARRAY_COUNT(words)

static const char *reason_sentence(const char *label)
{
#define X(number, name, verdict, reason_label, sentence)                                                               \
	if (!strcmp(label, reason_label))                                                                              \
		return sentence;
	USHER_REASONS(X)
#undef X
	return "-";
}

static void reason_rows(struct table *table, const char *verdict, struct json_object *reasons)
{
	char text[NUMBER_TEXT];

	if (!json_object_is_type(reasons, json_type_object))
		return;
	json_object_object_foreach(reasons, reason, counter)
	{
		table_cell(table, "%s", verdict);
		table_cell(table, "%s", reason);
		table_number(table, field_integer(counter, "packets"));
		table_cell(table, "%s", bytes_text(field_integer(counter, "bytes"), text));
		table_cell(table, "%s", reason_sentence(reason));
	}
}

static void flow_facts(struct json_object *flows)
{
	char a[NUMBER_TEXT], b[NUMBER_TEXT], c[NUMBER_TEXT], d[NUMBER_TEXT];

	fact("flows", "%s alive, room for %s", number_text(field_integer(flows, "alive"), a),
	     number_text(field_integer(flows, "lines"), b));
	fact("", "%s begun, %s expired, %s evicted, %s closed", number_text(field_integer(flows, "inserted"), a),
	     number_text(field_integer(flows, "expired"), b), number_text(field_integer(flows, "evicted"), c),
	     number_text(field_integer(flows, "deleted") + field_integer(flows, "replaced"), d));
	fact("answers", "%s resets and ICMP sent, %s held back by the cap",
	     number_text(field_integer(flows, "replies"), a),
	     number_text(field_integer(flows, "replies_suppressed"), b));
}

static void audit_facts(struct json_object *audit)
{
	char a[NUMBER_TEXT], b[NUMBER_TEXT], c[NUMBER_TEXT], d[NUMBER_TEXT];

	fact("audit", "%s decisions numbered, %s lost in %s gaps, %s records written",
	     number_text(field_integer(audit, "taken"), a), number_text(field_integer(audit, "lost"), b),
	     number_text(field_integer(audit, "gaps"), c), number_text(field_integer(audit, "written"), d));
	if (field_integer(audit, "write_errors"))
		fact("", "%s write errors, %s records waiting", number_text(field_integer(audit, "write_errors"), a),
		     number_text(field_integer(audit, "waiting"), b));
	if (field_integer(audit, "segment_errors") || field_integer(audit, "witness_errors"))
		fact("", "%s closed files not compressed or deleted, %s signatures not given to the witness",
		     number_text(field_integer(audit, "segment_errors"), a),
		     number_text(field_integer(audit, "witness_errors"), b));
}

void show_stats(struct json_object *body)
{
	static const char *const headings[] = {"VERDICT", "REASON", ">PACKETS", ">BYTES", "MEANING", NULL};
	struct json_object *stats = field(body, "stats"), *verdicts = field(stats, "verdicts");
	struct json_object *received = field(stats, "received"), *others = field(stats, "not_for_service");
	char a[NUMBER_TEXT], b[NUMBER_TEXT];
	struct table *table = table_new(headings);

	fact("received", "%s packets for services, %s", number_text(field_integer(received, "packets"), a),
	     bytes_text(field_integer(received, "bytes"), b));
	fact("others", "%s packets, %s", number_text(field_integer(others, "packets"), a),
	     bytes_text(field_integer(others, "bytes"), b));
	flow_facts(field(stats, "flows"));
	audit_facts(field(stats, "audit"));
	putchar('\n');
#define X(number, name, label, text) reason_rows(table, label, field(verdicts, label));
	USHER_VERDICTS(X)
#undef X
	table_finish(table, stdout, "no packets for services");
}

static void policy_fact(struct json_object *of)
{
	if (field(of, "digest"))
		fact("policy", "%s, revision %lld, digest %.*s", field(of, "name") ? field_text(of, "name") : "unnamed",
		     (long long)field_integer(of, "revision"), DIGEST_SHOWN, field_text(of, "digest"));
	else
		fact("policy", "none");
	if (field_true(of, "closed"))
		fact("", "closed: no valid policy; packets for the services of the last one are dropped");
}

void show_generation(struct json_object *body)
{
	static const char *const headings[] = {"TABLE", ">USED", NULL};
	struct json_object *generation = field(body, "generation"), *used = field(generation, "used");
	struct table *table = table_new(headings);

	policy_fact(generation);
	fact("generation", "%lld, epoch %lld, slot %lld", (long long)field_integer(generation, "generation"),
	     (long long)field_integer(generation, "epoch"), (long long)field_integer(generation, "slot"));
	fact("published", "%s", field_text(generation, "published"));
	fact("next change", "%s", field(generation, "next_change") ? field_text(generation, "next_change") : "none");
	putchar('\n');
	if (json_object_is_type(used, json_type_object)) {
		json_object_object_foreach(used, name, count)
		{
			table_cell(table, "%s", name);
			table_number(table, json_object_get_int64(count));
		}
	}
	table_finish(table, stdout, "no tables");
}

/* ---- bare `usher show` --------------------------------------------------------------------------------------- */

static int read_show(const char *what, struct json_object *overview)
{
	struct json_object *request = client_request("show"), *body;
	int status;

	json_object_object_add(request, "what", json_object_new_string(what));
	status = client_read(request, &body);
	if (status)
		return status;
	json_object_object_add(overview, what, json_object_get(field(body, what)));
	json_object_put(body);
	return CLI_OK;
}

static int read_status(struct json_object *overview)
{
	struct answer answer;
	int status = client_ask(client_request("status"), NULL, 0, &answer);

	if (status)
		return status;
	if (answer.status == PROTOCOL_OK) {
		/* What it says of the exchange itself is no part of the state. */
		json_object_object_del(answer.frame, "status");
		json_object_object_add(overview, "daemon", json_object_get(answer.frame));
	} else {
		status = client_fail(&answer);
	}
	answer_release(&answer);
	return status;
}

static void print_overview(struct json_object *overview)
{
	struct json_object *daemon = field(overview, "daemon");

	fact("usherd", "%s on %s (%s), pid %lld, since %s", field_text(daemon, "version"),
	     field_text(daemon, "interface"), field_text(daemon, "mode"), (long long)field_integer(daemon, "pid"),
	     field_text(daemon, "since"));
	policy_fact(daemon);
	fact("generation", "%lld, epoch %lld", (long long)field_integer(daemon, "generation"),
	     (long long)field_integer(daemon, "epoch"));
	if (field(daemon, "confirm_by"))
		fact("unconfirmed", "goes back at %s unless `usher confirm` comes before",
		     field_text(daemon, "confirm_by"));
	quarantine_facts(overview);
	gate_facts(overview);
	rollout_facts(overview);
	pool_facts(overview);
	shipping_facts(overview);
	flow_facts(field(field(overview, "stats"), "flows"));
	audit_facts(field(field(overview, "stats"), "audit"));
	for (size_t i = 0; i < field_count(daemon, "problems"); i++) {
		struct json_object *problem = field_at(daemon, "problems", i);

		fact("problem", "%s", problem ? json_object_get_string(problem) : "-");
	}
	putchar('\n');
	show_services(overview);
	putchar('\n');
	show_backends(overview);
}

static int show_overview(void)
{
	static const char *const parts[] = {"stats", "services", "backends", "quarantines",
					    "gates", "rollouts", "pools",    "shipping"};
	struct json_object *overview = json_object_new_object();
	int status = read_status(overview);

	for (size_t i = 0; !status && i < ARRAY_COUNT(parts); i++)
		status = read_show(parts[i], overview);
	if (!status && cli_json)
		tree_print(overview);
	else if (!status)
		print_overview(overview);
	json_object_put(overview);
	return status;
}

/* ---- the verb -------------------------------------------------------------------------------------------------- */

static int show_word(size_t i, const char *service, int limit)
{
	struct json_object *request = client_request("show"), *body;
	int status;

	json_object_object_add(request, "what", json_object_new_string(words[i].word));
	if (service)
		json_object_object_add(request, "service", json_object_new_string(service));
	if (limit)
		json_object_object_add(request, "limit", json_object_new_int(limit));
	status = client_read(request, &body);
	if (status)
		return status;
	if (cli_json)
		tree_print(body);
	else
		words[i].show(body);
	json_object_put(body);
	return CLI_OK;
}

int cli_show(int argc, char **argv)
{
	static const struct option options[] = {
		{"service", required_argument, NULL, 'S'},
		{"limit", required_argument, NULL, 'n'},
		{0},
	};
	const char *service = NULL;
	int letter, limit = 0;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		switch (letter) {
		case 'S':
			service = optarg;
			break;
		case 'n':
			if (cli_count(optarg, &limit))
				return cli_misuse("--limit takes a number from 1: %s", optarg);
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (optind == argc && (service || limit))
		return cli_misuse("--service and --limit are for flows and routes");
	if (optind == argc)
		return show_overview();
	if (optind + 1 < argc)
		return cli_misuse("one word at a time: %s", argv[optind + 1]);
	for (size_t i = 0; i < WORDS; i++)
		if (!strcmp(argv[optind], words[i].word))
			return show_word(i, service, limit);
	return cli_misuse("cannot show %s", argv[optind]);
}
