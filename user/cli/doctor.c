// SPDX-License-Identifier: GPL-2.0-only
/* usher doctor: what in the fleet keeps usher from knowing what it should, and what keeps its record from the disk. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/alarm.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/show.h"
#include "cli/ink.h"
#include "cli/table.h"
#include "cli/verbs.h"

/* One line: who, what. Text of a daemon and of a policy. */
static void say(const char *backend, const char *subject, const char *text)
{
	printf("%s", ink(INK_DOUBTFUL));
	ink_text(stdout, backend);
	printf("%s: ", ink(INK_PLAIN));
	if (*subject) {
		ink_text(stdout, subject);
		putchar(' ');
	}
	ink_text(stdout, text);
	putchar('\n');
}

/* Returns how many things are wrong with it. */
static size_t examine(struct json_object *backend)
{
	struct json_object *telemetry = field(backend, "telemetry");
	const char *name = field_text(backend, "backend"), *state = field_text(telemetry, "state");
	size_t count = field_count(telemetry, "findings"), said = 0;

	if (!telemetry)
		return 0;
	if (field(telemetry, "cause_text")) {
		say(name, "", field_text(telemetry, "cause_text"));
		said++;
	} else if (!strcmp(state, "stale")) {
		say(name, "", "nothing has been heard for too long");
		said++;
	}
	/* Of a page that cannot be read any more, what was odd about the last one is no help. */
	for (size_t i = 0; !said && i < count; i++) {
		struct json_object *finding = field_at(telemetry, "findings", i);

		say(name, field(finding, "series") ? field_text(finding, "series") : "", field_text(finding, "text"));
	}
	return said ? said : count;
}

static size_t examine_all(struct json_object *body)
{
	size_t found = 0, asked = 0;

	for (size_t i = 0; i < field_count(body, "facts"); i++) {
		struct json_object *backend = field_at(body, "facts", i);

		found += examine(backend);
		asked += field(backend, "telemetry") &&
			 strcmp(field_text(field(backend, "telemetry"), "state"), "unasked");
	}
	if (!found)
		printf("nothing odd about the metrics of %zu backends; of %zu none are read, or not yet\n", asked,
		       field_count(body, "facts") - asked);
	return found;
}

/* With -j the same as `show facts`, `gates` and `evaluators`: a program sees what is wrong by the exit status. */
static size_t count_all(struct json_object *body)
{
	size_t found = 0;

	for (size_t i = 0; i < field_count(body, "facts"); i++) {
		struct json_object *telemetry = field(field_at(body, "facts", i), "telemetry");

		found += field(telemetry, "cause_text") || !strcmp(field_text(telemetry, "state"), "stale") ||
			 field_count(telemetry, "findings");
	}
	return found;
}

/* Evaluators that cannot be read, and gates whose series are not what they should be. */
static size_t examine_gates(struct json_object *gates, struct json_object *evaluators, bool quiet)
{
	size_t found = 0;

	for (size_t i = 0; i < field_count(evaluators, "evaluators"); i++) {
		struct json_object *evaluator = field_at(evaluators, "evaluators", i);
		bool stale = !strcmp(field_text(evaluator, "state"), "stale");

		if (!field(evaluator, "cause_text") && !stale)
			continue;
		found++;
		if (!quiet)
			say(field_text(evaluator, "evaluator"), "evaluator:",
			    field(evaluator, "cause_text") ? field_text(evaluator, "cause_text")
							   : "nothing has been heard for too long");
	}
	for (size_t i = 0; i < field_count(gates, "gates"); i++) {
		struct json_object *gate = field_at(gates, "gates", i), *gap = field(gate, "gap");

		if (!gap)
			continue;
		found++;
		if (!quiet)
			say(field_text(gate, "gate"), field_text(gap, "series"), field_text(gap, "text"));
	}
	return found;
}

static int ask_for(const char *what, struct json_object **ret_body)
{
	struct json_object *request = client_request("show");

	json_object_object_add(request, "what", json_object_new_string(what));
	return client_read(request, ret_body);
}

static int doctor_pools(void)
{
	struct json_object *body = NULL;
	size_t found = 0;
	int status = ask_for("pools", &body);

	for (size_t i = 0; i < field_count(body, "pools"); i++) {
		struct json_object *pool = field_at(body, "pools", i);

		if (!field(pool, "problem"))
			continue;
		found++;
		if (!cli_json)
			say(field_text(pool, "pool"), "", field_text(pool, "problem"));
	}
	if (!status && cli_json)
		tree_print(body);
	else if (!status && !found)
		printf("nothing odd about the sources of %zu pools\n", field_count(body, "pools"));
	json_object_put(body);
	if (status)
		return status;
	return found ? CLI_NO : CLI_OK;
}

/* What keeps records from one that they are to be sent to. Returns how many things it is. */
static size_t examine_destination(struct json_object *at)
{
	const char *destination = field_text(at, "destination");
	size_t found = 0;
	char text[128];

	if (!json_object_get_boolean(field(at, "connected"))) {
		found++;
		if (!cli_json)
			say(destination, "", shipping_state(at));
	}
	if (field_integer(at, "lost_segments")) {
		found++;
		snprintf(text, sizeof(text), "%lld files of the log were deleted before all of them was sent",
			 (long long)field_integer(at, "lost_segments"));
		if (!cli_json)
			say(destination, "", text);
	}
	return found;
}

static int doctor_shipping(void)
{
	struct json_object *body = NULL;
	size_t found = 0;
	int status = ask_for("shipping", &body);

	for (size_t i = 0; i < field_count(body, "shipping"); i++)
		found += examine_destination(field_at(body, "shipping", i));
	if (!status && cli_json)
		tree_print(body);
	else if (!status && !found)
		printf("records go to all of %zu destinations\n", field_count(body, "shipping"));
	json_object_put(body);
	if (status)
		return status;
	return found ? CLI_NO : CLI_OK;
}

static int doctor_telemetry(void)
{
	struct json_object *body = NULL, *gates = NULL, *evaluators = NULL;
	size_t found = 0;
	int status = ask_for("facts", &body);

	if (!status)
		status = ask_for("gates", &gates);
	if (!status)
		status = ask_for("evaluators", &evaluators);
	if (!status) {
		found = cli_json ? count_all(body) : examine_all(body);
		found += examine_gates(gates, evaluators, cli_json);
		if (cli_json) {
			json_object_object_add(body, "gates", json_object_get(field(gates, "gates")));
			json_object_object_add(body, "evaluators", json_object_get(field(evaluators, "evaluators")));
			tree_print(body);
		}
	}
	json_object_put(body);
	json_object_put(gates);
	json_object_put(evaluators);
	if (status)
		return status;
	return found ? CLI_NO : CLI_OK;
}

__attribute__((format(printf, 2, 3))) static void find(size_t *found, const char *format, ...)
{
	char text[256];
	va_list arguments;

	++*found;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!cli_json)
		say("audit", "", text);
}

/* What keeps the record from being written, kept elsewhere or whole. Returns how many things there are. */
static size_t examine_audit(struct json_object *audit)
{
	int64_t room = field_integer(audit, "disk_free"), size = field_integer(audit, "disk_size");
	int64_t unsynced = field_integer(audit, "unsynced_bytes"), most = field_integer(audit, "unsynced_max");
	char a[NUMBER_TEXT], b[NUMBER_TEXT];
	size_t found = 0;

	if (field(audit, "error"))
		find(&found, "it cannot be written: %s", field_text(audit, "error"));
	if (field_integer(audit, "behind_ms") >= ALARM_BEHIND_MS)
		find(&found, "records have waited for the disk for %s s",
		     number_text(field_integer(audit, "behind_ms") / 1000, a));
	if (unsynced && unsynced >= most / 2)
		find(&found, "%s of it are not on the disk yet: with %s records wait in memory",
		     bytes_text(unsynced, a), bytes_text(most, b));
	if (alarm_is_short((uint64_t)room, (uint64_t)size))
		find(&found, "its disk has %s of %s left", bytes_text(room, a), bytes_text(size, b));
	if (field(audit, "segment_error"))
		find(&found, "closed files cannot be compressed or deleted: %s", field_text(audit, "segment_error"));
	if (field(audit, "witness_error"))
		find(&found, "the witness cannot be written: %s", field_text(audit, "witness_error"));
	if (field_integer(audit, "segments_lost"))
		find(&found, "%s files were deleted, or lost to a disk that failed, while they were written to",
		     number_text(field_integer(audit, "segments_lost"), a));
	if (field_integer(audit, "lost"))
		find(&found, "%s decisions are lost in %s gaps", number_text(field_integer(audit, "lost"), a),
		     number_text(field_integer(audit, "gaps"), b));
	return found;
}

static int doctor_audit(void)
{
	struct json_object *body = NULL, *audit;
	size_t found = 0;
	int status = ask_for("stats", &body);

	audit = field(field(body, "stats"), "audit");
	if (!status)
		found = examine_audit(audit);
	if (!status && cli_json)
		tree_print(audit);
	else if (!status && !found)
		printf("nothing odd about the record\n");
	json_object_put(body);
	if (status)
		return status;
	return found ? CLI_NO : CLI_OK;
}

int cli_doctor(int argc, char **argv)
{
	int status;

	if (cli_option(argc, argv, NULL) != -1)
		return CLI_USAGE;
	status = cli_operands(argc, 1, "telemetry, pools, audit or shipping");
	if (status)
		return status;
	if (!strcmp(argv[optind], "telemetry"))
		return doctor_telemetry();
	if (!strcmp(argv[optind], "pools"))
		return doctor_pools();
	if (!strcmp(argv[optind], "audit"))
		return doctor_audit();
	if (!strcmp(argv[optind], "shipping"))
		return doctor_shipping();
	return cli_misuse("it examines telemetry, pools, audit or shipping, and not %s", argv[optind]);
}
