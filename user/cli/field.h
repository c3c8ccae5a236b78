/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading JSON in order to show it: what is missing or of another type comes out as a dash, a zero or nothing. */
#ifndef USHER_CLI_FIELD_H
#define USHER_CLI_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

/* Digits of a digest: enough to tell policies apart, and to name one to `usher rollback`. */
#define DIGEST_SHOWN 12

/* NULL if object is no object, or has no such field, or it is null. Borrowed. */
struct json_object *field(struct json_object *object, const char *key);
const char *field_text(struct json_object *object, const char *key); /* "-" */
int64_t field_integer(struct json_object *object, const char *key);
double field_number(struct json_object *object, const char *key);
bool field_true(struct json_object *object, const char *key);
/* Elements of the array that the field is; 0 if it is none. Then element i. */
size_t field_count(struct json_object *object, const char *key);
struct json_object *field_at(struct json_object *object, const char *key, size_t i);
/* The strings of an array, with `between` between them; "-" for none. To be freed. */
char *field_joined(struct json_object *object, const char *key, const char *between);

/* What -j prints: indented, one document, and a newline. */
void tree_print(struct json_object *object);
/* Strict JSON with any number of bytes. Returns 0 or -EBADMSG. */
int tree_parse(const void *bytes, size_t length, struct json_object **ret_object);

#endif
