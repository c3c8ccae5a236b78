// SPDX-License-Identifier: GPL-2.0-only
#include "ship/destination.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sha256.h"

static bool is_port(const char *text, size_t length)
{
	char digits[6] = "";

	if (!length || length > 5 || strspn(text, "0123456789") < length)
		return false;
	memcpy(digits, text, length);
	return atoi(digits) >= 1 && atoi(digits) <= 65535;
}

/* A name, an IPv4 address, or an IPv6 one in brackets. */
static bool is_host(const char *text, size_t length)
{
	static const char of_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	static const char of_ipv6[] = "0123456789abcdefABCDEF:.";

	if (length > 2 && text[0] == '[' && text[length - 1] == ']')
		return strspn(text + 1, of_ipv6) == length - 2;
	return length && length < DESTINATION_HOST && text[0] != '-' && strspn(text, of_names) >= length;
}

/* HOST:PORT of this length; where the last colon is. */
static bool is_endpoint(const char *text, size_t length, size_t *ret_colon)
{
	const char *colon = memrchr(text, ':', length);

	if (!colon || !is_host(text, (size_t)(colon - text)) ||
	    !is_port(colon + 1, length - (size_t)(colon + 1 - text)))
		return false;
	*ret_colon = (size_t)(colon - text);
	return true;
}

static int parse_syslog(const char *text, struct destination *to)
{
	size_t colon, begin = text[0] == '[';

	if (!is_endpoint(text, strlen(text), &colon) || colon - 2 * begin >= sizeof(to->host))
		return -EINVAL;
	memcpy(to->host, text + begin, colon - 2 * begin);
	snprintf(to->port, sizeof(to->port), "%s", text + colon + 1);
	return 0;
}

/* Names of topics: as Kafka has them. */
static bool is_topic(const char *text)
{
	static const char of_topics[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	size_t length = strlen(text);

	return length && length < DESTINATION_TOPIC && strspn(text, of_topics) == length && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0;
}

static int parse_kafka(const char *text, struct destination *to)
{
	const char *slash = strchr(text, '/');
	size_t colon;

	if (!slash || !is_topic(slash + 1))
		return -EINVAL;
	for (const char *at = text; at <= slash;) {
		size_t length = strcspn(at, ",/");

		if (!is_endpoint(at, length, &colon))
			return -EINVAL;
		at += length + 1;
	}
	memcpy(to->brokers, text, (size_t)(slash - text));
	snprintf(to->topic, sizeof(to->topic), "%s", slash + 1);
	return 0;
}

int destination_parse(const char *text, struct destination *ret_destination)
{
	static const struct {
		const char *scheme;
		bool tls;
		enum destination_kind kind;
	} schemes[] = {
		{"syslog+tls://", true, DESTINATION_SYSLOG},
		{"syslog+tcp://", false, DESTINATION_SYSLOG},
		{"kafka+tls://", true, DESTINATION_KAFKA},
		{"kafka://", false, DESTINATION_KAFKA},
	};
	struct destination destination = {.kind = DESTINATION_JOURNALD};
	int error = strcmp(text, "journald") != 0 ? -EINVAL : 0;
	char digest[SHA256_HEX];

	if (strlen(text) >= sizeof(destination.text))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
		size_t length = strlen(schemes[i].scheme);

		if (strncmp(text, schemes[i].scheme, length) != 0)
			continue;
		destination.kind = schemes[i].kind;
		destination.tls = schemes[i].tls;
		error = destination.kind == DESTINATION_SYSLOG ? parse_syslog(text + length, &destination)
							       : parse_kafka(text + length, &destination);
	}
	if (error)
		return error;
	snprintf(destination.text, sizeof(destination.text), "%s", text);
	sha256_hex(text, strlen(text), digest);
	memcpy(destination.id, digest, DESTINATION_ID - 1);
	*ret_destination = destination;
	return 0;
}

int destination_facility(const char *name, uint8_t *ret_facility)
{
	/* RFC 5424, table 1, by the names of syslog.conf(5). */
	static const char *const names[] = {"kern",   "user",	"mail",	  "daemon", "auth",	"syslog",
					    "lpr",    "news",	"uucp",	  "cron",   "authpriv", "ftp",
					    "ntp",    "audit",	"alert",  "clock",  "local0",	"local1",
					    "local2", "local3", "local4", "local5", "local6",	"local7"};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (!strcmp(name, names[i])) {
			*ret_facility = (uint8_t)i;
			return 0;
		}
	return -EINVAL;
}
