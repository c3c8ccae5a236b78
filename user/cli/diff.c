/* SPDX-License-Identifier: GPL-2.0-only */
/* usher diff: what a policy would change, compared with the one in force, or with one that was. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "compile/diff.h"
#include "cli/client.h"
#include "cli/document.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"
#include "policy/members.h"
#include "policy/policy.h"

#define LABEL(number, name, verdict, label, text) [number] = label,
static const char *const reason_labels[USHER_REASON_MAX] = {USHER_REASONS(LABEL)};
#undef LABEL

/* ---- for people --------------------------------------------------------------------------------------------- */

static void print_names(const char *sign, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf(" %s%s", sign, names[i]);
}

static void print_access(const struct diff_access *access)
{
	printf("~ %s for %s in %s (%s):", access->service, access->tenant, access->region,
	       access->family == AF_INET ? "IPv4" : "IPv6");
	if (access->before != access->after)
		printf(" %s -> %s", access->before ? reason_labels[access->before] : "no service",
		       access->after ? reason_labels[access->after] : "no service");
	print_names("+", access->gained, access->gained_count);
	print_names("-", access->lost, access->lost_count);
	puts(access->shares ? " other shares" : "");
}

static void print(const struct diff *diff)
{
	static const char signs[] = {[DIFF_ADDED] = '+', [DIFF_REMOVED] = '-', [DIFF_CHANGED] = '~'};

	for (size_t i = 0; i < diff->object_count; i++)
		printf("%c %s %s\n", signs[diff->objects[i].change], diff->objects[i].kind, diff->objects[i].name);
	for (size_t i = 0; i < diff->access_count; i++)
		print_access(&diff->accesses[i]);
	if (!diff->object_count && !diff->access_count)
		puts("nothing would change");
}

/* ---- for programs ------------------------------------------------------------------------------------------- */

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

static struct json_object *names_tree(const char *const *names, size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, json_object_new_string(names[i]));
	return list;
}

static struct json_object *access_tree(const struct diff_access *access)
{
	struct json_object *tree = json_object_new_object();

	add_text(tree, "service", access->service);
	add_text(tree, "tenant", access->tenant);
	add_text(tree, "region", access->region);
	add_text(tree, "family", access->family == AF_INET ? "ipv4" : "ipv6");
	add_text(tree, "before", access->before ? reason_labels[access->before] : NULL);
	add_text(tree, "after", access->after ? reason_labels[access->after] : NULL);
	json_object_object_add(tree, "gained", names_tree(access->gained, access->gained_count));
	json_object_object_add(tree, "lost", names_tree(access->lost, access->lost_count));
	json_object_object_add(tree, "shares", json_object_new_boolean(access->shares));
	return tree;
}

static void print_tree(const struct diff *diff)
{
	static const char *const changes[] = {
		[DIFF_ADDED] = "added", [DIFF_REMOVED] = "removed", [DIFF_CHANGED] = "changed"};
	struct json_object *tree = json_object_new_object(), *objects = json_object_new_array(),
			   *accesses = json_object_new_array();

	for (size_t i = 0; i < diff->object_count; i++) {
		struct json_object *object = json_object_new_object();

		add_text(object, "change", changes[diff->objects[i].change]);
		add_text(object, "kind", diff->objects[i].kind);
		add_text(object, "name", diff->objects[i].name);
		json_object_array_add(objects, object);
	}
	for (size_t i = 0; i < diff->access_count; i++)
		json_object_array_add(accesses, access_tree(&diff->accesses[i]));
	json_object_object_add(tree, "objects", objects);
	json_object_object_add(tree, "accesses", accesses);
	tree_print(tree);
	json_object_put(tree);
}

/* ---- the two policies --------------------------------------------------------------------------------------- */

/* What the daemon has in force, with none loaded a policy that serves nothing; or the one that it has kept of a revision. */
static int policy_before(const char *revision, struct policy **ret_policy)
{
	static const char nothing[] =
		"{\"apiVersion\":\"usher/v1\",\"models\":{},\"backends\":{},\"services\":{},\"rules\":[]}";
	struct diagnostics diagnostics = {.file = "the policy in force"};
	struct answer answer = {0};
	struct json_object *request = client_request(revision ? "document" : "policy");
	int status, error;

	if (revision)
		json_object_object_add(request, "revision", json_object_new_string(revision));
	status = client_ask(request, NULL, 0, &answer);
	if (status)
		return status;
	if (answer.status != PROTOCOL_OK && (revision || answer.status != PROTOCOL_NEGATIVE)) {
		status = client_fail(&answer);
		answer_release(&answer);
		return status;
	}
	if (answer.status == PROTOCOL_NEGATIVE)
		error = policy_parse("nothing", nothing, sizeof(nothing) - 1, time(NULL), &diagnostics, ret_policy);
	else
		error = policy_parse("the policy in force", answer.body.bytes, answer.body.length, time(NULL),
				     &diagnostics, ret_policy);
	answer_release(&answer);
	diagnostics_free(&diagnostics);
	return error ? cli_fail(CLI_SYSTEM, "%s cannot be read: it is another version's",
				revision ? "that policy" : "the policy in force")
		     : CLI_OK;
}

static int compare(struct policy *before, struct policy *after)
{
	struct effective *old = NULL, *new = NULL;
	struct diff *diff = NULL;
	time_t now = time(NULL);
	int status = CLI_SYSTEM;

	policy_assume_members(before);
	policy_assume_members(after);
	if (!decide(before, NULL, now, &old) && !decide(after, NULL, now, &new) && !diff_make(old, new, &diff)) {
		status = diff->object_count || diff->access_count ? CLI_NO : CLI_OK;
		if (cli_json)
			print_tree(diff);
		else
			print(diff);
	} else {
		cli_fail(CLI_SYSTEM, "no memory to compare");
	}
	diff_free(diff);
	effective_free(old);
	effective_free(new);
	return status;
}

int cli_diff(int argc, char **argv)
{
	static const struct option options[] = {{"against", required_argument, NULL, 'a'}, {0}};
	struct policy *before = NULL, *after = NULL;
	const char *revision = NULL;
	struct document document;
	int letter, status;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter != 'a')
			return CLI_USAGE;
		revision = optarg;
	}
	status = cli_operands(argc, 1, "FILE");
	if (status)
		return status;
	status = document_read(argv[optind], &document);
	if (status)
		return status;
	status = document_parse(&document, &after);
	if (!status)
		status = policy_before(revision, &before);
	if (!status)
		status = compare(before, after);
	policy_free(before);
	policy_free(after);
	document_free(&document);
	return status;
}
