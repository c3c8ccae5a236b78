// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"

#include "policy/parse.h"

#define CAPACITY_DEFAULT 100
#define HEALTH_INTERVAL_MS 2000
#define HEALTH_TIMEOUT_MS 1000
#define HEALTH_RISE 2
#define HEALTH_FALL 3

static const struct naming backend_naming = {"backend", NAME_FORM, is_name};
const char *const forward_names[] = {
#define X(number, name, word) [USHER_FORWARD_##name] = (word),
	USHER_FORWARDS(X)
#undef X
};

/* Can one host have this address and be reached there from another one? */
static bool is_host_address(const struct usher_address *address)
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

static void read_health(struct document *document, struct node node, struct health *health)
{
	enum { INTERVAL, TIMEOUT, RISE, FALL, FIELDS };
	struct field fields[FIELDS] = {{.key = "interval"}, {.key = "timeout"}, {.key = "rise"}, {.key = "fall"}};

	if (node_type(node) == json_type_boolean && !node_is_bad(document, node)) {
		if (json_object_get_boolean(node.json))
			node_error(document, node, "expected false or an object; probes are made unless it says false");
		health->enabled = false;
		return;
	}
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[INTERVAL].given)
		read_duration(document, fields[INTERVAL].value, 100, 3600000, &health->interval_ms);
	if (fields[TIMEOUT].given)
		read_duration(document, fields[TIMEOUT].value, 50, 60000, &health->timeout_ms);
	if (fields[RISE].given)
		read_count(document, fields[RISE].value, 1, 100, &health->rise);
	if (fields[FALL].given)
		read_count(document, fields[FALL].value, 1, 100, &health->fall);
	if (health->timeout_ms > health->interval_ms)
		node_error(document, fields[TIMEOUT].given ? fields[TIMEOUT].value : fields[INTERVAL].value,
			   "the timeout (%u ms) is longer than the interval (%u ms)", health->timeout_ms,
			   health->interval_ms);
}

static void read_backend(struct document *document, struct node node, const struct policy *policy,
			 struct backend *backend)
{
	enum { ADDRESS, SERVES, REGION, CAPACITY, FORWARD, HEALTH, FIELDS };
	struct field fields[FIELDS] = {{.key = "address", .required = true},
				       {.key = "serves", .required = true},
				       {.key = "region", .required = true},
				       {.key = "capacity"},
				       {.key = "forward"},
				       {.key = "health"}};
	size_t forward;

	backend->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[ADDRESS].given)
		read_endpoint(document, fields[ADDRESS].value, "a backend", &backend->address, &backend->port);
	if (fields[SERVES].given)
		read_version_reference(document, fields[SERVES].value, policy, &backend->version);
	if (fields[REGION].given)
		read_region(document, fields[REGION].value, &backend->region);
	if (fields[CAPACITY].given)
		read_count(document, fields[CAPACITY].value, 1, USHER_WEIGHT_MAX, &backend->capacity);
	if (fields[FORWARD].given &&
	    !read_choice(document, fields[FORWARD].value, forward_names, ARRAY_COUNT(forward_names), &forward))
		backend->forward = (enum usher_forward)forward;
	if (fields[HEALTH].given)
		read_health(document, fields[HEALTH].value, &backend->health);
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
		policy->backends[i] = (struct backend){
			.name = arena_strndup(document->arena, members[i].key, strlen(members[i].key)),
			.version = POLICY_NONE,
			.capacity = CAPACITY_DEFAULT,
			.health = {true, HEALTH_INTERVAL_MS, HEALTH_TIMEOUT_MS, HEALTH_RISE, HEALTH_FALL},
		};
		read_backend(document, members[i].value, policy, &policy->backends[i]);
	}
}
