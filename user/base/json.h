/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON text, written from front to back: for records and large answers, of which a tree in memory would be a waste. */
#ifndef USHER_BASE_JSON_H
#define USHER_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty. Allocation failure ends the process, as in an arena. */
struct json {
	char *bytes; /* not ended by a NUL */
	size_t length, capacity;
	bool comma; /* the next value or key needs one before it */
};

void json_free(struct json *json);
/* Forgets the text, keeps the memory. */
void json_clear(struct json *json);

/* In an object every value has a key; in an array, and at the top, key is NULL. */
void json_object_begin(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *key);
void json_array_end(struct json *json);
/* NULL: null. Bytes that are not UTF-8 come out as U+FFFD, so that no text makes a line that cannot be read. */
void json_string(struct json *json, const char *key, const char *text);
void json_format(struct json *json, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
void json_integer(struct json *json, const char *key, int64_t value);
void json_unsigned(struct json *json, const char *key, uint64_t value);
void json_number(struct json *json, const char *key, double value); /* six digits; not finite: null */
void json_boolean(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
/* A value that is JSON already. */
void json_value(struct json *json, const char *key, const char *bytes, size_t length);
/* After a complete value: ends the line; what follows is a new text. */
void json_newline(struct json *json);
/* Bytes as they are, for what is not JSON. */
void json_raw(struct json *json, const char *bytes, size_t length);

#endif
