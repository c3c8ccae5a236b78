// SPDX-License-Identifier: GPL-2.0-only
/* The words of `usher show` that are lists of things with names. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "cli/field.h"
#include "cli/show.h"
#include "cli/table.h"

/* Of a list inside a cell, so many; -j has all of them. */
#define LIST_MAX 4

/* A list inside a cell. */
struct list {
	char *text;
	size_t length, count;
	FILE *to;
};

static void list_begin(struct list *list)
{
	*list = (struct list){0};
	list->to = open_memstream(&list->text, &list->length);
	if (!list->to)
		abort();
}

/* Where the next element is to be written; NULL when it is one too many. */
static FILE *list_next(struct list *list)
{
	if (list->count++ >= LIST_MAX)
		return NULL;
	if (list->count > 1)
		fputs(", ", list->to);
	return list->to;
}

static void list_end(struct list *list, struct table *table)
{
	if (list->count > LIST_MAX)
		fprintf(list->to, " and %zu more", list->count - LIST_MAX);
	fclose(list->to);
	table_cell(table, "%s", list->length ? list->text : "-");
	free(list->text);
}

long long verdict_packets(struct json_object *verdicts, const char *verdict)
{
	struct json_object *reasons = field(verdicts, verdict);
	long long packets = 0;

	if (!json_object_is_type(reasons, json_type_object))
		return 0;
	json_object_object_foreach(reasons, reason, counter)
	{
		(void)reason;
		packets += field_integer(counter, "packets");
	}
	return packets;
}

/* Why packets were not forwarded. */
static void reasons_cell(struct table *table, struct json_object *verdicts)
{
	static const char *const bad[] = {"refuse", "revoke", "drop"};
	char number[NUMBER_TEXT];
	struct list list;

	list_begin(&list);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		struct json_object *reasons = field(verdicts, bad[i]);

		if (!json_object_is_type(reasons, json_type_object))
			continue;
		json_object_object_foreach(reasons, reason, counter)
		{
			FILE *to = list_next(&list);

			if (to)
				fprintf(to, "%s %s", reason, number_text(field_integer(counter, "packets"), number));
		}
	}
	list_end(&list, table);
}

void show_services(struct json_object *body)
{
	static const char *const headings[] = {"SERVICE",    "ADDRESS",	 "PROTOCOL", "MODEL",	 "TENANT",  ">PACKETS",
					       ">FORWARDED", ">REFUSED", ">DROPPED", ">REVOKED", "BECAUSE", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "services"); i++) {
		struct json_object *service = field_at(body, "services", i);
		struct json_object *verdicts = field(service, "verdicts");
		_cleanup_free_ char *addresses = field_joined(service, "addresses", ", ");

		table_cell(table, "%s", field_text(service, "name"));
		table_cell(table, "%s", addresses);
		table_cell(table, "%s", field_text(service, "protocol"));
		table_cell(table, "%s", field_text(service, "model"));
		table_cell(table, "%s", field_text(service, "tenant"));
		table_number(table, field_integer(field(service, "received"), "packets"));
		table_number(table, verdict_packets(verdicts, "forward"));
		table_number(table, verdict_packets(verdicts, "refuse"));
		table_number(table, verdict_packets(verdicts, "drop"));
		table_number(table, verdict_packets(verdicts, "revoke"));
		reasons_cell(table, verdicts);
	}
	table_finish(table, stdout, "no services");
}

/* 0 is none. */
static void limit_cell(struct table *table, struct json_object *tenant, const char *key)
{
	if (field_integer(tenant, key))
		table_number(table, field_integer(tenant, key));
	else
		table_cell(table, "-");
}

void show_tenants(struct json_object *body)
{
	static const char *const headings[] = {"TENANT", "AUDIT",  ">ACTIVE",  ">OF",	  ">HALF-OPEN",
					       ">NEW/S", ">BIT/S", ">REFUSED", "SOURCES", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "tenants"); i++) {
		struct json_object *tenant = field_at(body, "tenants", i);
		struct list list;

		table_cell(table, "%s", field_text(tenant, "name"));
		table_cell(table, "%s", field_text(tenant, "audit"));
		table_number(table, field_integer(tenant, "active"));
		limit_cell(table, tenant, "active_flows");
		table_number(table, field_integer(tenant, "half_open"));
		limit_cell(table, tenant, "new_flows_per_second");
		limit_cell(table, tenant, "bits_per_second");
		table_number(table, field_integer(tenant, "new_flows_refused") +
					    field_integer(tenant, "active_flows_refused") +
					    field_integer(tenant, "packets_refused"));
		list_begin(&list);
		for (size_t k = 0; k < field_count(tenant, "sources"); k++) {
			struct json_object *source = field_at(tenant, "sources", k);
			FILE *to = list_next(&list);

			if (to && field(source, "geo"))
				fprintf(to, "%s (%lld prefixes, %.*s)", field_text(source, "geo"),
					(long long)field_integer(source, "prefixes"), DIGEST_SHOWN,
					field_text(source, "sha256"));
			else if (to)
				fprintf(to, "%s %s", field_text(source, "prefix"), field_text(source, "region"));
		}
		list_end(&list, table);
	}
	table_finish(table, stdout, "no tenants");
}

static void quarantine_cell(struct table *table, struct json_object *quarantine)
{
	_cleanup_free_ char *text = quarantine ? quarantine_text(quarantine) : NULL;

	table_cell(table, "%s", text ? text : "-");
	if (text)
		table_ink(table, INK_BAD);
}

static void version_row(struct table *table, struct json_object *model, struct json_object *version)
{
	struct list list;

	table_cell(table, "%s", field_text(model, "name"));
	table_cell(table, "%s", field_text(version, "name"));
	table_cell(table, "%s", field_text(version, "stage"));
	if (field(version, "score")) {
		table_cell(table, "%g", field_number(version, "score"));
		table_number(table, field_integer(version, "samples"));
	} else {
		table_cell(table, "-");
		table_cell(table, "-");
	}
	table_cell(table, "%s", field_text(version, "validation_expires"));

	list_begin(&list);
	for (size_t i = 0; i < field_count(version, "labels"); i++) {
		struct json_object *label = field_at(version, "labels", i);
		FILE *to = list_next(&list);

		if (to)
			fprintf(to, "%s%s", field_text(label, "name"), field_true(label, "lapsed") ? " (lapsed)" : "");
	}
	list_end(&list, table);

	list_begin(&list);
	for (size_t i = 0; i < field_count(version, "backends"); i++) {
		struct json_object *name = field_at(version, "backends", i);
		FILE *to = list_next(&list);

		if (to)
			fputs(name ? json_object_get_string(name) : "-", to);
	}
	list_end(&list, table);
	quarantine_cell(table, field(version, "quarantine"));
}

void show_models(struct json_object *body)
{
	static const char *const headings[] = {"MODEL",	      "VERSION", "STAGE",    ">SCORE",	   ">SAMPLES",
					       "VALID UNTIL", "LABELS",	 "BACKENDS", "QUARANTINE", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "models"); i++) {
		struct json_object *model = field_at(body, "models", i);

		for (size_t k = 0; k < field_count(model, "versions"); k++)
			version_row(table, model, field_at(model, "versions", k));
	}
	table_finish(table, stdout, "no models");
}

/* What a backend does at this moment, in a few words. */
static void state_cell(struct table *table, struct json_object *backend)
{
	struct json_object *reason = field(backend, "reason");
	bool stays = field_true(backend, "continues");

	if (!reason) {
		if (field(backend, "weight_percent") && field_number(backend, "weight_percent") < 100)
			table_cell(table, "serving at %.0f %%", field_number(backend, "weight_percent"));
		else
			table_cell(table, "serving");
		table_ink(table, INK_GOOD);
		return;
	}
	table_cell(table, "%s%s", field_text(backend, "reason"), stays ? ", open flows stay" : ", open flows cut");
	table_ink(table, stays ? INK_DOUBTFUL : INK_BAD);
}

/* Whose word it is, unless it is the interface's. */
static void path_cell(struct table *table, struct json_object *backend)
{
	const char *source = field_text(backend, "path_mtu_source");
	char number[NUMBER_TEXT];

	if (!field_integer(backend, "path_mtu"))
		table_cell(table, "-");
	else if (!strcmp(source, "interface"))
		table_cell(table, "%s", number_text(field_integer(backend, "path_mtu"), number));
	else
		table_cell(table, "%s (%s)", number_text(field_integer(backend, "path_mtu"), number), source);
}

/* Half of all are not above the first figure, 99 % not above the second. */
static void latency_cell(struct table *table, struct json_object *latency)
{
	char half[DURATION_TEXT], most[DURATION_TEXT];

	if (field_integer(latency, "count"))
		table_cell(table, "%s / %s", duration_text(field_number(latency, "p50_seconds"), half),
			   duration_text(field_number(latency, "p99_seconds"), most));
	else
		table_cell(table, "-");
}

static void failures_cell(struct table *table, struct json_object *failures)
{
	static const struct {
		const char *key, *text;
	} kinds[] = {{"refused", "refused"},
		     {"resets", "reset"},
		     {"connect_timeouts", "no connection"},
		     {"first_byte_timeouts", "no first byte"}};
	char number[NUMBER_TEXT];
	struct list list;

	list_begin(&list);
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		FILE *to = field_integer(failures, kinds[i].key) ? list_next(&list) : NULL;

		if (to)
			fprintf(to, "%s %s", kinds[i].text, number_text(field_integer(failures, kinds[i].key), number));
	}
	list_end(&list, table);
}

/* With what is wrong, for who reads it. */
static void health_cell(struct table *table, struct json_object *backend)
{
	if (field(backend, "health_text"))
		table_cell(table, "%s: %s", field_text(backend, "health"), field_text(backend, "health_text"));
	else
		table_cell(table, "%s", field_text(backend, "health"));
}

void show_backends(struct json_object *body)
{
	static const char *const headings[] = {"BACKEND",
					       "ADDRESS",
					       "MODEL",
					       "VERSION",
					       "REGION",
					       ">CAPACITY",
					       "FORWARD",
					       "HEALTH",
					       "STATE",
					       "NEXT HOP",
					       "PATH MTU",
					       ">FLOWS",
					       ">TO",
					       ">FROM",
					       ">CONNECT P50/P99",
					       ">FIRST BYTE P50/P99",
					       "FAILURES",
					       NULL};
	struct table *table = table_new(headings);
	char text[NUMBER_TEXT];

	for (size_t i = 0; i < field_count(body, "backends"); i++) {
		struct json_object *backend = field_at(body, "backends", i);

		table_cell(table, "%s", field_text(backend, "name"));
		table_cell(table, "%s", field_text(backend, "address"));
		table_cell(table, "%s", field_text(backend, "model"));
		table_cell(table, "%s", field_text(backend, "version"));
		table_cell(table, "%s", field_text(backend, "region"));
		table_number(table, field_integer(backend, "capacity"));
		table_cell(table, "%s", field_text(backend, "forward"));
		health_cell(table, backend);
		if (!strcmp(field_text(backend, "health"), "down"))
			table_ink(table, INK_BAD);
		state_cell(table, backend);
		table_cell(table, "%s", field_text(backend, "next_hop"));
		path_cell(table, backend);
		table_number(table, field_integer(backend, "flows"));
		table_cell(table, "%s", bytes_text(field_integer(backend, "bytes_to"), text));
		table_cell(table, "%s", bytes_text(field_integer(backend, "bytes_from"), text));
		latency_cell(table, field(backend, "connect"));
		latency_cell(table, field(backend, "first_byte"));
		failures_cell(table, field(backend, "failures"));
	}
	table_finish(table, stdout, "no backends");
}

static void arm_cells(struct table *table, struct json_object *arm)
{
	struct json_object *backends = field(arm, "backends");
	struct list list;

	table_cell(table, "%s", field(arm, "version") ? field_text(arm, "version") : "all");
	table_cell(table, "%.1f %%", field_number(arm, "share"));
	list_begin(&list);
	if (json_object_is_type(backends, json_type_object)) {
		json_object_object_foreach(backends, name, share)
		{
			FILE *to = list_next(&list);

			if (to)
				fprintf(to, "%s %.1f %%", name, json_object_get_double(share));
		}
	}
	list_end(&list, table);
}

void show_routes(struct json_object *body)
{
	static const char *const headings[] = {"SERVICE", "TENANT", "REGION", "FAMILY",	  "ANSWER", "RULE",
					       "TARGET",  "ARM",    ">SHARE", "BACKENDS", NULL};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "routes"); i++) {
		struct json_object *route = field_at(body, "routes", i);
		size_t arms = field_count(route, "arms");

		/* A route without arms has a row as well; further arms leave the cells of the route empty. */
		for (size_t k = 0; k == 0 || k < arms; k++) {
			static const char *const keys[] = {"service", "tenant", "region", "family",
							   "reason",  "rule",	"target"};

			for (size_t c = 0; c < ARRAY_COUNT(keys); c++)
				table_cell(table, "%s", k ? "" : field_text(route, keys[c]));
			if (arms) {
				arm_cells(table, field_at(route, "arms", k));
				continue;
			}
			for (size_t c = 0; c < 3; c++)
				table_cell(table, "-");
		}
	}
	table_finish(table, stdout, "no routes");
}

void show_flows(struct json_object *body)
{
	static const char *const headings[] = {"CLIENT",  "SERVICE ADDRESS", "PROTOCOL", "SERVICE", "TENANT", "REGION",
					       "BACKEND", "STATUS",	     "NAT",	 ">IDLE",   ">EPOCH", NULL};
	static const char *const keys[] = {"client", "service_address", "protocol", "service", "tenant",
					   "region", "backend",		"status",   "nat"};
	struct table *table = table_new(headings);

	for (size_t i = 0; i < field_count(body, "flows"); i++) {
		struct json_object *flow = field_at(body, "flows", i);

		for (size_t c = 0; c < ARRAY_COUNT(keys); c++)
			table_cell(table, "%s", field_text(flow, keys[c]));
		table_cell(table, "%lld s", (long long)field_integer(flow, "idle_seconds"));
		table_cell(table, "%lld", (long long)field_integer(flow, "epoch"));
	}
	table_finish(table, stdout, "no flows");
}
