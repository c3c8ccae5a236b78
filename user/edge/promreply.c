// SPDX-License-Identifier: GPL-2.0-only
#include "edge/promreply.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "edge/decimal.h"

#define DEPTH 8	      /* a reply is 6 deep */
#define TIME_MAX 1e11 /* seconds since the epoch */
#define OBJECTS_MAX 32768u
#define VALUES_MAX 524288u

/* ---- the question ---------------------------------------------------------------------------------------------- */

static bool same_but_bound(const struct edge_series *a, const struct edge_series *b)
{
	if (isnan(a->le) || isnan(b->le) || strcmp(a->name, b->name) != 0 || a->label_count != b->label_count)
		return false;
	for (uint32_t i = 0; i < a->label_count; i++)
		if (strcmp(a->labels[i].name, b->labels[i].name) != 0 ||
		    strcmp(a->labels[i].value, b->labels[i].value) != 0)
			return false;
	return true;
}

uint32_t promreply_together(const struct edge_series *series, uint32_t count)
{
	uint32_t together = 1;

	while (together < count && same_but_bound(&series[0], &series[together]))
		together++;
	return together;
}

struct path {
	char *text;
	size_t length;
};

/* A byte of PromQL, as a query has it. */
static void put(struct path *path, char byte)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	if (path->length + 4 > PROMREPLY_PATH)
		return;
	if (byte && strchr(plain, byte))
		path->text[path->length++] = byte;
	else
		path->length += (size_t)snprintf(path->text + path->length, 4, "%%%02X", (unsigned char)byte);
}

static void put_text(struct path *path, const char *text)
{
	while (*text)
		put(path, *text++);
}

/* A string of PromQL, as of Go: other bytes than these stand for themselves, since a policy's text is UTF-8. */
static void put_string(struct path *path, const char *text)
{
	put(path, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			put(path, '\\');
		if (*text == '\n')
			put_text(path, "\\n");
		else
			put(path, *text);
	}
	put(path, '"');
}

void promreply_path(const struct edge_series *series, const char *base, uint32_t seconds, char path[PROMREPLY_PATH])
{
	struct path to = {path, 0};
	char range[32];

	to.length = (size_t)snprintf(path, PROMREPLY_PATH, "%s/api/v1/query?query=", base);
	put_text(&to, series->name);
	put(&to, '{');
	for (uint32_t i = 0; i < series->label_count; i++) {
		if (i)
			put(&to, ',');
		put_text(&to, series->labels[i].name);
		put(&to, '=');
		put_string(&to, series->labels[i].value);
	}
	snprintf(range, sizeof(range), "}[%us]", seconds ? seconds : 1);
	put_text(&to, range);
	path[to.length] = '\0';
}

/* ---- the reply ------------------------------------------------------------------------------------------------- */

static struct json_object *member(struct json_object *object, const char *key, json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

static bool is_word(struct json_object *value, const char *word)
{
	return value && !strcmp(json_object_get_string(value), word);
}

/* [time, "value"] */
static int read_sample(struct json_object *pair, double *ret_value, int64_t *ret_at_ms)
{
	struct json_object *time, *text;
	double at;

	if (!json_object_is_type(pair, json_type_array) || json_object_array_length(pair) != 2)
		return -EPROTO;
	time = json_object_array_get_idx(pair, 0);
	text = json_object_array_get_idx(pair, 1);
	if ((!json_object_is_type(time, json_type_double) && !json_object_is_type(time, json_type_int)) ||
	    !json_object_is_type(text, json_type_string))
		return -EPROTO;
	at = json_object_get_double(time);
	if (!(at > 0 && at < TIME_MAX) ||
	    decimal_parse(json_object_get_string(text), (size_t)json_object_get_string_len(text), ret_value))
		return -EPROTO;
	*ret_at_ms = llround(at * 1000);
	return 0;
}

static int read_bound(struct json_object *row, double *ret_bound)
{
	struct json_object *le = member(member(row, "metric", json_type_object), "le", json_type_string);

	if (!le || decimal_parse(json_object_get_string(le), (size_t)json_object_get_string_len(le), ret_bound) ||
	    isnan(*ret_bound))
		return -ENOENT;
	return 0;
}

/* The last sample of one series that came back, added to all that it is. */
static int take_row(struct json_object *row, struct series_set *set, const struct edge_series *series, uint32_t first,
		    uint32_t count)
{
	struct json_object *values = member(row, "values", json_type_array);
	size_t samples = values ? json_object_array_length(values) : 0;
	double value, bound = 0;
	int64_t at;

	if (!member(row, "metric", json_type_object) || !samples ||
	    read_sample(json_object_array_get_idx(values, samples - 1), &value, &at))
		return -EPROTO;
	if (!isnan(series[0].le) && read_bound(row, &bound))
		return 0; /* no bucket */
	for (uint32_t i = 0; i < count; i++)
		if (isnan(series[i].le) || !(series[i].le < bound || series[i].le > bound))
			series_add(set, first + i, value, at);
	return 0;
}

static int take_reply(struct json_object *root, struct series_set *set, const struct edge_series *series,
		      uint32_t first, uint32_t count)
{
	struct json_object *data = member(root, "data", json_type_object),
			   *rows = member(data, "result", json_type_array), *warnings = NULL;
	int error = 0;

	/* With warnings it says only what it could get at. */
	if (json_object_object_get_ex(root, "warnings", &warnings) &&
	    !(json_object_is_type(warnings, json_type_array) && !json_object_array_length(warnings)))
		return -EPROTO;
	if (!is_word(member(root, "status", json_type_string), "success") ||
	    !is_word(member(data, "resultType", json_type_string), "matrix") || !rows)
		return -EPROTO;
	for (size_t i = 0; !error && i < json_object_array_length(rows); i++)
		error = take_row(json_object_array_get_idx(rows, i), set, series, first, count);
	return error;
}

/* What a parser makes of a byte may take hundreds: an empty object costs two. */
static bool is_bounded(const char *reply, size_t length)
{
	size_t objects = 0, values = 0;
	bool string = false;

	for (size_t i = 0; i < length; i++) {
		if (string && reply[i] == '\\')
			i++;
		else if (reply[i] == '"')
			string = !string;
		else if (!string && reply[i] == '{')
			objects++;
		else if (!string && (reply[i] == ',' || reply[i] == '['))
			values++;
	}
	return objects <= OBJECTS_MAX && values <= VALUES_MAX;
}

int promreply_take(const char *reply, size_t length, struct series_set *set, const struct edge_series *series,
		   uint32_t first, uint32_t count)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *root;
	int error = -EPROTO;

	if (!tokener)
		return -ENOMEM;
	if (!length || length > PROMREPLY_MAX || !is_bounded(reply, length)) {
		json_tokener_free(tokener);
		return -EPROTO;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tokener, reply, (int)length);
	if (root && json_tokener_get_error(tokener) == json_tokener_success &&
	    json_tokener_get_parse_end(tokener) == length)
		error = take_reply(root, set, series, first, count);
	json_object_put(root);
	json_tokener_free(tokener);
	return error;
}
