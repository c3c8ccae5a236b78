// SPDX-License-Identifier: GPL-2.0-only
#include "audit/chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/moment.h"

/* {"time":"2026-03-01T12:00:00.123Z","type":" */
#define TIME_AT 9
#define TIME_LENGTH 24
#define TYPE_AT (TIME_AT + TIME_LENGTH + 10)

#define HASH_KEY ",\"hash\":\""
#define SIGNATURE_KEY ",\"signature\":\""
#define END "\"}"
#define HASH_TAIL (sizeof(HASH_KEY) - 1 + 2 * SHA256_BYTES + sizeof(END) - 1)
#define SIGNATURE_TAIL (sizeof(SIGNATURE_KEY) - 1 + SIGNER_SIGNATURE - 1 + sizeof(END) - 1)

static const char *const ring_names[USHER_RINGS] = {[USHER_RING_EVENTS] = "events", [USHER_RING_REQUIRED] = "required"};

bool chain_is(const char *line, size_t length, const char *type)
{
	size_t wanted = strlen(type);

	return length > TYPE_AT + wanted && !memcmp(line + TYPE_AT, type, wanted) && line[TYPE_AT + wanted] == '"' &&
	       !memcmp(line + TYPE_AT - 8, "\"type\":\"", 8);
}

enum chain_type chain_type(const char *line, size_t length)
{
	if (chain_is(line, length, "seal"))
		return CHAIN_SEAL;
	if (chain_is(line, length, "checkpoint"))
		return CHAIN_CHECKPOINT;
	return chain_is(line, length, "segment") ? CHAIN_SEGMENT : CHAIN_RECORD;
}

int chain_open(uint64_t seals, const uint8_t hash[SHA256_BYTES], struct chain *ret_chain)
{
	struct chain chain = {.seals = seals, .stream = sha256_stream_new()};

	if (!chain.stream)
		return -ENOMEM;
	memcpy(chain.hash, hash, SHA256_BYTES);
	sha256_stream_add(chain.stream, chain.hash, SHA256_BYTES);
	*ret_chain = chain;
	return 0;
}

void chain_close(struct chain *chain)
{
	sha256_stream_free(chain->stream);
	chain->stream = NULL;
}

/* Times of one form: their texts are in the order of what they mean. */
static void widen(struct chain_span *span, const char *line, size_t length)
{
	static const char before[] = "{\"time\":\"";
	const char *time = line + TIME_AT;

	if (length <= TIME_AT + TIME_LENGTH || memcmp(line, before, TIME_AT) != 0 || time[TIME_LENGTH] != '"' ||
	    time[TIME_LENGTH - 1] != 'Z')
		return;
	if (!span->earliest[0] || memcmp(time, span->earliest, TIME_LENGTH) < 0)
		memcpy(span->earliest, time, TIME_LENGTH);
	if (memcmp(time, span->latest, TIME_LENGTH) > 0)
		memcpy(span->latest, time, TIME_LENGTH);
}

void chain_add(struct chain *chain, const char *bytes, size_t length, uint64_t lines)
{
	const char *end = bytes + length, *newline;

	for (const char *line = bytes; line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			break;
		widen(&chain->span, line, (size_t)(newline - line));
	}
	sha256_stream_add(chain->stream, bytes, length);
	chain->lines += lines;
}

static void go_on(struct chain *chain, uint64_t number, const uint8_t hash[SHA256_BYTES])
{
	chain->seals = number;
	chain->lines = 0;
	memcpy(chain->hash, hash, SHA256_BYTES);
	sha256_stream_add(chain->stream, chain->hash, SHA256_BYTES);
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void add_hash(struct json *to, const char *key, const uint8_t hash[SHA256_BYTES])
{
	char text[SHA256_HEX];

	hex_print(hash, SHA256_BYTES, text);
	json_string(to, key, text);
}

void chain_seal(struct chain *chain, struct json *to, const struct record_stamp *stamp,
		const struct chain_range *ranges, size_t count, bool recovered)
{
	uint8_t hash[SHA256_BYTES];
	size_t begins = to->length;

	record_begin(to, stamp, "seal");
	json_unsigned(to, "number", chain->seals + 1);
	json_unsigned(to, "lines", chain->lines);
	if (recovered) {
		json_boolean(to, "recovered", true);
	} else {
		json_array_begin(to, "sequences");
		for (size_t i = 0; i < count; i++) {
			json_object_begin(to, NULL);
			json_unsigned(to, "cpu", ranges[i].cpu);
			json_string(to, "ring", ring_names[ranges[i].ring]);
			json_unsigned(to, "first", ranges[i].first);
			json_unsigned(to, "last", ranges[i].last);
			json_object_end(to);
		}
		json_array_end(to);
	}
	sha256_stream_add(chain->stream, to->bytes + begins, to->length - begins);
	sha256_stream_end(chain->stream, hash);
	add_hash(to, "hash", hash);
	json_object_end(to);
	json_newline(to);
	go_on(chain, chain->seals + 1, hash);
}

void chain_print_segment(struct json *to, const struct record_stamp *stamp, uint32_t number, const char *log,
			 uint64_t seal, const uint8_t *previous, const struct chain_span *span, const char *key)
{
	record_begin(to, stamp, "segment");
	json_unsigned(to, "number", number);
	json_string(to, "log", log);
	json_unsigned(to, "seal", seal);
	json_string(to, "key", key);
	if (previous)
		add_hash(to, "previous", previous);
	else
		json_null(to, "previous");
	json_string(to, "earliest", span->earliest[0] ? span->earliest : NULL);
	json_string(to, "latest", span->earliest[0] ? span->latest : NULL);
	json_object_end(to);
	json_newline(to);
}

void chain_print_checkpoint(const struct chain *chain, struct json *to, const struct record_stamp *stamp,
			    const char *log, const struct signer *signer)
{
	char signature[SIGNER_SIGNATURE];
	size_t begins = to->length;

	record_begin(to, stamp, "checkpoint");
	json_string(to, "log", log);
	json_unsigned(to, "seal", chain->seals);
	json_string(to, "key", signer_id(signer));
	add_hash(to, "hash", chain->hash);
	signer_sign(signer, to->bytes + begins, to->length - begins, signature);
	json_string(to, "signature", signature);
	json_object_end(to);
	json_newline(to);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

const char *chain_value(const char *line, size_t length, const char *key)
{
	const char *end = line + length, *at = line;
	size_t size = strlen(key), room = size + sizeof(",\"\":") - 1;

	for (; at && (size_t)(end - at) > room; at = memchr(at + 1, ',', (size_t)(end - at - 1)))
		if ((*at == ',' || *at == '{') && at[1] == '"' && !memcmp(at + 2, key, size) && at[size + 2] == '"' &&
		    at[size + 3] == ':')
			return at + room;
	return NULL;
}

int chain_number(const char *line, size_t length, const char *key, uint64_t *ret_number)
{
	const char *at = chain_value(line, length, key), *end = line + length;
	uint64_t number = 0;
	int digits = 0;

	for (; at && at < end && *at >= '0' && *at <= '9' && digits < 19; at++, digits++)
		number = number * 10 + (uint64_t)(*at - '0');
	if (!digits || at == end || (*at != ',' && *at != '}'))
		return -EINVAL;
	*ret_number = number;
	return 0;
}

/* `count` bytes in hexadecimal digits between quotation marks. */
static int read_hex(const char *line, size_t length, const char *key, size_t count, uint8_t *ret_bytes)
{
	const char *at = chain_value(line, length, key);

	if (!at || (size_t)(line + length - at) < 2 * count + 3 || *at != '"' || at[2 * count + 1] != '"')
		return -EINVAL;
	return hex_parse(at + 1, count, ret_bytes);
}

static int read_name(const char *line, size_t length, const char *key, char name[SIGNER_ID])
{
	uint8_t bytes[(SIGNER_ID - 1) / 2];
	int error = read_hex(line, length, key, sizeof(bytes), bytes);

	if (!error)
		hex_print(bytes, sizeof(bytes), name);
	return error;
}
_Static_assert(SIGNER_ID == CHAIN_LOG, "names of keys and logs are alike");

/* Does the line end in this key and so many hexadecimal digits? Where the key begins. */
static const char *tail_of(const char *line, size_t length, const char *key, size_t tail)
{
	const char *at = line + length - tail;

	return length > tail && !memcmp(at, key, strlen(key)) && !memcmp(line + length - 2, END, 2) ? at : NULL;
}

void chain_take_seal(struct chain *chain, const char *line, size_t length, struct chain_seal *ret_seal)
{
	const char *tail = tail_of(line, length, HASH_KEY, HASH_TAIL);
	struct chain_seal seal = {0};
	uint8_t hash[SHA256_BYTES];

	seal.bad_form = !tail || hex_parse(tail + sizeof(HASH_KEY) - 1, SHA256_BYTES, seal.hash) ||
			chain_number(line, length, "number", &seal.number) ||
			chain_number(line, length, "lines", &seal.lines);
	if (!seal.bad_form) {
		seal.bad_number = seal.number != chain->seals + 1;
		seal.bad_lines = seal.lines != chain->lines;
		sha256_stream_add(chain->stream, line, (size_t)(tail - line));
		sha256_stream_end(chain->stream, hash);
		seal.bad_hash = memcmp(hash, seal.hash, sizeof(hash)) != 0;
		go_on(chain, seal.number, seal.hash);
	}
	*ret_seal = seal;
}

/* Without one, or where it is null or of another form, text stays as it is. */
static void read_time(const char *line, size_t length, const char *key, char text[CLOCK_TEXT])
{
	const char *at = chain_value(line, length, key);

	if (!at || (size_t)(line + length - at) < TIME_LENGTH + 2 || *at != '"' || at[TIME_LENGTH + 1] != '"')
		return;
	memcpy(text, at + 1, TIME_LENGTH);
	text[TIME_LENGTH] = '\0';
	if (!moment_is_canonical(text))
		text[0] = '\0';
}

int chain_parse_segment(const char *line, size_t length, struct chain_segment *ret_segment)
{
	struct chain_segment segment = {0};
	const char *previous = chain_value(line, length, "previous");
	uint64_t number;

	if (chain_number(line, length, "number", &number) || number > UINT32_MAX ||
	    chain_number(line, length, "seal", &segment.seal) || read_name(line, length, "log", segment.log) ||
	    read_name(line, length, "key", segment.key) || !previous)
		return -EINVAL;
	segment.number = (uint32_t)number;
	segment.has_previous = *previous == '"';
	if (segment.has_previous && read_hex(line, length, "previous", SHA256_BYTES, segment.previous))
		return -EINVAL;
	read_time(line, length, "earliest", segment.span.earliest);
	read_time(line, length, "latest", segment.span.latest);
	if (!segment.span.latest[0])
		segment.span.earliest[0] = '\0';
	*ret_segment = segment;
	return 0;
}

int chain_parse_checkpoint(const char *line, size_t length, struct chain_checkpoint *ret_checkpoint)
{
	const char *tail = tail_of(line, length, SIGNATURE_KEY, SIGNATURE_TAIL);
	struct chain_checkpoint checkpoint = {0};

	if (!tail || chain_type(line, length) != CHAIN_CHECKPOINT ||
	    chain_number(line, length, "seal", &checkpoint.seal) || read_name(line, length, "log", checkpoint.log) ||
	    read_name(line, length, "key", checkpoint.key) ||
	    read_hex(line, length, "hash", SHA256_BYTES, checkpoint.hash))
		return -EINVAL;
	memcpy(checkpoint.time, line + TIME_AT, TIME_LENGTH);
	memcpy(checkpoint.signature, tail + sizeof(SIGNATURE_KEY) - 1, SIGNER_SIGNATURE - 1);
	checkpoint.signed_length = (size_t)(tail - line);
	*ret_checkpoint = checkpoint;
	return 0;
}
