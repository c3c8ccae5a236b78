// SPDX-License-Identifier: GPL-2.0-only
#include "audit/ocsf.h"

#include <stdio.h>
#include <string.h>

#include "audit/ocsf_operation.h"
#include "audit/ocsf_parts.h"
#include "base/array.h"
#include "usher/reasons.h"

#define CLASS 4001
#define TEXT_ROOM 128

static const struct ocsf_caption_text unknown = {0, "Unknown"};
static const struct ocsf_caption_text opened = {1, "Open"}, closed = {2, "Close"}, reset = {3, "Reset"},
				      failed = {4, "Fail"}, refused = {5, "Refuse"}, traffic = {6, "Traffic"};
static const struct ocsf_caption_text informational = {1, "Informational"}, low = {2, "Low"}, medium = {3, "Medium"};
static const struct ocsf_caption_text allowed = {1, "Allowed"}, denied = {2, "Denied"};
static const struct ocsf_caption_text blocked = {2, "Blocked"}, dropped = {6, "Dropped"}, no_action = {16, "No Action"},
				      access_revoked = {24, "Access Revoked"};
static const struct ocsf_caption_text success = {1, "Success"}, failure = {2, "Failure"};

/* What a verdict comes to. */
static const struct outcome {
	const char *verdict;
	const struct ocsf_caption_text *activity, *severity, *status, *action, *disposition;
} outcomes[] = {
	[USHER_VERDICT_PASS] = {"pass", &traffic, &informational, &success, &allowed, &no_action},
	[USHER_VERDICT_FORWARD] = {"forward", &traffic, &informational, &success, &allowed, &allowed},
	[USHER_VERDICT_REFUSE] = {"refuse", &refused, &low, &failure, &denied, &blocked},
	[USHER_VERDICT_DROP] = {"drop", &failed, &low, &failure, &denied, &dropped},
	[USHER_VERDICT_REVOKE] = {"revoke", &reset, &medium, &success, &denied, &access_revoked},
};
/* How a connection ended. Any other way: closed. */
static const struct {
	const char *ended;
	struct outcome outcome;
} ends[] = {
	{"reset-by-client", {"", &reset, &informational, &success, &allowed, &allowed}},
	{"reset-by-backend", {"", &reset, &informational, &success, &allowed, &allowed}},
	{"revoked", {"", &reset, &medium, &success, &denied, &access_revoked}},
	{"handshake-not-proven", {"", &failed, &informational, &failure, &allowed, &allowed}},
};
static const struct outcome end_outcome = {"", &closed, &informational, &success, &allowed, &allowed};
static const struct outcome no_outcome = {"unknown", &unknown, &unknown, &unknown, &unknown, &unknown};

static const struct {
	const char *label, *sentence;
} reasons[] = {
#define REASON(number, name, verdict, label, text) {label, text},
	USHER_REASONS(REASON)
#undef REASON
};

static const char *const openings[] = {"admitted", "rerouted", "adopted"};

static bool is_end(const struct fields *fields)
{
	return fields_is(fields, FIELDS_TYPE, "flow");
}

static const struct outcome *outcome_of(const struct fields *fields)
{
	if (is_end(fields)) {
		for (size_t i = 0; i < ARRAY_COUNT(ends); i++)
			if (fields_is(fields, FIELDS_ENDED, ends[i].ended))
				return &ends[i].outcome;
		return &end_outcome;
	}
	for (size_t i = 0; i < ARRAY_COUNT(outcomes); i++)
		if (fields_is(fields, FIELDS_VERDICT, outcomes[i].verdict))
			return &outcomes[i];
	return &no_outcome;
}

static const struct ocsf_caption_text *activity_of(const struct fields *fields, const struct outcome *outcome)
{
	if (outcome == &outcomes[USHER_VERDICT_FORWARD])
		for (size_t i = 0; i < ARRAY_COUNT(openings); i++)
			if (fields_is(fields, FIELDS_REASON, openings[i]))
				return &opened;
	return outcome->activity;
}

static const char *sentence_of(const struct fields *fields)
{
	for (size_t i = 0; i < ARRAY_COUNT(reasons); i++)
		if (fields_is(fields, FIELDS_REASON, reasons[i].label))
			return reasons[i].sentence;
	return NULL;
}

/* ---- parts ---------------------------------------------------------------------------------------------------- */

static void add_time(struct json *to, const char *key, struct line_value value)
{
	int64_t ms;

	if (!ocsf_time(value, &ms))
		json_integer(to, key, ms);
}

static bool is_letter(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* "DE" or "DE-HE": a country, and a part of it of at most three characters. */
static bool is_place(struct line_value region)
{
	return region.at && region.length >= 4 && region.length <= 8 && region.length != 5 && is_letter(region.at[1]) &&
	       is_letter(region.at[2]) && (region.length == 4 || region.at[3] == '-');
}

static void add_location(struct json *to, struct line_value region)
{
	char part[4] = "";

	if (!is_place(region))
		return;
	json_object_begin(to, "location");
	json_format(to, "country", "%.2s", region.at + 1);
	if (region.length > 5) {
		memcpy(part, region.at + 4, region.length - 5);
		json_string(to, "region", part);
	}
	json_object_end(to);
}

static void add_address(struct json *to, const struct fields *fields, enum fields_key key)
{
	ocsf_add(to, "ip", fields_inside(fields, key, "ip"));
	ocsf_add(to, "port", fields_inside(fields, key, "port"));
}

/* A client of whom only the network is on record has no address of its own here. False: nothing is on record that tells clients apart. */
static bool add_client_name(struct json *to, const struct fields *fields)
{
	struct line_value bits = fields_inside(fields, FIELDS_CLIENT, "bits");
	struct line_value pseudonym = fields_inside(fields, FIELDS_CLIENT, "pseudonym");
	struct line_value ip = fields_inside(fields, FIELDS_CLIENT, "ip");
	char network[TEXT_ROOM];

	if (bits.at && ip.at && !line_text(ip, sizeof(network), network))
		json_format(to, "uid", "%s/%.*s", network, (int)bits.length, bits.at);
	else if (pseudonym.at)
		ocsf_add(to, "uid", pseudonym);
	else
		ocsf_add(to, "ip", ip);
	return pseudonym.at || ip.at;
}

static void add_client(struct json *to, const struct fields *fields)
{
	if (!fields->values[FIELDS_CLIENT].at)
		return;
	json_object_begin(to, "src_endpoint");
	if (!add_client_name(to, fields))
		json_string(to, "name", "unknown");
	ocsf_add(to, "port", fields_inside(fields, FIELDS_CLIENT, "port"));
	add_location(to, fields->values[FIELDS_CLIENT_REGION]);
	if (fields->values[FIELDS_NAT].at) {
		json_object_begin(to, "proxy_endpoint");
		add_address(to, fields, FIELDS_NAT);
		json_object_end(to);
	}
	json_object_end(to);
}

/* Which the schema has in every event: of many decisions it is the service alone. */
static void add_called(struct json *to, const struct fields *fields)
{
	json_object_begin(to, "dst_endpoint");
	add_address(to, fields, FIELDS_CALLED);
	ocsf_add(to, "svc_name", fields->values[FIELDS_SERVICE]);
	if (!fields->values[FIELDS_CALLED].at && !fields->values[FIELDS_SERVICE].at)
		json_string(to, "name", "unknown");
	json_object_end(to);
}

static void add_backend(struct json *to, const struct fields *fields)
{
	if (!fields->values[FIELDS_BACKEND].at)
		return;
	json_object_begin(to, "load_balancer");
	json_string(to, "name", "usher");
	json_object_begin(to, "dst_endpoint");
	ocsf_add(to, "name", fields->values[FIELDS_BACKEND]);
	add_address(to, fields, FIELDS_BACKEND_ENDPOINT);
	ocsf_add(to, "svc_name", fields->values[FIELDS_TARGET]);
	add_location(to, fields->values[FIELDS_BACKEND_REGION]);
	json_object_end(to);
	json_object_end(to);
}

static void add_connection(struct json *to, const struct fields *fields)
{
	struct line_value number = fields_inside(fields, FIELDS_CONNECTION, "protocol_num");
	struct line_value ip = fields_inside(fields, FIELDS_CALLED, "ip");
	uint64_t protocol;

	if (!number.at || line_number(number, &protocol) || !protocol)
		return;
	json_object_begin(to, "connection_info");
	ocsf_add_caption(to, "direction_id", "direction", &unknown);
	ocsf_add(to, "protocol_num", number);
	ocsf_add(to, "protocol_name", fields_inside(fields, FIELDS_CONNECTION, "protocol_name"));
	if (ip.at)
		json_unsigned(to, "protocol_ver_id", memchr(ip.at, ':', ip.length) ? 6 : 4);
	ocsf_add(to, "uid", fields_inside(fields, FIELDS_CONNECTION, "community_uid"));
	json_object_end(to);
}

/* in: to the client. What was not seen is not there, and then there is no sum either. */
static void add_traffic(struct json *to, const struct fields *fields)
{
	static const char *const parts[][3] = {{"bytes", "bytes_in", "bytes_out"},
					       {"packets", "packets_in", "packets_out"}};

	if (!fields->values[FIELDS_TRAFFIC].at)
		return;
	json_object_begin(to, "traffic");
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		struct line_value in = fields_inside(fields, FIELDS_TRAFFIC, parts[i][1]);
		struct line_value out = fields_inside(fields, FIELDS_TRAFFIC, parts[i][2]);
		uint64_t came, went;

		if (in.at && out.at && !line_number(in, &came) && !line_number(out, &went))
			json_unsigned(to, parts[i][0], came + went);
		ocsf_add(to, parts[i][1], in);
		ocsf_add(to, parts[i][2], out);
	}
	json_object_end(to);
}

static void add_policy(struct json *to, const struct fields *fields)
{
	struct line_value revision = fields->values[FIELDS_POLICY_REVISION];

	if (fields->values[FIELDS_POLICY_DIGEST].at) {
		json_object_begin(to, "policy");
		ocsf_add(to, "uid", fields->values[FIELDS_POLICY_DIGEST]);
		if (revision.at)
			json_format(to, "version", "%.*s", (int)revision.length, revision.at);
		json_boolean(to, "is_applied", true);
		json_object_end(to);
	}
	if (fields->values[FIELDS_RULE].at) {
		json_object_begin(to, "firewall_rule");
		ocsf_add(to, "uid", fields->values[FIELDS_RULE]);
		json_object_end(to);
	}
}

/* The name of one record, none twice: its run, CPU, ring and number. */
static void add_uid(struct json *to, const struct fields *fields)
{
	static const enum fields_key parts[] = {FIELDS_BOOT, FIELDS_CPU, FIELDS_RING, FIELDS_SEQUENCE};
	char text[TEXT_ROOM] = "";
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		struct line_value value = fields->values[parts[i]];
		bool quoted = value.at && *value.at == '"';

		if (!value.at)
			return;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", i ? "-" : "",
					 (int)(value.length - 2 * quoted), value.at + quoted);
		if (used >= sizeof(text))
			return;
	}
	json_string(to, "uid", text);
}

static void add_metadata(struct json *to, const struct fields *fields, const char *product_version)
{
	json_object_begin(to, "metadata");
	ocsf_add_source(to, product_version);
	json_array_begin(to, "profiles");
	json_string(to, NULL, "security_control");
	json_string(to, NULL, "load_balancer");
	json_array_end(to);
	ocsf_add(to, "event_code", fields->values[is_end(fields) ? FIELDS_ENDED : FIELDS_REASON]);
	ocsf_add(to, "original_time", fields->values[FIELDS_TIME]);
	ocsf_add(to, "sequence", fields->values[FIELDS_SEQUENCE]);
	ocsf_add(to, "tenant_uid", fields->values[FIELDS_TENANT]);
	add_uid(to, fields);
	json_object_end(to);
}

static void add_unmapped(struct json *to, const struct fields *fields)
{
	static const struct {
		const char *key;
		enum fields_key field;
	} others[] = {{"model", FIELDS_MODEL},	 {"version", FIELDS_VERSION}, {"generation", FIELDS_GENERATION},
		      {"boot", FIELDS_BOOT},	 {"cpu", FIELDS_CPU},	      {"ring", FIELDS_RING},
		      {"target", FIELDS_TARGET}, {"numbers", FIELDS_NUMBERS}};

	json_object_begin(to, "unmapped");
	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		ocsf_add(to, others[i].key, fields->values[others[i].field]);
	if (!is_place(fields->values[FIELDS_CLIENT_REGION]) || !fields->values[FIELDS_CLIENT].at)
		ocsf_add(to, "client_region", fields->values[FIELDS_CLIENT_REGION]);
	if (!is_place(fields->values[FIELDS_BACKEND_REGION]))
		ocsf_add(to, "backend_region", fields->values[FIELDS_BACKEND_REGION]);
	ocsf_add(to, "client_key", fields_inside(fields, FIELDS_CLIENT, "key"));
	ocsf_add(to, "backend_community_uid", fields_inside(fields, FIELDS_CONNECTION, "backend_community_uid"));
	json_object_end(to);
}

/* ---- the event ------------------------------------------------------------------------------------------------ */

bool ocsf_event(struct json *to, const char *line, size_t length, const char *product_version)
{
	const struct outcome *outcome;
	struct fields fields;
	const char *sentence;
	int64_t ms;

	fields_read(line, length, &fields);
	if (fields_is(&fields, FIELDS_TYPE, "operation"))
		return ocsf_operation(to, line, length, &fields, product_version);
	if ((!fields_is(&fields, FIELDS_TYPE, "decision") && !is_end(&fields)) ||
	    ocsf_time(fields.values[FIELDS_TIME], &ms))
		return false;
	outcome = outcome_of(&fields);
	sentence = sentence_of(&fields);
	json_object_begin(to, NULL);
	json_integer(to, "time", ms);
	ocsf_add_class(to, CLASS, "Network Activity", "Network Activity", activity_of(&fields, outcome));
	ocsf_add_caption(to, "severity_id", "severity", outcome->severity);
	ocsf_add_caption(to, "status_id", "status", outcome->status);
	ocsf_add(to, "status_code", fields.values[is_end(&fields) ? FIELDS_ENDED : FIELDS_REASON]);
	if (sentence)
		json_string(to, "status_detail", sentence);
	ocsf_add_caption(to, "action_id", "action", outcome->action);
	ocsf_add_caption(to, "disposition_id", "disposition", outcome->disposition);
	ocsf_add(to, "count", fields.values[FIELDS_COUNT]);
	add_time(to, "start_time", fields.values[FIELDS_START_TIME]);
	add_time(to, "end_time", fields.values[FIELDS_END_TIME]);
	ocsf_add(to, "duration", fields.values[FIELDS_DURATION]);
	add_policy(to, &fields);
	add_client(to, &fields);
	add_called(to, &fields);
	add_connection(to, &fields);
	add_traffic(to, &fields);
	add_backend(to, &fields);
	add_metadata(to, &fields, product_version);
	add_unmapped(to, &fields);
	json_object_end(to);
	json_newline(to);
	return true;
}
