// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Prometheus servers reply, and what they are asked.
 *
 * An input is a reply; it is read for a plain series and for two buckets. Whatever it is:
 *
 * 1. No byte outside it is read: it has a heap block of its own.
 * 2. It is a reply or is refused, nothing else; a part of what is one is none.
 * 3. What comes of it is finite or missing, and of at least one sample unless it is missing.
 *
 * The input is also what labels are to be: whatever it is, the query holds only bytes that a path may have, and means what was meant.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "edge/promreply.h"
#include "holds.h"

#define NOW 1700000010000
#define SERIES 3

static int read_reply(const struct edge_series *series, uint32_t count, const uint8_t *data, size_t size,
		      struct edge_value *ret_values)
{
	char *copy = malloc(size ? size : 1);
	struct series_set *set;
	int error;

	HOLDS(copy && !series_new(series, count, &set));
	memcpy(copy, data, size);
	error = promreply_take(copy, size, set, series, 0, count);
	series_end(set, NOW, ret_values);
	series_free(set);
	free(copy);
	return error;
}

static void check_reply(const struct edge_series *series, uint32_t count, const uint8_t *data, size_t size)
{
	struct edge_value values[SERIES];
	int error = read_reply(series, count, data, size, values);

	HOLDS(!error || error == -EPROTO);
	for (uint32_t i = 0; i < count; i++) {
		HOLDS(isfinite(values[i].value) || isnan(values[i].value));
		HOLDS(values[i].samples || (isnan(values[i].value) && !values[i].age_ms));
	}
	/* A value of JSON that is an object ends with its brace; blanks may follow. */
	while (size && strchr(" \t\r\n", data[size - 1]) && data[size - 1])
		size--;
	HOLDS(error || data[size - 1] == '}');
	HOLDS(error || read_reply(series, count, data, size - 1, values) == -EPROTO);
}

static int hex(char digit)
{
	return digit >= 'A' ? digit - 'A' + 10 : digit - '0';
}

/* The reading of a string of PromQL, apart from its writing. */
static const char *match_string(const char *at, const char *value)
{
	HOLDS(*at++ == '"');
	for (; *value; value++) {
		char byte = *at++;

		HOLDS(byte != '"' && byte != '\n');
		if (byte == '\\') {
			byte = *at++;
			HOLDS(byte == 'n' || byte == '"' || byte == '\\');
			if (byte == 'n')
				byte = '\n';
		}
		HOLDS(byte == *value);
	}
	HOLDS(*at++ == '"');
	return at;
}

static void check_query(const uint8_t *data, size_t size)
{
	static const char begin[] = "/b/api/v1/query?query=";
	char path[PROMREPLY_PATH], query[PROMREPLY_PATH];
	struct edge_series series = {.name = "a:b", .le = NAN, .label_count = 2};
	const char *at;
	size_t length = 0;

	strcpy(series.labels[0].name, "x");
	strcpy(series.labels[1].name, "y");
	memcpy(series.labels[0].value, data, size < USHER_LABEL_VALUE_MAX ? size : USHER_LABEL_VALUE_MAX);
	strcpy(series.labels[1].value, "z");
	promreply_path(&series, "/b", 60, path);
	HOLDS(strlen(path) < PROMREPLY_PATH && !memcmp(path, begin, sizeof(begin) - 1));
	for (at = path + sizeof(begin) - 1; *at; at++) {
		HOLDS(*at > ' ' && *at < 0x7f && !strchr("&+#?=\"\\{}", *at));
		if (*at == '%') {
			query[length++] = (char)(hex(at[1]) << 4 | hex(at[2]));
			at += 2;
		} else {
			query[length++] = *at;
		}
	}
	query[length] = '\0';
	HOLDS(!memcmp(query, "a:b{x=", 6));
	at = match_string(query + 6, series.labels[0].value);
	HOLDS(!strcmp(at, ",y=\"z\"}[60s]"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct edge_series series[SERIES] = {
		{.name = "a", .le = NAN}, {.name = "a", .le = 0.5}, {.name = "a", .le = INFINITY}};

	check_reply(&series[0], 1, data, size);
	check_reply(&series[1], 2, data, size);
	check_query(data, size);
	return 0;
}
