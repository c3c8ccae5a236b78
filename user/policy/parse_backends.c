// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"

#include "policy/parse.h"

#define CAPACITY_DEFAULT 100

static const struct health health_default = {.probe = HEALTH_PROBE_TCP,
					     .interval_ms = 2000,
					     .timeout_ms = 1000,
					     .rise = 2,
					     .fall = 3,
					     .jitter = 100,
					     .verify = true};
static const struct naming backend_naming = {"backend", NAME_FORM, is_name};
const char *const forward_names[] = {
#define X(number, name, word) [USHER_FORWARD_##name] = (word),
	USHER_FORWARDS(X)
#undef X
};

bool is_host_address(const struct usher_address *address)
{
	static const struct usher_address zero, loopback = {.bytes = {[15] = 1}};
	const uint8_t *ipv4 = address->bytes + 12;

	if (address_is_ipv4(address))
		return ipv4[0] != 0 && ipv4[0] != 127 && ipv4[0] < 224;
	return address->bytes[0] != 0xff && !address_equal(address, &zero) && !address_equal(address, &loopback) &&
	       !(address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80);
}

static int judge_address(struct document *document, struct node node, const char *what,
			 const struct usher_address *address)
{
	char text[ADDRESS_TEXT];

	if (is_host_address(address))
		return 0;
	node_error(document, node, "%s is an address that %s cannot have", address_print(address, text), what);
	return -EINVAL;
}

int read_host_address(struct document *document, struct node node, const char *what, struct usher_address *ret_address)
{
	struct usher_address address;
	const char *text;

	if (read_string(document, node, &text))
		return -EINVAL;
	if (address_parse(text, &address)) {
		node_error(document, node, "expected an address such as \"10.0.0.2\" or \"2001:db8::2\", got %s",
			   node_describe(document, node));
		return -EINVAL;
	}
	*ret_address = address;
	return judge_address(document, node, what, &address);
}

int read_endpoint(struct document *document, struct node node, const char *what, struct usher_address *ret_address,
		  uint16_t *ret_port)
{
	struct usher_address address;
	const char *text;
	uint16_t port;

	if (read_string(document, node, &text))
		return -EINVAL;
	if (endpoint_parse(text, &address, &port) || !port) {
		node_error(
			document, node,
			"expected an address with a port such as \"10.1.0.11:8000\" or \"[2001:db8::11]:8000\", got %s",
			node_describe(document, node));
		return -EINVAL;
	}
	*ret_address = address;
	*ret_port = port;
	return judge_address(document, node, what, &address);
}

void read_backend_fields(struct document *document, const struct field *fields, const struct policy *policy,
			 struct backend *backend)
{
	size_t forward;

	backend->version = POLICY_NONE;
	backend->capacity = CAPACITY_DEFAULT;
	backend->health = health_default;
	if (fields[BACKEND_SERVES].given)
		read_version_reference(document, fields[BACKEND_SERVES].value, policy, &backend->version);
	if (fields[BACKEND_CAPACITY].given)
		read_count(document, fields[BACKEND_CAPACITY].value, 1, USHER_WEIGHT_MAX, &backend->capacity);
	if (fields[BACKEND_FORWARD].given &&
	    !read_choice(document, fields[BACKEND_FORWARD].value, forward_names, ARRAY_COUNT(forward_names), &forward))
		backend->forward = (enum usher_forward)forward;
	if (fields[BACKEND_HEALTH].given)
		read_health(document, fields[BACKEND_HEALTH].value, &backend->health);
	if (fields[BACKEND_TELEMETRY].given)
		read_load(document, fields[BACKEND_TELEMETRY].value, &backend->load);
	if (fields[BACKEND_VERIFY].given)
		read_verify(document, fields[BACKEND_VERIFY].value, policy, backend->version, &backend->verify);
}

static void read_backend(struct document *document, struct node node, const struct policy *policy,
			 struct backend *backend)
{
	enum { ADDRESS = BACKEND_FIELDS, REGION, FIELDS };
	struct field fields[FIELDS] = {BACKEND_FIELD_KEYS, [ADDRESS] = {.key = "address", .required = true},
				       [REGION] = {.key = "region", .required = true}};

	backend->place = node_place(document, node);
	backend->version = POLICY_NONE;
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[ADDRESS].given)
		read_endpoint(document, fields[ADDRESS].value, "a backend", &backend->address, &backend->port);
	if (fields[REGION].given)
		read_region(document, fields[REGION].value, &backend->region);
	read_backend_fields(document, fields, policy, backend);
}

void parse_backends(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	size_t count;

	if (read_named(document, node, &backend_naming, USHER_BACKENDS_MAX, &members, &count))
		return;
	policy->backends = arena_array(document->arena, count, sizeof(*policy->backends));
	policy->backend_count = count;
	for (size_t i = 0; i < count; i++) {
		policy->backends[i].name = arena_strndup(document->arena, members[i].key, strlen(members[i].key));
		read_backend(document, members[i].value, policy, &policy->backends[i]);
	}
}
