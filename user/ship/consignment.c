// SPDX-License-Identifier: GPL-2.0-only
#include "ship/consignment.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/moment.h"
#include "audit/line.h"

#define FIELD_ROOM 256
#define TEXT_ROOM 1024
#define HEADER_ROOM 512

/* Of a key of the line's own, "": there is none, or no text. */
static void read_text(const struct consignment *consignment, const char *key, size_t room, char *ret_text)
{
	struct line_value all = {consignment->line, consignment->length}, value;

	if (!line_find(all, key, &value) || line_text(value, room, ret_text))
		*ret_text = '\0';
}

static bool lets_through(const char *verdict)
{
	return !strcmp(verdict, "forward") || !strcmp(verdict, "pass");
}

static enum consignment_severity severity_of(const struct consignment *consignment)
{
	char verdict[FIELD_ROOM];

	if (!strcmp(consignment->type, "gap"))
		return CONSIGNMENT_ERROR;
	if (!strcmp(consignment->type, "operation"))
		return CONSIGNMENT_NOTICE;
	if (strcmp(consignment->type, "decision") != 0)
		return CONSIGNMENT_INFO;
	read_text(consignment, "verdict", sizeof(verdict), verdict);
	return lets_through(verdict) ? CONSIGNMENT_INFO : CONSIGNMENT_WARNING;
}

/* PRINTUSASCII. */
static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < '!' || *text > '~')
			return false;
	return true;
}

void consignment_read(const char *line, size_t length, struct consignment *ret_consignment)
{
	struct consignment consignment = {.line = line, .length = length};

	read_text(&consignment, "type", sizeof(consignment.type), consignment.type);
	if (!is_printable(consignment.type))
		consignment.type[0] = '\0';
	read_text(&consignment, "time", sizeof(consignment.time_text), consignment.time_text);
	if (!moment_is_canonical(consignment.time_text) ||
	    moment_parse(consignment.time_text, false, &consignment.time)) {
		consignment.time_text[0] = '\0';
		consignment.time = 0;
	}
	consignment.severity = severity_of(&consignment);
	*ret_consignment = consignment;
}

/* ---- RFC 5424 ------------------------------------------------------------------------------------------------ */

/* What has no value is "-". */
static const char *or_nil(const char *text)
{
	return *text ? text : "-";
}

void consignment_syslog(const struct consignment *consignment, const struct consignment_sender *sender, struct json *to)
{
	char header[HEADER_ROOM], frame[32];
	/* PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA: of that there is none, as its names are those that IANA
	 * has given out, and none is usher's. The text is MSG-ANY, without a byte order mark: it is the line and nothing else. */
	int length = snprintf(header, sizeof(header), "<%d>1 %s %s usher %d %s - ",
			      sender->facility * 8 + (int)consignment->severity, or_nil(consignment->time_text),
			      or_nil(is_printable(sender->host) ? sender->host : ""), sender->pid,
			      or_nil(consignment->type));
	int before = snprintf(frame, sizeof(frame), "%zu ", (size_t)length + consignment->length);

	json_raw(to, frame, (size_t)before);
	json_raw(to, header, (size_t)length);
	json_raw(to, consignment->line, consignment->length);
}

/* ---- journald ------------------------------------------------------------------------------------------------ */

/* systemd.io/JOURNAL_NATIVE_PROTOCOL: a value with its length before it may be anything. */
static void add_bytes(struct json *to, const char *name, const char *value, size_t length)
{
	uint64_t size = htole64(length);

	json_raw(to, name, strlen(name));
	json_raw(to, "\n", 1);
	json_raw(to, (const char *)&size, sizeof(size));
	json_raw(to, value, length);
	json_raw(to, "\n", 1);
}

static void add_text(struct json *to, const char *name, const char *value)
{
	if (*value)
		add_bytes(to, name, value, strlen(value));
}

static void add_number(struct json *to, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	add_text(to, name, text);
}

/* For who reads the journal: what happened, and to whom. */
static void print_message(const struct consignment *consignment, char text[TEXT_ROOM])
{
	static const char *const keys[] = {"activity", "verdict", "reason",  "tenant",
					   "service",  "model",	  "version", "backend"};
	char value[FIELD_ROOM];
	size_t length = (size_t)snprintf(text, TEXT_ROOM, "%s", *consignment->type ? consignment->type : "line");

	for (size_t i = 0; i < ARRAY_COUNT(keys) && length < TEXT_ROOM; i++) {
		read_text(consignment, keys[i], sizeof(value), value);
		if (*value)
			length += (size_t)snprintf(text + length, TEXT_ROOM - length, i < 3 ? " %.0s%s" : ", %s %s",
						   keys[i], value);
	}
}

void consignment_journald(const struct consignment *consignment, struct json *to)
{
	static const struct {
		const char *field, *key;
	} fields[] = {
		{"USHER_ACTIVITY", "activity"}, {"USHER_VERDICT", "verdict"}, {"USHER_REASON", "reason"},
		{"USHER_RULE", "rule"},		{"USHER_TENANT", "tenant"},   {"USHER_SERVICE", "service"},
		{"USHER_MODEL", "model"},	{"USHER_VERSION", "version"}, {"USHER_BACKEND", "backend"},
	};
	char text[TEXT_ROOM], value[FIELD_ROOM];

	print_message(consignment, text);
	add_text(to, "MESSAGE", text);
	add_number(to, "PRIORITY", consignment->severity);
	add_text(to, "SYSLOG_IDENTIFIER", "usher");
	add_text(to, "USHER_TYPE", consignment->type);
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		read_text(consignment, fields[i].key, sizeof(value), value);
		add_text(to, fields[i].field, value);
	}
	add_text(to, "USHER_LOG", consignment->log);
	add_number(to, "USHER_SEGMENT", consignment->segment);
	add_number(to, "USHER_OFFSET", consignment->offset);
	add_bytes(to, "USHER_RECORD", consignment->line, consignment->length);
}
