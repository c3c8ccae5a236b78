// SPDX-License-Identifier: GPL-2.0-only
/* A file of members, read as strictly as a policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"

#include "policy/members.h"
#include "policy/parse.h"

static const struct naming member_naming = {"member", NAME_FORM, is_name};

struct entry {
	struct member_facts facts;
	struct node node;
};

static void read_address_and_port(struct document *document, const struct field *address, const struct field *port,
				  struct node node, const struct pool *pool, struct member_facts *facts)
{
	uint32_t number = pool->pattern.port;

	if (address->given)
		read_host_address(document, address->value, "a backend", &facts->address);
	if (port->given)
		read_count(document, port->value, 1, UINT16_MAX, &number);
	else if (!number)
		node_error(document, node, "\"port\" is missing: pool \"%s\" has several", pool->name);
	facts->port = (uint16_t)number;
}

static void read_entry(struct document *document, const char *name, struct node node, const struct pool *pool,
		       struct member_facts *facts)
{
	enum { ADDRESS, PORT, REGION, CAPACITY, FIELDS };
	struct field fields[FIELDS] = {
		{.key = "address", .required = true}, {.key = "port"}, {.key = "region"}, {.key = "capacity"}};

	if (snprintf(facts->name, sizeof(facts->name), "%s.%s", pool->name, name) >= (int)sizeof(facts->name))
		key_error(document, node, "with \"%s.\" before it the name has more than %d bytes", pool->name,
			  USHER_NAME_MAX);
	if (read_object(document, node, fields, FIELDS))
		return;
	read_address_and_port(document, &fields[ADDRESS], &fields[PORT], node, pool, facts);
	if (fields[REGION].given)
		read_region(document, fields[REGION].value, &facts->region);
	else if (!pool->pattern.region.country[0])
		node_error(document, node, "\"region\" is missing: pool \"%s\" has several", pool->name);
	if (fields[CAPACITY].given)
		read_count(document, fields[CAPACITY].value, 1, USHER_WEIGHT_MAX, &facts->capacity);
}

static int compare_endpoints(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = memcmp(&a->facts.address, &b->facts.address, sizeof(a->facts.address));

	if (!order)
		order = a->facts.port - b->facts.port;
	return order ? order : strcmp(a->facts.name, b->facts.name);
}

/* Each by itself, then one against the other. */
static void judge(struct document *document, const struct policy *policy, const struct pool *pool,
		  struct entry *entries, size_t count)
{
	char text[MEMBER_SENTENCE];

	for (size_t i = 0; i < count; i++) {
		const char *refusal = member_refusal(policy, pool, &entries[i].facts, text);

		if (refusal)
			node_error(document, entries[i].node, "it %s", refusal);
	}
	qsort(entries, count, sizeof(*entries), compare_endpoints);
	for (size_t i = 1; i < count; i++)
		if (entries[i - 1].facts.port == entries[i].facts.port &&
		    address_equal(&entries[i - 1].facts.address, &entries[i].facts.address))
			node_error(document, entries[i].node, "it has the address and port of \"%s\"",
				   entries[i - 1].facts.name + strlen(pool->name) + 1);
}

static void read_members(struct document *document, const struct policy *policy, const struct pool *pool,
			 struct member_list *list)
{
	struct field field = {.key = "members", .required = true};
	size_t count, errors = document->diagnostics->errors;
	struct member *members;
	struct entry *entries;

	if (read_object(document, document_root(document), &field, 1) || !field.given ||
	    read_named(document, field.value, &member_naming, pool->most, &members, &count))
		return;
	entries = arena_array(&document->scratch, count, sizeof(*entries));
	for (size_t i = 0; i < count; i++) {
		entries[i].node = members[i].value;
		read_entry(document, members[i].key, members[i].value, pool, &entries[i].facts);
	}
	if (document->diagnostics->errors == errors)
		judge(document, policy, pool, entries, count);
	list->items = calloc(count + 1, sizeof(*list->items));
	if (!list->items)
		abort();
	for (size_t i = 0; i < count; i++)
		list->items[list->count++] = entries[i].facts;
	member_list_sort(list);
}

int members_read(const struct policy *policy, const struct pool *pool, const char *bytes, size_t length,
		 struct diagnostics *diagnostics, struct member_list *ret_list)
{
	_cleanup_(member_list_free) struct member_list list = {0};
	size_t before = diagnostics->errors;
	struct document document = {0};
	struct arena arena = {0};

	if (!document_open(&document, bytes, length, &arena, diagnostics))
		read_members(&document, policy, pool, &list);
	document_close(&document);
	arena_free(&arena);
	diagnostics_sort(diagnostics);
	if (diagnostics->errors != before)
		return -EINVAL;
	*ret_list = list;
	list = (struct member_list){0};
	return 0;
}
