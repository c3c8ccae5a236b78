// SPDX-License-Identifier: GPL-2.0-only
#include "policy/members.h"
#include "policy/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#include "policy/policy.h"

#define CLIENT_KEY_EVERY_S (7 * 86400)
#define CLIENT_KEY_KEEP_S (90 * 86400)
#define CLIENT_KEY_MAX_S (3650 * 86400)

#define RETAIN_MAX_S (36500u * 86400)

const char *const client_address_words[CLIENT_ADDRESSES] = {
	[CLIENT_PLAIN] = "plain", [CLIENT_TRUNCATED] = "truncated", [CLIENT_HMAC] = "hmac"};

static const char *const audit_words[] = {[AUDIT_EVERY_FLOW] = "every-flow", [AUDIT_REQUIRED] = "required"};
static const char *const loss_words[] = {[USHER_LOSS_HOLD] = "hold", [USHER_LOSS_DENY_NEW] = "deny-new"};

void read_audit_mode(struct document *document, const struct field *field, enum audit_mode *ret_mode)
{
	size_t mode;

	if (field->given && !read_choice(document, field->value, audit_words, ARRAY_COUNT(audit_words), &mode))
		*ret_mode = (enum audit_mode)mode;
}

static void parse_version(struct document *document, struct node node)
{
	static const char *const words[] = {"usher/v1"};
	size_t ignored;

	read_choice(document, node, words, ARRAY_COUNT(words), &ignored);
}

static void read_approvals(struct document *document, struct node node, struct policy *policy)
{
	const char **names;
	struct node *items;
	size_t count;

	if (read_list(document, node, 1, 64, &items, &count))
		return;
	names = arena_array(document->arena, count, sizeof(*names));
	for (size_t i = 0; i < count; i++)
		if (!read_string(document, items[i], &names[policy->approved_by_count]))
			policy->approved_by_count++;
	policy->approved_by = names;
}

static void parse_metadata(struct document *document, struct node node, struct policy *policy)
{
	enum { NAME, REVISION, APPROVED_BY, REVIEW_BY, FIELDS };
	struct field fields[FIELDS] = {
		{.key = "name"}, {.key = "revision"}, {.key = "approved_by"}, {.key = "review_by"}};
	int64_t revision;

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[NAME].given)
		read_name(document, fields[NAME].value, "policy", &policy->name);
	if (fields[REVISION].given && !read_integer(document, fields[REVISION].value, 0, INT64_MAX, &revision))
		policy->revision = (uint64_t)revision;
	if (fields[APPROVED_BY].given)
		read_approvals(document, fields[APPROVED_BY].value, policy);
	if (fields[REVIEW_BY].given)
		read_date(document, fields[REVIEW_BY].value, &policy->review_by);
}

static void parse_nat(struct document *document, struct node node, struct policy *policy)
{
	struct field addresses = {.key = "addresses", .required = true};
	struct usher_address *all;
	struct node *items;
	size_t count;

	if (read_object(document, node, &addresses, 1) || !addresses.given ||
	    read_list(document, addresses.value, 1, USHER_NAT_ADDRESSES_MAX, &items, &count))
		return;
	all = arena_array(document->arena, count, sizeof(*all));
	for (size_t i = 0; i < count; i++)
		if (!read_host_address(document, items[i], "a gateway", &all[policy->nat_address_count]))
			policy->nat_address_count++;
	policy->nat_addresses = all;
}

/* The keys of pseudonyms. */
static void read_client_key(struct document *document, struct node node, struct client_privacy *privacy)
{
	enum { EVERY, KEEP, FIELDS };
	struct field fields[FIELDS] = {{.key = "every"}, {.key = "keep"}};

	if (read_object(document, node, fields, FIELDS))
		return;
	read_seconds(document, &fields[EVERY], 3600, CLIENT_KEY_MAX_S, &privacy->every_s);
	read_seconds(document, &fields[KEEP], 3600, CLIENT_KEY_MAX_S, &privacy->keep_s);
}

static void parse_audit(struct document *document, struct node node, struct policy *policy)
{
	enum { RECORD, CLIENT, KEY, RETAIN, FIELDS };
	struct field fields[FIELDS] = {{.key = "record", .required = true},
				       {.key = "client_address"},
				       {.key = "client_key"},
				       {.key = "retain"}};
	size_t mode;

	policy->privacy = (struct client_privacy){.every_s = CLIENT_KEY_EVERY_S, .keep_s = CLIENT_KEY_KEEP_S};
	if (read_object(document, node, fields, FIELDS))
		return;
	read_audit_mode(document, &fields[RECORD], &policy->audit_default);
	if (fields[CLIENT].given &&
	    !read_choice(document, fields[CLIENT].value, client_address_words, CLIENT_ADDRESSES, &mode))
		policy->privacy.mode = (enum client_address)mode;
	if (fields[KEY].given && policy->privacy.mode != CLIENT_HMAC)
		node_error(document, fields[KEY].value,
			   "there is no \"client_address\": \"hmac\" that it could be about");
	if (fields[KEY].given)
		read_client_key(document, fields[KEY].value, &policy->privacy);
	read_seconds(document, &fields[RETAIN], 3600, RETAIN_MAX_S, &policy->retention.seconds);
	if (fields[RETAIN].given)
		policy->retention.mark = fields[RETAIN].value.mark;
}

static void parse_controller_loss(struct document *document, struct node node, struct policy *policy)
{
	enum { AFTER, THEN, FIELDS };
	struct field fields[FIELDS] = {{.key = "after", .required = true}, {.key = "then", .required = true}};
	size_t action;

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[AFTER].given)
		read_duration(document, fields[AFTER].value, 1000, 86400000, &policy->loss_after_ms);
	if (fields[THEN].given &&
	    !read_choice(document, fields[THEN].value, loss_words, ARRAY_COUNT(loss_words), &action))
		policy->loss_action = (enum usher_loss_action)action;
}

/* Every section in the order in which they need each other, whatever theirs is in the document. */
static void parse_sections(struct document *document, struct policy *policy)
{
	enum {
		VERSION,
		METADATA,
		AUDIT,
		REGIONS,
		TENANTS,
		MODELS,
		BACKENDS,
		POOLS,
		SERVICES,
		RULES,
		NAT,
		LOSS,
		TELEMETRY,
		GATES,
		ROLLOUTS,
		FIELDS
	};
	struct field fields[FIELDS] = {{.key = "apiVersion", .required = true},
				       {.key = "metadata"},
				       {.key = "audit"},
				       {.key = "regions"},
				       {.key = "tenants"},
				       {.key = "models", .required = true},
				       {.key = "backends", .required = true},
				       {.key = "pools"},
				       {.key = "services", .required = true},
				       {.key = "rules", .required = true},
				       {.key = "nat"},
				       {.key = "controller_loss"},
				       {.key = "telemetry"},
				       {.key = "gates"},
				       {.key = "rollouts"}};
	static void (*const sections[FIELDS])(struct document *, struct node, struct policy *) = {
		[METADATA] = parse_metadata, [AUDIT] = parse_audit,	     [REGIONS] = parse_regions,
		[TENANTS] = parse_tenants,   [MODELS] = parse_models,	     [BACKENDS] = parse_backends,
		[POOLS] = parse_pools,	     [SERVICES] = parse_services,    [RULES] = parse_rules,
		[NAT] = parse_nat,	     [LOSS] = parse_controller_loss, [TELEMETRY] = parse_evaluators,
		[GATES] = parse_gates,	     [ROLLOUTS] = parse_rollouts};

	if (read_object(document, document_root(document), fields, FIELDS))
		return;
	if (fields[VERSION].given)
		parse_version(document, fields[VERSION].value);
	for (size_t i = METADATA; i < FIELDS; i++)
		if (fields[i].given)
			sections[i](document, fields[i].value, policy);
}

static struct policy *policy_new(const char *file)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		abort();
	policy->file = arena_strndup(&policy->arena, file, strlen(file));
	return policy;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	arena_free(&policy->arena);
	free(policy);
}

/* What depends on who the backends are, pools having some members. */
static void judge_with_members(struct document *document, struct policy *policy, size_t errors_before, int64_t now)
{
	struct policy assumed = *policy;

	policy_assume_members(&assumed);
	validate_forwarding(document, &assumed);
	if (document->diagnostics->errors == errors_before) {
		document_digest(document, policy, policy->digest);
		suspect(document, &assumed, now);
	}
	policy->arena = assumed.arena; /* which has what was assumed as well */
}

int policy_parse(const char *file, const void *bytes, size_t length, int64_t now, struct diagnostics *diagnostics,
		 struct policy **ret_policy)
{
	struct policy *policy = policy_new(file);
	size_t errors_before = diagnostics->errors;
	struct document document = {0};
	struct bundle bundle;

	if (bundle_split(bytes, length, &policy->arena, &bundle)) {
		diagnostics_add(diagnostics, SEVERITY_ERROR, 0, 0, "",
				"what follows the policy's text is no geography file");
	} else if (!document_open(&document, bundle.text, bundle.length, &policy->arena, diagnostics)) {
		document.bundle = &bundle;
		parse_sections(&document, policy);
		validate(&document, policy);
		judge_with_members(&document, policy, errors_before, now);
	}
	document_close(&document);
	diagnostics_sort(diagnostics);
	if (diagnostics->errors != errors_before) {
		policy_free(policy);
		return -EINVAL;
	}
	*ret_policy = policy;
	return 0;
}
