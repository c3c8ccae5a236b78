// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/gates_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "daemon/kept.h"

/* ---- printing ------------------------------------------------------------------------------------------------ */

static void print_bytes(struct json *to, const char *key, const void *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * length + 1);

	if (!text)
		abort();
	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[((const uint8_t *)bytes)[i] >> 4];
		text[2 * i + 1] = digits[((const uint8_t *)bytes)[i] & 15];
	}
	text[2 * length] = '\0';
	json_string(to, key, text);
	free(text);
}

static void print_instance(struct json *to, const struct gate_instance *instance)
{
	const struct evidence *evidence = instance->evidence;
	size_t bytes = evidence->series * sizeof(double);

	json_object_begin(to, NULL);
	json_string(to, "gate", instance->gate_name);
	json_string(to, "subject", instance->subject_name);
	json_string(to, "measures", instance->measures);
	print_bytes(to, "state", &instance->state, sizeof(instance->state));
	json_unsigned(to, "series", evidence->series);
	json_unsigned(to, "points", evidence->count);
	json_boolean(to, "read", evidence->read);
	json_integer(to, "measured_at", evidence->measured_at);
	print_bytes(to, "at", evidence->at, evidence->count * sizeof(*evidence->at));
	print_bytes(to, "members", evidence->members, evidence->series * sizeof(*evidence->members));
	print_bytes(to, "last", evidence->last, bytes);
	print_bytes(to, "grown", evidence->grown, bytes);
	print_bytes(to, "grown_at", evidence->points, evidence->count * bytes);
	json_object_end(to);
}

void gates_text_print(struct json *to, const struct gates *gates)
{
	json_array_begin(to, NULL);
	for (size_t i = 0; gates && i < gates->count; i++)
		print_instance(to, &gates->items[i]);
	for (size_t i = 0; gates && i < gates->kept_count; i++)
		print_instance(to, &gates->kept[i]);
	json_array_end(to);
}

/* ---- parsing ------------------------------------------------------------------------------------------------- */

static int nibble(char digit)
{
	const char *digits = "0123456789abcdef", *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Exactly so many. */
static int parse_bytes(struct json_object *object, const char *key, void *to, size_t length)
{
	struct json_object *value = kept_member(object, key, json_type_string);
	const char *text = value ? json_object_get_string(value) : NULL;

	if (!text || (size_t)json_object_get_string_len(value) != 2 * length)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		((uint8_t *)to)[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int parse_evidence(struct json_object *object, struct evidence **ret_evidence)
{
	struct json_object *read = kept_member(object, "read", json_type_boolean),
			   *measured_at = kept_member(object, "measured_at", json_type_int);
	int64_t width, moments;
	size_t series, count;
	struct evidence *evidence;
	int error;

	if (!read || !measured_at || kept_integer(object, "series", 2 * USHER_BUCKETS_MAX, &width) ||
	    kept_integer(object, "points", EVIDENCE_POINTS, &moments))
		return -EINVAL;
	series = (size_t)width;
	count = (size_t)moments;
	error = evidence_new(series, &evidence);
	if (error)
		return error;
	*ret_evidence = evidence;
	evidence->count = count;
	evidence->read = json_object_get_boolean(read);
	evidence->measured_at = json_object_get_int64(measured_at);
	if (evidence->read != (count > 0) || parse_bytes(object, "at", evidence->at, count * sizeof(*evidence->at)) ||
	    parse_bytes(object, "members", evidence->members, series * sizeof(*evidence->members)) ||
	    parse_bytes(object, "last", evidence->last, series * sizeof(double)) ||
	    parse_bytes(object, "grown", evidence->grown, series * sizeof(double)) ||
	    parse_bytes(object, "grown_at", evidence->points, count * series * sizeof(double)))
		return -EINVAL;
	return 0;
}

static int begin(void *context, size_t count)
{
	struct gates *gates = context;

	gates->items = calloc(count + 1, sizeof(*gates->items));
	return gates->items ? 0 : -ENOMEM;
}

static int parse_instance(void *context, struct json_object *object)
{
	struct gates *gates = context;
	struct gate_instance *instance = &gates->items[gates->count++];

	if (kept_text(object, "gate", instance->gate_name, sizeof(instance->gate_name)) ||
	    kept_text(object, "subject", instance->subject_name, sizeof(instance->subject_name)) ||
	    kept_text(object, "measures", instance->measures, sizeof(instance->measures)) ||
	    parse_bytes(object, "state", &instance->state, sizeof(instance->state)) || !gate_is_sound(&instance->state))
		return -EINVAL;
	return parse_evidence(object, &instance->evidence);
}

int gates_text_parse(const char *text, size_t length, struct gates **ret_gates)
{
	struct gates *gates = calloc(1, sizeof(*gates));
	int error =
		gates ? kept_list(text, length, 2 * USHER_GATE_SUBJECTS_MAX, begin, parse_instance, gates) : -ENOMEM;

	if (error)
		gates_free(gates);
	else
		*ret_gates = gates;
	return error;
}
