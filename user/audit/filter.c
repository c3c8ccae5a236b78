// SPDX-License-Identifier: GPL-2.0-only
#include "audit/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/line.h"
#include "base/address.h"
#include "base/array.h"
#include "base/moment.h"

#define CLIENT_ROOM 64

static const struct {
	const char *text;
	size_t length;
} keys[] = {
#define FILTER_KEY(name, key) [FILTER_##name] = {key, sizeof(key) - 1},
	FILTER_TEXTS(FILTER_KEY)
#undef FILTER_KEY
};

const char *filter_key(enum filter_text text)
{
	return keys[text].text;
}

/* ---- what is wanted ------------------------------------------------------------------------------------------- */

int filter_set_client(struct filter *filter, const char *text)
{
	const char *slash = strchr(text, '/');
	struct usher_address address;
	char alone[CLIENT_ROOM];
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long bits, most;
	char *end;

	if (length >= sizeof(alone))
		return -EINVAL;
	memcpy(alone, text, length);
	alone[length] = '\0';
	if (address_parse(alone, &address))
		return -EINVAL;
	most = address_is_ipv4(&address) ? 32 : 128;
	bits = most;
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		bits = strtoul(slash + 1, &end, 10);
		if (*end || bits > most)
			return -EINVAL;
	}
	filter->by_client = true;
	filter->client_is_ipv4 = address_is_ipv4(&address);
	filter->client_bits = (unsigned int)(bits + 128 - most);
	_Static_assert(sizeof(address) == sizeof(filter->client), "an address is 16 bytes");
	memcpy(filter->client, &address, sizeof(filter->client));
	return 0;
}

static int set_time(char to[CLOCK_TEXT], const char *text, bool ends)
{
	int64_t moment;
	int error = moment_parse(text, ends, &moment);

	if (!error)
		clock_print(moment, to);
	return error;
}

int filter_set_since(struct filter *filter, const char *text)
{
	return set_time(filter->since, text, false);
}

int filter_set_until(struct filter *filter, const char *text)
{
	return set_time(filter->until, text, true);
}

/* ---- one line ------------------------------------------------------------------------------------------------- */

/* How far the log has come, and what proves it, are no records of what has happened. */
static bool is_note(struct line_value type)
{
	static const char *const notes[] = {"position", "segment", "seal", "checkpoint"};

	for (size_t i = 0; i < ARRAY_COUNT(notes); i++)
		if (line_equals(type, notes[i], strlen(notes[i])))
			return true;
	return false;
}

static bool in_time(const struct filter *filter, struct line_value value)
{
	char time[CLOCK_TEXT];

	if (!filter->since[0] && !filter->until[0])
		return true;
	/* Texts of this one form are in the order of their times. */
	return !line_text(value, sizeof(time), time) && moment_is_canonical(time) &&
	       (!filter->since[0] || strcmp(time, filter->since) >= 0) &&
	       (!filter->until[0] || strcmp(time, filter->until) < 0);
}

static bool is_pseudonym(const struct filter *filter, struct line_value endpoint)
{
	char text[VEIL_PSEUDONYM];
	struct line_value value;

	if (!filter->pseudonym_count || !line_find(endpoint, "pseudonym", &value) ||
	    line_text(value, sizeof(text), text))
		return false;
	for (size_t i = 0; i < filter->pseudonym_count; i++)
		if (!strcmp(text, filter->pseudonyms[i]))
			return true;
	return false;
}

/* Of a client who is on record by his network: is what is asked for as wide as that? */
static bool is_wide_enough(const struct filter *filter, struct line_value endpoint)
{
	struct line_value value;
	unsigned int bits = 0;

	if (!line_find(endpoint, "bits", &value))
		return true;
	for (size_t i = 0; i < value.length && value.at[i] >= '0' && value.at[i] <= '9' && bits < 128; i++)
		bits = bits * 10 + (unsigned int)(value.at[i] - '0');
	return filter->client_bits <= bits + (filter->client_is_ipv4 ? 96 : 0);
}

static bool of_client(const struct filter *filter, struct line_value endpoint)
{
	unsigned int whole = filter->client_bits / 8, rest = filter->client_bits % 8;
	struct usher_address address;
	char text[CLIENT_ROOM];
	struct line_value ip;
	uint8_t bytes[16];

	if (is_pseudonym(filter, endpoint))
		return true;
	if (!line_find(endpoint, "ip", &ip) || line_text(ip, sizeof(text), text) || address_parse(text, &address) ||
	    !is_wide_enough(filter, endpoint))
		return false;
	memcpy(bytes, &address, sizeof(bytes));
	/* ::/0 is every IPv6 client, and none of those that are IPv4. */
	return address_is_ipv4(&address) == filter->client_is_ipv4 && !memcmp(bytes, filter->client, whole) &&
	       (!rest || !((bytes[whole] ^ filter->client[whole]) >> (8 - rest)));
}

static bool of_flow(const struct filter *filter, struct line_value connection)
{
	size_t length = strlen(filter->flow);
	struct line_value uid;

	return (line_find(connection, "community_uid", &uid) && line_equals(uid, filter->flow, length)) ||
	       (line_find(connection, "backend_community_uid", &uid) && line_equals(uid, filter->flow, length));
}

/* What is still to be seen of a line. */
struct wants {
	bool time, type, client, flow;
	unsigned int texts; /* bit by enum filter_text */
};

/* False: this key says that the record is not meant. */
static bool take(const struct filter *filter, struct wants *wants, struct line_value key, struct line_value value)
{
	size_t length = key.length - 2;
	const char *name = key.at + 1;

	if (wants->time && line_equals(key, "time", 4)) {
		wants->time = false;
		return in_time(filter, value);
	}
	if (wants->type && line_equals(key, "type", 4)) {
		wants->type = false;
		if (is_note(value))
			return false;
	}
	if (wants->client && line_equals(key, "src_endpoint", 12)) {
		wants->client = false;
		return of_client(filter, value);
	}
	if (wants->flow && line_equals(key, "connection_info", 15)) {
		wants->flow = false;
		return of_flow(filter, value);
	}
	for (unsigned int left = wants->texts; left; left &= left - 1) {
		unsigned int text = (unsigned int)__builtin_ctz(left);
		const char *wanted = filter->texts[text];
		bool same = length == keys[text].length ? !memcmp(name, keys[text].text, length)
							: memchr(name, '\\', length) &&
								  line_equals(key, keys[text].text, keys[text].length);

		if (!same)
			continue;
		wants->texts &= ~(1u << text);
		return line_equals(value, wanted, strlen(wanted));
	}
	return true;
}

bool filter_matches(const struct filter *filter, const char *bytes, size_t length)
{
	struct wants wants = {.time = filter->since[0] || filter->until[0],
			      .type = true,
			      .client = filter->by_client,
			      .flow = filter->flow};
	struct line_value key, value;
	struct line line;

	for (unsigned int i = 0; i < FILTER_TEXT_COUNT; i++)
		wants.texts |= filter->texts[i] ? 1u << i : 0;
	line_begin((struct line_value){bytes, length}, &line);
	while ((wants.time || wants.type || wants.client || wants.flow || wants.texts) &&
	       line_next(&line, &key, &value))
		if (!take(filter, &wants, key, value))
			return false;
	return !wants.time && !wants.type && !wants.client && !wants.flow && !wants.texts &&
	       line_is_json(bytes, length);
}

bool filter_may_match(const struct filter *filter, const struct chain_span *span)
{
	if (!span->earliest[0])
		return true;
	return (!filter->since[0] || strcmp(span->latest, filter->since) >= 0) &&
	       (!filter->until[0] || strcmp(span->earliest, filter->until) < 0);
}
