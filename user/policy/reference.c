// SPDX-License-Identifier: GPL-2.0-only
#include "policy/reference.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/suggestion.h"

/* No list of names can be longer without a duplicate. */
#define REFERENCES_MAX USHER_BACKENDS_MAX

static const char *name_at(const struct named *named, size_t index)
{
	return *(const char *const *)((const char *)named->items + index * named->stride);
}

size_t named_find(const struct named *named, const char *name)
{
	size_t low = 0, high = named->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, name_at(named, middle));

		if (!order)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return POLICY_NONE;
}

const char *did_you_mean(struct document *document, const char *word, const struct named *named)
{
	const char *near;

	if (!document->searches)
		return "";
	document->searches--;
	near = suggestion_find(word, named->items, named->count, named->stride);
	return near ? arena_printf(&document->scratch, "; did you mean \"%s\"?", near) : "";
}

/* The string of a node that is to name something. */
static int reference_text(struct document *document, struct node node, const char *what, const char **ret_text)
{
	if (node_is_bad(document, node))
		return -EINVAL;
	if (node_type(node) == json_type_string) {
		*ret_text = json_object_get_string(node.json);
		return 0;
	}
	node_error(document, node, "expected the name of a %s, got %s", what, node_describe(document, node));
	return -EINVAL;
}

int read_reference(struct document *document, struct node node, const struct named *named, size_t *ret_index)
{
	const char *name;
	size_t index;
	int error = reference_text(document, node, named->what, &name);

	if (error)
		return error;
	index = named_find(named, name);
	if (index == POLICY_NONE) {
		node_error(document, node, "no %s is called %s%s", named->what,
			   text_quote(&document->scratch, name, strlen(name)), did_you_mean(document, name, named));
		return -EINVAL;
	}
	*ret_index = index;
	return 0;
}

struct named versions_of(const struct policy *policy, size_t model)
{
	const struct index_list *list = &policy->models[model].versions;

	/* Versions are sorted by model, so those of one model are next to each other. */
	return (struct named){"version", list->count ? &policy->versions[list->items[0]] : NULL, list->count,
			      sizeof(struct version)};
}

const char *version_print(const struct policy *policy, size_t version, char text[VERSION_TEXT])
{
	const struct version *of = &policy->versions[version];

	snprintf(text, VERSION_TEXT, "%s@%s", policy->models[of->model].name, of->name);
	return text;
}

size_t version_find(const struct policy *policy, const char *text)
{
	const struct named models = NAMED("model", policy->models, policy->model_count);
	const char *at = strchr(text, '@');
	size_t length = at ? (size_t)(at - text) : 0, model, version;
	char name[USHER_NAME_MAX + 1];
	struct named versions;

	if (!length || length > USHER_NAME_MAX)
		return POLICY_NONE;
	memcpy(name, text, length);
	name[length] = '\0';
	model = named_find(&models, name);
	if (model == POLICY_NONE)
		return POLICY_NONE;
	versions = versions_of(policy, model);
	version = named_find(&versions, at + 1);
	return version == POLICY_NONE ? POLICY_NONE : policy->models[model].versions.items[version];
}

int read_version_reference(struct document *document, struct node node, const struct policy *policy,
			   size_t *ret_version)
{
	const struct named models = NAMED("model", policy->models, policy->model_count);
	const char *text, *at, *model_name;
	struct named versions;
	size_t model, version;
	int error = reference_text(document, node, "version", &text);

	if (error)
		return error;
	at = strchr(text, '@');
	if (!at) {
		node_error(document, node, "expected \"MODEL@VERSION\", got %s", node_describe(document, node));
		return -EINVAL;
	}
	model_name = arena_strndup(&document->scratch, text, (size_t)(at - text));
	model = named_find(&models, model_name);
	if (model == POLICY_NONE) {
		node_error(document, node, "no model is called %s%s",
			   text_quote(&document->scratch, model_name, strlen(model_name)),
			   did_you_mean(document, model_name, &models));
		return -EINVAL;
	}
	versions = versions_of(policy, model);
	version = named_find(&versions, at + 1);
	if (version == POLICY_NONE) {
		node_error(document, node, "model \"%s\" has no version %s%s", model_name,
			   text_quote(&document->scratch, at + 1, strlen(at + 1)),
			   did_you_mean(document, at + 1, &versions));
		return -EINVAL;
	}
	*ret_version = policy->models[model].versions.items[version];
	return 0;
}

/* ---- lists --------------------------------------------------------------------------------------------------- */

static int compare_indices(const void *left, const void *right)
{
	size_t a = *(const size_t *)left, b = *(const size_t *)right;

	return a < b ? -1 : a > b;
}

void index_list_make(struct document *document, const size_t *indices, size_t count, struct index_list *ret_list)
{
	size_t *sorted = arena_array(document->arena, count, sizeof(*sorted));

	if (count) {
		memcpy(sorted, indices, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), compare_indices);
	}
	*ret_list = (struct index_list){.items = sorted, .count = count, .given = true};
}

bool index_list_has(const struct index_list *list, size_t index)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (list->items[middle] == index)
			return true;
		if (list->items[middle] > index)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* What to resolve by: one of the two. */
struct resolver {
	struct named named;
	const struct policy *policy; /* whose versions */
};

static int read_all(struct document *document, struct node node, struct resolver by, struct index_list *ret_list)
{
	size_t count, kept = 0, *indices;
	struct node *items;
	int error = read_list(document, node, 1, REFERENCES_MAX, &items, &count);

	if (error)
		return error;
	indices = arena_array(&document->scratch, count, sizeof(*indices));
	for (size_t i = 0; i < count; i++) {
		int bad = by.policy ? read_version_reference(document, items[i], by.policy, &indices[kept])
				    : read_reference(document, items[i], &by.named, &indices[kept]);

		if (bad)
			error = bad;
		else
			kept++;
	}
	index_list_make(document, indices, kept, ret_list);
	return error;
}

int read_references(struct document *document, struct node node, const struct named *named, struct index_list *ret_list)
{
	return read_all(document, node, (struct resolver){.named = *named}, ret_list);
}

int read_version_references(struct document *document, struct node node, const struct policy *policy,
			    struct index_list *ret_list)
{
	return read_all(document, node, (struct resolver){.policy = policy}, ret_list);
}
