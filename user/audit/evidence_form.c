// SPDX-License-Identifier: GPL-2.0-only
#include "audit/evidence_form.h"

#include <errno.h>
#include <string.h>

#include "audit/line.h"
#include "base/cleanup.h"
#include "base/moment.h"

#define TIME_AT 9
#define FRONT 64 /* bytes of a line in which its type stands */

/* ---- printing ------------------------------------------------------------------------------------------------- */

static void add_hash(struct json *to, const uint8_t hash[SHA256_BYTES])
{
	char text[SHA256_HEX];

	hex_print(hash, SHA256_BYTES, text);
	json_string(to, "hash", text);
}

static void print_front(struct json *to, uint64_t format, const char *time, const char *usher, const char *log,
			const char *since, const char *until, uint64_t seal, const uint8_t *hash)
{
	json_object_begin(to, NULL);
	json_string(to, "time", time);
	json_string(to, "type", "evidence");
	json_unsigned(to, "format", format);
	json_string(to, "usher", usher);
	json_string(to, "log", log);
	json_string(to, "since", since[0] ? since : NULL);
	json_string(to, "until", until[0] ? until : NULL);
	json_unsigned(to, "seal", seal);
	add_hash(to, hash);
	json_object_end(to);
	json_newline(to);
}

void evidence_print_front(struct json *to, const struct evidence_front *front)
{
	char time[CLOCK_TEXT];

	print_front(to, EVIDENCE_FORMAT, clock_print(front->time, time), front->usher, front->log, front->since,
		    front->until, front->seal, front->hash);
}

void evidence_print_key(struct json *to, const char *id, const char *public)
{
	json_object_begin(to, NULL);
	json_string(to, "type", "evidence-key");
	json_string(to, "key", id);
	json_string(to, "public", public);
	json_object_end(to);
	json_newline(to);
}

static void begin_end(struct json *to, uint64_t lines, uint64_t records, const uint8_t hash[SHA256_BYTES])
{
	json_object_begin(to, NULL);
	json_string(to, "type", "evidence-end");
	json_unsigned(to, "lines", lines);
	json_unsigned(to, "records", records);
	add_hash(to, hash);
}

void evidence_print_end(struct json *to, uint64_t lines, uint64_t records, const uint8_t hash[SHA256_BYTES],
			const struct signer *signer)
{
	char signature[SIGNER_SIGNATURE];
	size_t begins = to->length;

	begin_end(to, lines, records, hash);
	if (signer) {
		json_string(to, "key", signer_id(signer));
		signer_sign(signer, to->bytes + begins, to->length - begins, signature);
		json_string(to, "signature", signature);
	}
	json_object_end(to);
	json_newline(to);
}

/* ---- parsing -------------------------------------------------------------------------------------------------- */

/* Null leaves it empty. */
static int take_text(struct line_value object, const char *key, size_t room, bool nullable, char *ret_text)
{
	struct line_value value;

	if (!line_find(object, key, &value))
		return -EINVAL;
	if (nullable && value.length == 4 && !memcmp(value.at, "null", 4)) {
		ret_text[0] = '\0';
		return 0;
	}
	return line_text(value, room, ret_text) ? -EINVAL : 0;
}

static int take_time(struct line_value object, const char *key, bool nullable, char ret_text[CLOCK_TEXT])
{
	int error = take_text(object, key, CLOCK_TEXT, nullable, ret_text);

	return error || !ret_text[0] || moment_is_canonical(ret_text) ? error : -EINVAL;
}

static int take_number(struct line_value object, const char *key, uint64_t *ret_number)
{
	struct line_value value;

	return line_find(object, key, &value) ? line_number(value, ret_number) : -EINVAL;
}

static int take_hash(struct line_value object, uint8_t ret_hash[SHA256_BYTES])
{
	char text[SHA256_HEX];
	int error = take_text(object, "hash", sizeof(text), false, text);

	return error || strlen(text) != SHA256_HEX - 1 ? -EINVAL : hex_parse(text, SHA256_BYTES, ret_hash);
}

/* Is the line what was printed, byte by byte? Frees that. */
static int compare(struct json *printed, const char *line, size_t length)
{
	bool same = printed->length == length + 1 && !memcmp(printed->bytes, line, length);

	json_free(printed);
	return same ? 0 : -EINVAL;
}

int evidence_parse_front(const char *line, size_t length, struct evidence_front_text *ret_front)
{
	struct line_value object = {line, length};
	struct evidence_front_text front = {0};
	struct json printed = {0};
	int error = line_is_json(line, length) ? take_time(object, "time", false, front.time) : -EINVAL;

	if (!error)
		error = take_number(object, "format", &front.format);
	if (!error && (!front.format || front.format > EVIDENCE_FORMAT))
		error = -EINVAL;
	if (!error)
		error = take_text(object, "usher", sizeof(front.usher), false, front.usher);
	if (!error)
		error = take_text(object, "log", sizeof(front.log), false, front.log);
	if (!error)
		error = take_time(object, "since", true, front.since);
	if (!error)
		error = take_time(object, "until", true, front.until);
	if (!error)
		error = take_number(object, "seal", &front.seal);
	if (!error)
		error = take_hash(object, front.hash);
	if (error)
		return error;
	print_front(&printed, front.format, front.time, front.usher, front.log, front.since, front.until, front.seal,
		    front.hash);
	error = compare(&printed, line, length);
	if (!error)
		*ret_front = front;
	return error;
}

static void free_key(struct signer_key **key)
{
	signer_key_free(*key);
}

int evidence_parse_key(const char *line, size_t length, struct signer_key **ret_key)
{
	_cleanup_(free_key) struct signer_key *key = NULL;
	struct line_value object = {line, length};
	struct json printed = {0};
	char public[SIGNER_PUBLIC];
	int error = line_is_json(line, length) ? take_text(object, "public", sizeof(public), false, public) : -EINVAL;

	if (!error && strlen(public) != SIGNER_PUBLIC - 1)
		error = -EINVAL;
	if (!error)
		error = signer_key_parse(public, &key);
	if (error)
		return error;
	evidence_print_key(&printed, signer_key_id(key), public);
	error = compare(&printed, line, length);
	if (!error)
		*ret_key = TAKE_PTR(key);
	return error;
}

int evidence_parse_end(const char *line, size_t length, struct evidence_end *ret_end)
{
	struct line_value object = {line, length}, key;
	struct evidence_end end = {0};
	struct json printed = {0};
	int error = line_is_json(line, length) ? take_number(object, "lines", &end.lines) : -EINVAL;

	if (!error)
		error = take_number(object, "records", &end.records);
	if (!error)
		error = take_hash(object, end.hash);
	if (!error && line_find(object, "key", &key)) {
		error = take_text(object, "key", sizeof(end.key), false, end.key);
		if (!error)
			error = take_text(object, "signature", sizeof(end.signature), false, end.signature);
	}
	if (error)
		return error;
	begin_end(&printed, end.lines, end.records, end.hash);
	if (end.key[0]) {
		json_string(&printed, "key", end.key);
		end.signed_length = printed.length;
		json_string(&printed, "signature", end.signature);
	}
	json_object_end(&printed);
	json_newline(&printed);
	error = compare(&printed, line, length);
	if (!error)
		*ret_end = end;
	return error;
}

/* ---- lines of the log ----------------------------------------------------------------------------------------- */

const char *evidence_time(const char *line, size_t length)
{
	static const char before[] = "{\"time\":\"";

	return length > TIME_AT + EVIDENCE_TIME && !memcmp(line, before, TIME_AT) ? line + TIME_AT : NULL;
}

bool evidence_is_before(const char *time, const char *limit)
{
	return limit[0] && memcmp(time, limit, EVIDENCE_TIME) < 0;
}

bool evidence_is_behind(const char *time, const char *limit)
{
	return limit[0] && memcmp(time, limit, EVIDENCE_TIME) >= 0;
}

bool evidence_in_range(const char *line, size_t length, const char *since, const char *until)
{
	const char *time = evidence_time(line, length);

	return time && !evidence_is_before(time, since) && !evidence_is_behind(time, until);
}

bool evidence_is_record(const char *line, size_t length)
{
	static const char position[] = "\"type\":\"position\"";

	return chain_type(line, length) == CHAIN_RECORD &&
	       !memmem(line, length < FRONT ? length : FRONT, position, sizeof(position) - 1);
}
