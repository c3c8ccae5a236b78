// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/sha256.h"

#include "policy/geography.h"
#include "policy/parse.h"
#include "policy/policy.h"
#include "policy/prefix.h"

static const struct naming tenant_naming = {"tenant", NAME_FORM, is_name};

int read_prefix(struct document *document, struct node node, struct usher_address *ret_address, uint8_t *ret_bits)
{
	char network[ADDRESS_TEXT];
	struct usher_address address;
	const char *text;
	bool prefix_has_host;
	uint8_t bits;

	if (read_string(document, node, &text))
		return -EINVAL;
	if (prefix_parse(text, strlen(text), &address, &bits)) {
		node_error(document, node, "expected " PREFIX_EXAMPLE ", got %s", node_describe(document, node));
		return -EINVAL;
	}
	*ret_bits = bits;
	prefix_has_host = prefix_clear_host(&address, bits);
	*ret_address = address;
	if (!prefix_has_host)
		return 0;
	node_error(document, node, "there are address bits behind the prefix; the network is %s/%d",
		   address_print(&address, network), address_is_ipv4(&address) ? bits - 96 : bits);
	return -EINVAL;
}

/* ---- geography files ---------------------------------------------------------------------------------------- */

static const struct geo *find_geo(const struct policy *policy, const char *file)
{
	for (size_t i = 0; i < policy->geo_count; i++)
		if (!strcmp(policy->geos[i].file, file))
			return &policy->geos[i];
	return NULL;
}

/* The file, as far as it came along. */
static const struct bundle_file *find_file(struct document *document, struct node node, const char *name)
{
	const struct bundle_file *file = document->bundle ? bundle_find(document->bundle, name) : NULL;

	if (!file)
		node_error(document, node, "the file did not come with the policy");
	else if (!file->read)
		node_error(document, node, "%.*s", (int)(file->length < 512 ? file->length : 512), file->bytes);
	else
		return file;
	return NULL;
}

static void read_geo(struct document *document, struct node node, struct policy *policy, size_t tenant)
{
	size_t taken = 0, bytes = 0, room;
	const struct bundle_file *file;
	const struct geo *before;
	const char *name;
	struct geo *geo;

	if (read_string(document, node, &name))
		return;
	before = find_geo(policy, name);
	if (before) {
		node_error(document, node, "tenant \"%s\" has this file already; one source cannot be two clients",
			   policy->tenants[before->tenant].name);
		return;
	}
	if (policy->geo_count == USHER_GEO_FILES_MAX) {
		node_error(document, node, "there are more than %d geography files", USHER_GEO_FILES_MAX);
		return;
	}
	file = find_file(document, node, name);
	if (!file)
		return;
	for (size_t i = 0; i < policy->geo_count; i++) {
		taken += policy->geos[i].prefix_count;
		bytes += bundle_find(document->bundle, policy->geos[i].file)->length;
	}
	if (bytes + file->length > USHER_GEO_BYTES_MAX) {
		node_error(document, node, "the geography files have more than %u bytes", USHER_GEO_BYTES_MAX);
		return;
	}
	room = USHER_GEO_PREFIXES_MAX - taken;
	geo = &policy->geos[policy->geo_count++];
	*geo = (struct geo){.file = name, .tenant = tenant, .place = node_place(document, node)};
	sha256_hex(file->bytes, file->length, geo->digest);
	geography_parse(file->bytes, file->length, room, document->arena, document->diagnostics, geo);
}

static size_t add_name(struct json_object *name, struct arena *arena, const char **names, size_t count)
{
	const char *text = json_object_get_string(name);
	size_t length = json_object_is_type(name, json_type_string) ? (size_t)json_object_get_string_len(name) : 0;

	if (!length || length > USHER_STRING_MAX || count == USHER_GEO_FILES_MAX)
		return count;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], text))
			return count;
	names[count] = arena_strndup(arena, text, length);
	return count + 1;
}

static size_t collect_names(struct json_object *root, struct arena *arena, const char **names)
{
	struct json_object *tenants, *sources, *name;
	size_t count = 0;

	if (!json_object_is_type(root, json_type_object) || !json_object_object_get_ex(root, "tenants", &tenants) ||
	    !json_object_is_type(tenants, json_type_object))
		return 0;
	json_object_object_foreach(tenants, key, tenant)
	{
		(void)key;
		if (!json_object_is_type(tenant, json_type_object) ||
		    !json_object_object_get_ex(tenant, "sources", &sources) ||
		    !json_object_is_type(sources, json_type_array))
			continue;
		for (size_t i = 0; i < json_object_array_length(sources); i++) {
			struct json_object *source = json_object_array_get_idx(sources, i);

			if (json_object_is_type(source, json_type_object) &&
			    json_object_object_get_ex(source, "geo", &name))
				count = add_name(name, arena, names, count);
		}
	}
	return count;
}

size_t policy_geo_files(const void *bytes, size_t length, struct arena *arena,
			const char *ret_names[USHER_GEO_FILES_MAX])
{
	struct diagnostics ignored = {0};
	struct document document;
	size_t count = 0;

	if (!memmem(bytes, length, "\"geo\"", 5) && !memmem(bytes, length, "\\u", 2))
		return 0;
	if (!document_open(&document, bytes, length, arena, &ignored))
		count = collect_names(document.root, arena, ret_names);
	document_close(&document);
	diagnostics_free(&ignored);
	return count;
}

/* ---- sources ------------------------------------------------------------------------------------------------ */

/* Returns whether it is a prefix of the policy's own, and fills it. */
static bool read_source(struct document *document, struct node node, struct policy *policy, size_t tenant,
			struct source *source)
{
	enum { PREFIX, REGION, GEO, FIELDS };
	struct field fields[FIELDS] = {{.key = "prefix"}, {.key = "region"}, {.key = "geo"}};
	struct field *geo = &fields[GEO];

	source->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return true;
	if (geo->given && (fields[PREFIX].given || fields[REGION].given)) {
		node_error(document, node, "a source is either a prefix with its region or a geography file");
		return false;
	}
	if (geo->given) {
		read_geo(document, geo->value, policy, tenant);
		return false;
	}
	if (!fields[PREFIX].given)
		node_error(document, node, "\"prefix\" is missing");
	if (!fields[REGION].given)
		node_error(document, node, "\"region\" is missing");
	if (fields[PREFIX].given) {
		source->place = node_place(document, fields[PREFIX].value);
		read_prefix(document, fields[PREFIX].value, &source->address, &source->bits);
	}
	if (fields[REGION].given)
		read_region(document, fields[REGION].value, &source->region);
	return true;
}

static void read_sources(struct document *document, struct node node, struct policy *policy, size_t index)
{
	struct tenant *tenant = &policy->tenants[index];
	struct source *sources;
	struct node *items;
	size_t count;

	if (read_list(document, node, 1, USHER_PREFIXES_MAX, &items, &count))
		return;
	sources = arena_array(document->arena, count, sizeof(*sources));
	tenant->sources = sources;
	for (size_t i = 0; i < count; i++)
		if (read_source(document, items[i], policy, index, &sources[tenant->source_count]))
			tenant->source_count++;
}

static void read_limits(struct document *document, struct node node, struct tenant_limits *limits)
{
	enum { NEW_FLOWS, BURST, ACTIVE, BITS, FIELDS };
	struct field fields[FIELDS] = {
		{.key = "new_flows_per_second"}, {.key = "burst"}, {.key = "active_flows"}, {.key = "bits_per_second"}};
	uint32_t rate;
	int64_t bits;

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[NEW_FLOWS].given && !read_count(document, fields[NEW_FLOWS].value, 1, USHER_NEW_FLOWS_MAX, &rate))
		limits->burst = limits->new_flows_per_second = rate;
	if (fields[BURST].given)
		read_count(document, fields[BURST].value, 1, USHER_BURST_MAX, &limits->burst);
	if (fields[BURST].given && !fields[NEW_FLOWS].given)
		node_error(document, fields[BURST].value,
			   "there is no \"new_flows_per_second\" that it could belong to");
	if (fields[ACTIVE].given)
		read_count(document, fields[ACTIVE].value, 1, USHER_ACTIVE_FLOWS_MAX, &limits->active_flows);
	if (fields[BITS].given &&
	    !read_integer(document, fields[BITS].value, USHER_BIT_RATE_MIN, USHER_BIT_RATE_MAX, &bits))
		limits->bits_per_second = (uint64_t)bits;
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].given)
			return;
	node_error(document, node, "there is no limit in it");
}

static void read_tenant(struct document *document, struct node node, struct policy *policy, size_t index)
{
	struct tenant *tenant = &policy->tenants[index];
	enum { SOURCES, AUDIT, LIMITS, PRIORITY, FIELDS };
	struct field fields[FIELDS] = {{.key = "sources"}, {.key = "audit"}, {.key = "limits"}, {.key = "priority"}};

	tenant->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[SOURCES].given)
		read_sources(document, fields[SOURCES].value, policy, index);
	read_audit_mode(document, &fields[AUDIT], &tenant->audit);
	if (fields[LIMITS].given)
		read_limits(document, fields[LIMITS].value, &tenant->limits);
	if (fields[PRIORITY].given)
		read_count(document, fields[PRIORITY].value, 0, USHER_PRIORITY_MAX, &tenant->priority);
}

/* Whoever no prefix covers: may be limited, and is nothing else. */
static void read_unknown(struct document *document, struct node node, struct policy *policy)
{
	enum { LIMITS, FIELDS };
	struct field fields[FIELDS] = {{.key = "limits", .required = true}};

	if (!read_object(document, node, fields, FIELDS) && fields[LIMITS].given)
		read_limits(document, fields[LIMITS].value, &policy->unknown_limits);
}

void parse_tenants(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	size_t count, prefixes = 0;

	if (read_named(document, node, &tenant_naming, USHER_TENANTS_MAX, &members, &count))
		return;
	policy->tenants = arena_array(document->arena, count, sizeof(*policy->tenants));
	for (size_t i = 0; i < count; i++) {
		struct tenant *tenant = &policy->tenants[policy->tenant_count];

		if (!strcmp(members[i].key, "unknown")) {
			read_unknown(document, members[i].value, policy);
			continue;
		}
		tenant->name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		tenant->audit = policy->audit_default;
		read_tenant(document, members[i].value, policy, policy->tenant_count++);
		prefixes += tenant->source_count;
	}
	if (prefixes > USHER_PREFIXES_MAX)
		node_error(document, node, "there are %zu source prefixes; at most %d are possible", prefixes,
			   USHER_PREFIXES_MAX);
}
