// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that say who is in a pool. Whatever the bytes are:
 *
 * 1. No byte outside the file is read: it has a heap block of its own.
 * 2. There are members, each of which the pool may have, no two with one name or one address and port, and no more than it may have;
 *    or there is none, and a sentence with a place on what is wrong.
 * 3. Read again they come to the same.
 */
#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "policy/members.h"
#include "policy/policy.h"
#include "holds.h"

static const char document[] =
	"{\"apiVersion\": \"usher/v1\", \"nat\": {\"addresses\": [\"10.1.0.2\", \"2001:db8::2\"]},"
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}}, \"backends\": {},"
	"\"pools\": {\"p\": {\"file\": \"p\", \"serves\": \"m@1\", \"region\": [\"DE\", \"FR\"], \"port\": [80, 81], "
	"\"most\": 4,"
	"\"within\": [\"10.1.0.0/16\", \"2001:db8::/32\"]}},"
	"\"services\": {\"s\": {\"address\": \"10.1.0.3:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
	"\"rules\": [{\"id\": \"all\", \"allow\": true}]}";

static struct policy *policy;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct diagnostics diagnostics = {.file = "policy"};

	(void)argc;
	(void)argv;
	HOLDS(!policy_parse("policy", document, sizeof(document) - 1, 0, &diagnostics, &policy));
	diagnostics_free(&diagnostics);
	return 0;
}

static void check_members(const struct member_list *list)
{
	char text[MEMBER_SENTENCE];

	HOLDS(list->count <= policy->pools[0].most);
	for (size_t i = 0; i < list->count; i++) {
		const struct member_facts *member = &list->items[i];

		HOLDS(!member_refusal(policy, &policy->pools[0], member, text));
		HOLDS(!strncmp(member->name, "p.", 2) && !member->leave_by);
		HOLDS(!i || strcmp(list->items[i - 1].name, member->name) < 0);
		for (size_t j = 0; j < i; j++)
			HOLDS(member->port != list->items[j].port ||
			      !address_equal(&member->address, &list->items[j].address));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diagnostics diagnostics = {.file = "p"}, ignored = {.file = "p"};
	struct member_list list = {0}, again = {0};
	char *copy = malloc(size ? size : 1);
	int error;

	HOLDS(copy);
	memcpy(copy, data, size);
	error = members_read(policy, &policy->pools[0], copy, size, &diagnostics, &list);
	HOLDS(!error || error == -EINVAL);
	HOLDS(!error == !diagnostics.errors);
	HOLDS(!error || (!list.items && diagnostics.items[0].line && *diagnostics.items[0].text));
	check_members(&list);
	HOLDS(members_read(policy, &policy->pools[0], copy, size, &ignored, &again) == error);
	HOLDS(again.count == list.count);
	HOLDS(!list.count || !memcmp(again.items, list.items, list.count * sizeof(*list.items)));
	member_list_free(&list);
	member_list_free(&again);
	diagnostics_free(&diagnostics);
	diagnostics_free(&ignored);
	free(copy);
	return 0;
}
