// SPDX-License-Identifier: GPL-2.0-only
/* The section `pools`: backends that come and go, and the bounds within which they do. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address.h"

#include "policy/parse.h"
#include "policy/policy.h"

#define FILE_EVERY_MS 2000
#define DNS_EVERY_MS 30000
#define EVERY_MIN_MS 200
#define EVERY_MAX_MS 3600000
#define TIMEOUT_MIN_MS 50
#define TIMEOUT_MAX_MS 60000
#define DNS_TIMEOUT_MS 5000
#define LINGER_MS 60000
#define LINGER_MAX_MS 86400000
#define DNS_PORT 53
/* What is left of a member's name for the pool's: beside "." and a name of its own, or an address with its port. */
#define POOL_NAME_MAX 40
#define DNS_POOL_NAME_MAX (USHER_NAME_MAX - 1 - (int)(sizeof("2001-0db8-0000-0000-0000-0000-0000-0011-65535") - 1))

static const struct naming pool_naming = {"pool", NAME_FORM, is_name};

enum { SOURCE_FILE = BACKEND_FIELDS, SOURCE_DNS, SERVER, EVERY, TIMEOUT, LINGER, MOST, PORT, REGION, WITHIN, FIELDS };

/* ---- where members come from -------------------------------------------------------------------------------- */

static void read_server(struct document *document, struct node node, struct pool *pool)
{
	const char *text;

	if (read_string(document, node, &text))
		return;
	if (endpoint_parse(text, &pool->server, &pool->server_port)) {
		node_error(document, node, "expected an address such as \"10.0.0.53\" or \"10.0.0.53:5353\", got %s",
			   node_describe(document, node));
		return;
	}
	if (!pool->server_port)
		pool->server_port = DNS_PORT;
}

static void read_dns_name(struct document *document, struct node node, struct pool *pool)
{
	struct usher_address address;

	read_host_name(document, node, &pool->dns);
	if (pool->dns && !address_parse(pool->dns, &address))
		node_error(document, node, "an address is no name: it can be a backend, or stand in a file");
}

static void read_source(struct document *document, struct node node, const struct field *fields, struct pool *pool)
{
	if (fields[SOURCE_FILE].given && fields[SOURCE_DNS].given)
		node_error(document, fields[SOURCE_DNS].value,
			   "there is \"file\" as well; members come from one source");
	else if (!fields[SOURCE_FILE].given && !fields[SOURCE_DNS].given)
		node_error(document, node, "neither \"file\" nor \"dns\" says where its members come from");
	if (fields[SOURCE_FILE].given)
		read_name(document, fields[SOURCE_FILE].value, "file in the folder of pools", &pool->file);
	if (fields[SOURCE_DNS].given)
		read_dns_name(document, fields[SOURCE_DNS].value, pool);
	if (!fields[SOURCE_DNS].given && fields[SERVER].given)
		node_error(document, fields[SERVER].value, "\"server\" says whom to ask for a \"dns\" name");
	else if (fields[SERVER].given)
		read_server(document, fields[SERVER].value, pool);
	if (!fields[SOURCE_DNS].given && fields[TIMEOUT].given)
		node_error(document, fields[TIMEOUT].value,
			   "a file is read at once; \"timeout\" is for a \"dns\" name");
}

static void read_times(struct document *document, const struct field *fields, struct pool *pool)
{
	pool->every_ms = fields[SOURCE_DNS].given ? DNS_EVERY_MS : FILE_EVERY_MS;
	pool->linger_ms = LINGER_MS;
	if (fields[EVERY].given)
		read_duration(document, fields[EVERY].value, EVERY_MIN_MS, EVERY_MAX_MS, &pool->every_ms);
	pool->timeout_ms = pool->every_ms < DNS_TIMEOUT_MS ? pool->every_ms : DNS_TIMEOUT_MS;
	if (fields[TIMEOUT].given)
		read_duration(document, fields[TIMEOUT].value, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, &pool->timeout_ms);
	if (fields[SOURCE_DNS].given && pool->timeout_ms > pool->every_ms)
		node_error(document, fields[TIMEOUT].value, "the timeout (%u ms) is longer than the interval (%u ms)",
			   pool->timeout_ms, pool->every_ms);
	if (fields[LINGER].given)
		read_duration(document, fields[LINGER].value, 1, LINGER_MAX_MS, &pool->linger_ms);
}

/* ---- what they may be --------------------------------------------------------------------------------------- */

static void read_port(struct document *document, struct node node, struct pool *pool)
{
	struct node *items;
	size_t count;
	uint32_t port;

	if (node_type(node) != json_type_array) {
		if (!read_count(document, node, 1, UINT16_MAX, &port))
			pool->pattern.port = pool->ports[pool->port_count++] = (uint16_t)port;
		return;
	}
	if (read_list(document, node, 1, USHER_POOL_PORTS_MAX, &items, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		if (read_count(document, items[i], 1, UINT16_MAX, &port))
			continue;
		if (pool_may_have_port(pool, port))
			node_error(document, items[i], "%u is in this list twice", port);
		else
			pool->ports[pool->port_count++] = (uint16_t)port;
	}
	if (pool->dns)
		node_error(document, node, "addresses from DNS come without a port: there can be only one");
}

static void read_pool_region(struct document *document, struct node node, const struct policy *policy,
			     struct pool *pool)
{
	if (node_type(node) != json_type_array) {
		if (!read_region(document, node, &pool->pattern.region))
			pool->regions = region_list_make(document->arena, &pool->pattern.region, 1);
		return;
	}
	read_regions(document, node, policy, &pool->regions, NULL);
	if (pool->dns)
		node_error(document, node, "addresses from DNS come without a region: there can be only one");
}

static void read_within(struct document *document, struct node node, struct pool *pool)
{
	struct pool_prefix *prefixes;
	struct node *items;
	size_t count;

	if (read_list(document, node, 1, USHER_POOL_PREFIXES_MAX, &items, &count))
		return;
	prefixes = arena_array(document->arena, count, sizeof(*prefixes));
	for (size_t i = 0; i < count; i++)
		if (!read_prefix(document, items[i], &prefixes[pool->within_count].address,
				 &prefixes[pool->within_count].bits))
			pool->within_count++;
	pool->within = prefixes;
}

static void read_pool(struct document *document, struct node node, const struct policy *policy, struct pool *pool)
{
	struct field fields[FIELDS] = {BACKEND_FIELD_KEYS,
				       [SOURCE_FILE] = {.key = "file"},
				       [SOURCE_DNS] = {.key = "dns"},
				       [SERVER] = {.key = "server"},
				       [EVERY] = {.key = "every"},
				       [TIMEOUT] = {.key = "timeout"},
				       [LINGER] = {.key = "linger"},
				       [MOST] = {.key = "most", .required = true},
				       [PORT] = {.key = "port", .required = true},
				       [REGION] = {.key = "region", .required = true},
				       [WITHIN] = {.key = "within", .required = true}};

	pool->place = node_place(document, node);
	pool->pattern.place = pool->place;
	pool->pattern.version = POLICY_NONE;
	if (read_object(document, node, fields, FIELDS))
		return;
	read_backend_fields(document, fields, policy, &pool->pattern);
	read_source(document, node, fields, pool);
	read_times(document, fields, pool);
	if (fields[MOST].given)
		read_count(document, fields[MOST].value, 1, USHER_POOL_MEMBERS_MAX, &pool->most);
	if (fields[PORT].given)
		read_port(document, fields[PORT].value, pool);
	if (fields[REGION].given)
		read_pool_region(document, fields[REGION].value, policy, pool);
	if (fields[WITHIN].given)
		read_within(document, fields[WITHIN].value, pool);
}

/* ---- names -------------------------------------------------------------------------------------------------- */

/* Could `name` be that of a member of the pool? */
static bool is_members(const struct pool *pool, const char *name)
{
	size_t length = strlen(pool->name);

	return !strncmp(name, pool->name, length) && name[length] == '.';
}

static void judge_names(struct document *document, const struct policy *policy)
{
	for (size_t p = 0; p < policy->pool_count; p++) {
		const struct pool *pool = &policy->pools[p];

		int longest = pool->dns ? DNS_POOL_NAME_MAX : POOL_NAME_MAX;

		if (strlen(pool->name) > (size_t)longest)
			mark_report(document, SEVERITY_ERROR, pool->place.mark,
				    "the name has more than %d bytes, which leaves too few of %d for those of members",
				    longest, USHER_NAME_MAX);
		for (size_t b = 0; b < policy->backend_count; b++)
			if (is_members(pool, policy->backends[b].name))
				mark_report(document, SEVERITY_ERROR, policy->backends[b].place.mark,
					    "names that begin with \"%s.\" are those of members of pool \"%s\"",
					    pool->name, pool->name);
		for (size_t other = 0; other < policy->pool_count; other++)
			if (is_members(pool, policy->pools[other].name))
				mark_report(document, SEVERITY_ERROR, policy->pools[other].place.mark,
					    "names that begin with \"%s.\" are those of members of pool \"%s\"",
					    pool->name, pool->name);
	}
}

void parse_pools(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	size_t count, most = policy->backend_count;

	if (read_named(document, node, &pool_naming, USHER_POOLS_MAX, &members, &count))
		return;
	policy->pools = arena_array(document->arena, count, sizeof(*policy->pools));
	policy->pool_count = count;
	for (size_t i = 0; i < count; i++) {
		policy->pools[i].name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		read_pool(document, members[i].value, policy, &policy->pools[i]);
		policy->pools[i].pattern.pool = i + 1;
		most += policy->pools[i].most;
	}
	judge_names(document, policy);
	if (most > USHER_BACKENDS_MAX)
		node_error(document, node,
			   "with the members that pools may have there are %zu backends; at most %d are possible", most,
			   USHER_BACKENDS_MAX);
}
