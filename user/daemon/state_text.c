// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/state_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "daemon/approval_text.h"

/* ---- printing ------------------------------------------------------------------------------------------------ */

static void print_entry(struct json *to, const struct state_entry *entry)
{
	json_object_begin(to, NULL);
	json_string(to, "bytes_digest", entry->bytes_digest);
	json_string(to, "digest", entry->digest);
	json_string(to, "name", entry->name);
	json_unsigned(to, "revision", entry->revision);
	json_string(to, "file", entry->file);
	json_integer(to, "applied", entry->applied);
	json_string(to, "verb", entry->verb);
	json_unsigned(to, "uid", entry->uid);
	json_string(to, "user", entry->user);
	json_unsigned(to, "generation", entry->generation);
	json_boolean(to, "confirmed", entry->confirmed);
	json_unsigned(to, "number", entry->number);
	json_string(to, "why", entry->why);
	approval_print(to, &entry->approval);
	json_object_end(to);
}

static void print_quarantine(struct json *to, const struct state_quarantine *quarantine)
{
	json_object_begin(to, NULL);
	json_string(to, "name", quarantine->name);
	json_string(to, "why", quarantine->why);
	json_integer(to, "since", quarantine->since);
	json_unsigned(to, "uid", quarantine->uid);
	json_string(to, "user", quarantine->user);
	json_object_end(to);
}

static void print_verification(struct json *to, const struct state_verification *verification)
{
	json_object_begin(to, NULL);
	json_string(to, "backend", verification->name);
	json_string(to, "expects", verification->expects);
	json_string(to, "state", verification_state_names[verification->state]);
	json_string(to, "found", verification->found);
	if (isnan(verification->start_time))
		json_null(to, "start_time");
	else
		json_format(to, "start_time", "%.17g", verification->start_time);
	json_integer(to, "good_at", verification->good_at);
	json_object_end(to);
}

static void print_judgement(struct json *to, const struct state *state)
{
	char hex[SHA256_HEX];

	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", state->judgement[i]);
	json_string(to, "judgement", state->judged ? hex : NULL);
}

void state_text_print(struct json *to, const struct state *state)
{
	char text[ENDPOINT_TEXT];
	char *identities = state->identities ? identities_print(state->identities) : NULL;

	json_object_begin(to, NULL);
	json_unsigned(to, "generation", state->generation);
	json_unsigned(to, "epoch", state->epoch);
	print_judgement(to, state);
	json_string(to, "identities", identities);
	json_string(to, "start_digest", state->start_digest);
	json_integer(to, "confirm_by", state->confirm_by);
	json_unsigned(to, "changes", state->changes);
	json_unsigned(to, "approved_revision", state->approved_revision);
	json_array_begin(to, "history");
	for (size_t i = 0; i < state->history_count; i++)
		print_entry(to, &state->history[i]);
	json_array_end(to);
	json_array_begin(to, "drains");
	for (size_t i = 0; i < state->drain_count; i++)
		json_string(to, NULL, state->drains[i]);
	json_array_end(to);
	json_array_begin(to, "quarantines");
	for (size_t i = 0; i < state->quarantine_count; i++)
		print_quarantine(to, &state->quarantines[i]);
	json_array_end(to);
	json_array_begin(to, "verifications");
	for (size_t i = 0; i < state->verification_count; i++)
		print_verification(to, &state->verifications[i]);
	json_array_end(to);
	json_object_begin(to, "able_since");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (state->able_since[b]) {
			snprintf(text, sizeof(text), "%zu", b);
			json_integer(to, text, state->able_since[b]);
		}
	json_object_end(to);
	json_array_begin(to, "added");
	for (size_t i = 0; i < state->added_count; i++)
		json_string(to, NULL, address_print(&state->added[i], text));
	json_array_end(to);
	json_array_begin(to, "services");
	for (size_t i = 0; i < state->service_count; i++) {
		json_object_begin(to, NULL);
		json_string(to, "address", endpoint_print(&state->services[i].address, state->services[i].port, text));
		json_unsigned(to, "protocol", state->services[i].protocol);
		json_object_end(to);
	}
	json_array_end(to);
	json_object_end(to);
	json_newline(to);
	free(identities);
}

/* ---- parsing ------------------------------------------------------------------------------------------------- */

/* What is not there, or of another type, is an error: the text is ours, and its digest was right. */
static struct json_object *get(struct json_object *object, const char *key, enum json_type type, int *error)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type)) {
		*error = -EINVAL;
		return NULL;
	}
	return value;
}

static uint64_t get_number(struct json_object *object, const char *key, int *error)
{
	return json_object_get_uint64(get(object, key, json_type_int, error));
}

static const char *get_text(struct json_object *object, const char *key, int *error)
{
	const char *text = json_object_get_string(get(object, key, json_type_string, error));

	return text ? text : "";
}

/* A string or null: a copy, or NULL. */
static char *get_optional(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	return strdup(json_object_get_string(value));
}

static void copy_digest(char to[SHA256_HEX], const char *text, int *error)
{
	if (strlen(text) != SHA256_HEX - 1 || strspn(text, "0123456789abcdef") != SHA256_HEX - 1)
		*error = -EINVAL;
	else
		memcpy(to, text, SHA256_HEX);
}

static void parse_entry(struct json_object *object, struct state_entry *entry, int *error)
{
	const char *verb = get_text(object, "verb", error);

	copy_digest(entry->bytes_digest, get_text(object, "bytes_digest", error), error);
	copy_digest(entry->digest, get_text(object, "digest", error), error);
	entry->name = get_optional(object, "name");
	entry->revision = get_number(object, "revision", error);
	entry->file = strdup(get_text(object, "file", error));
	entry->applied = (int64_t)get_number(object, "applied", error);
	snprintf(entry->verb, sizeof(entry->verb), "%s", verb);
	entry->uid = (uint32_t)get_number(object, "uid", error);
	entry->user = get_optional(object, "user");
	entry->generation = get_number(object, "generation", error);
	entry->confirmed = json_object_get_boolean(get(object, "confirmed", json_type_boolean, error));
	entry->why = get_optional(object, "why");
	if (approval_parse(object, &entry->approval))
		*error = -EINVAL;
	if (!entry->file)
		*error = -ENOMEM;
}

/* An earlier daemon did not write it. */
static uint64_t get_later(struct json_object *object, const char *key, uint64_t otherwise)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_int))
		return otherwise;
	return json_object_get_uint64(value);
}

static void parse_history(struct json_object *list, struct state *state, int *error)
{
	size_t count = list ? json_object_array_length(list) : 0;

	if (count > STATE_HISTORY_MAX) {
		*error = -EINVAL;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct state_entry *entry = &state->history[state->history_count++];

		parse_entry(item, entry, error);
		entry->number = get_later(item, "number", count - i);
	}
}

static void parse_judgement(struct json_object *root, struct state *state)
{
	_cleanup_free_ char *hex = get_optional(root, "judgement");
	unsigned int byte;

	if (!hex || strlen(hex) != 2 * SHA256_BYTES)
		return;
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return;
		state->judgement[i] = (uint8_t)byte;
	}
	state->judged = true;
}

/* An earlier daemon did not write it: then everybody is new. */
static void parse_able_since(struct json_object *root, struct state *state)
{
	struct json_object *object = NULL;

	if (!json_object_object_get_ex(root, "able_since", &object) || !json_object_is_type(object, json_type_object))
		return;
	json_object_object_foreach(object, number, since)
	{
		unsigned long backend = strtoul(number, NULL, 10);

		if (backend < USHER_BACKENDS_MAX)
			state->able_since[backend] = json_object_get_int64(since);
	}
}

static void parse_drains(struct json_object *list, struct state *state)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, i));

		if (name)
			state_set_drained(state, name, true);
	}
}

static void parse_quarantine(struct json_object *object, struct state *state, int *error)
{
	struct state_quarantine quarantine = {.name = strdup(get_text(object, "name", error)),
					      .why = strdup(get_text(object, "why", error)),
					      .since = (int64_t)get_number(object, "since", error),
					      .uid = (uint32_t)get_number(object, "uid", error),
					      .user = get_optional(object, "user")};

	if (!quarantine.name || !quarantine.why)
		abort();
	state_begin_quarantine(state, &quarantine);
}

/* An earlier daemon did not write it: it had none. */
static void parse_quarantines(struct json_object *root, struct state *state, int *error)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(root, "quarantines", &list))
		return;
	if (!json_object_is_type(list, json_type_array)) {
		*error = -EINVAL;
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		parse_quarantine(json_object_array_get_idx(list, i), state, error);
}

static void parse_verification(struct json_object *object, struct state *state, int *error)
{
	struct state_verification verification = {.start_time = NAN};
	_cleanup_free_ char *start_time = get_optional(object, "start_time");
	const char *name = get_text(object, "state", error);
	struct json_object *good_at = NULL;
	uint8_t number = 0;

	while (number < VERIFICATION_STATES && strcmp(verification_state_names[number], name) != 0)
		number++;
	if (number == VERIFICATION_STATES) {
		*error = -EINVAL;
		return;
	}
	verification.state = number;
	snprintf(verification.name, sizeof(verification.name), "%s", get_text(object, "backend", error));
	snprintf(verification.found, sizeof(verification.found), "%s", get_text(object, "found", error));
	copy_digest(verification.expects, get_text(object, "expects", error), error);
	if (start_time)
		verification.start_time = strtod(start_time, NULL);
	/* An earlier daemon did not write it: nobody knows. */
	if (json_object_object_get_ex(object, "good_at", &good_at))
		verification.good_at = json_object_get_int64(good_at);
	state_keep_verification(state, &verification);
}

/* An earlier daemon did not write it: then everybody has to be asked. */
static void parse_verifications(struct json_object *root, struct state *state, int *error)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(root, "verifications", &list))
		return;
	if (!json_object_is_type(list, json_type_array)) {
		*error = -EINVAL;
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		parse_verification(json_object_array_get_idx(list, i), state, error);
}

static void parse_added(struct json_object *list, struct state *state, int *error)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(list, i));
		struct usher_address address;

		if (!text || address_parse(text, &address)) {
			*error = -EINVAL;
			return;
		}
		state->added =
			array_grow(state->added, state->added_count, &state->added_capacity, sizeof(*state->added));
		state->added[state->added_count++] = address;
	}
}

static void parse_services(struct json_object *list, struct state *state, int *error)
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct state_service service = {.protocol = (uint8_t)get_number(item, "protocol", error)};

		if (endpoint_parse(get_text(item, "address", error), &service.address, &service.port))
			*error = -EINVAL;
		state->services = array_grow(state->services, state->service_count, &state->service_capacity,
					     sizeof(*state->services));
		state->services[state->service_count++] = service;
	}
}

int state_text_parse(const char *text, size_t length, struct state *state)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root = tokener ? json_tokener_parse_ex(tokener, text, (int)length) : NULL;
	_cleanup_free_ char *identities = NULL;
	const char *start;
	int error = 0;

	json_tokener_free(tokener);
	if (!root || !json_object_is_type(root, json_type_object)) {
		json_object_put(root);
		return -EINVAL;
	}
	state->generation = get_number(root, "generation", &error);
	state->epoch = (uint32_t)get_number(root, "epoch", &error);
	parse_judgement(root, state);
	identities = get_optional(root, "identities");
	if (identities && identities_parse(identities, strlen(identities), &state->identities))
		error = -EINVAL;
	start = get_text(root, "start_digest", &error);
	if (*start)
		copy_digest(state->start_digest, start, &error);
	state->confirm_by = (int64_t)get_number(root, "confirm_by", &error);
	parse_history(get(root, "history", json_type_array, &error), state, &error);
	state->changes = get_later(root, "changes", state->history_count);
	state->approved_revision = get_later(root, "approved_revision", 0);
	parse_able_since(root, state);
	parse_drains(get(root, "drains", json_type_array, &error), state);
	parse_quarantines(root, state, &error);
	parse_verifications(root, state, &error);
	parse_added(get(root, "added", json_type_array, &error), state, &error);
	parse_services(get(root, "services", json_type_array, &error), state, &error);
	json_object_put(root);
	return error;
}
