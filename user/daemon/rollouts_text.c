// SPDX-License-Identifier: GPL-2.0-only
/* Where roll-outs stand, as text for the state folder. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/utf8.h"
#include "daemon/rollouts.h"

/* ---- printing ------------------------------------------------------------------------------------------------ */

static void print_word(struct json *to, const struct rollout_word *word)
{
	if (!word->given) {
		json_null(to, "word");
		return;
	}
	json_object_begin(to, "word");
	json_unsigned(to, "uid", word->uid);
	json_string(to, "user", word->user);
	json_string(to, "why", word->why);
	json_object_end(to);
}

void rollouts_print(struct json *to, const struct rollouts *rollouts)
{
	json_array_begin(to, NULL);
	for (size_t i = 0; rollouts && i < rollouts->count; i++) {
		const struct rollout_instance *instance = &rollouts->items[i];

		json_object_begin(to, NULL);
		json_string(to, "rollout", instance->name);
		json_string(to, "what", instance->what);
		json_string(to, "terms", instance->terms);
		json_string(to, "state", rollout_state_names[instance->state.state]);
		json_unsigned(to, "step", instance->state.step);
		json_unsigned(to, "breach", instance->state.breach);
		json_integer(to, "watched", instance->state.watched);
		json_unsigned(to, "flows", instance->state.flows);
		json_integer(to, "since", instance->since);
		print_word(to, &instance->word);
		json_object_end(to);
	}
	json_array_end(to);
}

/* ---- parsing ------------------------------------------------------------------------------------------------- */

static struct json_object *member(struct json_object *object, const char *key, json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

static int parse_text(struct json_object *object, const char *key, char *to, size_t room)
{
	struct json_object *value = member(object, key, json_type_string);

	if (!value || (size_t)json_object_get_string_len(value) >= room)
		return -EINVAL;
	snprintf(to, room, "%s", json_object_get_string(value));
	return 0;
}

static int parse_integer(struct json_object *object, const char *key, int64_t most, int64_t *ret_value)
{
	struct json_object *value = member(object, key, json_type_int);
	int64_t number = value ? json_object_get_int64(value) : -1;

	if (number < 0 || number > most)
		return -EINVAL;
	*ret_value = number;
	return 0;
}

static int parse_state(struct json_object *object, struct rollout *rollout)
{
	struct json_object *flows = member(object, "flows", json_type_int);
	int64_t step, breach, watched;
	char name[32];
	size_t state = 0;

	if (!flows || parse_text(object, "state", name, sizeof(name)) ||
	    parse_integer(object, "step", USHER_ROLLOUT_STEPS_MAX, &step) ||
	    parse_integer(object, "breach", USHER_ROLLOUT_NEEDS_MAX, &breach) ||
	    parse_integer(object, "watched", INT64_MAX, &watched))
		return -EINVAL;
	while (state < ROLLOUT_STATES && strcmp(rollout_state_names[state], name) != 0)
		state++;
	if (state == ROLLOUT_STATES)
		return -EINVAL;
	*rollout = (struct rollout){.state = (uint8_t)state,
				    .step = (uint8_t)step,
				    .breach = (uint8_t)breach,
				    .watched = watched,
				    .flows = json_object_get_uint64(flows)};
	return 0;
}

static int parse_word(struct json_object *object, struct rollout_word *word)
{
	struct json_object *from = NULL;
	int64_t uid;

	if (!json_object_object_get_ex(object, "word", &from))
		return -EINVAL;
	if (!from)
		return 0;
	if (!json_object_is_type(from, json_type_object) || parse_integer(from, "uid", UINT32_MAX, &uid) ||
	    parse_text(from, "user", word->user, sizeof(word->user)) ||
	    parse_text(from, "why", word->why, sizeof(word->why)) || !utf8_is_line(word->why, PROTOCOL_WHY_MAX))
		return -EINVAL;
	word->uid = (uint32_t)uid;
	word->given = true;
	return 0;
}

static int parse_instance(struct json_object *object, struct rollout_instance *instance)
{
	if (!json_object_is_type(object, json_type_object) ||
	    parse_text(object, "rollout", instance->name, sizeof(instance->name)) ||
	    parse_text(object, "what", instance->what, sizeof(instance->what)) ||
	    parse_text(object, "terms", instance->terms, sizeof(instance->terms)) ||
	    parse_integer(object, "since", INT64_MAX, &instance->since) || parse_state(object, &instance->state))
		return -EINVAL;
	return parse_word(object, &instance->word);
}

int rollouts_parse(const char *text, size_t length, struct rollouts **ret_rollouts)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *root = tokener ? json_tokener_parse_ex(tokener, text, (int)length) : NULL;
	size_t count = json_object_is_type(root, json_type_array) ? json_object_array_length(root) : SIZE_MAX;
	struct rollouts *rollouts = calloc(1, sizeof(*rollouts));
	int error = count <= USHER_ROLLOUTS_MAX ? 0 : -EINVAL;

	json_tokener_free(tokener);
	if (!rollouts)
		error = -ENOMEM;
	if (!error) {
		rollouts->items = calloc(count + 1, sizeof(*rollouts->items));
		error = rollouts->items ? 0 : -ENOMEM;
	}
	for (size_t i = 0; !error && i < count; i++)
		error = parse_instance(json_object_array_get_idx(root, i), &rollouts->items[rollouts->count++]);
	json_object_put(root);
	if (error)
		rollouts_free(rollouts);
	else
		*ret_rollouts = rollouts;
	return error;
}
