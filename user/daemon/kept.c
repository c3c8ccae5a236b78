// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/kept.h"

#include <errno.h>
#include <stdio.h>

int kept_list(const char *text, size_t length, size_t most, int (*begin)(void *context, size_t count),
	      int (*item)(void *context, struct json_object *object), void *context)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root = tokener ? json_tokener_parse_ex(tokener, text, (int)length) : NULL;
	size_t count = json_object_is_type(root, json_type_array) ? json_object_array_length(root) : SIZE_MAX;
	int error = count <= most ? begin(context, count) : -EINVAL;

	json_tokener_free(tokener);
	for (size_t i = 0; !error && i < count; i++) {
		struct json_object *object = json_object_array_get_idx(root, i);

		error = json_object_is_type(object, json_type_object) ? item(context, object) : -EINVAL;
	}
	json_object_put(root);
	return error;
}

struct json_object *kept_member(struct json_object *object, const char *key, json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

int kept_text(struct json_object *object, const char *key, char *to, size_t room)
{
	struct json_object *value = kept_member(object, key, json_type_string);

	if (!value || (size_t)json_object_get_string_len(value) >= room)
		return -EINVAL;
	snprintf(to, room, "%s", json_object_get_string(value));
	return 0;
}

int kept_integer(struct json_object *object, const char *key, int64_t most, int64_t *ret_value)
{
	struct json_object *value = kept_member(object, key, json_type_int);
	int64_t number = value ? json_object_get_int64(value) : -1;

	if (number < 0 || number > most)
		return -EINVAL;
	*ret_value = number;
	return 0;
}
