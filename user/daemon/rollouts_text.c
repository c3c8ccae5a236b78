// SPDX-License-Identifier: GPL-2.0-only
/* Where roll-outs stand, as text for the state folder. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/utf8.h"
#include "daemon/kept.h"
#include "daemon/rollouts.h"

#define ROLLOUTS_KEPT_MAX (2 * USHER_ROLLOUTS_MAX) /* those of a policy, and those that it does not have */

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

static void print_instance(struct json *to, const struct rollout_instance *instance)
{
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
	json_boolean(to, "lost", instance->lost);
	json_object_end(to);
}

/* Those of the policy first. Whoever reads them back holds them against the policy that there is then. */
void rollouts_print(struct json *to, const struct rollouts *rollouts)
{
	json_array_begin(to, NULL);
	for (size_t i = 0; rollouts && i < rollouts->count; i++)
		print_instance(to, &rollouts->items[i]);
	for (size_t i = 0; rollouts && i < rollouts->kept_count; i++)
		print_instance(to, &rollouts->kept[i]);
	json_array_end(to);
}

/* ---- parsing ------------------------------------------------------------------------------------------------- */

static int parse_state(struct json_object *object, struct rollout *rollout)
{
	struct json_object *flows = kept_member(object, "flows", json_type_int);
	int64_t step, breach, watched;
	char name[32];
	size_t state = 0;

	if (!flows || kept_text(object, "state", name, sizeof(name)) ||
	    kept_integer(object, "step", USHER_ROLLOUT_STEPS_MAX, &step) ||
	    kept_integer(object, "breach", USHER_ROLLOUT_NEEDS_MAX, &breach) ||
	    kept_integer(object, "watched", INT64_MAX, &watched))
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
	if (!json_object_is_type(from, json_type_object) || kept_integer(from, "uid", UINT32_MAX, &uid) ||
	    kept_text(from, "user", word->user, sizeof(word->user)) ||
	    kept_text(from, "why", word->why, sizeof(word->why)) || !utf8_is_line(word->why, PROTOCOL_WHY_MAX))
		return -EINVAL;
	word->uid = (uint32_t)uid;
	word->given = true;
	return 0;
}

/* Daemons of before did not say it. */
static int parse_lost(struct json_object *object, bool *lost)
{
	struct json_object *from = NULL;

	if (!json_object_object_get_ex(object, "lost", &from))
		return 0;
	*lost = json_object_get_boolean(from) != 0;
	return json_object_is_type(from, json_type_boolean) ? 0 : -EINVAL;
}

static int begin(void *context, size_t count)
{
	struct rollouts *rollouts = context;

	rollouts->items = calloc(count + 1, sizeof(*rollouts->items));
	return rollouts->items ? 0 : -ENOMEM;
}

static int parse_instance(void *context, struct json_object *object)
{
	struct rollouts *rollouts = context;
	struct rollout_instance *instance = &rollouts->items[rollouts->count++];

	if (kept_text(object, "rollout", instance->name, sizeof(instance->name)) ||
	    kept_text(object, "what", instance->what, sizeof(instance->what)) ||
	    kept_text(object, "terms", instance->terms, sizeof(instance->terms)) ||
	    kept_integer(object, "since", INT64_MAX, &instance->since) || parse_state(object, &instance->state))
		return -EINVAL;
	return parse_word(object, &instance->word) || parse_lost(object, &instance->lost) ? -EINVAL : 0;
}

int rollouts_parse(const char *text, size_t length, struct rollouts **ret_rollouts)
{
	struct rollouts *rollouts = calloc(1, sizeof(*rollouts));
	int error = rollouts ? kept_list(text, length, ROLLOUTS_KEPT_MAX, begin, parse_instance, rollouts) : -ENOMEM;

	if (error)
		rollouts_free(rollouts);
	else
		*ret_rollouts = rollouts;
	return error;
}
