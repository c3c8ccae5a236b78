// SPDX-License-Identifier: GPL-2.0-only
#include "audit/csv.h"

#include <stdlib.h>
#include <string.h>

#include "audit/fields.h"
#include "base/array.h"
#include "base/cleanup.h"

#define TEXT_ROOM 512

/* inside: the name of a value in the object that the key is of. */
static const struct {
	const char *name;
	enum fields_key key;
	const char *inside;
} columns[] = {
	{"time", FIELDS_TIME, NULL},
	{"type", FIELDS_TYPE, NULL},
	{"verdict", FIELDS_VERDICT, NULL},
	{"reason", FIELDS_REASON, NULL},
	{"rule", FIELDS_RULE, NULL},
	{"tenant", FIELDS_TENANT, NULL},
	{"client_region", FIELDS_CLIENT_REGION, NULL},
	{"service", FIELDS_SERVICE, NULL},
	{"target", FIELDS_TARGET, NULL},
	{"model", FIELDS_MODEL, NULL},
	{"version", FIELDS_VERSION, NULL},
	{"backend", FIELDS_BACKEND, NULL},
	{"backend_region", FIELDS_BACKEND_REGION, NULL},
	{"client_ip", FIELDS_CLIENT, "ip"},
	{"client_port", FIELDS_CLIENT, "port"},
	{"client_bits", FIELDS_CLIENT, "bits"},
	{"client_pseudonym", FIELDS_CLIENT, "pseudonym"},
	{"client_key", FIELDS_CLIENT, "key"},
	{"service_ip", FIELDS_CALLED, "ip"},
	{"service_port", FIELDS_CALLED, "port"},
	{"backend_ip", FIELDS_BACKEND_ENDPOINT, "ip"},
	{"backend_port", FIELDS_BACKEND_ENDPOINT, "port"},
	{"nat_ip", FIELDS_NAT, "ip"},
	{"nat_port", FIELDS_NAT, "port"},
	{"protocol", FIELDS_CONNECTION, "protocol_name"},
	{"policy_revision", FIELDS_POLICY_REVISION, NULL},
	{"policy_digest", FIELDS_POLICY_DIGEST, NULL},
	{"generation", FIELDS_GENERATION, NULL},
	{"count", FIELDS_COUNT, NULL},
	{"start_time", FIELDS_START_TIME, NULL},
	{"end_time", FIELDS_END_TIME, NULL},
	{"boot", FIELDS_BOOT, NULL},
	{"cpu", FIELDS_CPU, NULL},
	{"ring", FIELDS_RING, NULL},
	{"sequence", FIELDS_SEQUENCE, NULL},
	{"first", FIELDS_FIRST, NULL},
	{"last", FIELDS_LAST, NULL},
	{"activity", FIELDS_ACTIVITY, NULL},
	{"actor_user", FIELDS_ACTOR, "user"},
	{"actor_uid", FIELDS_ACTOR, "uid"},
	{"why", FIELDS_WHY, NULL},
	{"ended", FIELDS_ENDED, NULL},
	{"duration", FIELDS_DURATION, NULL},
	{"packets_out", FIELDS_TRAFFIC, "packets_out"},
	{"bytes_out", FIELDS_TRAFFIC, "bytes_out"},
	{"packets_in", FIELDS_TRAFFIC, "packets_in"},
	{"bytes_in", FIELDS_TRAFFIC, "bytes_in"},
	{"community_uid", FIELDS_CONNECTION, "community_uid"},
	{"backend_community_uid", FIELDS_CONNECTION, "backend_community_uid"},
};
#define RECORD "record"

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static void add_text(struct json *to, const char *text, size_t length)
{
	bool quoted = false, control = false, formula = length && strchr("=+-@", *text);

	for (size_t i = 0; i < length; i++) {
		quoted |= text[i] == '"' || text[i] == ',';
		control |= is_control(text[i]);
	}
	if (!quoted && !control && !formula) {
		json_raw(to, text, length);
		return;
	}
	json_raw(to, "\"'", formula ? 2 : 1);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"')
			json_raw(to, "\"", 1);
		json_raw(to, is_control(text[i]) ? "?" : &text[i], 1);
	}
	json_raw(to, "\"", 1);
}

/* A string without its quotation marks and escapes; another value as it stands. */
static void add_value(struct json *to, struct line_value value)
{
	_cleanup_free_ char *long_text = NULL;
	char short_text[TEXT_ROOM], *text = short_text;

	if (!value.at)
		return;
	if (*value.at != '"') {
		add_text(to, value.at, value.length);
		return;
	}
	if (!memchr(value.at, '\\', value.length)) {
		add_text(to, value.at + 1, value.length - 2);
		return;
	}
	if (value.length > sizeof(short_text)) {
		long_text = malloc(value.length); /* what an escape stands for is not longer than it */
		if (!long_text)
			abort();
		text = long_text;
	}
	if (!line_text(value, value.length, text))
		add_text(to, text, strlen(text));
}

void csv_header(struct json *to)
{
	for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
		json_raw(to, columns[i].name, strlen(columns[i].name));
		json_raw(to, ",", 1);
	}
	json_raw(to, RECORD "\r\n", sizeof(RECORD) + 1);
}

void csv_row(struct json *to, const char *line, size_t length)
{
	struct fields fields;

	fields_read(line, length, &fields);
	for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
		add_value(to, columns[i].inside ? fields_inside(&fields, columns[i].key, columns[i].inside)
						: fields.values[columns[i].key]);
		json_raw(to, ",", 1);
	}
	if (!fields_is(&fields, FIELDS_TYPE, "decision") && !fields_is(&fields, FIELDS_TYPE, "gap"))
		add_text(to, line, length);
	json_raw(to, "\r\n", 2);
}
