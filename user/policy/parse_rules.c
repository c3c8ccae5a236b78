// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#include "policy/policy.h"
#include "policy/parse.h"

static const char *const answer_words[] = {[USHER_ANSWER_RESET] = "reset", [USHER_ANSWER_DROP] = "drop"};

/* ---- when ------------------------------------------------------------------------------------------------- */

/* Names of tenants, `unknown` among them. */
static void read_tenant_list(struct document *document, struct node node, const struct policy *policy,
			     struct index_list *ret_list)
{
	const struct named tenants = NAMED("tenant", policy->tenants, policy->tenant_count);
	size_t count, kept = 0, *indices;
	struct node *items;

	if (read_list(document, node, 1, USHER_TENANTS_MAX + 1, &items, &count))
		return;
	indices = arena_array(&document->scratch, count, sizeof(*indices));
	for (size_t i = 0; i < count; i++) {
		if (node_type(items[i]) == json_type_string &&
		    !strcmp(json_object_get_string(items[i].json), "unknown"))
			indices[kept++] = POLICY_UNKNOWN_TENANT;
		else if (!read_reference(document, items[i], &tenants, &indices[kept]))
			kept++;
	}
	index_list_make(document, indices, kept, ret_list);
}

static void read_when(struct document *document, struct node node, const struct policy *policy, struct rule_when *when)
{
	enum { TENANT, SERVICE, CLIENT_REGION, FIELDS };
	struct field fields[FIELDS] = {{.key = "tenant"}, {.key = "service"}, {.key = "client_region"}};
	const struct named services = NAMED("service", policy->services, policy->service_count);

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[TENANT].given)
		read_tenant_list(document, fields[TENANT].value, policy, &when->tenants);
	if (fields[SERVICE].given)
		read_references(document, fields[SERVICE].value, &services, &when->services);
	if (fields[CLIENT_REGION].given) {
		when->client_regions_given = true;
		read_regions(document, fields[CLIENT_REGION].value, policy, &when->client_regions,
			     &when->unknown_region);
	}
}

/* ---- which backends ---------------------------------------------------------------------------------------- */

static void read_stages(struct document *document, struct node node, uint32_t *ret_stages)
{
	struct node *items;
	size_t count, stage;

	if (read_list(document, node, 1, STAGES, &items, &count))
		return;
	for (size_t i = 0; i < count; i++)
		if (!read_choice(document, items[i], stage_names, STAGES, &stage))
			*ret_stages |= 1u << stage;
}

static int compare_strings(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void read_label_names(struct document *document, struct node node, struct backend_match *match)
{
	const char **labels;
	struct node *items;
	size_t count;

	if (read_list(document, node, 1, USHER_LABELS_MAX, &items, &count))
		return;
	labels = arena_array(document->arena, count, sizeof(*labels));
	for (size_t i = 0; i < count; i++)
		if (!read_name(document, items[i], "label", &labels[match->label_count]))
			match->label_count++;
	qsort(labels, match->label_count, sizeof(*labels), compare_strings);
	match->labels = labels;
}

static void read_score_bounds(struct document *document, struct node node, struct backend_match *match)
{
	struct field min = {.key = "min", .required = true};

	match->score_given = true;
	if (!read_object(document, node, &min, 1) && min.given)
		read_score(document, min.value, &match->score_min);
}

/* Marks the versions that a text means: "model@version" one, "version" that of any model. */
static void mark_versions(struct document *document, struct node node, const struct policy *policy, bool *meant)
{
	bool found = false;
	const char *text;
	size_t index;

	if (read_string(document, node, &text))
		return;
	if (strchr(text, '@')) {
		if (!read_version_reference(document, node, policy, &index))
			meant[index] = true;
		return;
	}
	for (size_t i = 0; i < policy->version_count; i++)
		if (!strcmp(policy->versions[i].name, text))
			found = meant[i] = true;
	if (!found)
		node_error(document, node, "no model has a version %s",
			   text_quote(&document->scratch, text, strlen(text)));
}

/* `version` and `model` say the same thing at two grains; together they mean what both mean. */
static void read_versions(struct document *document, const struct field *version, const struct field *model,
			  const struct policy *policy, struct index_list *ret_list)
{
	const struct named models = NAMED("model", policy->models, policy->model_count);
	bool *meant = arena_array(&document->scratch, policy->version_count, sizeof(*meant));
	size_t *indices = arena_array(&document->scratch, policy->version_count, sizeof(*indices));
	struct index_list model_list = {0};
	struct node *items;
	size_t count, kept = 0;

	if (!version->given && !model->given)
		return;
	if (version->given && !read_list(document, version->value, 1, USHER_VERSIONS_MAX, &items, &count))
		for (size_t i = 0; i < count; i++)
			mark_versions(document, items[i], policy, meant);
	if (model->given)
		read_references(document, model->value, &models, &model_list);
	for (size_t i = 0; i < policy->version_count; i++)
		if ((!version->given || meant[i]) &&
		    (!model->given || index_list_has(&model_list, policy->versions[i].model)))
			indices[kept++] = i;
	index_list_make(document, indices, kept, ret_list);
}

static void read_match(struct document *document, struct node node, const struct policy *policy,
		       struct backend_match *match)
{
	enum { REGION, MODEL, VERSION, BACKEND, STAGE, LABELS, SCORE, FIELDS };
	struct field fields[FIELDS] = {{.key = "region"}, {.key = "model"},  {.key = "version"}, {.key = "backend"},
				       {.key = "stage"},  {.key = "labels"}, {.key = "score"}};
	const struct named backends = NAMED("backend", policy->backends, policy->backend_count);
	bool any = false;

	if (read_object(document, node, fields, FIELDS))
		return;
	for (size_t i = 0; i < FIELDS; i++)
		any |= fields[i].given;
	if (!any)
		node_error(document, node, "nothing is named; say which backends by at least one key");
	if (fields[REGION].given) {
		match->regions_given = true;
		read_regions(document, fields[REGION].value, policy, &match->regions, NULL);
	}
	read_versions(document, &fields[VERSION], &fields[MODEL], policy, &match->versions);
	if (fields[BACKEND].given)
		read_references(document, fields[BACKEND].value, &backends, &match->backends);
	if (fields[STAGE].given)
		read_stages(document, fields[STAGE].value, &match->stages);
	if (fields[LABELS].given)
		read_label_names(document, fields[LABELS].value, match);
	if (fields[SCORE].given)
		read_score_bounds(document, fields[SCORE].value, match);
}

/* ---- effects ----------------------------------------------------------------------------------------------- */

static void read_deny(struct document *document, struct node node, const struct policy *policy, struct rule *rule)
{
	rule->effect = RULE_DENY;
	if (node_type(node) == json_type_boolean) {
		read_true(document, node, "a rule that denies nothing is none");
	} else if (node_type(node) == json_type_object) {
		rule->effect = RULE_DENY_BACKENDS;
		read_match(document, node, policy, &rule->match);
	} else if (!node_is_bad(document, node)) {
		node_error(document, node, "expected true or an object, got %s", node_describe(document, node));
	}
}

/* The model that all services of the rule serve, or POLICY_NONE with an error. */
static size_t model_of_services(struct document *document, struct node node, const struct policy *policy,
				const struct rule *rule)
{
	const struct index_list *services = &rule->when.services;
	size_t model = POLICY_NONE;

	for (size_t i = 0; i < services->count; i++) {
		size_t other = policy->services[services->items[i]].model;

		if (other == POLICY_NONE || other == model)
			continue;
		if (model != POLICY_NONE) {
			node_error(document, node,
				   "the services of this rule serve different models, \"%s\" and \"%s\"",
				   policy->models[model].name, policy->models[other].name);
			return POLICY_NONE;
		}
		model = other;
	}
	return model;
}

static int compare_shares(const void *left, const void *right)
{
	size_t a = ((const struct share *)left)->version, b = ((const struct share *)right)->version;

	return a < b ? -1 : a > b;
}

static const struct naming share_naming = {"version", NAME_FORM, is_name};

static void read_split(struct document *document, struct node node, const struct policy *policy, struct rule *rule)
{
	struct member *members;
	struct share *shares;
	struct named versions;
	size_t count, model;
	uint64_t sum = 0;

	rule->effect = RULE_SPLIT;
	if (read_named(document, node, &share_naming, USHER_ARMS_MAX, &members, &count))
		return;
	if (!count)
		node_error(document, node, "the split names no version");
	if (!rule->when.services.given) {
		node_error(document, node,
			   "a split needs \"service\" in its \"when\": its versions are those of a model");
		return;
	}
	model = model_of_services(document, node, policy, rule);
	if (model == POLICY_NONE)
		return;
	versions = versions_of(policy, model);
	shares = arena_array(document->arena, count, sizeof(*shares));
	for (size_t i = 0; i < count; i++) {
		size_t at = named_find(&versions, members[i].key);
		struct share *share = &shares[rule->share_count];

		share->place = node_place(document, members[i].value);
		if (at == POLICY_NONE)
			key_error(document, members[i].value, "model \"%s\" has no version \"%s\"%s",
				  policy->models[model].name, members[i].key,
				  did_you_mean(document, members[i].key, &versions));
		if (read_count(document, members[i].value, 0, USHER_WEIGHT_MAX, &share->weight) || at == POLICY_NONE) {
			sum++; /* one error is enough */
			continue;
		}
		share->version = policy->models[model].versions.items[at];
		sum += share->weight;
		rule->share_count++;
	}
	if (count && !sum)
		node_error(document, node, "all shares are 0");
	qsort(shares, rule->share_count, sizeof(*shares), compare_shares);
	rule->shares = shares;
}

static void read_reroute(struct document *document, struct node node, const struct policy *policy, struct rule *rule)
{
	struct field target = {.key = "service", .required = true};
	const struct named services = NAMED("service", policy->services, policy->service_count);

	rule->effect = RULE_REROUTE;
	rule->reroute = POLICY_NONE;
	if (read_object(document, node, &target, 1))
		return;
	if (!rule->when.services.given)
		node_error(document, node, "a reroute needs \"service\" in its \"when\": nothing leads to itself");
	if (target.given && !read_reference(document, target.value, &services, &rule->reroute) &&
	    rule->when.services.given && index_list_has(&rule->when.services, rule->reroute)) {
		node_error(document, target.value, "\"%s\" would be rerouted to itself",
			   policy->services[rule->reroute].name);
		rule->reroute = POLICY_NONE;
	}
}

/* ---- rules ------------------------------------------------------------------------------------------------- */

static void read_rule(struct document *document, struct node node, const struct policy *policy, struct rule *rule)
{
	enum { ID, WHEN, ALLOW, DENY, REQUIRE, SPLIT, REROUTE, ANSWER, FIELDS };
	struct field fields[FIELDS] = {{.key = "id", .required = true},
				       {.key = "when"},
				       {.key = "allow"},
				       {.key = "deny"},
				       {.key = "require"},
				       {.key = "split"},
				       {.key = "reroute"},
				       {.key = "answer"}};
	size_t effects = 0, answer;

	rule->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[ID].given)
		read_name(document, fields[ID].value, "rule", &rule->id);
	if (fields[WHEN].given)
		read_when(document, fields[WHEN].value, policy, &rule->when);
	for (size_t i = ALLOW; i <= REROUTE; i++)
		effects += fields[i].given;
	if (effects != 1)
		node_error(document, node,
			   "a rule has exactly one of \"allow\", \"deny\", \"require\", \"split\" and \"reroute\", "
			   "this one %s",
			   effects ? "several" : "none");
	if (fields[ALLOW].given) {
		rule->effect = RULE_ALLOW;
		read_true(document, fields[ALLOW].value, "who is not to be allowed needs no rule, or \"deny\": true");
	}
	if (fields[REQUIRE].given) {
		rule->effect = RULE_REQUIRE;
		read_match(document, fields[REQUIRE].value, policy, &rule->match);
	}
	if (fields[DENY].given)
		read_deny(document, fields[DENY].value, policy, rule);
	if (fields[SPLIT].given)
		read_split(document, fields[SPLIT].value, policy, rule);
	if (fields[REROUTE].given)
		read_reroute(document, fields[REROUTE].value, policy, rule);
	if (fields[ANSWER].given &&
	    !read_choice(document, fields[ANSWER].value, answer_words, ARRAY_COUNT(answer_words), &answer))
		rule->answer = (enum usher_answer)answer;
	if (fields[ANSWER].given && !(fields[DENY].given && rule->effect == RULE_DENY))
		key_error(document, fields[ANSWER].value, "only a rule with \"deny\": true is answered");
}

static int compare_ids(const void *left, const void *right)
{
	const struct rule *a = *(const struct rule *const *)left, *b = *(const struct rule *const *)right;
	int order = strcmp(a->id, b->id);

	return order ? order : (a < b ? -1 : a > b);
}

static void find_repeated_ids(struct document *document, const struct node *items, const struct policy *policy)
{
	const struct rule **sorted = arena_array(&document->scratch, policy->rule_count, sizeof(*sorted));
	size_t count = 0;

	for (size_t i = 0; i < policy->rule_count; i++)
		if (policy->rules[i].id)
			sorted[count++] = &policy->rules[i];
	qsort(sorted, count, sizeof(*sorted), compare_ids);
	for (size_t i = 1; i < count; i++)
		if (!strcmp(sorted[i - 1]->id, sorted[i]->id))
			node_error(document, items[sorted[i] - policy->rules], "another rule has the id \"%s\" already",
				   sorted[i]->id);
}

void parse_rules(struct document *document, struct node node, struct policy *policy)
{
	struct node *items;
	size_t count;

	if (read_list(document, node, 0, USHER_RULES_MAX, &items, &count))
		return;
	policy->rules = arena_array(document->arena, count, sizeof(*policy->rules));
	policy->rule_count = count;
	for (size_t i = 0; i < count; i++)
		read_rule(document, items[i], policy, &policy->rules[i]);
	find_repeated_ids(document, items, policy);
}
