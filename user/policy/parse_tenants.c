// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

#include "policy/parse.h"

static const struct naming tenant_naming = {"tenant", NAME_FORM, is_name};

/* "203.0.113.0/26": address and number of bits, of 128. */
static int parse_prefix(const char *text, struct usher_address *ret_address, uint8_t *ret_bits)
{
	const char *slash = strchr(text, '/');
	char address[ADDRESS_TEXT];
	unsigned long bits, most;
	size_t length = slash ? (size_t)(slash - text) : 0;

	if (!length || length >= sizeof(address) || strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
	    strlen(slash + 1) > 3 || !slash[1] || (slash[1] == '0' && slash[2]))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	if (address_parse(address, ret_address))
		return -EINVAL;
	bits = strtoul(slash + 1, NULL, 10);
	most = address_is_ipv4(ret_address) ? 32 : 128;
	if (bits > most)
		return -EINVAL;
	*ret_bits = (uint8_t)(bits + 128 - most);
	return 0;
}

/* Clears the bits behind the prefix. True if one of them was set. */
static bool clear_host(struct usher_address *address, unsigned int bits)
{
	bool was_set = false;

	for (unsigned int bit = bits; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		was_set |= address->bytes[bit / 8] & mask;
		address->bytes[bit / 8] &= (uint8_t)~mask;
	}
	return was_set;
}

static void read_prefix(struct document *document, struct node node, struct source *source)
{
	char network[ADDRESS_TEXT];
	const char *text;

	source->place = node_place(document, node);
	if (read_string(document, node, &text))
		return;
	if (parse_prefix(text, &source->address, &source->bits)) {
		node_error(document, node,
			   "expected a prefix such as \"203.0.113.0/26\" or \"2001:db8:a::/48\", got %s",
			   node_describe(document, node));
		return;
	}
	if (!clear_host(&source->address, source->bits))
		return;
	node_error(document, node, "there are address bits behind the prefix; the network is %s/%d",
		   address_print(&source->address, network),
		   address_is_ipv4(&source->address) ? source->bits - 96 : source->bits);
}

static void read_source(struct document *document, struct node node, struct source *source)
{
	enum { PREFIX, REGION, FIELDS };
	struct field fields[FIELDS] = {{.key = "prefix", .required = true}, {.key = "region", .required = true}};

	source->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[PREFIX].given)
		read_prefix(document, fields[PREFIX].value, source);
	if (fields[REGION].given)
		read_region(document, fields[REGION].value, &source->region);
}

static void read_sources(struct document *document, struct node node, struct tenant *tenant)
{
	struct source *sources;
	struct node *items;
	size_t count;

	if (read_list(document, node, 1, USHER_PREFIXES_MAX, &items, &count))
		return;
	sources = arena_array(document->arena, count, sizeof(*sources));
	for (size_t i = 0; i < count; i++)
		read_source(document, items[i], &sources[i]);
	tenant->sources = sources;
	tenant->source_count = count;
}

static void read_tenant(struct document *document, struct node node, struct tenant *tenant)
{
	enum { SOURCES, AUDIT, FIELDS };
	struct field fields[FIELDS] = {{.key = "sources"}, {.key = "audit"}};

	tenant->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[SOURCES].given)
		read_sources(document, fields[SOURCES].value, tenant);
	read_audit_mode(document, &fields[AUDIT], &tenant->audit);
}

void parse_tenants(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	size_t count, prefixes = 0;

	if (read_named(document, node, &tenant_naming, USHER_TENANTS_MAX, &members, &count))
		return;
	policy->tenants = arena_array(document->arena, count, sizeof(*policy->tenants));
	policy->tenant_count = count;
	for (size_t i = 0; i < count; i++) {
		struct tenant *tenant = &policy->tenants[i];

		tenant->name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		tenant->audit = policy->audit_default;
		if (!strcmp(tenant->name, "unknown"))
			key_error(document, members[i].value, "\"unknown\" stands for whoever no prefix covers");
		read_tenant(document, members[i].value, tenant);
		prefixes += tenant->source_count;
	}
	if (prefixes > USHER_PREFIXES_MAX)
		node_error(document, node, "there are %zu source prefixes; at most %d are possible", prefixes,
			   USHER_PREFIXES_MAX);
}
