/* SPDX-License-Identifier: GPL-2.0-only */
/* Lists that one daemon keeps for the next, of gates, roll-outs and surges: JSON arrays of objects, read with their bounds. */
#ifndef USHER_DAEMON_KEPT_H
#define USHER_DAEMON_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

/* Of at most so many; begin: called once with how many there are, item: with each. Returns what they do, -ENOMEM, or -EINVAL. */
int kept_list(const char *text, size_t length, size_t most, int (*begin)(void *context, size_t count),
	      int (*item)(void *context, struct json_object *object), void *context);

/* NULL: there is none, or it is of another type. */
struct json_object *kept_member(struct json_object *object, const char *key, json_type type);
/* These return 0 or -EINVAL. room: with the final NUL. */
int kept_text(struct json_object *object, const char *key, char *to, size_t room);
/* From 0 to most. */
int kept_integer(struct json_object *object, const char *key, int64_t most, int64_t *ret_value);

#endif
