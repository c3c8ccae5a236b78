// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "policy/parse.h"

const char *const stage_names[STAGES] = {"development", "canary", "production", "archived"};

static const struct naming model_naming = {"model", NAME_FORM, is_name};
static const struct naming version_naming = {"version", NAME_FORM, is_name};
static const struct naming label_naming = {"label", NAME_FORM, is_name};

static void read_digest(struct document *document, struct node node, const char **ret_digest)
{
	static const char prefix[] = "sha256:";
	const size_t skip = sizeof(prefix) - 1;
	const char *text;

	if (read_string(document, node, &text))
		return;
	*ret_digest = text;
	if (strncmp(text, prefix, skip) != 0 || strlen(text) != skip + 64 ||
	    strspn(text + skip, "0123456789abcdef") != 64)
		node_error(document, node, "expected \"sha256:\" and 64 hexadecimal digits, got %s",
			   node_describe(document, node));
}

static void read_label(struct document *document, struct node node, struct label *label)
{
	enum { EVIDENCE, EXPIRES, FIELDS };
	struct field fields[FIELDS] = {{.key = "evidence", .required = true}, {.key = "expires"}};

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[EVIDENCE].given)
		read_string(document, fields[EVIDENCE].value, &label->evidence);
	if (fields[EXPIRES].given)
		read_date(document, fields[EXPIRES].value, &label->expires);
}

static void read_labels(struct document *document, struct node node, struct version *version)
{
	struct member *members;
	struct label *labels;
	size_t count;

	if (read_named(document, node, &label_naming, USHER_LABELS_MAX, &members, &count))
		return;
	labels = arena_array(document->arena, count, sizeof(*labels));
	for (size_t i = 0; i < count; i++) {
		labels[i].name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		read_label(document, members[i].value, &labels[i]);
	}
	version->labels = labels;
	version->label_count = count;
}

static void read_validation(struct document *document, struct node node, struct version *version)
{
	enum { SCORE, SAMPLES, EXPIRES, FIELDS };
	struct field fields[FIELDS] = {
		{.key = "score", .required = true}, {.key = "samples", .required = true}, {.key = "expires"}};
	int64_t samples;

	if (read_object(document, node, fields, FIELDS))
		return;
	version->validated = true;
	if (fields[SCORE].given)
		read_score(document, fields[SCORE].value, &version->score);
	if (fields[SAMPLES].given && !read_integer(document, fields[SAMPLES].value, 1, INT64_MAX, &samples))
		version->samples = (uint64_t)samples;
	if (fields[EXPIRES].given)
		read_date(document, fields[EXPIRES].value, &version->validation_expires);
}

static void read_version(struct document *document, struct node node, struct version *version)
{
	enum { STAGE, DIGEST, LABELS, VALIDATION, FIELDS };
	struct field fields[FIELDS] = {
		{.key = "stage", .required = true}, {.key = "digest"}, {.key = "labels"}, {.key = "validation"}};
	size_t stage;

	version->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[STAGE].given && !read_choice(document, fields[STAGE].value, stage_names, STAGES, &stage))
		version->stage = (enum stage)stage;
	if (fields[DIGEST].given)
		read_digest(document, fields[DIGEST].value, &version->digest);
	if (fields[LABELS].given)
		read_labels(document, fields[LABELS].value, version);
	if (fields[VALIDATION].given)
		read_validation(document, fields[VALIDATION].value, version);
}

/* The versions of one model, before there is an array of them all. */
struct raw_model {
	struct member *versions;
	size_t count;
};

static void read_model(struct document *document, struct node node, struct raw_model *raw, struct model *model)
{
	enum { VERSIONS, OUTLIER, FIELDS };
	struct field fields[FIELDS] = {{.key = "versions", .required = true}, {.key = "outlier"}};

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[OUTLIER].given)
		read_outlier(document, fields[OUTLIER].value, &model->outlier);
	if (!fields[VERSIONS].given || read_named(document, fields[VERSIONS].value, &version_naming, USHER_VERSIONS_MAX,
						  &raw->versions, &raw->count))
		return;
	if (!raw->count)
		node_error(document, fields[VERSIONS].value, "the model has no version");
}

void parse_models(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	struct raw_model *raw;
	size_t count, total = 0;

	if (read_named(document, node, &model_naming, USHER_MODELS_MAX, &members, &count))
		return;
	policy->models = arena_array(document->arena, count, sizeof(*policy->models));
	policy->model_count = count;
	raw = arena_array(&document->scratch, count, sizeof(*raw));
	for (size_t i = 0; i < count; i++) {
		read_model(document, members[i].value, &raw[i], &policy->models[i]);
		total += raw[i].count;
	}
	if (total > USHER_VERSIONS_MAX)
		node_error(document, node, "there are %zu versions of all models; at most %d are possible", total,
			   USHER_VERSIONS_MAX);
	policy->versions = arena_array(document->arena, total, sizeof(*policy->versions));
	for (size_t i = 0; i < count; i++) {
		struct model *model = &policy->models[i];
		size_t *indices = arena_array(&document->scratch, raw[i].count, sizeof(*indices));

		model->name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		model->place = node_place(document, members[i].value);
		for (size_t j = 0; j < raw[i].count; j++) {
			struct version *version = &policy->versions[policy->version_count];

			version->name =
				arena_strndup(document->arena, raw[i].versions[j].key, strlen(raw[i].versions[j].key));
			version->model = i;
			indices[j] = policy->version_count++;
			read_version(document, raw[i].versions[j].value, version);
		}
		index_list_make(document, indices, raw[i].count, &model->versions);
	}
}
