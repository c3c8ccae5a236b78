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

static const char *describe_client(const struct filter *filter, struct arena *arena)
{
	unsigned int most = filter->client_is_ipv4 ? 32 : 128, bits = filter->client_bits - (128 - most);
	struct usher_address address;
	char text[ADDRESS_TEXT];

	memcpy(&address, filter->client, sizeof(address));
	address_print(&address, text);
	return bits == most ? arena_printf(arena, "client %s", text) : arena_printf(arena, "client %s/%u", text, bits);
}

static void join(struct arena *arena, const char **all, const char *one)
{
	*all = *all ? arena_printf(arena, "%s, %s", *all, one) : one;
}

const char *filter_describe(const struct filter *filter, struct arena *arena)
{
	const char *all = NULL;

	for (size_t i = 0; i < FILTER_TEXT_COUNT; i++)
		if (filter->texts[i])
			join(arena, &all, arena_printf(arena, "%s %s", keys[i].text, filter->texts[i]));
	if (filter->by_client)
		join(arena, &all, describe_client(filter, arena));
	if (filter->flow)
		join(arena, &all, arena_printf(arena, "flow %s", filter->flow));
	return all;
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

static bool is_one_of(struct line_value value, const char *texts, size_t size, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (line_equals(value, texts + i * size, strlen(texts + i * size)))
			return true;
	return false;
}

static enum filter_answer of_pseudonym(const struct filter *filter, struct line_value endpoint)
{
	struct line_value pseudonym, key;

	if (!filter->pseudonym_count || !line_find(endpoint, "pseudonym", &pseudonym))
		return FILTER_UNKNOWN;
	if (is_one_of(pseudonym, *filter->pseudonyms, VEIL_PSEUDONYM, filter->pseudonym_count))
		return FILTER_YES;
	return line_find(endpoint, "key", &key) &&
			       is_one_of(key, *filter->pseudonym_keys, VEIL_ID, filter->pseudonym_count)
		       ? FILTER_NO
		       : FILTER_UNKNOWN;
}

/* How much of a client's address is on record, of 128 bits. */
static unsigned int bits_of(const struct filter *filter, struct line_value endpoint)
{
	struct line_value value;
	uint64_t bits;

	if (!line_find(endpoint, "bits", &value) || line_number(value, &bits) || bits > 128)
		return 128;
	return (unsigned int)bits + (filter->client_is_ipv4 ? 96 : 0);
}

static bool are_same(const uint8_t *one, const uint8_t *other, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	return !memcmp(one, other, whole) && (!rest || !((one[whole] ^ other[whole]) >> (8 - rest)));
}

static enum filter_answer of_client(const struct filter *filter, struct line_value endpoint)
{
	struct usher_address address;
	char text[CLIENT_ROOM];
	struct line_value ip;
	uint8_t bytes[16];
	unsigned int bits;

	if (endpoint.length == strlen("null"))
		return FILTER_UNKNOWN; /* of many together */
	if (!line_find(endpoint, "ip", &ip))
		return FILTER_NO;
	if (line_text(ip, sizeof(text), text))
		return of_pseudonym(filter, endpoint);
	/* ::/0 is every IPv6 client, and none of those that are IPv4. */
	if (address_parse(text, &address) || address_is_ipv4(&address) != filter->client_is_ipv4)
		return FILTER_NO;
	memcpy(bytes, &address, sizeof(bytes));
	bits = bits_of(filter, endpoint);
	if (!are_same(bytes, filter->client, bits < filter->client_bits ? bits : filter->client_bits))
		return FILTER_NO;
	return bits < filter->client_bits ? FILTER_UNKNOWN : FILTER_YES;
}

/* Where the client himself is not on record, the source prefix that he was in may tell. */
static enum filter_answer of_prefix(const struct filter *filter, struct line_value record)
{
	struct line_value value;
	struct filter prefix;
	char text[CLIENT_ROOM];
	unsigned int bits;

	if (!line_find(record, "client_prefix", &value) || line_text(value, sizeof(text), text) ||
	    filter_set_client(&prefix, text))
		return FILTER_UNKNOWN;
	bits = prefix.client_bits < filter->client_bits ? prefix.client_bits : filter->client_bits;
	if (prefix.client_is_ipv4 != filter->client_is_ipv4 || !are_same(prefix.client, filter->client, bits))
		return FILTER_NO;
	return prefix.client_bits < filter->client_bits ? FILTER_UNKNOWN : FILTER_YES;
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
	unsigned int texts;	   /* bit by enum filter_text */
	enum filter_answer answer; /* if all of that is there */
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
		wants->answer = of_client(filter, value);
		return wants->answer != FILTER_NO;
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

enum filter_answer filter_ask(const struct filter *filter, const char *bytes, size_t length)
{
	struct wants wants = {.time = filter->since[0] || filter->until[0],
			      .type = true,
			      .client = filter->by_client,
			      .flow = filter->flow,
			      .answer = FILTER_YES};
	struct line_value key, value;
	struct line line;

	for (unsigned int i = 0; i < FILTER_TEXT_COUNT; i++)
		wants.texts |= filter->texts[i] ? 1u << i : 0;
	line_begin((struct line_value){bytes, length}, &line);
	while ((wants.time || wants.type || wants.client || wants.flow || wants.texts) &&
	       line_next(&line, &key, &value))
		if (!take(filter, &wants, key, value))
			return FILTER_NO;
	if (wants.time || wants.type || wants.client || wants.flow || wants.texts || !line_is_json(bytes, length))
		return FILTER_NO;
	return wants.answer == FILTER_UNKNOWN ? of_prefix(filter, (struct line_value){bytes, length}) : wants.answer;
}

bool filter_matches(const struct filter *filter, const char *bytes, size_t length)
{
	return filter_ask(filter, bytes, length) == FILTER_YES;
}

bool filter_may_match(const struct filter *filter, const struct chain_span *span)
{
	if (!span->earliest[0])
		return true;
	return (!filter->since[0] || strcmp(span->latest, filter->since) >= 0) &&
	       (!filter->until[0] || strcmp(span->earliest, filter->until) < 0);
}
